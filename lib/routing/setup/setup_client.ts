/**
 * Asking setup nodes for a route (protocol: routing, section 8.2, steps 3 and 4).
 *
 * @module
 */
import { type Conn, describeError, type Log } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { type Timer, withTimeout, type World } from "../../runtime/mod.ts";
import { RpcClient, RpcError, RpcShutDownError } from "../../wire/rpc/mod.ts";
import { invertDescriptor } from "../descriptor.ts";
import type { EdgeRules } from "../rule.ts";
import { NoSetupNodeError, RouteSetupError } from "./errors.ts";
import {
  BIDIRECTIONAL_ROUTE,
  type BidirectionalRoute,
  EDGE_RULES,
  edgeOfWire,
  sameDescriptor,
  wireRoute,
} from "./wire_types.ts";

/** Of one attempt to reach one setup node: the next one may be quicker. */
export const SETUP_NODE_DIAL_TIMEOUT_MS = 10_000;

/**
 * How long one that leaves waits for an answer that may be on its way: longer than a set-up takes over hops that are
 * well. After it the setup node is told, which deletes the rules itself.
 */
export const LEAVE_WAIT_MS = 2_000;

export interface SetupClientOptions {
  readonly world: Pick<World, "clock">;
  /** Opens a stream to dmsg port 36 of a setup node. */
  readonly dial: (node: PublicKey, options: { readonly signal: AbortSignal }) => Promise<Conn>;
  /** In the order in which they are tried. */
  readonly setupNodes: () => readonly PublicKey[];
  readonly log: Log;
}

export class SetupClient {
  readonly #options: SetupClientOptions;

  constructor(options: SetupClientOptions) {
    this.#options = options;
  }

  /**
   * Has `route` set up by the first setup node that answers; gives the source's own edge. Errors:
   * `RouteSetupError` with the node's text and the visor that it names, `NoSetupNodeError`, the signal's reason.
   *
   * Once the signal was aborted, an answer that may be on its way is waited for, at most {@link LEAVE_WAIT_MS}. An
   * edge is given then, too: its rules are at every other visor of the route, for the caller to take them back.
   */
  async dialRouteGroup(
    route: BidirectionalRoute,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<EdgeRules> {
    const { world: { clock }, dial, setupNodes, log } = this.#options;
    const nodes = setupNodes();
    const failures: unknown[] = [];
    for (const node of nodes) {
      let conn: Conn;
      try {
        const limit = { what: `A dial of setup node ${node}`, afterMs: SETUP_NODE_DIAL_TIMEOUT_MS, signal };
        conn = await withTimeout(clock, limit, (signal) => dial(node, { signal }));
      } catch (cause) {
        signal?.throwIfAborted();
        log.debug("A setup node was not reached", { node, cause: describeError(cause) });
        failures.push(cause);
        continue;
      }
      try {
        return await this.#ask(conn, route, signal);
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof RpcShutDownError)) throw error;
        failures.push(error); // it is there, but closed the connection: the next one may be well
      }
    }
    throw new NoSetupNodeError(nodes.length, { cause: failures.at(-1) });
  }

  async #ask(conn: Conn, route: BidirectionalRoute, signal: AbortSignal | undefined): Promise<EdgeRules> {
    const client = new RpcClient(conn, { world: this.#options.world });
    // Without the signal: an answer that crosses the end of the connection would leave its route with nobody.
    const answer = this.#call(client, route);
    const left = leaving(this.#options.world.clock, client, signal);
    try {
      return await answer;
    } catch (cause) {
      signal?.throwIfAborted();
      if (!(cause instanceof RpcError)) throw cause;
      throw new RouteSetupError(setupText(cause.text), { visor: visorNamedIn(cause.text, route), cause });
    } finally {
      left.stop();
      client.close();
      await client.closed;
    }
  }

  async #call(client: RpcClient, route: BidirectionalRoute): Promise<EdgeRules> {
    const method = "SetupRPCGateway.DialRouteGroup";
    const wire = await client.call(method, BIDIRECTIONAL_ROUTE, wireRoute(route), EDGE_RULES);
    return ownEdge(edgeOfWire(wire), route);
  }
}

/** Ends the client a while after the signal was aborted. */
function leaving(clock: World["clock"], client: RpcClient, signal: AbortSignal | undefined) {
  let timer: Timer | undefined;
  const onAbort = () => timer = clock.timer(LEAVE_WAIT_MS, () => client.close(signal!.reason));
  if (signal?.aborted) onAbort();
  else signal?.addEventListener("abort", onAbort, { once: true });
  return {
    stop() {
      timer?.cancel();
      signal?.removeEventListener("abort", onAbort);
    },
  };
}

/** A setup node is trusted with routes, not with rules that we did not ask for. */
function ownEdge(edge: EdgeRules, route: BidirectionalRoute): EdgeRules {
  const isAsked = sameDescriptor(edge.descriptor, invertDescriptor(route.descriptor)) &&
    edge.forward.nextTransportId === route.forward[0]!.transportId;
  if (isAsked) return edge;
  throw new RouteSetupError("the setup node answered with rules of another route");
}

/** As the user of a visor sees it (routing.md 8.5). */
function setupText(text: string): string {
  return text.startsWith("route setup: ") ? text : `route setup: ${text}`;
}

/** The visor of the route that the text names: one between its ends, if there is one. */
function visorNamedIn(
  text: string,
  { descriptor, forward, reverse }: BidirectionalRoute,
): PublicKey | undefined {
  const onRoute = new Set([...forward, ...reverse].flatMap(({ from, to }) => [from, to]));
  const named = [...onRoute].filter((key) => text.includes(key));
  const ends = [descriptor.source.publicKey, descriptor.destination.publicKey];
  return named.find((key) => !ends.includes(key)) ?? named[0];
}
