/**
 * Packets that came before the group they are for (protocol: routing, section 6.1): kept for 2 s, few of them.
 *
 * @module
 */
import type { Clock, Timer } from "../runtime/mod.ts";

/** How long a packet waits for its group. */
export const PARKED_MS = 2_000;
/** Packets that wait for one group. */
export const PARKED_PER_GROUP_MAX = 16;
/** All that wait. */
export const PARKED_MAX = 1_024;
/** Bytes of all that wait: 1,024 packets could be 64 MiB. */
export const PARKED_BYTES_MAX = 4 * 1024 * 1024;
/** How often those whose time is up are dropped. */
const SWEEP_MS = 1_000;

interface Parked {
  readonly packet: Uint8Array;
  readonly sinceMs: number;
}

export class ParkedPackets {
  readonly #clock: Clock;
  readonly #byGroup = new Map<string, Parked[]>();
  #count = 0;
  #bytes = 0;
  #timer: Timer | undefined;
  /** Packets that found no room, or no group in time. */
  dropped = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many wait. */
  get size(): number {
    return this.#count;
  }

  /** Keeps a copy of `packet` for the group that is registered under `key`. */
  park(key: string, packet: Uint8Array): void {
    const waiting = this.#byGroup.get(key) ?? [];
    const isFull = this.#count >= PARKED_MAX || this.#bytes + packet.length > PARKED_BYTES_MAX;
    if (isFull || waiting.length >= PARKED_PER_GROUP_MAX) {
      this.dropped++;
      return;
    }
    waiting.push({ packet: packet.slice(), sinceMs: this.#clock.monotonicMs() });
    this.#byGroup.set(key, waiting);
    this.#count++;
    this.#bytes += packet.length;
    this.#timer ??= this.#clock.timer(SWEEP_MS, () => this.#sweep());
  }

  /** Takes what waits for a group, in the order in which it came. */
  take(key: string): Uint8Array[] {
    const waiting = this.#byGroup.get(key);
    if (waiting === undefined) return [];
    this.#byGroup.delete(key);
    this.#forget(waiting);
    if (this.#count === 0) this.close();
    return waiting.map(({ packet }) => packet);
  }

  /** Drops everything. */
  close(): void {
    this.#byGroup.clear();
    this.#count = this.#bytes = 0;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #sweep(): void {
    this.#timer = undefined;
    const oldestMs = this.#clock.monotonicMs() - PARKED_MS;
    for (const [key, waiting] of this.#byGroup) {
      const late = waiting.filter(({ sinceMs }) => sinceMs <= oldestMs);
      if (late.length === 0) continue;
      this.dropped += late.length;
      this.#forget(late);
      if (late.length === waiting.length) this.#byGroup.delete(key);
      else this.#byGroup.set(key, waiting.slice(late.length));
    }
    if (this.#count > 0) this.#timer = this.#clock.timer(SWEEP_MS, () => this.#sweep());
  }

  #forget(parked: readonly Parked[]): void {
    this.#count -= parked.length;
    for (const { packet } of parked) this.#bytes -= packet.length;
  }
}
