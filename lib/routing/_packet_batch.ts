/**
 * One batch of packets on its way through a router: runs that go on to a next transport, groups that got something,
 * and what has to be waited for before the next batch is read.
 *
 *     [ a a a | g g | b b | a ]  -->  run to a, group g, run to b, run to a
 *
 * Packets in a row for one next transport are changed in place and copied into its queue as one run; a group that
 * got packets is flushed once. What is full, such a queue or a group, is in the promise of {@link PacketBatch.done}:
 * that is the back-pressure.
 *
 * @module
 */
import { PacketType, setPacketRouteId } from "../transport/mod.ts";
import type { GroupWire, RouteEntry } from "./_group_wire.ts";
import type { NextTransports } from "./_next_transports.ts";
import type { RouterCounters } from "./counters.ts";

/** Made for one batch; each of its packets is given to it at most once, in order. */
export class PacketBatch {
  readonly #packets: Uint8Array;
  readonly #next: NextTransports;
  readonly #counters: RouterCounters;
  #start = 0;
  #end = -1; // of the run; -1: none
  #count = 0;
  #entries: RouteEntry[] = []; // of the run
  #last: RouteEntry | undefined;
  #wire: GroupWire | undefined; // to be flushed
  #waits: Promise<void> | Promise<void>[] | undefined;

  constructor(packets: Uint8Array, next: NextTransports, counters: RouterCounters) {
    this.#packets = packets;
    this.#next = next;
    this.#counters = counters;
  }

  /** The packet goes on by `entry`. */
  pass(entry: RouteEntry, at: number, end: number): void {
    const { rule } = entry;
    if (rule.kind === "consume") return;
    setPacketRouteId(this.#packets, at, rule.nextRouteId);
    const run = this.#last?.rule;
    const isSameRun = this.#end === at && run !== undefined && run.kind !== "consume" &&
      run.nextTransportId === rule.nextTransportId;
    if (!isSameRun) {
      this.#finishRun();
      this.#start = at;
    }
    if (entry !== this.#last) this.#entries.push(entry);
    this.#last = entry;
    this.#end = end;
    this.#count++;
  }

  /** The packet is for the group `wire`. */
  consume(wire: GroupWire, type: number, at: number, end: number): void {
    if (wire !== this.#wire) {
      this.#finishWire();
      this.#wire = wire;
    }
    wire.receive(type, this.#packets, at, end);
  }

  /** Settles when the packets are not needed any more. */
  done(): void | Promise<void> {
    this.#finishRun();
    this.#finishWire();
    const waits = this.#waits;
    if (Array.isArray(waits)) return Promise.all(waits).then(() => {});
    return waits;
  }

  #finishRun(): void {
    const last = this.#last;
    if (last === undefined || last.rule.kind === "consume") return;
    const queue = this.#next.queueTo(last.rule.nextTransportId);
    if (queue === undefined) this.#counters.transportMissing += this.#count;
    else {
      queue.push(this.#packets.subarray(this.#start, this.#end), this.#count, this.#entries);
      const room = queue.room();
      if (room !== undefined) this.#wait(room);
    }
    this.#last = undefined;
    this.#entries = [];
    this.#end = -1;
    this.#count = 0;
  }

  #finishWire(): void {
    const wire = this.#wire;
    if (wire === undefined) return;
    this.#wire = undefined;
    wire.conn.flush();
    if (wire.conn.isFull) this.#wait(wire.conn.room());
  }

  #wait(promise: Promise<void>): void {
    if (this.#waits === undefined || this.#waits === promise) this.#waits = promise;
    else if (Array.isArray(this.#waits)) this.#waits.push(promise);
    else this.#waits = [this.#waits, promise];
  }
}

/** True for packets that a relay passes on. */
export function passes(type: number): boolean {
  switch (type) {
    case PacketType.data:
    case PacketType.close:
    case PacketType.keepAlive:
    case PacketType.handshake:
    case PacketType.ping:
    case PacketType.pong:
    case PacketType.error:
    case PacketType.sack:
    case PacketType.datagram:
    case PacketType.repair:
    case PacketType.legState:
    case PacketType.direction:
    case PacketType.legRehome:
      return true;
    default:
      return false;
  }
}
