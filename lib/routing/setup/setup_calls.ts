/**
 * What a visor answers about its routing rules (protocol: routing, sections 8.6 and 8.8).
 *
 *     dmsg port 136   a trusted key              everything
 *                     a key with a transport     one reservation and one edge, of a route with itself
 *                     any other                  closed without an answer
 *     virtual stream of type 13                  as a key with a transport, by another service name
 *
 * @module
 */
import type { Conn, Log, Scope } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { AWAIT_SETUP_PORT, type DmsgClient, type DmsgStream } from "../../dmsg/mod.ts";
import type { World } from "../../runtime/mod.ts";
import { sleep } from "../../runtime/mod.ts";
import type { TransportId } from "../../transport/mod.ts";
import type { GobValue } from "../../wire/gob/mod.ts";
import { rpcMethod, type RpcMethods, serveRpc } from "../../wire/rpc/mod.ts";
import { RouteRuleError } from "../errors.ts";
import type { EdgeRules, Rule } from "../rule.ts";
import type { SetupConnections } from "./setup_connections.ts";
import { newSetupCounters, type SetupCounters } from "./counters.ts";
import { refusal, SetupRefusedError } from "./errors.ts";
import { DONE, EDGE_RULES, edgeOfWire, ID_COUNT, ROUTE_IDS, RULES, rulesOfWire } from "./wire_types.ts";

/** A connection of a setup node lives so long (routing.md 8.6). */
export const SETUP_CALLS_MS = 2 * 60_000;
/** A connection for one direct set-up lives so long (routing.md 8.8). */
export const DIRECT_CALLS_MS = 60_000;
/** Route ids of one direct set-up; it needs two. */
export const DIRECT_IDS_MAX = 4;
/** Rules in one call: a relay of the longest route needs two. */
export const RULES_PER_CALL_MAX = 256;
/** Ids in one call that deletes rules. */
export const DELETED_PER_CALL_MAX = 1_024;

/** What of a router the calls are about. */
export interface RuleKeeper {
  reserveIds(count: number): number[];
  addIntermediaryRules(rules: readonly Rule[]): void;
  addEdgeRules(edge: EdgeRules): void;
  deleteRules(routeIds: Iterable<number>): void;
}

/** The live transports of this visor; a `TransportManager` is one. */
export interface LiveTransports {
  find(id: TransportId): { readonly remote: PublicKey } | undefined;
  to(remote: PublicKey): readonly { readonly id: TransportId }[];
}

export interface ServeSetupCallsOptions {
  readonly world: Pick<World, "clock">;
  readonly local: PublicKey;
  readonly dmsg: Pick<DmsgClient, "listen">;
  readonly router: RuleKeeper;
  readonly transports: LiveTransports;
  /** The setup nodes of the configuration, and the visor's own. */
  readonly trusts: (key: PublicKey) => boolean;
  /**
   * Who opens a stream only to see that the port takes one: the service discovery, of a public visor (protocol:
   * services, section 6). It is served nothing, and not counted as refused. Default: nobody.
   */
  readonly looks?: (key: PublicKey) => boolean;
  /** What is served now; the same object for the streams of `serveDirectSetupStream`. */
  readonly connections: SetupConnections;
  readonly scope: Scope;
  readonly log: Log;
  /** What is refused is added to it. */
  readonly counters?: SetupCounters;
}

/** Serves dmsg port 136 until `scope` ends. Errors: 400 when the port is taken. */
export function serveSetupCalls(options: ServeSetupCallsOptions): void {
  const { dmsg, scope, counters = newSetupCounters() } = options;
  const listener = dmsg.listen(AWAIT_SETUP_PORT);
  scope.spawn("calls of setup nodes", async (signal) => {
    if (signal.aborted) listener.close();
    signal.addEventListener("abort", () => listener.close(), { once: true });
    const serving = new Set<Promise<void>>();
    for (let stream = await listener.accept(); stream !== null; stream = await listener.accept()) {
      const answering = admit(stream, { ...options, counters });
      if (answering === undefined) {
        if (options.looks?.(stream.remote.publicKey) !== true) counters.connectionsRefused++;
        stream.close(); // without a word: whoever is not served has no business here
        continue;
      }
      const { methods, afterMs, done } = answering;
      const served = serveFor(stream, methods, { ...options, afterMs, signal })
        .finally(() => (done(), serving.delete(served)));
      serving.add(served);
    }
    await Promise.all(serving);
  });
}

/** Serves one direct set-up on a virtual stream of type 13, or closes it above the bounds. Never rejects. */
export async function serveDirectSetupStream(
  stream: Conn & { readonly transport: { readonly id: TransportId; readonly remote: PublicKey } },
  options: Omit<ServeSetupCallsOptions, "dmsg" | "trusts" | "scope"> & { readonly signal: AbortSignal },
): Promise<void> {
  const { transport } = stream;
  const done = options.connections.enterPeer(transport.remote);
  if (done === undefined) {
    if (options.counters !== undefined) options.counters.connectionsRefused++;
    return stream.close();
  }
  const methods = directMethods("DirectSetupGateway", {
    ...options,
    caller: transport.remote,
    transportId: transport.id,
    eitherOrder: true,
  });
  await serveFor(stream, methods, { ...options, afterMs: DIRECT_CALLS_MS });
  done();
}

interface Answering {
  readonly methods: RpcMethods;
  readonly afterMs: number;
  readonly done: () => void;
}

/** What a caller is served; undefined: nothing. */
function admit(
  stream: DmsgStream,
  options: ServeSetupCallsOptions & { readonly counters: SetupCounters },
): Answering | undefined {
  const { connections, transports } = options;
  const caller = stream.remote.publicKey;
  if (options.trusts(caller)) {
    const done = connections.enter();
    return done && { methods: trustedMethods(options), afterMs: SETUP_CALLS_MS, done };
  }
  const done = transports.to(caller).length === 0 ? undefined : connections.enterPeer(caller);
  return done &&
    { methods: directMethods("RPCGateway", { ...options, caller }), afterMs: DIRECT_CALLS_MS, done };
}

/** Serves a connection for at most `afterMs`, then ends it. */
async function serveFor(
  conn: Conn,
  methods: RpcMethods,
  { world, afterMs, signal, log }: {
    readonly world: Pick<World, "clock">;
    readonly afterMs: number;
    readonly signal: AbortSignal;
    readonly log: Log;
  },
): Promise<void> {
  const over = new AbortController();
  const limit = sleep(world.clock, afterMs, over.signal).then(() => conn.close(), () => {});
  await serveRpc(conn, methods, { signal, log });
  over.abort();
  await limit;
}

function trustedMethods(
  { router, counters }: { readonly router: RuleKeeper; readonly counters: SetupCounters },
): RpcMethods {
  const refusing = refusals(counters);
  return {
    "RPCGateway.ReserveIDs": rpcMethod({
      argument: ID_COUNT,
      reply: ROUTE_IDS,
      handle: (count) => refusing("reserveIds", () => router.reserveIds(count)),
    }),
    "RPCGateway.AddIntermediaryRules": rpcMethod({
      argument: RULES,
      reply: DONE,
      handle: (rules) =>
        refusing("addRules", () => {
          if (rules.length > RULES_PER_CALL_MAX) {
            throw new RouteRuleError(`${rules.length} rules in one call`);
          }
          router.addIntermediaryRules(rulesOfWire(rules));
          return true;
        }),
    }),
    "RPCGateway.AddEdgeRules": rpcMethod({
      argument: EDGE_RULES,
      reply: DONE,
      handle: (edge) =>
        refusing("addRules", () => {
          router.addEdgeRules(edgeOfWire(edge)); // never waits for the group (routing.md 14)
          return true;
        }),
    }),
    "RPCGateway.DelRules": rpcMethod({
      argument: ROUTE_IDS,
      reply: DONE,
      handle: (ids) => {
        router.deleteRules(ids.slice(0, DELETED_PER_CALL_MAX));
        return true;
      },
    }),
  };
}

interface DirectOptions {
  readonly local: PublicKey;
  readonly router: RuleKeeper;
  readonly transports: LiveTransports;
  readonly caller: PublicKey;
  /** The only transport that may be used; undefined: any with the caller. */
  readonly transportId?: TransportId;
  readonly eitherOrder?: boolean;
  readonly counters?: SetupCounters;
}

/** One reservation and one edge. Whatever else is asked for is unknown. */
function directMethods(service: "RPCGateway" | "DirectSetupGateway", options: DirectOptions): RpcMethods {
  const { router, counters } = options;
  const refusing = refusals(counters);
  let reserved: readonly number[] | undefined;
  let isInstalled = false;
  const once = "direct setup: one reservation and one install per connection";
  return {
    [`${service}.ReserveIDs`]: rpcMethod({
      argument: ID_COUNT,
      reply: ROUTE_IDS,
      handle: (count) =>
        refusing("reserveIds", () => {
          if (reserved !== undefined) throw new SetupRefusedError("reserveIds", once);
          if (count < 1 || count > DIRECT_IDS_MAX) {
            throw new SetupRefusedError("reserveIds", "direct setup: too many route IDs");
          }
          return reserved = router.reserveIds(count);
        }),
    }),
    [`${service}.AddEdgeRules`]: rpcMethod({
      argument: EDGE_RULES,
      reply: DONE,
      handle: (wire) =>
        refusing("addRules", () => {
          if (reserved === undefined || isInstalled) throw new SetupRefusedError("addRules", once);
          const edge = directEdge(wire, options, reserved);
          isInstalled = true;
          router.addEdgeRules(edge);
          return true;
        }),
    }),
  };
}

/** The edge, when it is of a route between the caller and this visor over a transport of theirs. */
function directEdge(
  wire: GobValue<typeof EDGE_RULES>,
  { local, transports, caller, transportId, eitherOrder }: DirectOptions,
  reserved: readonly number[],
): EdgeRules {
  const edge = edgeOfWire(wire, { eitherOrder });
  const { descriptor: { source, destination }, forward, reverse } = edge;
  if (source.publicKey !== caller || destination.publicKey !== local) {
    throw new SetupRefusedError("addRules", "direct setup: route is not between the caller and this visor");
  }
  const { nextTransportId } = forward;
  const isOwn = transports.find(nextTransportId)?.remote === caller;
  if (!isOwn || (transportId !== undefined && transportId !== nextTransportId)) {
    throw new SetupRefusedError(
      "addRules",
      "direct setup: rule does not leave over a transport to the caller",
    );
  }
  // Else a stranger could overwrite the rules of other routes.
  if (!reserved.includes(forward.routeId) || !reserved.includes(reverse.routeId)) {
    throw new SetupRefusedError("addRules", "direct setup: rule does not use the reserved route IDs");
  }
  return edge;
}

/** Every refusal has its code in its text (routing.md 8.6), and is counted. */
function refusals(counters: SetupCounters = newSetupCounters()) {
  return <T>(failure: "addRules" | "reserveIds", work: () => T): T => {
    try {
      return work();
    } catch (cause) {
      counters.callsRefused++;
      throw refusal(failure, cause);
    }
  };
}
