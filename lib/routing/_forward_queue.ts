/**
 * Packets that wait for one next transport, so that a peer who does not read holds up nobody else for long.
 *
 *     push(run): a copy --> [ chunk ][ chunk ] --one write at a time--> transport
 *                               |
 *                               +-- full: room() is waited for, and nothing moved for FORWARD_STALL_MS: onStalled
 *
 * Runs that come while a write is under way leave together. Whoever brings packets waits for {@link ForwardQueue.room}
 * before it reads on: that is the back-pressure.
 *
 * @module
 */
import { giveBuffer, takeBuffer } from "../base/mod.ts";
import type { Clock, Timer } from "../runtime/mod.ts";
import type { TransportId } from "../transport/mod.ts";
import type { RouteTransport } from "./_group_wire.ts";
import type { RouterCounters } from "./counters.ts";
import type { RuleEntry } from "./table.ts";

/** What waits for one transport; one read of each transport that brings packets may come on top. */
export const FORWARD_QUEUE_BYTES_MAX = 1024 * 1024;
/** How long a full queue may stand still. Longer than a group of ours that nobody reads: that one ends first, alone. */
export const FORWARD_STALL_MS = 10_000;

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
  /** The queue was full, and nothing left it for {@link FORWARD_STALL_MS}. */
  readonly onStalled: () => void;
}

export class ForwardQueue {
  readonly #options: ForwardQueueOptions;
  #chunks: Chunk[] = [];
  #bytes = 0; // with what is being written
  #isWriting = false;
  #isClosed = false;
  #hasStalled = false; // and nothing moved since
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

  /** Drops what waits; what is being written is the transport's. Gives room. */
  discard(): void {
    for (const { buffer, length, packets } of this.#chunks.splice(0)) {
      this.#options.counters.forwardFailed += packets;
      this.#bytes -= length;
      giveBuffer(buffer);
    }
    this.#giveRoom();
  }

  /** The transport is gone. */
  close(): void {
    this.#isClosed = true;
    this.discard();
  }

  #watch(): Timer {
    const waitMs = this.#hasStalled ? 0 : FORWARD_STALL_MS; // nobody waits for it twice
    return this.#options.clock.timer(waitMs, () => {
      this.#hasStalled = true;
      this.#options.onStalled();
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
    this.#over(chunk);
  }

  #over({ length }: Chunk): void {
    this.#hasStalled = false;
    this.#bytes -= length;
    if (this.#room !== undefined) {
      if (this.#bytes < FORWARD_QUEUE_BYTES_MAX) this.#giveRoom();
      else {
        this.#room.timer.cancel(); // it moved
        this.#room.timer = this.#watch();
      }
    }
    this.#writeNext();
  }
}
