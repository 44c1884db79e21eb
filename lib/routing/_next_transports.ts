/**
 * The transports that packets leave by: a queue for each, and what ends with one of them.
 *
 * A rule belongs to the transport that its packets come over and to the one that they leave by. When either closes,
 * its rules go and its groups end, even if the transport comes back: what was under way is lost. The ends that lie
 * behind other transports are told.
 *
 * When one takes too little for too long, and what brings its packets has to wait, the routes with most waiting for
 * it end: they are what fills it. The others over it lose nothing, and may get through when it goes on.
 *
 * @module
 */
import { ConnResetError, type Log } from "../base/mod.ts";
import type { Clock } from "../runtime/mod.ts";
import type { TransportId } from "../transport/mod.ts";
import { ForwardQueue } from "./_forward_queue.ts";
import type { GroupWire, RouteEntry, RouteTransport } from "./_group_wire.ts";
import { closePackets } from "./_packet_conn.ts";
import type { Pace } from "./_queue_pace.ts";
import type { RouterCounters } from "./counters.ts";
import type { RoutingTable } from "./table.ts";

/** What the ends of a relayed route are told. Without a text they would take it for an orderly end. */
const BROKEN_TEXT = "a transport of the route failed";

/**
 * How long a relay keeps the way back of a route that was closed, once nothing comes by it: five times what an end
 * waits for the answer.
 */
export const ANSWER_WAIT_MS = 10_000;

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
      if (wire !== undefined) wire.fail(new ConnResetError(`Transport ${id} of the route was closed`));
      else this.#endWithWayBack(entry, id);
    }
    this.#endComing(id, `Transport ${id} of the route was closed`);
  }

  /**
   * A close went on by this rule: the rule is used up. The route's way back has its turn next, for the answer; but
   * whoever would answer may be gone.
   */
  passedClose(entry: RouteEntry): void {
    const { table } = this.#options;
    table.remove(entry);
    for (const other of entry.installedWith) table.hasten(other, ANSWER_WAIT_MS);
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
      onStalled: (pace) => this.#stalled(id, pace),
    });
    this.#queues.set(id, queue);
    return queue;
  }

  /**
   * Who is behind the transport reads too slowly: the routes that fill its queue end. False: it is waited for, as it
   * takes something and holds up nobody but those who send to it.
   */
  #stalled(id: TransportId, pace: Pace): boolean {
    const queue = this.#queues.get(id);
    if (queue === undefined || (pace === "slow" && !this.#holdsUpOthers(id))) return false;
    const { table, counters, log } = this.#options;
    counters.transportsStalled++;
    const ended = queue.lighten();
    log.warn("Routes ended: their next transport takes too little", { transport: id, routes: ended.size });
    for (const entry of table.leavingOver(id)) {
      const { rule } = entry;
      if (rule.kind !== "intermediary" || !ended.has(rule.nextRouteId)) continue;
      this.#endWithWayBack(entry, id);
    }
    // Routes that ended here already, too: what their ends would have been told was dropped.
    for (const routeId of ended) queue.push(closePackets(routeId, BROKEN_TEXT), 2, []);
    return true;
  }

  /** Whether what brings packets for that transport brings any for others. */
  #holdsUpOthers(id: TransportId): boolean {
    const { table } = this.#options;
    const bringers = new Set<TransportId>();
    for (const { from } of table.leavingOver(id)) if (from !== undefined) bringers.add(from);
    for (const from of bringers) {
      for (const { rule } of table.comingOver(from)) {
        if (rule.kind === "consume" || rule.nextTransportId !== id) return true;
      }
    }
    return false;
  }

  /** Ends the routes whose packets came over that transport; those behind are told. */
  #endComing(id: TransportId, text: string): void {
    for (const entry of this.#options.table.comingOver(id)) {
      const wire = entry.owner;
      if (wire !== undefined) wire.abort(new ConnResetError(text)); // its way there may be another one
      else this.#endBehind(entry);
    }
  }

  /**
   * Ends a rule that leaves over `id`, and its route's way back, by which no packet may have come yet: whoever is
   * there is told.
   */
  #endWithWayBack(entry: RouteEntry, id: TransportId): void {
    this.#dropBroken(entry);
    for (const back of entry.installedWith) if (leadsBack(back, id)) this.#endBehind(back);
  }

  /** Ends what a rule leads to: whoever is there is told. */
  #endBehind(entry: RouteEntry): void {
    if (!this.#options.table.holds(entry)) return;
    this.#dropBroken(entry);
    const { rule } = entry;
    if (rule.kind !== "intermediary") return;
    this.queueTo(rule.nextTransportId)?.push(closePackets(rule.nextRouteId, BROKEN_TEXT), 2, []);
  }

  #dropBroken(entry: RouteEntry): void {
    if (entry.rule.kind === "intermediary") this.#options.counters.rulesBroken++;
    this.#options.table.remove(entry);
  }
}

/** Whether the packets of a rule come, or will come, from where those of `id` go. */
function leadsBack({ rule, from }: RouteEntry, id: TransportId): boolean {
  if (from !== undefined) return from === id;
  return rule.kind === "intermediary" && rule.nextTransportId !== id;
}
