/**
 * Edges that others installed here, on their way to a group and to the listener of its port: bounded in all, of one
 * source, and in how many are in their handshakes at once.
 *
 *     push --> queues by source --in turns, ACCEPTING_MAX at once--> group, handshakes --> listener of its port
 *
 * The first of each source is let in beyond that, and in a full queue one of the source with most in it makes room:
 * few sources whose handshakes never come do not keep the others waiting for theirs.
 *
 * @module
 */
import { describeError, type Log, type Scope } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import type { Clock } from "../runtime/mod.ts";
import type { GroupWire } from "./_group_wire.ts";
import type { RouteGroups } from "./_route_groups.ts";
import { RouteBusyError, RouteRuleError } from "./errors.ts";
import { noListenerText, type RoutePorts } from "./listener.ts";
import type { EdgeRules } from "./rule.ts";
import type { RoutingTable } from "./table.ts";

/** Edges that wait for their group; more than these are refused. */
export const ACCEPT_QUEUE_MAX = 1_024;
/** Edges of one source that wait or are in their handshakes: one neighbour does not keep the others out. */
export const ACCEPTS_OF_KEY_MAX = 128;
/** Groups of others that are in their handshakes at once; the rest waits in the queue. */
export const ACCEPTING_MAX = 256;
/** That many more, each the only one of its source. */
export const ACCEPTING_FIRST_MAX = 256;

export interface AcceptQueueOptions {
  readonly clock: Clock;
  /** The handshakes run in it. */
  readonly scope: Scope;
  readonly table: RoutingTable<GroupWire>;
  readonly groups: RouteGroups;
  readonly ports: RoutePorts;
  readonly log: Log;
}

export class AcceptQueue {
  readonly #options: AcceptQueueOptions;
  readonly #waiting = new Map<PublicKey, EdgeRules[]>(); // by source; whose turn it is comes first
  readonly #acceptingOf = new Map<PublicKey, number>(); // by source, in their handshakes
  #waits = 0;
  #accepting = 0;

  constructor(options: AcceptQueueOptions) {
    this.#options = options;
  }

  /** Errors: `RouteBusyError` when no edge of that source may be pushed now. */
  checkRoom(source: PublicKey): void {
    const own = this.#waiting.get(source)?.length ?? 0;
    if (own + (this.#acceptingOf.get(source) ?? 0) >= ACCEPTS_OF_KEY_MAX) {
      throw new RouteBusyError(`${ACCEPTS_OF_KEY_MAX} routes of ${source} wait to be accepted`);
    }
    if (this.#waits < ACCEPT_QUEUE_MAX || this.#longest().length > own + 1) return;
    throw new RouteBusyError("The accept queue of routes is full");
  }

  /** Takes an edge whose rules are saved, after {@link checkRoom}; returns before anything of it happened. */
  push(edge: EdgeRules): void {
    if (this.#waits >= ACCEPT_QUEUE_MAX) this.#dropLast(this.#longest());
    const source = edge.descriptor.source.publicKey;
    const own = this.#waiting.get(source);
    if (own === undefined) this.#waiting.set(source, [edge]);
    else own.push(edge);
    this.#waits++;
    this.#acceptNext();
  }

  /** Forgets those that wait. */
  clear(): void {
    this.#waiting.clear();
    this.#waits = 0;
  }

  /** What the source with most edges in the queue has there. */
  #longest(): EdgeRules[] {
    let longest: EdgeRules[] = [];
    for (const edges of this.#waiting.values()) if (edges.length > longest.length) longest = edges;
    return longest;
  }

  /** The newest of a source that has several waiting makes room for another source's. */
  #dropLast(edges: EdgeRules[]): void {
    const edge = edges.pop()!;
    this.#waits--;
    this.#options.table.delete([edge.forward.routeId, edge.reverse.routeId]);
  }

  /** The next edge: sources take turns. Undefined when none may begin its handshakes now. */
  #take(): EdgeRules | undefined {
    if (this.#accepting >= ACCEPTING_MAX + ACCEPTING_FIRST_MAX) return undefined;
    for (const [source, edges] of this.#waiting) {
      if (this.#accepting >= ACCEPTING_MAX && this.#acceptingOf.has(source)) continue;
      const edge = edges.shift()!;
      this.#waits--;
      this.#waiting.delete(source);
      if (edges.length > 0) this.#waiting.set(source, edges); // behind the others
      return edge;
    }
    return undefined;
  }

  #acceptNext(): void {
    const { scope, log } = this.#options;
    for (let next = this.#take(); next !== undefined; next = this.#take()) {
      const edge = next;
      this.#countAccepting(edge, 1);
      scope.spawn("route group", async (signal) => {
        try {
          await this.#accept(edge, signal);
        } catch (error) { // one group that fails is its own trouble
          log.debug("Route group was not accepted", {
            remote: edge.descriptor.source.publicKey,
            cause: describeError(error),
          });
        } finally {
          this.#countAccepting(edge, -1);
          this.#acceptNext();
        }
      });
    }
  }

  #countAccepting({ descriptor: { source: { publicKey } } }: EdgeRules, by: 1 | -1): void {
    this.#accepting += by;
    const count = (this.#acceptingOf.get(publicKey) ?? 0) + by;
    if (count === 0) this.#acceptingOf.delete(publicKey);
    else this.#acceptingOf.set(publicKey, count);
  }

  async #accept(edge: EdgeRules, signal: AbortSignal): Promise<void> {
    const { clock, table, groups, ports } = this.#options;
    const nowMs = clock.monotonicMs();
    const forward = table.lookUp(edge.forward.routeId, nowMs);
    const reverse = table.lookUp(edge.reverse.routeId, nowMs);
    if (forward?.rule !== edge.forward || reverse?.rule !== edge.reverse) {
      for (const entry of [forward, reverse]) {
        if (entry?.rule === edge.forward || entry?.rule === edge.reverse) table.remove(entry);
      }
      throw new RouteRuleError("The rules went before their group was made");
    }
    try {
      groups.admit(edge);
    } catch (error) {
      table.delete([edge.forward.routeId, edge.reverse.routeId]);
      throw error;
    }
    const wire = groups.make(edge, { forward, reverse, isInitiator: false });
    const group = await groups.bringUp(wire, signal);
    const { port } = edge.descriptor.destination;
    const listener = ports.listener(port);
    if (listener === undefined) group.closeWithText(noListenerText(port));
    else if (!listener.deliver(group)) group.closeWithText(`accept queue of port ${port} is full`);
  }
}
