/**
 * The core of a setup node: makes routes for whoever asks (protocol: routing, sections 8.3 to 8.7).
 *
 *     source ── DialRouteGroup ──▶ a place ▶ check ▶ admit ▶ install at every visor of the route
 *            ◀── its own edge ─────────────────────────────┘
 *
 * Here is who may ask, how much at once, and how a request ends; the installation is in a file of its own.
 *
 * @module
 */
import {
  type Conn,
  ConnClosedError,
  describeError,
  isAbort,
  type Log,
  Scope,
  TimedOutError,
} from "../../base/mod.ts";
import type { ProvenKey, PublicKey } from "../../crypto/mod.ts";
import type { World } from "../../runtime/mod.ts";
import { withDeadlines } from "../../wire/mod.ts";
import { rpcMethod, type RpcMethods, serveRpc } from "../../wire/rpc/mod.ts";
import type { EdgeRules } from "../rule.ts";
import { CallerPlaces } from "./_caller_places.ts";
import type { PooledConnection } from "./_connection_pool.ts";
import { RequestLimit, SETUP_REQUEST_TIMEOUT_MS } from "./_request_limit.ts";
import type { DialVisor } from "./_reservation.ts";
import { type InstalledRoute, RouteInstaller } from "./_route_installer.ts";
import { type AdmitRoute, DialResults, visorsOf } from "./admit_route.ts";
import { RouteSetupError } from "./errors.ts";
import { checkCaller, checkRoute } from "./generate_rules.ts";
import { SetupStats, type SetupStatsReport } from "./setup_stats.ts";
import {
  BIDIRECTIONAL_ROUTE,
  type BidirectionalRoute,
  EDGE_RULES,
  HEALTH_CHECK_ARGUMENT,
  HEALTH_CHECK_REPLY,
  RELAY_PEERS_ARGUMENT,
  RELAY_PEERS_REPLY,
  routeOfWire,
  wireEdge,
} from "./wire_types.ts";

/** Requests that are worked on at once; further ones wait. */
export const SETUP_REQUESTS_MAX = 512;
/** Those of one caller's key: a flood of one leaves the others their places. */
export const SETUP_REQUESTS_OF_KEY_MAX = 16;
/** Requests that wait; further ones are refused. */
export const SETUP_WAITING_MAX = 4_096;
/** Those of one caller's key. */
export const SETUP_WAITING_OF_KEY_MAX = 256;
/** Connections of callers; further ones are closed. */
export const SETUP_CALLERS_MAX = 8_192;
/** Those of one caller's key: a visor opens one for each route that it asks for. */
export const SETUP_CALLERS_OF_KEY_MAX = 256;
/** A caller that says nothing for so long is gone. */
export const SETUP_CALLER_IDLE_MS = 2 * 60_000;

/**
 * A caller whose connection breaks so soon behind its answer may not have read it: its route is taken back. Who keeps a
 * connection for longer uses the route.
 */
export const SETUP_UNREAD_MS = 30_000;

export interface SetupNodeOptions {
  readonly world: Pick<World, "clock">;
  readonly dial: DialVisor;
  readonly log: Log;
  readonly version: { readonly version: string; readonly commit: string; readonly date: string };
  /** Servers and visors that a source may use to get to this node. */
  readonly relayPeers?: () => readonly PublicKey[];
  readonly admit?: AdmitRoute;
  /** The state of a destination's circuit breaker, for `/stats`. */
  readonly circuitOf?: (destination: PublicKey) => string | undefined;
  readonly requestsMax?: number;
}

export class SetupNode implements AsyncDisposable {
  readonly #options: SetupNodeOptions;
  readonly #scope = new Scope();
  readonly #installer: RouteInstaller;
  readonly #stats: SetupStats;
  readonly #places: CallerPlaces;
  readonly #connections = new Map<PublicKey, number>(); // of callers, by key
  #callers = 0;

  constructor(options: SetupNodeOptions) {
    this.#options = options;
    const { world, dial, log } = options;
    this.#installer = new RouteInstaller({ world, dial, scope: this.#scope, log });
    this.#stats = new SetupStats(options);
    this.#places = new CallerPlaces({
      placesMax: options.requestsMax ?? SETUP_REQUESTS_MAX,
      placesOfKeyMax: SETUP_REQUESTS_OF_KEY_MAX,
      waitingMax: SETUP_WAITING_MAX,
      waitingOfKeyMax: SETUP_WAITING_OF_KEY_MAX,
    });
  }

  /** What it has done so far. */
  stats(): SetupStatsReport {
    return this.#stats.report();
  }

  /** Connections to visors that are kept for later requests. */
  get pooledConnections(): number {
    return this.#installer.pooledConnections;
  }

  /** Every one of them. */
  pooled(): PooledConnection[] {
    return this.#installer.pooled();
  }

  /** Serves one caller, who proved that `key` is its own, until its connection ends. Never rejects. */
  async serve(conn: Conn, key: ProvenKey): Promise<void> {
    const connections = this.#connections.get(key) ?? 0;
    const isFull = this.#callers >= SETUP_CALLERS_MAX || connections >= SETUP_CALLERS_OF_KEY_MAX;
    if (isFull) this.#stats.refuseCaller();
    if (isFull || this.#scope.signal.aborted) return conn.close();
    this.#callers++;
    this.#connections.set(key, connections + 1);
    const { world: { clock }, log } = this.#options;
    const timed = withDeadlines(conn, clock, {
      readIdleMs: SETUP_CALLER_IDLE_MS,
      writeMs: SETUP_REQUEST_TIMEOUT_MS,
    });
    const served = serveRpc(timed, this.#methodsFor(key), { signal: this.#scope.signal, log });
    this.#scope.spawn("a caller of the setup node", () => served);
    await served;
    this.#callers--;
    const left = this.#connections.get(key)! - 1;
    if (left === 0) this.#connections.delete(key);
    else this.#connections.set(key, left);
  }

  /**
   * Sets a route of `caller` up and gives its own edge; `signal`: the caller is gone. Errors: `RouteSetupError`;
   * rules that were installed are deleted then, after the answer.
   */
  async dialRouteGroup(
    caller: PublicKey,
    route: BidirectionalRoute,
    signal?: AbortSignal,
  ): Promise<EdgeRules> {
    return (await this.#setUp(caller, route, signal)).edge;
  }

  async #setUp(
    caller: PublicKey,
    route: BidirectionalRoute,
    signal: AbortSignal | undefined,
  ): Promise<InstalledRoute> {
    await this.#enter(caller, signal);
    this.#stats.begin();
    const { clock } = this.#options.world;
    const startedMs = clock.monotonicMs();
    const { source, destination } = route.descriptor;
    const about = {
      source: source.publicKey,
      destination: destination.publicKey,
      hopCount: route.forward.length,
    };
    const request = new RequestLimit(clock, { caller: signal, node: this.#scope.signal });
    try {
      checkCaller(route, caller);
      const installed = await this.#admitted(route, request);
      this.#stats.end({ ...about, tookMs: Math.round(clock.monotonicMs() - startedMs) });
      return installed;
    } catch (cause) {
      const error = setupError(cause, request.signal);
      const tookMs = Math.round(clock.monotonicMs() - startedMs);
      this.#stats.end({ ...about, tookMs, failure: { reason: error.reason, error: error.message } });
      this.#options.log.info("A route was not set up", {
        source: source.publicKey,
        destination: destination.publicKey,
        reason: error.reason,
        cause: error.message,
      });
      throw error;
    } finally {
      request.end();
      this.#places.leave(caller);
    }
  }

  /** Ends callers, requests and kept connections, and waits for them. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope[Symbol.asyncDispose]();
    await this.#installer.close();
  }

  #admitted(route: BidirectionalRoute, request: RequestLimit): Promise<InstalledRoute> {
    checkRoute(route);
    const visors = visorsOf(route);
    const results = new DialResults(visors, this.#options.admit?.(visors));
    return this.#installer.install(route, request, results);
  }

  /** Waits for room. Errors: `RouteSetupError` with reason `concurrency_limit`. */
  async #enter(caller: PublicKey, signal: AbortSignal | undefined): Promise<void> {
    if (this.#places.tryEnter(caller)) return;
    const refuse = (cause?: unknown) => {
      this.#stats.drop();
      return new RouteSetupError("route setup: too many requests at once", {
        reason: "concurrency_limit",
        cause,
      });
    };
    if (!this.#places.mayWait(caller)) throw refuse();
    const limit = new RequestLimit(this.#options.world.clock, { caller: signal, node: this.#scope.signal });
    try {
      await this.#places.wait(caller, limit.signal);
    } catch (cause) {
      throw refuse(cause);
    } finally {
      limit.end();
    }
  }

  #methodsFor(caller: ProvenKey): RpcMethods {
    const { version: { version, commit, date }, relayPeers = () => [] } = this.#options;
    return {
      "SetupRPCGateway.DialRouteGroup": rpcMethod({
        argument: BIDIRECTIONAL_ROUTE,
        reply: EDGE_RULES,
        handle: async (wire, signal, ifUnread) => {
          const { edge, takeBack } = await this.#setUp(caller, readRoute(wire), signal);
          const { clock } = this.#options.world;
          const readByMs = clock.monotonicMs() + SETUP_UNREAD_MS;
          ifUnread(() => {
            if (clock.monotonicMs() <= readByMs) takeBack();
          });
          return wireEdge(edge);
        },
      }),
      "SetupRPCGateway.HealthCheck": rpcMethod({
        argument: HEALTH_CHECK_ARGUMENT,
        reply: HEALTH_CHECK_REPLY,
        handle: () => ({ Status: "OK", Version: version, Commit: commit, Date: date }),
      }),
      "SetupRPCGateway.RelayPeers": rpcMethod({
        argument: RELAY_PEERS_ARGUMENT,
        reply: RELAY_PEERS_REPLY,
        handle: () => ({ Peers: relayPeers() }),
      }),
    };
  }
}

/** What cannot be read as a route is refused as one that is none. */
function readRoute(wire: Parameters<typeof routeOfWire>[0]): BidirectionalRoute {
  try {
    return routeOfWire(wire);
  } catch (cause) {
    throw new RouteSetupError("bidirectional route has an invalid route description", {
      reason: "invalid_route",
      cause,
    });
  }
}

/** Ends of the request itself are classified first, whatever they broke (services.md 10.1). */
function setupError(cause: unknown, signal: AbortSignal): RouteSetupError {
  if (signal.aborted) {
    const isLate = signal.reason instanceof TimedOutError;
    return new RouteSetupError(isLate ? "context deadline exceeded" : "context canceled", {
      reason: isLate ? "context_deadline" : "context_canceled",
      cause,
    });
  }
  if (cause instanceof RouteSetupError) return cause;
  const isGone = isAbort(cause) || cause instanceof ConnClosedError;
  return new RouteSetupError(describeError(cause), {
    reason: isGone ? "context_canceled" : "unknown",
    cause,
  });
}
