/**
 * Edges that others installed here, on their way to a group and to the listener of its port: bounded in all, of one
 * source, and in how many are in their handshakes at once.
 *
 *     push --> queue --ACCEPTING_MAX at once--> group, handshakes --> listener of its port
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
  readonly #queue: EdgeRules[] = [];
  readonly #acceptsOf = new Map<PublicKey, number>(); // by source, waiting or in their handshakes
  #accepting = 0;

  constructor(options: AcceptQueueOptions) {
    this.#options = options;
  }

  /** Errors: `RouteBusyError` when no edge of that source may be pushed now. */
  checkRoom(source: PublicKey): void {
    if (this.#queue.length >= ACCEPT_QUEUE_MAX) {
      throw new RouteBusyError("The accept queue of routes is full");
    }
    if ((this.#acceptsOf.get(source) ?? 0) >= ACCEPTS_OF_KEY_MAX) {
      throw new RouteBusyError(`${ACCEPTS_OF_KEY_MAX} routes of ${source} wait to be accepted`);
    }
  }

  /** Takes an edge whose rules are saved, after {@link checkRoom}; returns before anything of it happened. */
  push(edge: EdgeRules): void {
    const source = edge.descriptor.source.publicKey;
    this.#queue.push(edge);
    this.#acceptsOf.set(source, (this.#acceptsOf.get(source) ?? 0) + 1);
    this.#acceptNext();
  }

  /** Forgets those that wait. */
  clear(): void {
    this.#queue.length = 0;
  }

  #acceptNext(): void {
    const { scope, log } = this.#options;
    while (this.#accepting < ACCEPTING_MAX && this.#queue.length > 0) {
      const edge = this.#queue.shift()!;
      this.#accepting++;
      scope.spawn("route group", async (signal) => {
        try {
          await this.#accept(edge, signal);
        } catch (error) { // one group that fails is its own trouble
          log.debug("Route group was not accepted", {
            remote: edge.descriptor.source.publicKey,
            cause: describeError(error),
          });
        } finally {
          this.#accepting--;
          this.#accepted(edge.descriptor.source.publicKey);
          this.#acceptNext();
        }
      });
    }
  }

  #accepted(source: PublicKey): void {
    const left = this.#acceptsOf.get(source)! - 1;
    if (left === 0) this.#acceptsOf.delete(source);
    else this.#acceptsOf.set(source, left);
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
