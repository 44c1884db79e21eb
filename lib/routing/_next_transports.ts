/**
 * The transports that packets leave by: a queue for each, and what ends with one of them.
 *
 * A rule belongs to the transport that its packets come over and to the one that they leave by. When either closes,
 * or takes nothing for too long, its rules go and its groups end, even if the transport comes back: what was under
 * way is lost. The ends that lie behind other transports are told.
 *
 * @module
 */
import { ConnResetError, type Log } from "../base/mod.ts";
import type { Clock } from "../runtime/mod.ts";
import type { TransportId } from "../transport/mod.ts";
import { ForwardQueue } from "./_forward_queue.ts";
import type { GroupWire, RouteEntry, RouteTransport } from "./_group_wire.ts";
import { closePackets } from "./_packet_conn.ts";
import type { RouterCounters } from "./counters.ts";
import type { RoutingTable } from "./table.ts";

/** What the ends of a relayed route are told. Without a text they would take it for an orderly end. */
const BROKEN_TEXT = "a transport of the route failed";

export interface NextTransportsOptions {
  readonly clock: Clock;
  /** The live transports of this visor. */
  readonly transports: { find(id: TransportId): RouteTransport | undefined };
  readonly table: RoutingTable<GroupWire>;
  readonly counters: RouterCounters;
  readonly log: Log;
}

export class NextTransports {
  readonly #options: NextTransportsOptions;
  readonly #transports: NextTransportsOptions["transports"];
  readonly #queues = new Map<TransportId, ForwardQueue>();

  constructor(options: NextTransportsOptions) {
    this.#options = options;
    this.#transports = options.transports;
  }

  /** What waits for a transport; undefined when it is not there. */
  queueTo(id: TransportId): ForwardQueue | undefined {
    if (this.#transports.find(id) === undefined) return undefined;
    return this.#queues.get(id) ?? this.#open(id);
  }

  /** The transport is gone: so are its rules and groups, from this moment on. */
  closed(id: TransportId): void {
    this.#queues.get(id)?.close();
    this.#queues.delete(id);
    for (const entry of this.#options.table.leavingOver(id)) {
      const wire = entry.owner;
      if (wire === undefined) this.#dropBroken(entry);
      else wire.fail(new ConnResetError(`Transport ${id} of the route was closed`));
    }
    this.#endComing(id, `Transport ${id} of the route was closed`);
  }

  /** Drops everything that waits. */
  close(): void {
    for (const queue of this.#queues.values()) queue.close();
    this.#queues.clear();
  }

  #open(id: TransportId): ForwardQueue {
    const { clock, counters } = this.#options;
    const queue = new ForwardQueue({
      clock,
      id,
      find: (id) => this.#transports.find(id),
      counters,
      onStalled: () => this.#stalled(id),
    });
    this.#queues.set(id, queue);
    return queue;
  }

  /** Who is behind the transport does not read: as if it were gone, but that end may still come to hear of it. */
  #stalled(id: TransportId): void {
    const queue = this.#queues.get(id);
    if (queue === undefined) return;
    const { table, counters, log } = this.#options;
    counters.transportsStalled++;
    log.warn("Routes ended: their next transport takes nothing", { transport: id });
    queue.discard();
    const text = `Transport ${id} of the route takes nothing`;
    for (const entry of table.leavingOver(id)) {
      const { rule, owner: wire } = entry;
      if (wire !== undefined) wire.abort(new ConnResetError(text));
      else {
        this.#dropBroken(entry);
        if (rule.kind === "intermediary") queue.push(closePackets(rule.nextRouteId, BROKEN_TEXT), 2, []);
      }
    }
    this.#endComing(id, text);
  }

  /** Ends the routes whose packets came over that transport; those behind are told. */
  #endComing(id: TransportId, text: string): void {
    for (const entry of this.#options.table.comingOver(id)) {
      const { rule, owner: wire } = entry;
      if (wire !== undefined) wire.abort(new ConnResetError(text)); // its way there may be another one
      else {
        this.#dropBroken(entry);
        if (rule.kind !== "intermediary") continue;
        this.queueTo(rule.nextTransportId)?.push(closePackets(rule.nextRouteId, BROKEN_TEXT), 2, []);
      }
    }
  }

  #dropBroken(entry: RouteEntry): void {
    if (entry.rule.kind === "intermediary") this.#options.counters.rulesBroken++;
    this.#options.table.remove(entry);
  }
}
