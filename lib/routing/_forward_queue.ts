/**
 * Packets that wait for one next transport, so that a peer who does not read holds up nobody else for long.
 *
 *     push(run): a copy --> [ chunk ][ chunk ] --one write at a time--> transport
 *                               |
 *                               +-- full: room() is waited for; its pace stays too low: onStalled, lighten()
 *
 * Runs that come while a write is under way leave together. Whoever brings packets waits for {@link ForwardQueue.room}
 * before it reads on: that is the back-pressure.
 *
 * @module
 */
import { giveBuffer, takeBuffer } from "../base/mod.ts";
import type { Clock, Timer } from "../runtime/mod.ts";
import { packetEndAt, packetRouteIdAt, type TransportId } from "../transport/mod.ts";
import type { RouteTransport } from "./_group_wire.ts";
import { type Pace, QueuePace } from "./_queue_pace.ts";
import type { RouterCounters } from "./counters.ts";
import type { RuleEntry } from "./table.ts";

/** What waits for one transport; one read of each transport that brings packets may come on top. */
export const FORWARD_QUEUE_BYTES_MAX = 1024 * 1024;
/** From here on its pace is measured: another peer that takes nothing is known as such when its queue gets full. */
export const FORWARD_WATCHED_BYTES = FORWARD_QUEUE_BYTES_MAX / 2;

/** Runs are put together up to this size: one write of a transport, and one buffer of the pool. */
const CHUNK_BYTES = 64 * 1024;

interface Chunk {
  readonly buffer: Uint8Array;
  length: number;
  packets: number;
  readonly entries: RuleEntry[]; // whose packets they are
}

export interface ForwardQueueOptions {
  readonly clock: Clock;
  readonly id: TransportId;
  readonly find: (id: TransportId) => RouteTransport | undefined;
  readonly counters: RouterCounters;
  /**
   * The queue is full, and its pace was too low for {@link FORWARD_STALL_MS}. True: routes were ended for it, and
   * it is to show a better pace before anybody waits for it again.
   */
  readonly onStalled: (pace: Pace) => boolean;
}

export class ForwardQueue {
  readonly #options: ForwardQueueOptions;
  #chunks: Chunk[] = [];
  #bytes = 0; // with what is being written
  #isWriting = false;
  #isClosed = false;
  #hasStalled = false; // and was not empty since
  readonly #pace = new QueuePace();
  #room: { readonly promise: Promise<void>; readonly resolve: () => void; timer: Timer } | undefined;

  constructor(options: ForwardQueueOptions) {
    this.#options = options;
  }

  /** Takes whole packets in, a copy; `entries` are the rules that they go by. */
  push(run: Uint8Array, packets: number, entries: readonly RuleEntry[]): void {
    if (this.#isClosed) return;
    const last = this.#chunks.at(-1);
    if (last !== undefined && last.length + run.length <= CHUNK_BYTES) {
      last.buffer.set(run, last.length);
      last.length += run.length;
      last.packets += packets;
      for (const entry of entries) if (entry !== last.entries.at(-1)) last.entries.push(entry);
    } else {
      // Under load others will follow into the same buffer; an idle transport takes it at once.
      const buffer = takeBuffer(this.#isWriting ? Math.max(run.length, CHUNK_BYTES) : run.length);
      buffer.set(run);
      this.#chunks.push({ buffer, length: run.length, packets, entries: [...entries] });
    }
    this.#bytes += run.length;
    if (this.#bytes >= FORWARD_WATCHED_BYTES) this.#pace.begin(this.#options.clock);
    if (!this.#isWriting) this.#writeNext();
  }

  /** Undefined while there is room; else settles when there is some again. Never rejects. */
  room(): Promise<void> | undefined {
    if (this.#bytes < FORWARD_QUEUE_BYTES_MAX) return undefined;
    if (this.#room === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#room = { promise, resolve, timer: this.#watch() };
    }
    return this.#room.promise;
  }

  /**
   * Drops the packets of the routes that have most waiting here, until less than {@link FORWARD_WATCHED_BYTES} is
   * left, and gives room. What is being written is the transport's. Gives the next route ids of those routes.
   */
  lighten(): Set<number> {
    const ofRoute = new Map<number, number>();
    for (const { buffer, length } of this.#chunks) {
      for (let at = 0, end = 0; at < length; at = end) {
        end = packetEndAt(buffer, at);
        const routeId = packetRouteIdAt(buffer, at);
        ofRoute.set(routeId, (ofRoute.get(routeId) ?? 0) + end - at);
      }
    }
    const heaviest = new Set<number>();
    let left = this.#bytes;
    for (const [routeId, bytes] of [...ofRoute].sort(([, a], [, b]) => b - a)) {
      if (left < FORWARD_WATCHED_BYTES) break;
      heaviest.add(routeId);
      left -= bytes;
    }
    this.#drop(heaviest);
    this.#giveRoom();
    return heaviest;
  }

  #drop(routeIds: ReadonlySet<number>): void {
    for (const chunk of this.#chunks) {
      const { buffer, length } = chunk;
      chunk.length = 0;
      for (let at = 0, end = 0; at < length; at = end) {
        end = packetEndAt(buffer, at);
        if (routeIds.has(packetRouteIdAt(buffer, at))) {
          this.#options.counters.forwardFailed++;
          chunk.packets--;
          this.#bytes -= end - at;
        } else {
          buffer.copyWithin(chunk.length, at, end);
          chunk.length += end - at;
        }
      }
      if (chunk.length === 0) giveBuffer(buffer);
    }
    this.#chunks = this.#chunks.filter(({ length }) => length > 0);
    if (this.#bytes < FORWARD_WATCHED_BYTES) this.#pace.end();
  }

  /** The transport is gone: drops what waits, and gives room. */
  close(): void {
    this.#isClosed = true;
    for (const { buffer, length, packets } of this.#chunks.splice(0)) {
      this.#options.counters.forwardFailed += packets;
      this.#bytes -= length;
      giveBuffer(buffer);
    }
    this.#giveRoom();
  }

  #watch(): Timer {
    const { clock } = this.#options;
    const waitMs = this.#hasStalled ? 0 : this.#pace.waitMs(clock.monotonicMs()); // nobody waits for it twice
    return clock.timer(waitMs, () => {
      const nowMs = clock.monotonicMs();
      const pace = this.#hasStalled ? "still" : this.#pace.judge(nowMs);
      if (pace !== undefined) {
        this.#hasStalled = this.#options.onStalled(pace);
        this.#pace.restart(nowMs);
      }
      if (this.#room !== undefined) this.#room.timer = this.#watch();
    });
  }

  #giveRoom(): void {
    this.#room?.timer.cancel();
    this.#room?.resolve();
    this.#room = undefined;
  }

  #writeNext(): void {
    const chunk = this.#chunks.shift();
    this.#isWriting = chunk !== undefined;
    if (chunk === undefined) return;
    const { id, find, counters } = this.#options;
    const transport = find(id);
    if (transport === undefined) {
      counters.transportMissing += chunk.packets;
      return this.#over(chunk);
    }
    transport.write(chunk.buffer.subarray(0, chunk.length)).then(
      () => this.#sent(chunk),
      () => {
        counters.forwardFailed += chunk.packets; // the transport ends and says so itself
        this.#over(chunk); // its buffer may still be in use below: it is left to the collector
      },
    );
  }

  #sent(chunk: Chunk): void {
    const { clock, counters } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const entry of chunk.entries) entry.touch(nowMs);
    counters.packetsForwarded += chunk.packets;
    counters.bytesForwarded += chunk.length;
    giveBuffer(chunk.buffer);
    this.#pace.moved(chunk.length, nowMs);
    this.#over(chunk);
  }

  #over({ length }: Chunk): void {
    this.#bytes -= length;
    if (this.#bytes < FORWARD_WATCHED_BYTES) this.#pace.end();
    if (this.#bytes === 0) this.#hasStalled = false; // it took all: another chance
    if (this.#room !== undefined && this.#bytes < FORWARD_QUEUE_BYTES_MAX) this.#giveRoom();
    this.#writeNext();
  }
}
