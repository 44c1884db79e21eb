/** Recorded net/rpc conversations: their values as ours, their type ids, their bytes. @module */
import { fromHex, type PublicKey } from "../../../lib/crypto/mod.ts";
import * as types from "../../../lib/routing/setup/wire_types.ts";
import { parseTransportId } from "../../../lib/transport/mod.ts";
import type { AnyGobType } from "../../../lib/wire/gob/mod.ts";
import { NO_REPLY, REQUEST, RESPONSE } from "../../../lib/wire/rpc/_messages.ts";

// deno-lint-ignore no-explicit-any
export type Json = any;

export interface RecordedCall {
  readonly method: string;
  readonly args: Json;
  readonly reply?: Json;
  readonly error: string;
  readonly request_hex: string;
  readonly response_hex: string;
}

export interface Recording {
  readonly name: string;
  readonly cases: number;
  readonly calls: readonly RecordedCall[];
}

export const RECORDINGS = [
  "gob_setup_dial_route_group",
  "gob_router_gateway",
  "gob_router_gateway_add_edge_error",
  "gob_transport_gateway",
  "gob_setup_2026",
  "gob_direct_setup_dmsg",
  "gob_direct_setup_vstream",
] as const;

export async function recording(name: string): Promise<Recording> {
  const json = JSON.parse(
    await Deno.readTextFile(new URL(`../../vectors/routing/${name}.json`, import.meta.url)),
  );
  return { name, cases: json.case_counts.calls, calls: json.calls };
}

/** A method's types, and how the values of a recording are ours. */
export interface MethodShape {
  readonly argument: AnyGobType;
  readonly reply: AnyGobType;
  readonly argumentOf: (args: Json) => unknown;
  readonly replyOf: (reply: Json) => unknown;
}

const nothing = () => ({});
const reserve: MethodShape = {
  argument: types.ID_COUNT,
  reply: types.ROUTE_IDS,
  argumentOf: ({ n }) => n,
  replyOf: ({ route_ids }) => route_ids ?? [],
};
const edge = ({ desc_hex, forward_hex, reverse_hex }: Json) => ({
  Desc: fromHex(desc_hex),
  Forward: fromHex(forward_hex),
  Reverse: fromHex(reverse_hex),
});
const addEdge: MethodShape = {
  argument: types.EDGE_RULES,
  reply: types.DONE,
  argumentOf: edge,
  replyOf: ({ ok }) => ok,
};
const hop = ({ tp_id, from, to }: Json) => ({ TpID: parseTransportId(tp_id), From: from, To: to });
const route = ({ desc_hex, keep_alive_ns, forward, reverse }: Json) => ({
  Desc: fromHex(desc_hex),
  KeepAlive: BigInt(keep_alive_ns),
  Forward: (forward ?? []).map(hop),
  Reverse: (reverse ?? []).map(hop),
});
const key = (text: string): PublicKey | undefined => /^0*$/.test(text) ? undefined : text as PublicKey;
const uuid = (text: string) => /^[0-]*$/.test(text) ? undefined : parseTransportId(text);

export const SHAPES: Readonly<Record<string, MethodShape>> = {
  "SetupRPCGateway.DialRouteGroup": {
    argument: types.BIDIRECTIONAL_ROUTE,
    reply: types.EDGE_RULES,
    argumentOf: route,
    replyOf: edge,
  },
  "SetupRPCGateway.HealthCheck": {
    argument: types.HEALTH_CHECK_ARGUMENT,
    reply: types.HEALTH_CHECK_REPLY,
    argumentOf: nothing,
    replyOf: (reply) => reply,
  },
  "SetupRPCGateway.RelayPeers": {
    argument: types.RELAY_PEERS_ARGUMENT,
    reply: types.RELAY_PEERS_REPLY,
    argumentOf: nothing,
    replyOf: (reply) => reply,
  },
  "SetupRPCGateway.CascadeSignReserve": {
    argument: types.CASCADE_RESERVE_ARGUMENT,
    reply: types.CASCADE_RESERVE_REPLY,
    argumentOf: ({ Route }) => ({ Route: route(Route) }),
    replyOf: (reply) => ({
      FwdSessionID: BigInt(reply.FwdSessionID),
      FwdReserveBytes: fromHex(reply.FwdReserveBytes),
      RevSessionID: BigInt(reply.RevSessionID),
      RevReserveBytes: fromHex(reply.RevReserveBytes),
    }),
  },
  "SetupRPCGateway.CascadeSignInstall": {
    argument: types.CASCADE_INSTALL_ARGUMENT,
    reply: types.CASCADE_INSTALL_REPLY,
    argumentOf: (args) => ({
      ...args,
      Route: route(args.Route),
      FwdSessionID: BigInt(args.FwdSessionID),
      RevSessionID: BigInt(args.RevSessionID),
    }),
    replyOf: (reply) => ({
      FwdInstallBytes: fromHex(reply.FwdInstallBytes),
      RevInstallBytes: fromHex(reply.RevInstallBytes),
      InitEdge: edge(reply.InitEdge),
    }),
  },
  "RPCGateway.ReserveIDs": reserve,
  "DirectSetupGateway.ReserveIDs": reserve,
  "RPCGateway.AddEdgeRules": addEdge,
  "DirectSetupGateway.AddEdgeRules": addEdge,
  "RPCGateway.AddIntermediaryRules": {
    argument: types.RULES,
    reply: types.DONE,
    argumentOf: ({ rules_hex }) => rules_hex.map(fromHex),
    replyOf: ({ ok }) => ok,
  },
  "RPCGateway.DelRules": {
    argument: types.ROUTE_IDS,
    reply: types.DONE,
    argumentOf: ({ route_ids }) => route_ids,
    replyOf: ({ ok }) => ok,
  },
  "TransportGateway.AddTransport": {
    argument: types.TRANSPORT_REQUEST,
    reply: types.TRANSPORT_RESPONSE,
    argumentOf: ({ remote_pk, type }) => ({ RemotePK: key(remote_pk), Type: type }),
    replyOf: ({ id, local, remote, type }) => ({
      ID: uuid(id),
      Local: key(local),
      Remote: key(remote),
      Type: type,
    }),
  },
  "TransportGateway.RemoveTransport": {
    argument: types.UUID_REQUEST,
    reply: types.BOOL_RESPONSE,
    argumentOf: ({ id }) => ({ ID: uuid(id) }),
    replyOf: ({ result }) => ({ Result: result }),
  },
  "TransportGateway.GetTransports": {
    argument: types.NOTHING,
    reply: types.TRANSPORT_RESPONSES,
    argumentOf: nothing,
    // Of the list only the number of items was written down; the items are those of the other calls.
    replyOf: ({ count }) => count === 0 ? [] : RECORDED_TRANSPORTS,
  },
};

const [A, B] = [
  "0348e1adcfb395c6db81ea52dac21b5e68a1db7edce880f1b3dd3bc29cc7d1c1f6",
  "0284b9f519a6faa3b837a4285ddc40e81fb66bdf0ea7c4f9e193ef6074dde4a8a1",
] as PublicKey[];
const RECORDED_TRANSPORTS = [
  { ID: parseTransportId("e2973841-33a2-0ed6-90cb-e777a6615a73"), Local: A, Remote: B, Type: "stcpr" },
  { ID: parseTransportId("051dbb98-3cc6-0f6b-b564-1ceb4588fc09"), Local: A, Remote: B, Type: "sudph" },
];

/** Everything in both directions of the recordings, by what a definition tells of it. */
const BY_DEFINITION = new Map<string, AnyGobType>();
function learn(type: AnyGobType): void {
  const { definition } = type;
  if (definition.kind === "built-in") return;
  const mark = "element" in definition && definition.name === "" ? elementMark(definition.element) : "";
  BY_DEFINITION.set(`${definition.kind} ${definition.name}${mark}`, type);
  if (definition.kind === "struct") { for (const [, field] of definition.fields) learn(field); }
  if ("element" in definition) learn(definition.element);
}
function elementMark({ definition }: AnyGobType): string {
  return definition.kind === "built-in" ? ` of ${definition.id}` : " of own";
}

const KINDS = ["array", "slice", "struct", "map", "marshaler", "marshaler", "marshaler"];

/** The ids that one direction of a recording gives to our types. */
export function typeIdsOf(streams: readonly string[], empty: AnyGobType): Map<AnyGobType, number> {
  BY_DEFINITION.clear();
  for (const { argument, reply } of Object.values(SHAPES)) [argument, reply].forEach(learn);
  [REQUEST, RESPONSE, empty].forEach(learn);
  const ids = new Map<AnyGobType, number>();
  for (const message of streams.flatMap((stream) => messagesOf(fromHex(stream)))) {
    const [id, at] = intAt(message, 0);
    if (id > 0) continue;
    const kind = KINDS[message[at]! - 1]!;
    let next = at + 2; // past the shape and the common part
    let name = "";
    if (message[next] === 1) {
      const length = message[next + 1]!;
      name = new TextDecoder().decode(message.subarray(next + 2, next + 2 + length));
      next += 2 + length;
    }
    const [, afterId] = intAt(message, next + 1);
    let mark = "";
    if (kind === "slice" && name === "") {
      const [element] = intAt(message, afterId + 2);
      mark = element < 64 ? ` of ${element}` : " of own";
    }
    const type = BY_DEFINITION.get(`${kind} ${name}${mark}`);
    if (type === undefined) throw new Error(`Nothing of ours is ${kind} "${name}"${mark}`);
    ids.set(type, -id);
  }
  return ids;
}

/** The server's own empty struct. */
export { NO_REPLY };

/** Payloads of the messages of a stream, which is well formed. */
export function messagesOf(stream: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 0; at < stream.length;) {
    const [length, start] = uintAt(stream, at);
    found.push(stream.subarray(start, start + length));
    at = start + length;
  }
  return found;
}

function uintAt(bytes: Uint8Array, at: number): [value: number, next: number] {
  const first = bytes[at]!;
  if (first < 128) return [first, at + 1];
  let value = 0;
  for (let index = 0; index < 256 - first; index++) value = value * 256 + bytes[at + 1 + index]!;
  return [value, at + 257 - first];
}

function intAt(bytes: Uint8Array, at: number): [value: number, next: number] {
  const [bits, next] = uintAt(bytes, at);
  return [bits % 2 === 0 ? bits / 2 : -(bits + 1) / 2, next];
}
