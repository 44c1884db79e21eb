/**
 * Routing rules: what a router does with the packets of one route id (protocol: routing, section 4).
 *
 *     header         [ keep-alive u64, ns ][ kind u8 ][ key route id u32 ]                          13 bytes
 *     0 consume      header [ descriptor 70 ]                                                       83
 *     1 forward      header [ descriptor 70 ][ next route id u32 ][ next transport 16 ][ 17 zero ]  120
 *     2 intermediary header [ next route id u32 ][ next transport 16 ][ 17 zero ]                   50
 *
 * The zero bytes are written, ignored when read, and may be missing.
 *
 * @module
 */
import { MalformedError } from "../base/mod.ts";
import { type TransportId, transportIdBytes, transportIdFromBytes } from "../transport/mod.ts";
import { ByteReader, ByteWriter } from "../wire/mod.ts";
import {
  DESCRIPTOR_BYTES,
  descriptorText,
  encodeDescriptor,
  parseDescriptor,
  type RouteDescriptor,
} from "./descriptor.ts";
import { RouteRuleError } from "./errors.ts";

/** What a rule does; the number is the wire's. */
export const RULE_TYPE = { consume: 0, forward: 1, intermediary: 2 } as const;
export type RuleKind = keyof typeof RULE_TYPE;

/** What a rule of our own routes lives unused; each router obeys the rule that it has, not this. */
export const RULE_KEEP_ALIVE_NS = 600_000_000_000n;
/** No rule lives longer unused, whatever its maker asked for: else a stranger would fill tables for good. */
export const RULE_KEEP_ALIVE_MAX_NS = 3_600_000_000_000n;

const KINDS: readonly RuleKind[] = ["consume", "forward", "intermediary"];
const HEADER_BYTES = 13;
const NEXT_BYTES = 20;
/** A rule reserves 33 bytes for an id of 16. */
const PADDING_BYTES = 17;
const I64_MAX = 2n ** 63n - 1n;

/** What every rule has. */
interface RuleHead {
  /** Nanoseconds, 0 to 2^63 - 1: the rule dies when unused for longer. */
  readonly keepAliveNs: bigint;
  /** The id that packets arrive with at the router that holds the rule; reserved there. */
  readonly routeId: number;
}

/** Packets end here, in the route group of the descriptor. Also called reverse rule. */
export interface ConsumeRule extends RuleHead {
  readonly kind: "consume";
  readonly descriptor: RouteDescriptor;
}

interface PassingRule extends RuleHead {
  /** What is written into a packet that is passed on: the id of the rule at the next router. */
  readonly nextRouteId: number;
  /** A transport of the router that holds the rule. */
  readonly nextTransportId: TransportId;
}

/** The first rule of a route: packets of the group of the descriptor leave by it. */
export interface ForwardRule extends PassingRule {
  readonly kind: "forward";
  readonly descriptor: RouteDescriptor;
}

/** Packets are passed on. */
export interface IntermediaryRule extends PassingRule {
  readonly kind: "intermediary";
}

export type Rule = ConsumeRule | ForwardRule | IntermediaryRule;

/** The two rules of one end of a route group. `descriptor` is the one that the end's consume rule carries. */
export interface EdgeRules {
  /** As sent in AddEdgeRules and DialRouteGroup: at each end, its own address is the destination. */
  readonly descriptor: RouteDescriptor;
  readonly forward: ForwardRule;
  readonly reverse: ConsumeRule;
}

/** The bytes of a rule. A negative keep-alive becomes 0. Throws `RangeError` for an id that does not fit. */
export function encodeRule(rule: Rule): Uint8Array {
  const writer = new ByteWriter(HEADER_BYTES + DESCRIPTOR_BYTES + NEXT_BYTES + PADDING_BYTES)
    .u64(clampedKeepAlive(rule.keepAliveNs))
    .u8(RULE_TYPE[rule.kind])
    .u32(rule.routeId);
  if (rule.kind !== "intermediary") writer.bytes(encodeDescriptor(rule.descriptor));
  if (rule.kind !== "consume") {
    writer.u32(rule.nextRouteId).bytes(transportIdBytes(rule.nextTransportId))
      .bytes(new Uint8Array(PADDING_BYTES));
  }
  return writer.finish();
}

/** Reads a whole rule. Throws `RouteRuleError` for a wrong length or kind, and for keys that are none. */
export function parseRule(bytes: Uint8Array): Rule {
  if (bytes.length < HEADER_BYTES) throw new RouteRuleError(`A rule of ${bytes.length} bytes has no header`);
  const reader = new ByteReader(bytes, "Rule");
  const keepAliveNs = clampedKeepAlive(BigInt.asIntN(64, reader.u64()));
  const type = reader.u8();
  const kind = KINDS[type];
  if (kind === undefined) throw new RouteRuleError(`Rule type ${type} is unknown`);
  checkLength(kind, bytes.length);
  const routeId = reader.u32();
  const descriptor = kind === "intermediary" ? undefined : readDescriptor(reader);
  if (kind === "consume") return { kind, keepAliveNs, routeId, descriptor: descriptor! };
  const nextRouteId = reader.u32();
  const nextTransportId = transportIdFromBytes(reader.bytes(16));
  const head = { keepAliveNs, routeId, nextRouteId, nextTransportId };
  return kind === "forward" ? { kind, ...head, descriptor: descriptor! } : { kind, ...head };
}

/** As in the logs of every Skywire visor. */
export function ruleText(rule: Rule): string {
  if (rule.kind === "consume") return `REV(keyRtID:${rule.routeId}, ${descriptorText(rule.descriptor)})`;
  const next = `keyRtID:${rule.routeId}, nxtRtID:${rule.nextRouteId}, nxtTpID:${rule.nextTransportId}`;
  return rule.kind === "forward" ? `FWD(${next}, ${descriptorText(rule.descriptor)})` : `INTER(${next})`;
}

interface DescriptorSummary {
  readonly dst_pk: string;
  readonly src_pk: string;
  readonly dst_port: number;
  readonly src_port: number;
}

/** A rule as the control API shows it; the names are Skywire's. `keep_alive` is in nanoseconds. */
export interface RuleSummary {
  readonly keep_alive: number;
  readonly rule_type: number;
  readonly key_route_id: number;
  readonly app_fields?: { readonly route_descriptor: DescriptorSummary };
  readonly forward_fields?: {
    readonly route_descriptor: DescriptorSummary;
    readonly next_rid: number;
    readonly next_tid: string;
  };
  readonly intermediary_forward_fields?: { readonly next_rid: number; readonly next_tid: string };
}

export function ruleSummary(rule: Rule): RuleSummary {
  const head = {
    keep_alive: Number(rule.keepAliveNs),
    rule_type: RULE_TYPE[rule.kind],
    key_route_id: rule.routeId,
  };
  if (rule.kind === "consume") {
    return { ...head, app_fields: { route_descriptor: descriptorSummary(rule.descriptor) } };
  }
  const next = { next_rid: rule.nextRouteId, next_tid: rule.nextTransportId };
  if (rule.kind === "intermediary") return { ...head, intermediary_forward_fields: next };
  return { ...head, forward_fields: { route_descriptor: descriptorSummary(rule.descriptor), ...next } };
}

function descriptorSummary({ source, destination }: RouteDescriptor): DescriptorSummary {
  return {
    dst_pk: destination.publicKey,
    src_pk: source.publicKey,
    dst_port: destination.port,
    src_port: source.port,
  };
}

function checkLength(kind: RuleKind, length: number): void {
  const least = HEADER_BYTES + (kind === "intermediary" ? 0 : DESCRIPTOR_BYTES) +
    (kind === "consume" ? 0 : NEXT_BYTES);
  if (length === least || (kind !== "consume" && length === least + PADDING_BYTES)) return;
  throw new RouteRuleError(`A rule of kind ${kind} has ${least} bytes, not ${length}`);
}

function readDescriptor(reader: ByteReader): RouteDescriptor {
  try {
    return parseDescriptor(reader.bytes(DESCRIPTOR_BYTES));
  } catch (cause) {
    if (!(cause instanceof MalformedError)) throw cause;
    throw new RouteRuleError("A rule's descriptor cannot be read", { cause });
  }
}

/** The time that a rule gets of the one that was asked for: 0 to {@link RULE_KEEP_ALIVE_MAX_NS}. */
export function grantedKeepAlive(keepAliveNs: bigint): bigint {
  const asked = clampedKeepAlive(keepAliveNs);
  return asked > RULE_KEEP_ALIVE_MAX_NS ? RULE_KEEP_ALIVE_MAX_NS : asked;
}

function clampedKeepAlive(keepAliveNs: bigint): bigint {
  if (keepAliveNs < 0n) return 0n;
  return keepAliveNs > I64_MAX ? I64_MAX : keepAliveNs;
}
