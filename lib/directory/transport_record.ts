/**
 * A transport as the transport discovery knows it (services.md 3.1).
 *
 *     {"t_id":"<uuid>","edges":["<key>","<key>"],"type":"stcpr","label":"user","latency":{"min":1,"max":3,"avg":2}}
 *
 * @module
 */
import type { PublicKey } from "../crypto/mod.ts";
import { asObject, keyOf, member } from "./_answers.ts";

/** Measured round trips of a transport, in microseconds. */
export interface TransportLatency {
  readonly min: number;
  readonly max: number;
  readonly avg: number;
}

export interface TransportRecord {
  /** A UUID in lower case. */
  readonly id: string;
  /** In ascending order; equal for a transport to oneself. */
  readonly edges: readonly [PublicKey, PublicKey];
  /** `stcpr`, `sudph`, `dmsg`, `stcp`, or what comes next. */
  readonly type: string;
  /** `user`, `automatic` or `skycoin`. */
  readonly label: string;
  /** Undefined while nothing is measured. */
  readonly latency?: TransportLatency;
}

/** Types have up to five characters so far. */
export const TYPE_CHARS_MAX = 32;
/** Labels have up to nine so far. */
export const LABEL_CHARS_MAX = 64;

/** As it goes over the wire, members in the order of the original. */
export function wireTransport({ id, edges, type, label, latency }: TransportRecord): object {
  return { t_id: id, edges, type, label, ...(latency === undefined ? {} : { latency }) };
}

/** Reads a record as JSON gave it; names in any case, unknown members ignored. Undefined for what is none. */
export function readTransport(value: unknown): TransportRecord | undefined {
  const id = member(value, "t_id");
  const edges = member(value, "edges");
  const type = member(value, "type");
  const label = member(value, "label") ?? "";
  if (typeof id !== "string" || !isTransportId(id)) return undefined;
  if (typeof type !== "string" || !isWord(type, TYPE_CHARS_MAX)) return undefined;
  if (typeof label !== "string" || (label !== "" && !isWord(label, LABEL_CHARS_MAX))) return undefined;
  if (!Array.isArray(edges) || edges.length !== 2) return undefined;
  const [first, second] = [keyOf(edges[0]), keyOf(edges[1])];
  if (first === undefined || second === undefined) return undefined;
  const latency = readLatency(member(value, "latency"));
  const record = { id: id.toLowerCase(), edges: [first, second] as const, type, label };
  return latency === undefined ? record : { ...record, latency };
}

/** True for the text of a UUID, in either case. */
export function isTransportId(text: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}

/** Undefined for what measures nothing: readers that do not know better send zeros. */
function readLatency(value: unknown): TransportLatency | undefined {
  if (asObject(value) === undefined) return undefined;
  const [min, max, avg] = [member(value, "min"), member(value, "max"), member(value, "avg")].map(
    microseconds,
  );
  if (min === undefined || max === undefined || avg === undefined || avg === 0) return undefined;
  return { min, max, avg };
}

/** An hour at most: more is no measurement. */
const LATENCY_US_MAX = 3_600_000_000;

function microseconds(value: unknown): number | undefined {
  if (typeof value !== "number" || !(value >= 0 && value <= LATENCY_US_MAX)) return undefined;
  return Math.round(value);
}

/** Visible ASCII without quotes: what can stand in a log and a table as it is. */
function isWord(text: string, charsMax: number): boolean {
  return text.length <= charsMax && /^[!#-&(-~]+$/.test(text);
}
