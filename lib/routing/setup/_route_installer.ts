/**
 * The rules of one route, at every visor of it or at none (protocol: routing, sections 8.3 and 8.4).
 *
 *     dial all ▶ reserve ids at all ▶ rules ▶ AddIntermediaryRules at relays ▶ AddEdgeRules at the destination
 *                                                a failure here deletes the rules that were confirmed (RT-4),
 *                                                and so does a caller that left
 *
 * @module
 */
import { describeError, type Log, type Scope, TimedOutError } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { withTimeout, type World } from "../../runtime/mod.ts";
import { RpcError, RpcShutDownError, rpcTextOf } from "../../wire/rpc/mod.ts";
import { type EdgeRules, encodeRule } from "../rule.ts";
import { ConnectionPool, type Lease, type PooledConnection } from "./_connection_pool.ts";
import type { DialResults } from "./admit_route.ts";
import type { RequestLimit } from "./_request_limit.ts";
import { type DialVisor, HOP_DIAL_TIMEOUT_MS, type Reservation, reserveRoute } from "./_reservation.ts";
import { RouteSetupError, type SetupFailure } from "./errors.ts";
import { generateRules, idsToReserve, type RouteRules } from "./generate_rules.ts";
import { type BidirectionalRoute, DONE, EDGE_RULES, ROUTE_IDS, RULES, wireEdge } from "./wire_types.ts";

export interface RouteInstallerOptions {
  readonly world: Pick<World, "clock">;
  readonly dial: DialVisor;
  /** What goes on after an answer runs in it. */
  readonly scope: Scope;
  readonly log: Log;
}

/** A request on its way, and what of it has to be undone when it fails. */
interface Installation {
  readonly rules: RouteRules;
  readonly reservation: Reservation;
  readonly signal: AbortSignal;
  /** Visors that hold rules of the route, with the ids of these. */
  readonly confirmed: Map<PublicKey, readonly number[]>;
}

/** A route whose rules are everywhere but at its source. */
export interface InstalledRoute {
  /** For the source, which installs it itself. */
  readonly edge: EdgeRules;
  /** The source will never know of it: the rules are deleted, after this has returned. */
  readonly takeBack: () => void;
}

export class RouteInstaller {
  readonly #options: RouteInstallerOptions;
  readonly #scope: Scope;
  readonly #pool: ConnectionPool;

  constructor(options: RouteInstallerOptions) {
    this.#options = options;
    this.#scope = options.scope;
    this.#pool = new ConnectionPool(options.world);
  }

  /** Connections to visors that are kept for later requests. */
  get pooledConnections(): number {
    return this.#pool.idleCount;
  }

  /** Every one of them. */
  pooled(): PooledConnection[] {
    return this.#pool.idle();
  }

  /**
   * Installs a route; what becomes of its dials is told to `results`. Errors: `RouteSetupError`, the end of the
   * request; rules that were installed are deleted then, after the answer.
   */
  async install(
    route: BidirectionalRoute,
    request: RequestLimit,
    results: DialResults,
  ): Promise<InstalledRoute> {
    const { world, dial } = this.#options;
    const reservation = await reserveRoute(idsToReserve(route), {
      world,
      dial,
      pool: this.#pool,
      signal: request.signal,
      leave: (work) => this.#background(request.outlivedBy(work)),
      unreachable: (visor) => unreachableReason(visor, route),
      results,
    });
    const confirmed = new Map<PublicKey, readonly number[]>();
    try {
      const rules = generateRules(route, reservation.ids);
      const installation = { rules, reservation, signal: request.signal, confirmed };
      await this.#installIntermediary(installation);
      await this.#installDestination(installation);
      request.signal.throwIfAborted(); // the caller left just now: nobody would use the rules
      this.#giveBack(reservation);
      return {
        edge: rules.initiating,
        takeBack: () => this.#background(this.#deleteAll(confirmed, () => undefined)),
      };
    } catch (error) {
      // The answer does not wait for it, and the connections live until it is done (RT-4).
      this.#background(this.#undo(reservation, confirmed));
      throw error;
    }
  }

  async #installIntermediary(installation: Installation): Promise<void> {
    const works = [...installation.rules.intermediary].map(([visor, rules]) =>
      installAt(visor, installation, {
        ids: rules.map(({ routeId }) => routeId),
        what: `failed to broadcast intermediary rules: ${visor}`,
        reason: "intermediary_rules",
        call: (client, { signal }) =>
          client.call("RPCGateway.AddIntermediaryRules", RULES, rules.map(encodeRule), DONE, { signal }),
      })
    );
    await Promise.allSettled(works); // what is confirmed later than the first failure is undone as well
    await Promise.all(works);
  }

  async #installDestination(installation: Installation): Promise<void> {
    const { responding } = installation.rules;
    await installAt(responding.descriptor.destination.publicKey, installation, {
      ids: [responding.forward.routeId, responding.reverse.routeId],
      what: "failed to broadcast rules to destination router",
      reason: "destination_rules",
      call: (client, { signal }) =>
        client.call("RPCGateway.AddEdgeRules", EDGE_RULES, wireEdge(responding), DONE, { signal }),
    });
  }

  /** Deletes the rules at whoever may have them, each with a time limit of its own; then gives connections back. */
  async #undo(reservation: Reservation, confirmed: ReadonlyMap<PublicKey, readonly number[]>): Promise<void> {
    await this.#deleteAll(confirmed, (visor) => reservation.leases.get(visor));
    this.#giveBack(reservation);
  }

  /** Deletes rules over connections that are there, over kept ones, or over new ones: whatever is left, or used. */
  async #deleteAll(
    rules: ReadonlyMap<PublicKey, readonly number[]>,
    leaseOf: (visor: PublicKey) => Lease | undefined,
  ): Promise<void> {
    await Promise.all([...rules].map(async ([visor, ids]) => {
      try {
        const own = leaseOf(visor);
        if (own !== undefined && await deleteRules(own, ids, this.#scope.signal)) return;
        await this.#deleteByAnother(visor, ids);
      } catch (error) {
        // One that is gone forgets its rules by itself.
        this.#options.log.debug("Rules stay until they time out", { visor, cause: describeError(error) });
      }
    }));
  }

  async #deleteByAnother(visor: PublicKey, ids: readonly number[]): Promise<void> {
    const kept = this.#pool.take(visor);
    const isDone = kept !== undefined && await this.#deleteOver(kept, ids);
    if (!isDone) await this.#deleteOver(await this.#dialAgain(visor), ids);
  }

  /** Takes care of the connection, too. False: it was shut down. */
  async #deleteOver(lease: Lease, ids: readonly number[]): Promise<boolean> {
    try {
      const isDone = await deleteRules(lease, ids, this.#scope.signal);
      this.#pool.release(lease);
      return isDone;
    } catch (error) {
      this.#pool.discard(lease, error);
      throw error;
    }
  }

  async #dialAgain(visor: PublicKey): Promise<Lease> {
    const { world: { clock }, dial } = this.#options;
    const limit = { what: `A dial of ${visor}`, afterMs: HOP_DIAL_TIMEOUT_MS, signal: this.#scope.signal };
    const conn = await withTimeout(clock, limit, (signal) => dial(visor, { signal, bypassCaches: true }));
    return this.#pool.adopt(visor, conn);
  }

  #giveBack({ leases }: Reservation): void {
    for (const lease of leases.values()) this.#pool.release(lease);
  }

  #background(work: Promise<void>): void {
    this.#scope.spawn("the rest of a set-up", () => work);
  }

  /** Ends the kept connections; the scope must have ended. */
  async close(): Promise<void> {
    await this.#pool.close();
  }
}

function unreachableReason(
  visor: PublicKey,
  { descriptor: { source, destination } }: BidirectionalRoute,
): SetupFailure {
  if (visor === source.publicKey) return "source_unreachable";
  return visor === destination.publicKey ? "id_reservation" : "intermediate_unreachable";
}

/** False when the connection was shut down. Errors: what else ends a call. */
async function deleteRules({ client }: Lease, ids: readonly number[], signal: AbortSignal): Promise<boolean> {
  try {
    await client.call("RPCGateway.DelRules", ROUTE_IDS, ids, DONE, { signal });
  } catch (error) {
    if (error instanceof RpcShutDownError) return false;
    if (!(error instanceof RpcError)) throw error; // a visor of 2024 has no such method: they time out
  }
  return true;
}

/**
 * Installs rules at one visor. It counts as one that has them from before its answer, as the caller may leave or the
 * connection break meanwhile, until it refuses. Errors: `RouteSetupError`.
 */
async function installAt(
  visor: PublicKey,
  { reservation, signal, confirmed }: Installation,
  { ids, what, reason, call }: {
    readonly ids: readonly number[];
    readonly what: string;
    readonly reason: SetupFailure;
    readonly call: (client: Lease["client"], options: { signal: AbortSignal }) => Promise<boolean>;
  },
): Promise<void> {
  confirmed.set(visor, ids);
  try {
    const done = await call(reservation.leases.get(visor)!.client, { signal });
    if (!done) throw new RouteSetupError("the visor says no");
  } catch (cause) {
    if (!signal.aborted && !mayHaveThem(cause)) confirmed.delete(visor);
    throw new RouteSetupError(`${what}: ${rpcTextOf(cause) ?? describeError(cause)}`, {
      reason,
      visor,
      cause,
    });
  }
}

/** The call broke: whether the visor has the rules is not known. */
function mayHaveThem(cause: unknown): boolean {
  return cause instanceof RpcShutDownError || cause instanceof TimedOutError;
}
