/**
 * The gob types of route set-up and of the transport gateway, and how our values map on them (protocol: routing,
 * section 9.3).
 *
 * @module
 */
import { MalformedError } from "../../base/mod.ts";
import { type PublicKey, publicKeyBytes, publicKeyFromBytes } from "../../crypto/mod.ts";
import { type TransportId, transportIdBytes, transportIdFromBytes } from "../../transport/mod.ts";
import {
  gobBool,
  gobByteArray,
  gobBytes,
  gobInt64,
  gobMarshaler,
  gobSlice,
  gobStruct,
  gobText,
  gobUint,
  gobUint64,
  type GobValue,
} from "../../wire/gob/mod.ts";
import {
  DESCRIPTOR_BYTES,
  encodeDescriptor,
  invertDescriptor,
  parseDescriptor,
  type RouteDescriptor,
} from "../descriptor.ts";
import { RouteRuleError } from "../errors.ts";
import type { Hop } from "../hop.ts";
import { type EdgeRules, encodeRule, parseRule, type Rule } from "../rule.ts";

/** Paths both ways between two visors, and how long their rules live when unused. */
export interface BidirectionalRoute {
  /** Source is who asks for the route. */
  readonly descriptor: RouteDescriptor;
  /** Nanoseconds; goes into every rule. */
  readonly keepAliveNs: bigint;
  /** From the source to the destination. */
  readonly forward: readonly Hop[];
  /** From the destination to the source. */
  readonly reverse: readonly Hop[];
}

/** A key, or undefined for the null key. */
export const KEY = gobMarshaler<PublicKey | undefined>({
  name: "PubKey",
  zero: undefined,
  read: (bytes) => bytes.every((byte) => byte === 0) ? undefined : publicKeyFromBytes(bytes),
  write: (key) => publicKeyBytes(key!),
});
/** A transport id, or undefined for the null UUID. */
export const UUID = gobMarshaler<TransportId | undefined>({
  name: "UUID",
  zero: undefined,
  read: (bytes) => bytes.every((byte) => byte === 0) ? undefined : transportIdFromBytes(bytes),
  write: (id) => transportIdBytes(id!),
});

export const DESCRIPTOR = gobByteArray("RouteDescriptor", DESCRIPTOR_BYTES);
export const HOP = gobStruct("Hop", { TpID: UUID, From: KEY, To: KEY });
export const HOPS = gobSlice("[]routing.Hop", HOP);
export const BIDIRECTIONAL_ROUTE = gobStruct("BidirectionalRoute", {
  Desc: DESCRIPTOR,
  KeepAlive: gobInt64,
  Forward: HOPS,
  Reverse: HOPS,
});
export const EDGE_RULES = gobStruct("EdgeRules", { Desc: DESCRIPTOR, Forward: gobBytes, Reverse: gobBytes });
/** How many route ids are asked for. */
export const ID_COUNT = gobUint(8);
export const ROUTE_IDS = gobSlice("", gobUint(32));
export const RULES = gobSlice("", gobBytes);
export const DONE = gobBool;
export const NOTHING = gobStruct("", {});

export { HEALTH_CHECK_ARGUMENT, HEALTH_CHECK_REPLY } from "../../directory/mod.ts";
export const RELAY_PEERS_ARGUMENT = gobStruct("RelayPeersArgs", {});
export const RELAY_PEERS_REPLY = gobStruct("RelayPeersReply", { Peers: gobSlice("[]cipher.PubKey", KEY) });

export const TRANSPORT_REQUEST = gobStruct("TransportRequest", { RemotePK: KEY, Type: gobText });
export const TRANSPORT_RESPONSE = gobStruct("TransportResponse", {
  ID: UUID,
  Local: KEY,
  Remote: KEY,
  Type: gobText,
});
export const TRANSPORT_RESPONSES = gobSlice("", TRANSPORT_RESPONSE);
export const UUID_REQUEST = gobStruct("UUIDRequest", { ID: UUID });
export const BOOL_RESPONSE = gobStruct("BoolResponse", { Result: gobBool });

const FIELD_IDS = gobSlice("[]routing.RouteID", gobUint(32));
export const CASCADE_RESERVE_ARGUMENT = gobStruct("CascadeSignReserveArgs", { Route: BIDIRECTIONAL_ROUTE });
export const CASCADE_RESERVE_REPLY = gobStruct("CascadeSignReserveReply", {
  FwdSessionID: gobUint64,
  FwdReserveBytes: gobBytes,
  RevSessionID: gobUint64,
  RevReserveBytes: gobBytes,
});
export const CASCADE_INSTALL_ARGUMENT = gobStruct("CascadeSignInstallArgs", {
  Route: BIDIRECTIONAL_ROUTE,
  FwdSessionID: gobUint64,
  RevSessionID: gobUint64,
  FwdRouteIDs: FIELD_IDS,
  RevRouteIDs: FIELD_IDS,
});
export const CASCADE_INSTALL_REPLY = gobStruct("CascadeSignInstallReply", {
  FwdInstallBytes: gobBytes,
  RevInstallBytes: gobBytes,
  InitEdge: EDGE_RULES,
});

/** As it is sent. */
export function wireRoute(route: BidirectionalRoute): GobValue<typeof BIDIRECTIONAL_ROUTE> {
  return {
    Desc: encodeDescriptor(route.descriptor),
    KeepAlive: route.keepAliveNs,
    Forward: route.forward.map(wireHop),
    Reverse: route.reverse.map(wireHop),
  };
}

/** What somebody sent; whether it is a route is for `checkRoute` to say. Errors: `MalformedError`. */
export function routeOfWire(value: GobValue<typeof BIDIRECTIONAL_ROUTE>): BidirectionalRoute {
  return {
    descriptor: parseDescriptor(value.Desc),
    keepAliveNs: value.KeepAlive,
    forward: value.Forward.map(hopOfWire),
    reverse: value.Reverse.map(hopOfWire),
  };
}

/** As it is sent. */
export function wireEdge({ descriptor, forward, reverse }: EdgeRules): GobValue<typeof EDGE_RULES> {
  return { Desc: encodeDescriptor(descriptor), Forward: encodeRule(forward), Reverse: encodeRule(reverse) };
}

/**
 * Both rules, each of its kind and of the edge's own route. `eitherOrder`: the descriptor beside them may be the
 * inverted one. Errors: `RouteRuleError`, `MalformedError`.
 */
export function edgeOfWire(
  { Desc, Forward, Reverse }: GobValue<typeof EDGE_RULES>,
  { eitherOrder = false }: { readonly eitherOrder?: boolean } = {},
): EdgeRules {
  const given = parseDescriptor(Desc);
  const [forward, reverse] = [parseRule(Forward), parseRule(Reverse)];
  if (forward.kind !== "forward" || reverse.kind !== "consume") {
    throw new RouteRuleError(
      `An edge has a forward and a consume rule, not ${forward.kind} and ${reverse.kind}`,
    );
  }
  const { descriptor } = reverse;
  const inverted = invertDescriptor(descriptor);
  const isNamed = sameDescriptor(given, descriptor) || (eitherOrder && sameDescriptor(given, inverted));
  if (!isNamed || !sameDescriptor(forward.descriptor, inverted)) {
    throw new RouteRuleError("An edge's rules are of another route than the edge");
  }
  return { descriptor, forward, reverse };
}

/** Errors: `RouteRuleError`, `MalformedError`. */
export function rulesOfWire(values: readonly Uint8Array[]): Rule[] {
  return values.map(parseRule);
}

/** True for the same two ends in the same order. */
export function sameDescriptor(a: RouteDescriptor, b: RouteDescriptor): boolean {
  return a.source.publicKey === b.source.publicKey && a.source.port === b.source.port &&
    a.destination.publicKey === b.destination.publicKey && a.destination.port === b.destination.port;
}

function wireHop({ transportId, from, to }: Hop): GobValue<typeof HOP> {
  return { TpID: transportId, From: from, To: to };
}

function hopOfWire({ TpID, From, To }: GobValue<typeof HOP>): Hop {
  if (TpID === undefined || From === undefined || To === undefined) {
    throw new MalformedError("A hop lacks its transport or one of its keys");
  }
  return { transportId: TpID, from: From, to: To };
}
