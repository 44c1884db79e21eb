/**
 * Dialling an app of another visor: which way, in which order, and how often (protocol: routing, section 8.2).
 *
 *     --direct                 stream on the transport, else one hop set up directly; nothing else
 *     hops given               exactly these, one attempt
 *     a transport to it        one hop: set up directly, else by a setup node; a failure is final (RT-9)
 *     else                     found routes, up to 6, each without the hop that failed (RT-11)
 *
 * @module
 */
import { type Conn, ConnClosedError, describeError, Scope } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { AWAIT_SETUP_PORT, SETUP_NODE_PORT } from "../../dmsg/mod.ts";
import { withTimeout } from "../../runtime/mod.ts";
import { PacketType, parseTransportId } from "../../transport/mod.ts";
import type { RouteAddress, RouteDescriptor } from "../descriptor.ts";
import type { Hop } from "../hop.ts";
import { type EdgeRules, RULE_KEEP_ALIVE_NS } from "../rule.ts";
import { type AppDirectConn, dialAppDirect, isUnanswered } from "./app_direct.ts";
import { DirectSetup } from "./direct_setup.ts";
import {
  DirectDialError,
  DirectSetupUnsupportedError,
  NoRouteError,
  NoSetupNodeError,
  NoTransportsError,
  RouteHopError,
  RouteSetupError,
} from "./errors.ts";
import { checkRoute } from "./generate_rules.ts";
import { mirrored, resolveHops } from "./hops.ts";
import type {
  DialledTransport,
  DialRouteOptions,
  FoundHop,
  RouteDialerOptions,
} from "./route_dialer_options.ts";
import { SetupClient } from "./setup_client.ts";
import type { BidirectionalRoute } from "./wire_types.ts";

/** Routes that one dial tries (RT-11). */
export const DIAL_ATTEMPTS_MAX = 6;
/** Of one attempt, its handshakes included (routing.md 8.2). */
export const DIAL_ATTEMPT_TIMEOUT_MS = 30_000;
/** The longest route that is asked for unless the caller says otherwise. */
export const MAX_HOPS_DEFAULT = 50;

/** Paths that are asked for when none of the few that a finder gives by itself can be used; it gives no more. */
export const FOUND_PATHS_MAX = 20;

/** What an attempt needs to know of those before. */
interface Search {
  readonly to: RouteAddress;
  readonly minHops: number;
  readonly maxHops: number;
  /** Visors and transports that a route must not use any more. */
  readonly excluded: Set<string>;
  /** Paths to be asked for; undefined: as many as the finder likes. */
  count?: number;
  readonly signal: AbortSignal | undefined;
}

/** Owns what still comes for dials that were called off: to be closed. */
export class RouteDialer<G extends Conn> {
  readonly #options: RouteDialerOptions<G>;
  readonly #scope = new Scope();
  readonly #direct: DirectSetup;
  readonly #setup: SetupClient;
  readonly #routes = new WeakMap<G, BidirectionalRoute>();

  constructor(options: RouteDialerOptions<G>) {
    const { world, dmsg, router, setupNodes, log } = options;
    this.#options = options;
    this.#direct = new DirectSetup({
      world,
      router,
      dial: (publicKey, { signal }) => dmsg.dial({ publicKey, port: AWAIT_SETUP_PORT }, { signal }),
    });
    this.#setup = new SetupClient({
      world,
      setupNodes,
      log,
      dial: (publicKey, { signal }) => dmsg.dial({ publicKey, port: SETUP_NODE_PORT }, { signal }),
      takeBack: (edge) => this.#takeBack(edge),
    });
  }

  /**
   * Connects to a port of a visor's apps. Errors: `RouteHopError` for hops that lead nowhere, `DirectDialError`,
   * `AppPortClosedError`, `NoTransportsError`, `NoRouteError`, `NoSetupNodeError`, `RouteSetupError`, those of the
   * group's handshakes, the signal's reason, at once. Nothing is left of a dial that failed, here or at
   * other visors; a route that was on its way when it was called off is closed behind it, when it comes.
   */
  async dial(to: RouteAddress, options: DialRouteOptions = {}): Promise<G | AppDirectConn> {
    const { direct = false, forward, reverse, minHops, signal } = options;
    signal?.throwIfAborted();
    if (to.publicKey === this.#options.local) throw new NoRouteError(to.publicKey, "it is this visor");
    const hasHops = forward !== undefined || reverse !== undefined;
    if (direct && (hasHops || (minHops ?? 1) > 1)) {
      throw new RouteHopError("A direct dial takes neither hops nor more than one of them");
    }
    if (direct) return await this.#dialDirect(to, signal);
    if (hasHops) return await this.#dialByHops(to, options);
    return await this.#dialOrdinary(to, options);
  }

  async #dialOrdinary(to: RouteAddress, options: DialRouteOptions): Promise<G> {
    const { transports, autoTransports } = this.#options;
    const { minHops, maxHops = MAX_HOPS_DEFAULT, signal } = options;
    const fewest = Math.max(1, minHops ?? this.#options.minHops ?? 1);
    const mayBeDirect = fewest === 1 || (minHops ?? 1) <= 1 && transports.to(to.publicKey).length > 0;
    if (mayBeDirect) {
      if (transports.to(to.publicKey).length === 0) await autoTransports?.(to.publicKey, signal);
      const [open] = transports.to(to.publicKey);
      if (open !== undefined) {
        try {
          return await this.#attempt(this.#overTransport(to, open), signal);
        } catch (error) {
          // What fails on an open transport is told, and never hidden behind a longer route (RT-9).
          if (open.isLive) throw error;
          signal?.throwIfAborted();
        }
      }
    }
    if (transports.transports().length === 0) throw new NoTransportsError();
    return await this.#dialFound({ to, minHops: fewest, maxHops, excluded: new Set(), signal });
  }

  /** Routes that are found, each without the visors that failed before. */
  async #dialFound(search: Search): Promise<G> {
    const { to, excluded, signal } = search;
    let failure: unknown;
    for (let attempt = 1; attempt <= DIAL_ATTEMPTS_MAX; attempt++) {
      const route = await this.#findRoute(search, failure);
      try {
        return await this.#attempt(route, signal);
      } catch (cause) {
        signal?.throwIfAborted();
        if (cause instanceof NoSetupNodeError || this.#isOpenDirect(route)) throw cause;
        failure = cause;
        this.#options.log.debug("A route failed", { to: to.publicKey, attempt, cause: describeError(cause) });
        for (const each of toLeaveOut(cause, route)) excluded.add(each);
      }
    }
    throw failure;
  }

  async #findRoute(search: Search, failure: unknown): Promise<BidirectionalRoute> {
    const { to, excluded } = search;
    const passes = (path: readonly FoundHop[]) =>
      path.length > 0 &&
      path.every((hop) => ![hop.from, hop.to, hop.transportId].some((each) => excluded.has(each)));
    const begins = (path: readonly FoundHop[]) =>
      this.#options.transports.find(parseTransportId(path[0]!.transportId)) !== undefined;
    const [forward, reverse] = await this.#find(search);
    const [there, back] = [forward.find((path) => passes(path) && begins(path)), reverse.find(passes)];
    if (there === undefined || back === undefined) {
      if (search.count === undefined) {
        search.count = FOUND_PATHS_MAX; // the best few may be what somebody invented, or all have failed
        return await this.#findRoute(search, failure);
      }
      const first = forward.find(passes);
      const why = first !== undefined && back !== undefined
        ? `transport ${first[0]!.transportId} not found locally`
        : failure === undefined
        ? "the route finder knows none"
        : "every route that is known failed";
      throw new NoRouteError(to.publicKey, why, { cause: failure });
    }
    const route = this.#route(to, there.map(hopOf), back.map(hopOf));
    checkRoute(route);
    return route;
  }

  /** Paths there, and paths back. */
  async #find({ to, minHops, maxHops, count, signal }: Search) {
    const { local, findRoutes } = this.#options;
    const pairs = [[local, to.publicKey], [to.publicKey, local]] as const;
    const limits = count === undefined ? { minHops, maxHops } : { minHops, maxHops, count };
    const [forward = [], reverse = []] = await findRoutes(pairs, limits, signal);
    return [forward, reverse] as const;
  }

  /** Exactly the hops that were given, once. */
  async #dialByHops(to: RouteAddress, { forward, reverse, signal }: DialRouteOptions): Promise<G> {
    const { local, transports, directory } = this.#options;
    const common = { local, transports, directory, signal };
    const ends = { from: local, to: to.publicKey };
    const there = forward === undefined ? undefined : await resolveHops(forward, { ...common, ...ends });
    const back = reverse === undefined
      ? mirrored(there!)
      : await resolveHops(reverse, { ...common, from: to.publicKey, to: local });
    const route = this.#route(to, there ?? mirrored(back), back);
    checkRoute(route);
    return await this.#attempt(route, signal);
  }

  /** Sets a route up and brings its group up, within the time of one attempt. */
  #attempt(route: BidirectionalRoute, signal: AbortSignal | undefined): Promise<G> {
    const limit = { what: "Setting a route up", afterMs: DIAL_ATTEMPT_TIMEOUT_MS, signal };
    return withTimeout(this.#options.world.clock, limit, async (signal) => {
      const edge = await this.#setUp(route, signal);
      if (signal.aborted) {
        this.#scope.spawn("a route that nobody wants", () => this.#takeBack(edge));
        throw signal.reason;
      }
      const group = await this.#options.router.open(edge, { signal });
      this.#routes.set(group, route);
      return group;
    });
  }

  /**
   * Waits for nothing that comes to those who called off, and joins what is under way. The routers of such routes
   * are told by the setup node, which sees that this source has left.
   */
  async close(): Promise<void> {
    await this.#setup.close();
    await this.#scope[Symbol.asyncDispose]();
  }

  /** Closes a route that nobody wants any more: its close packet ends the rules on its way. */
  async #takeBack(edge: EdgeRules): Promise<void> {
    const over = new AbortController();
    const opening = this.#options.router.open(edge, { signal: over.signal });
    over.abort(new ConnClosedError(undefined, "Nobody wants the route any more"));
    await opening.then((group) => group.close(), () => {});
  }

  /** The hops of a group that this dialler set up, both ways; undefined for one that was dialled with `direct`. */
  routeOf(group: G): Pick<BidirectionalRoute, "forward" | "reverse"> | undefined {
    return this.#routes.get(group);
  }

  /** One hop each way is set up with the destination itself, if it serves that; else a setup node does it. */
  async #setUp(route: BidirectionalRoute, signal: AbortSignal): Promise<EdgeRules> {
    const peer = route.descriptor.destination.publicKey;
    if (route.forward.length === 1 && route.reverse.length === 1 && this.#direct.mayServe(peer)) {
      try {
        return await this.#direct.setUp(route, { signal });
      } catch (cause) {
        signal.throwIfAborted();
        this.#options.log.debug("A setup node is asked instead", { peer, cause: describeError(cause) });
      }
    }
    return await this.#setup.dialRouteGroup(route, { signal });
  }

  async #dialDirect(to: RouteAddress, signal: AbortSignal | undefined): Promise<G | AppDirectConn> {
    const { world, local } = this.#options;
    const transport = await this.#directTransport(to.publicKey, signal);
    if (transport.type !== "dmsg") {
      try {
        return await dialAppDirect(transport.openStream(PacketType.appDirect), { world, local, to, signal });
      } catch (error) {
        signal?.throwIfAborted();
        if (!isUnanswered(error)) throw error; // nobody listens, or the transport is gone
      }
    }
    let edge: EdgeRules;
    try {
      edge = await this.#direct.setUp(this.#overTransport(to, transport), { signal });
    } catch (cause) {
      signal?.throwIfAborted();
      if (!(cause instanceof DirectSetupUnsupportedError)) throw cause;
      const why =
        "it serves neither direct streams of apps nor direct set-up of routes; visors of 2024 have none";
      throw new DirectDialError(to.publicKey, why, { cause });
    }
    return await this.#options.router.open(edge, { signal });
  }

  /** An open one, else one that is made now. */
  async #directTransport(remote: PublicKey, signal: AbortSignal | undefined): Promise<DialledTransport> {
    const { transports } = this.#options;
    const [open] = transports.to(remote);
    if (open !== undefined) return open;
    const failures: unknown[] = [];
    for (const type of DIRECT_TYPES) {
      try {
        return await transports.dial(remote, type, { label: "user", signal });
      } catch (cause) {
        signal?.throwIfAborted();
        failures.push(cause);
      }
    }
    const why = `no transport to it could be made: ${failures.map(describeError).join("; ")}`;
    throw new DirectDialError(remote, why, { cause: failures[0], hint: "skyctl tp add --help" });
  }

  #overTransport(to: RouteAddress, { id }: DialledTransport): BidirectionalRoute {
    const forward = [{ transportId: id, from: this.#options.local, to: to.publicKey }];
    return this.#route(to, forward, mirrored(forward));
  }

  #route(to: RouteAddress, forward: readonly Hop[], reverse: readonly Hop[]): BidirectionalRoute {
    const { local, router } = this.#options;
    const descriptor: RouteDescriptor = {
      source: { publicKey: local, port: router.ephemeralPort() },
      destination: { publicKey: to.publicKey, port: to.port },
    };
    return { descriptor, keepAliveNs: RULE_KEEP_ALIVE_NS, forward, reverse };
  }

  /** True for a single hop over a transport that is still open. */
  #isOpenDirect({ forward }: BidirectionalRoute): boolean {
    return forward.length === 1 && this.#options.transports.find(forward[0]!.transportId)?.isLive === true;
  }
}

/** In the order in which they are tried (operations.md 4). */
const DIRECT_TYPES = ["stcpr", "sudph", "dmsg"] as const;

function hopOf({ transportId, from, to }: FoundHop): Hop {
  return { transportId: parseTransportId(transportId), from, to };
}

/**
 * What the next route must not use: the visor that the set-up named, and the transport; all visors in between, when
 * the far end of a route that was set up stayed silent. Never one of the ends.
 */
function toLeaveOut(cause: unknown, { descriptor, forward, reverse }: BidirectionalRoute): string[] {
  // A visor without that transport says so by its id, also at the ends, which no route can leave out.
  const transports = cause instanceof RouteSetupError
    ? [...forward, ...reverse].map(({ transportId }) => transportId).filter((id) =>
      cause.message.includes(id)
    )
    : [];
  const ends = [descriptor.source.publicKey, descriptor.destination.publicKey];
  const named = cause instanceof RouteSetupError
    ? [cause.visor]
    : [...forward, ...reverse].flatMap(({ from, to }) => [from, to]);
  const visors = named.filter((visor): visor is PublicKey => visor !== undefined && !ends.includes(visor));
  return [...transports, ...visors];
}
