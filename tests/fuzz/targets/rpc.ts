/** Go's net/rpc in both roles, and what route set-up reads out of it. @module */
import { type Conn, memoryPair } from "../../../lib/base/mod.ts";
import { fromHex } from "../../../lib/crypto/mod.ts";
import { checkRoute, generateRules, idsToReserve, refusal } from "../../../lib/routing/setup/mod.ts";
import * as types from "../../../lib/routing/setup/wire_types.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { RpcClient, rpcMethod, type RpcMethods, serveRpc } from "../../../lib/wire/rpc/mod.ts";
import dial from "../../vectors/routing/gob_setup_dial_route_group.json" with { type: "json" };
import router from "../../vectors/routing/gob_router_gateway.json" with { type: "json" };
import setup from "../../vectors/routing/gob_setup_2026.json" with { type: "json" };
import transports from "../../vectors/routing/gob_transport_gateway.json" with { type: "json" };
import { byteMutants } from "../_mutants.ts";
import type { FuzzInput, FuzzTarget } from "../_target.ts";

const recordings = [dial, router, setup, transports];
const join = (part: "request_hex" | "response_hex") =>
  recordings.map(({ calls }) => fromHex(calls.map((call) => call[part]).join("")));
const [requests, responses] = [join("request_hex"), join("response_hex")];

/** What a visor and a setup node make of arguments, without a network behind it. */
const METHODS: RpcMethods = {
  "SetupRPCGateway.DialRouteGroup": rpcMethod({
    argument: types.BIDIRECTIONAL_ROUTE,
    reply: types.EDGE_RULES,
    handle(wire) {
      const route = types.routeOfWire(wire);
      checkRoute(route);
      const ids = [...idsToReserve(route)].map(([visor, count]) =>
        [visor, Array.from({ length: count }, (_, at) => at + 1)] as const
      );
      return types.wireEdge(generateRules(route, new Map(ids)).initiating);
    },
  }),
  "RPCGateway.ReserveIDs": rpcMethod({
    argument: types.ID_COUNT,
    reply: types.ROUTE_IDS,
    handle: (count) => Array.from({ length: count }, (_, at) => at + 1),
  }),
  "RPCGateway.AddEdgeRules": rpcMethod({
    argument: types.EDGE_RULES,
    reply: types.DONE,
    handle(wire) {
      try {
        return types.edgeOfWire(wire) !== undefined;
      } catch (cause) {
        throw refusal("addRules", cause);
      }
    },
  }),
  "RPCGateway.AddIntermediaryRules": rpcMethod({
    argument: types.RULES,
    reply: types.DONE,
    handle: (rules) => types.rulesOfWire(rules).length >= 0,
  }),
  "TransportGateway.AddTransport": rpcMethod({
    argument: types.TRANSPORT_REQUEST,
    reply: types.TRANSPORT_RESPONSE,
    handle: ({ RemotePK, Type }) => ({ ID: undefined, Local: RemotePK, Remote: RemotePK, Type }),
  }),
};

/** Everything that comes back, counted. */
async function drain(conn: Conn): Promise<number> {
  let bytes = 0;
  try {
    for (let view = await conn.read(); view !== null; view = await conn.read()) bytes += view.length;
  } catch {
    // The server has broken the connection off: what was answered before is what counts.
  }
  return bytes;
}

/** Sends a whole stream of requests; resolves when the server has ended. */
async function serve(bytes: Uint8Array): Promise<number> {
  const [near, far] = memoryPair();
  const serving = serveRpc(far, METHODS);
  const answers = drain(near);
  await near.write(bytes).then(() => near.closeWrite()).catch(() => {}); // it may be refused half way
  await serving;
  near.close();
  return await answers;
}

/** Three calls under way get these bytes as their answers. */
async function answer(bytes: Uint8Array): Promise<unknown[]> {
  const [near, far] = memoryPair();
  const client = new RpcClient(near, { world: { clock: new VirtualClock() } });
  const calls = [
    client.call("RPCGateway.ReserveIDs", types.ID_COUNT, 1, types.ROUTE_IDS),
    client.call("SetupRPCGateway.RelayPeers", types.RELAY_PEERS_ARGUMENT, {}, types.RELAY_PEERS_REPLY),
    client.call("TransportGateway.GetTransports", types.NOTHING, {}, types.TRANSPORT_RESPONSES),
  ];
  const ended = Promise.allSettled(calls);
  await far.write(bytes).then(() => far.closeWrite()).catch(() => {});
  const outcomes = await ended;
  client.close();
  far.close();
  await client.closed;
  const [first] = outcomes;
  if (first!.status === "rejected") throw first!.reason;
  return outcomes;
}

function bytesTarget(
  name: string,
  goods: readonly Uint8Array[],
  feed: (bytes: Uint8Array) => unknown,
  refuses = true,
): FuzzTarget {
  return { name, inputs: byteMutants(goods), feed: feed as (input: FuzzInput & never) => unknown, refuses };
}

export const rpcTargets: readonly FuzzTarget[] = [
  bytesTarget("rpc/server", requests!, serve, false),
  bytesTarget("rpc/client", responses!, answer),
];
