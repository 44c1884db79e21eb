/**
 * Transport pings: is the peer there, and how far away (protocol: transport, section 8.2).
 *
 *     [ unix time in ns, i64 ]      out with type 8, back unchanged with type 9
 *
 * A ping that cannot be written needs no rule of its own: a write that fails, or takes its minute, ends the link.
 *
 * @module
 */
import { TimedOutError } from "../base/mod.ts";
import { type Clock, type Timer, withTimeout } from "../runtime/mod.ts";
import type { RefusalCounters } from "./counters.ts";
import { encodePacket, PacketType } from "./packet.ts";

export const PING_INTERVAL_MS = 60_000;
/** Over UDP: NAT boxes at home forget a path on which nothing passes for 30 s. */
export const UDP_PING_INTERVAL_MS = 20_000;
/** Soon, so that a latency is known when the transport is registered. */
export const FIRST_PING_MS = 1_000;
/** Pings in a row without a pong that end a transport whose peer answered before. */
export const PONGS_MISSED_MAX = 3;
/** A peer that never answered a ping, and sends nothing else either, is gone after this. */
export const SILENCE_MAX_MS = 5 * 60_000;
/** Longer round trips are not counted. */
export const LATENCY_MAX_MS = 30_000;
/** Pings that may be under way at once; above, the oldest is forgotten. */
export const PINGS_MAX = 64;

const PING_PAYLOAD_BYTES = 8;

/** Round trips in milliseconds. `avg` is the newest one, as Skywire has it. */
export interface Latency {
  readonly min: number;
  readonly max: number;
  readonly avg: number;
}

interface Ping {
  readonly sentMs: number;
  /** Of whoever asked for it. */
  readonly waiter?: { readonly resolve: (ms: number) => void; readonly reject: (reason: unknown) => void };
}

/** What pings need to know of their transport. */
export interface Pinged {
  /** Sends a packet of route id 0, if the peer takes any. */
  send(packet: Uint8Array): void;
  close(reason: unknown): void;
  /** When something last came, on the monotonic clock. */
  readonly heardMs: number;
  /** True while what came waits for somebody here. */
  readonly isDelivering: boolean;
}

/** Pings of one transport, from its first link to its end. Holds one timer. */
export class TransportPings {
  readonly #pinged: Pinged;
  readonly #clock: Clock;
  readonly #refusals: RefusalCounters;
  readonly #intervalMs: number;
  readonly #underWay = new Map<bigint, Ping>();
  #timer: Timer;
  #sequence = 0n;
  #missed = 0;
  #wasAnswered = false;
  #latency: Latency | undefined;

  constructor(
    pinged: Pinged,
    { clock, refusals, type }: {
      readonly clock: Clock;
      readonly refusals: RefusalCounters;
      /** Of the transport. */
      readonly type: string;
    },
  ) {
    this.#pinged = pinged;
    this.#intervalMs = type === "sudph" ? UDP_PING_INTERVAL_MS : PING_INTERVAL_MS;
    this.#clock = clock;
    this.#refusals = refusals;
    this.#timer = clock.timer(FIRST_PING_MS, this.#onTimer);
  }

  /** Undefined before the first pong. */
  get latency(): Latency | undefined {
    return this.#latency;
  }

  /** For good; who waits for a pong is given the reason. */
  stop(reason: unknown): void {
    this.#timer.cancel();
    for (const { waiter } of this.#underWay.values()) waiter?.reject(reason);
    this.#underWay.clear();
  }

  /** The connection was replaced: what the old one lost is no sign. */
  restart(): void {
    this.#missed = 0;
    this.#wasAnswered = false;
    this.#timer.cancel();
    this.#timer = this.#clock.timer(FIRST_PING_MS, this.#onTimer);
  }

  /** One round trip, in milliseconds. Errors: `TimedOutError`, the signal's reason. */
  async ping(signal?: AbortSignal): Promise<number> {
    const what = "A transport ping";
    return await withTimeout(this.#clock, { what, afterMs: LATENCY_MAX_MS, signal }, (ended) => {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      const key = this.#send({ resolve, reject });
      ended.addEventListener("abort", () => {
        this.#underWay.delete(key);
        reject(ended.reason);
      }, { once: true });
      return promise;
    });
  }

  /** The peer's ping: answered with its own bytes. */
  onPing(payload: Uint8Array): void {
    if (payload.length < PING_PAYLOAD_BYTES) return this.#refusals.add("malformed packet");
    this.#pinged.send(encodePacket(PacketType.transportPong, 0, payload.subarray(0, PING_PAYLOAD_BYTES)));
  }

  /** The peer's pong. Only one that we asked for says something. */
  onPong(payload: Uint8Array): void {
    if (payload.length < PING_PAYLOAD_BYTES) return this.#refusals.add("malformed packet");
    const key = new DataView(payload.buffer, payload.byteOffset).getBigInt64(0);
    const ping = this.#underWay.get(key);
    if (ping === undefined) return this.#refusals.add("unasked pong");
    this.#underWay.delete(key);
    this.#missed = 0;
    this.#wasAnswered = true;
    const ms = this.#clock.monotonicMs() - ping.sentMs;
    if (ms > 0 && ms <= LATENCY_MAX_MS) this.#note(ms);
    ping.waiter?.resolve(ms);
  }

  #note(ms: number): void {
    const { min, max } = this.#latency ?? { min: ms, max: ms };
    this.#latency = { min: Math.min(min, ms), max: Math.max(max, ms), avg: ms };
  }

  readonly #onTimer = () => {
    this.#timer = this.#clock.timer(this.#intervalMs, this.#onTimer);
    const silentMs = this.#clock.monotonicMs() - this.#pinged.heardMs;
    if (this.#pinged.isDelivering) {
      this.#missed = 0; // pongs wait behind what we do not take
    } else if (this.#wasAnswered && this.#missed >= PONGS_MISSED_MAX) {
      const waitedMs = this.#missed * this.#intervalMs;
      return this.#pinged.close(new TimedOutError(`An answer to ${this.#missed} transport pings`, waitedMs));
    } else if (!this.#wasAnswered && silentMs > SILENCE_MAX_MS) {
      return this.#pinged.close(new TimedOutError("A packet of the peer", SILENCE_MAX_MS));
    }
    this.#missed++;
    this.#send();
  };

  #send(waiter?: Ping["waiter"]): bigint {
    // Our own time, which nobody else reads; the last digits tell pings of one millisecond apart.
    this.#sequence = (this.#sequence + 1n) % 1_000_000n;
    const key = BigInt(Math.floor(this.#clock.wallMs())) * 1_000_000n + this.#sequence;
    this.#underWay.set(key, { sentMs: this.#clock.monotonicMs(), waiter });
    if (this.#underWay.size > PINGS_MAX) this.#underWay.delete(this.#underWay.keys().next().value!);
    const payload = new Uint8Array(PING_PAYLOAD_BYTES);
    new DataView(payload.buffer).setBigInt64(0, key);
    this.#pinged.send(encodePacket(PacketType.transportPing, 0, payload));
    return key;
  }
}
