/**
 * Asking setup nodes for a route (protocol: routing, section 8.2, steps 3 and 4).
 *
 * @module
 */
import { type Conn, describeError, type Log, Scope } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { withTimeout, type World } from "../../runtime/mod.ts";
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
/** Of one request: a setup node may let it wait for 30 s, and work on it for 30 s. */
export const SETUP_ANSWER_TIMEOUT_MS = 60_000;
/** How long an answer is waited for whose source has left, to take its route back: no set-up that has begun takes longer. */
export const LEAVE_WAIT_MS = 30_000;
/**
 * Answers that are waited for so: half the places of one key at a setup node, so that dials to come have the others.
 * Of further ones the setup node is told to take the route back itself.
 */
export const LEAVING_MAX = 8;

export interface SetupClientOptions {
  readonly world: Pick<World, "clock">;
  /** Opens a stream to dmsg port 36 of a setup node. */
  readonly dial: (node: PublicKey, options: { readonly signal: AbortSignal }) => Promise<Conn>;
  /** In the order in which they are tried. */
  readonly setupNodes: () => readonly PublicKey[];
  /**
   * Told of the edge of a route whose source has left: its rules are at every other visor. Default: nothing, as a
   * setup node of ours takes the route back when it sees such a connection break.
   */
  readonly takeBack?: (edge: EdgeRules) => Promise<void>;
  readonly log: Log;
}

/** Owns what it still waits for: to be closed. */
export class SetupClient {
  readonly #options: SetupClientOptions;
  readonly #scope = new Scope();

  constructor(options: SetupClientOptions) {
    this.#options = options;
  }

  /**
   * Has `route` set up by the first setup node that answers; gives the source's own edge. Errors:
   * `RouteSetupError` with the node's text and the visor that it names, `NoSetupNodeError`, and the signal's reason,
   * at once: what is answered to a source that left is taken back behind it.
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

  /** Waits for nothing any more: setup nodes are told, and what is under way is joined. */
  async close(): Promise<void> {
    await this.#scope[Symbol.asyncDispose]();
  }

  async #ask(conn: Conn, route: BidirectionalRoute, signal: AbortSignal | undefined): Promise<EdgeRules> {
    const client = new RpcClient(conn, {
      world: this.#options.world,
      callTimeoutMs: SETUP_ANSWER_TIMEOUT_MS,
    });
    let hasLeft = false;
    try {
      signal?.throwIfAborted(); // before anything was asked
      // Without the signal: an answer that crosses the end of the connection would leave its route with nobody.
      const answer = this.#call(client, route);
      return await orAborted(answer, signal, () => {
        hasLeft = true;
        this.#scope.spawn("an answer to one that left", () => this.#leave(client, answer, signal!.reason));
      });
    } catch (cause) {
      if (!(cause instanceof RpcError)) throw cause;
      throw new RouteSetupError(setupText(cause.text), { visor: visorNamedIn(cause.text, route), cause });
    } finally {
      if (!hasLeft) {
        client.close();
        await client.closed;
      }
    }
  }

  async #call(client: RpcClient, route: BidirectionalRoute): Promise<EdgeRules> {
    const method = "SetupRPCGateway.DialRouteGroup";
    const wire = await client.call(method, BIDIRECTIONAL_ROUTE, wireRoute(route), EDGE_RULES);
    return ownEdge(edgeOfWire(wire), route);
  }

  /** Waits for an answer that nobody wants, and undoes it. Never rejects. */
  async #leave(client: RpcClient, answer: Promise<EdgeRules>, reason: unknown): Promise<void> {
    const { world: { clock }, takeBack } = this.#options;
    // Not in order, whatever the reason: a setup node of ours then deletes the rules, also where no packet comes.
    const end = () => client.close(new Error("The source has left", { cause: reason }));
    const { signal } = this.#scope;
    const timer = clock.timer(LEAVE_WAIT_MS, end);
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted || this.#scope.live >= LEAVING_MAX) end();
    const edge = await answer.catch(() => undefined);
    timer.cancel();
    signal.removeEventListener("abort", end);
    end();
    if (edge !== undefined) await takeBack?.(edge);
    await client.closed;
  }
}

/** What comes of `work`; rejects with the signal's reason as soon as that is aborted, and calls `onAbort`. */
async function orAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  onAbort: () => void,
): Promise<T> {
  if (signal === undefined) return await work;
  let stop!: () => void;
  const aborted = new Promise<never>((_, reject) => {
    const leave = () => {
      onAbort();
      reject(signal.reason);
    };
    stop = () => signal.removeEventListener("abort", leave);
    signal.addEventListener("abort", leave, { once: true });
  });
  try {
    const result = await Promise.race([work, aborted]);
    signal.throwIfAborted(); // it was just now: who was told owns the result
    return result;
  } finally {
    stop();
  }
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
