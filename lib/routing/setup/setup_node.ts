/**
 * The core of a setup node: makes routes for whoever asks (protocol: routing, sections 8.3 to 8.7).
 *
 *     source ── DialRouteGroup ──▶ check ▶ dial all ▶ reserve ids at all ▶ rules
 *                                    ▶ AddIntermediaryRules at relays ▶ AddEdgeRules at the destination
 *            ◀── its own edge ───────┘         a failure here deletes the rules that were confirmed (RT-4)
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
import { rpcMethod, type RpcMethods, rpcTextOf, serveRpc } from "../../wire/rpc/mod.ts";
import { type EdgeRules, encodeRule } from "../rule.ts";
import { CallerPlaces } from "./_caller_places.ts";
import { ConnectionPool } from "./_connection_pool.ts";
import { RequestLimit, SETUP_REQUEST_TIMEOUT_MS } from "./_request_limit.ts";
import { type DialVisor, type Reservation, reserveRoute } from "./_reservation.ts";
import { RouteSetupError, type SetupFailure } from "./errors.ts";
import { checkCaller, checkRoute, generateRules, idsToReserve, type RouteRules } from "./generate_rules.ts";
import { SetupStats, type SetupStatsReport } from "./setup_stats.ts";
import {
  BIDIRECTIONAL_ROUTE,
  type BidirectionalRoute,
  DONE,
  EDGE_RULES,
  HEALTH_CHECK_ARGUMENT,
  HEALTH_CHECK_REPLY,
  RELAY_PEERS_ARGUMENT,
  RELAY_PEERS_REPLY,
  ROUTE_IDS,
  routeOfWire,
  RULES,
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

/** The visors of a route, by their part in it. */
export interface RouteVisors {
  readonly source: PublicKey;
  readonly destination: PublicKey;
  readonly relays: readonly PublicKey[];
}

/** How a request ended, for whoever admitted it. */
export interface RouteResult {
  /** Undefined: a success. */
  readonly failure: RouteSetupError | undefined;
  /** The visor that could not be dialled, if that is what failed. */
  readonly unreachable: PublicKey | undefined;
}

/**
 * Asked before anything is dialled for a route. Refuses it by throwing a `RouteSetupError`; else gives a function
 * that is called once, with the result, whatever that is.
 */
export type AdmitRoute = (visors: RouteVisors) => (result: RouteResult) => void;

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

/** A request on its way, and what of it has to be undone when it fails. */
interface Installation {
  readonly rules: RouteRules;
  readonly reservation: Reservation;
  readonly signal: AbortSignal;
  /** Visors that hold rules of the route, with the ids of these. */
  readonly confirmed: Map<PublicKey, readonly number[]>;
}

export class SetupNode implements AsyncDisposable {
  readonly #options: SetupNodeOptions;
  readonly #pool: ConnectionPool;
  readonly #scope = new Scope();
  readonly #stats: SetupStats;
  readonly #places: CallerPlaces;
  readonly #connections = new Map<PublicKey, number>(); // of callers, by key
  #callers = 0;

  constructor(options: SetupNodeOptions) {
    this.#options = options;
    this.#pool = new ConnectionPool(options.world);
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
    return this.#pool.idleCount;
  }

  /** Serves one caller, who proved that `key` is its own, until its connection ends. Never rejects. */
  async serve(conn: Conn, key: ProvenKey): Promise<void> {
    const connections = this.#connections.get(key) ?? 0;
    const isFull = this.#callers >= SETUP_CALLERS_MAX || connections >= SETUP_CALLERS_OF_KEY_MAX;
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
    const request = new RequestLimit(clock, signal, this.#scope.signal);
    try {
      checkCaller(route, caller);
      const edge = await this.#admitted(route, request);
      this.#stats.end({ ...about, tookMs: Math.round(clock.monotonicMs() - startedMs) });
      return edge;
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
    await this.#pool.close();
  }

  async #admitted(route: BidirectionalRoute, request: RequestLimit): Promise<EdgeRules> {
    checkRoute(route);
    const { admit } = this.#options;
    const settle = admit?.(visorsOf(route));
    try {
      const edge = await this.#setUp(route, request);
      settle?.({ failure: undefined, unreachable: undefined });
      return edge;
    } catch (cause) {
      const failure = setupError(cause, request.signal);
      settle?.({ failure, unreachable: isUnreachable(failure) ? failure.visor : undefined });
      throw failure;
    }
  }

  async #setUp(route: BidirectionalRoute, request: RequestLimit): Promise<EdgeRules> {
    const { world, dial } = this.#options;
    const reservation = await reserveRoute(idsToReserve(route), {
      world,
      dial,
      pool: this.#pool,
      signal: request.signal,
      leave: (work) => this.#background(request.outlivedBy(work)),
      unreachable: (visor) => unreachableReason(visor, route),
    });
    const confirmed = new Map<PublicKey, readonly number[]>();
    try {
      const rules = generateRules(route, reservation.ids);
      const installation = { rules, reservation, signal: request.signal, confirmed };
      await this.#installIntermediary(installation);
      await this.#installDestination(installation);
      this.#giveBack(reservation);
      return rules.initiating;
    } catch (error) {
      // The answer does not wait for it, and the connections live until it is done (RT-4).
      this.#background(this.#undo(reservation, confirmed));
      throw error;
    }
  }

  async #installIntermediary({ rules, reservation, signal, confirmed }: Installation): Promise<void> {
    const works = [...rules.intermediary].map(async ([visor, intermediary]) => {
      try {
        const { client } = reservation.leases.get(visor)!;
        const wire = intermediary.map(encodeRule);
        const done = await client.call("RPCGateway.AddIntermediaryRules", RULES, wire, DONE, { signal });
        if (!done) throw new RouteSetupError("the visor says no");
        confirmed.set(visor, intermediary.map(({ routeId }) => routeId));
      } catch (cause) {
        throw installFailure(`failed to broadcast intermediary rules: ${visor}`, {
          reason: "intermediary_rules",
          visor,
          cause,
        });
      }
    });
    await Promise.allSettled(works); // what is confirmed later than the first failure is undone as well
    await Promise.all(works);
  }

  async #installDestination({ rules, reservation, signal, confirmed }: Installation): Promise<void> {
    const { responding } = rules;
    const visor = responding.descriptor.destination.publicKey;
    try {
      const { client } = reservation.leases.get(visor)!;
      const done = await client.call("RPCGateway.AddEdgeRules", EDGE_RULES, wireEdge(responding), DONE, {
        signal,
      });
      if (!done) throw new RouteSetupError("the visor says no");
      confirmed.set(visor, [responding.forward.routeId, responding.reverse.routeId]);
    } catch (cause) {
      throw installFailure("failed to broadcast rules to destination router", {
        reason: "destination_rules",
        visor,
        cause,
      });
    }
  }

  /** Deletes the rules at whoever confirmed them, each with a time limit of its own; then gives connections back. */
  async #undo(reservation: Reservation, confirmed: ReadonlyMap<PublicKey, readonly number[]>): Promise<void> {
    await Promise.all([...confirmed].map(async ([visor, ids]) => {
      const { client } = reservation.leases.get(visor)!;
      try {
        await client.call("RPCGateway.DelRules", ROUTE_IDS, ids, DONE, { signal: this.#scope.signal });
      } catch (error) {
        // A visor of 2024 has no such method, and one that is gone forgets its rules by itself.
        this.#options.log.debug("Rules stay until they time out", { visor, cause: describeError(error) });
      }
    }));
    this.#giveBack(reservation);
  }

  #giveBack({ leases }: Reservation): void {
    for (const lease of leases.values()) this.#pool.release(lease);
  }

  #background(work: Promise<void>): void {
    this.#scope.spawn("the rest of a set-up", () => work);
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
    const limit = new RequestLimit(this.#options.world.clock, signal, this.#scope.signal);
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
        handle: async (wire, signal) => wireEdge(await this.dialRouteGroup(caller, readRoute(wire), signal)),
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

function visorsOf({ descriptor, forward, reverse }: BidirectionalRoute): RouteVisors {
  const [source, destination] = [descriptor.source.publicKey, descriptor.destination.publicKey];
  const relays = new Set([...forward, ...reverse].flatMap(({ from, to }) => [from, to]));
  relays.delete(source);
  relays.delete(destination);
  return { source, destination, relays: [...relays] };
}

function unreachableReason(
  visor: PublicKey,
  { descriptor: { source, destination } }: BidirectionalRoute,
): SetupFailure {
  if (visor === source.publicKey) return "source_unreachable";
  return visor === destination.publicKey ? "id_reservation" : "intermediate_unreachable";
}

/** Only dials carry this text. */
function isUnreachable(failure: RouteSetupError): boolean {
  return failure.visor !== undefined && failure.message.startsWith("failed to instantiate route id reserver");
}

function installFailure(
  what: string,
  { cause, ...options }: { reason: SetupFailure; visor: PublicKey; cause: unknown },
): RouteSetupError {
  return new RouteSetupError(`${what}: ${rpcTextOf(cause) ?? describeError(cause)}`, { ...options, cause });
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
