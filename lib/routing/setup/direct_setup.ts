/**
 * Setting up a one-hop route without a setup node: the source does its work (protocol: routing, section 8.8, the
 * second form).
 *
 * @module
 */
import type { Conn } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { withTimeout, type World } from "../../runtime/mod.ts";
import { RpcClient, RpcError, RpcShutDownError } from "../../wire/rpc/mod.ts";
import type { EdgeRules } from "../rule.ts";
import { DirectSetupUnsupportedError, RouteSetupError } from "./errors.ts";
import { generateRules } from "./generate_rules.ts";
import { type BidirectionalRoute, DONE, EDGE_RULES, ID_COUNT, ROUTE_IDS, wireEdge } from "./wire_types.ts";

/** How long a peer that does not serve direct set-up is not asked again (routing.md 8.8). */
export const DIRECT_UNSUPPORTED_MS = 30 * 60_000;
/** Peers that are remembered; the oldest goes first. */
export const DIRECT_UNSUPPORTED_MAX = 1_024;
/** For the dial and both calls together: a setup node must find the time to be asked after it. */
export const DIRECT_SETUP_TIMEOUT_MS = 10_000;

export interface DirectSetupOptions {
  readonly world: Pick<World, "clock">;
  /** Opens a stream to dmsg port 136 of a visor. */
  readonly dial: (visor: PublicKey, options: { readonly signal: AbortSignal }) => Promise<Conn>;
  /** Reserves ids at this visor's own router. */
  readonly router: { reserveIds(count: number): number[] };
}

export class DirectSetup {
  readonly #options: DirectSetupOptions;
  readonly #unsupported = new Map<PublicKey, number>(); // to monotonic ms, oldest first

  constructor(options: DirectSetupOptions) {
    this.#options = options;
  }

  /** False for a peer that closed a connection unanswered less than 30 min ago. */
  mayServe(peer: PublicKey): boolean {
    const sinceMs = this.#unsupported.get(peer);
    if (sinceMs === undefined) return true;
    if (this.#options.world.clock.monotonicMs() - sinceMs < DIRECT_UNSUPPORTED_MS) return false;
    this.#unsupported.delete(peer);
    return true;
  }

  /**
   * Installs the rules at the destination of `route`, which has one hop each way, and gives our own edge. Errors:
   * `DirectSetupUnsupportedError`, also without a dial when that is remembered; `RouteSetupError` for a refusal;
   * those of the dial; `TimedOutError`; the signal's reason.
   */
  async setUp(
    route: BidirectionalRoute,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<EdgeRules> {
    const { source, destination } = route.descriptor;
    const [own, peer] = [source.publicKey, destination.publicKey];
    if (route.forward.length !== 1 || route.reverse.length !== 1) {
      throw new TypeError("A direct set-up is for one hop each way");
    }
    if (!this.mayServe(peer)) throw new DirectSetupUnsupportedError(peer);
    const { world, dial, router } = this.#options;
    return await withTimeout(
      world.clock,
      { what: "A direct set-up", afterMs: DIRECT_SETUP_TIMEOUT_MS, signal },
      async (signal) => {
        const client = new RpcClient(await dial(peer, { signal }), { world });
        try {
          const theirs = await client.call("RPCGateway.ReserveIDs", ID_COUNT, 2, ROUTE_IDS, { signal });
          const rules = generateRules(route, new Map([[own, router.reserveIds(2)], [peer, theirs]]));
          const edge = wireEdge(rules.responding);
          const done = await client.call("RPCGateway.AddEdgeRules", EDGE_RULES, edge, DONE, { signal });
          if (!done) throw new RouteSetupError(`visor ${peer} did not take the rules`, { visor: peer });
          return rules.initiating;
        } catch (cause) {
          throw this.#failure(peer, cause);
        } finally {
          client.close();
          await client.closed;
        }
      },
    );
  }

  /** A connection that ends unanswered means that the peer serves others only. */
  #failure(peer: PublicKey, cause: unknown): unknown {
    if (cause instanceof RpcError) {
      return new RouteSetupError(`direct setup with ${peer} failed: ${cause.text}`, { visor: peer, cause });
    }
    if (!(cause instanceof RpcShutDownError)) return cause;
    this.#unsupported.delete(peer);
    this.#unsupported.set(peer, this.#options.world.clock.monotonicMs());
    if (this.#unsupported.size > DIRECT_UNSUPPORTED_MAX) {
      this.#unsupported.delete(this.#unsupported.keys().next().value!);
    }
    return new DirectSetupUnsupportedError(peer, { cause });
  }
}
