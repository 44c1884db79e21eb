/**
 * Reading a registration: signed entries of 2024, bare ones of 2026, with everything that could be wrong.
 *
 * Nobody checks the signatures here: both edges did, when they settled the transport (transport.md 7), and the
 * one that registers proves its key by the request. What is checked is what the request cannot prove: that the
 * id is that of these edges and this type, and that one of them is asking.
 *
 * @module
 */
import type { PublicKey } from "../../crypto/mod.ts";
import { readTransport, type TransportRecord, wireTransport } from "../../directory/mod.ts";
import { transportId } from "../../transport/mod.ts";
import { versionIn } from "../uptimes/mod.ts";
import { BATCH_RECORDS_MAX } from "./settings.ts";

/** A registration that may be stored. */
export interface Registration {
  readonly records: readonly TransportRecord[];
  /** What the original echoes: each entry with its signatures, zeros where none came. */
  readonly signed: readonly object[];
  /** Of the visor, where an entry of 2026 names it. */
  readonly version: string | undefined;
}

/** Why a registration is refused, as a whole. */
export interface Refusal {
  readonly status: number;
  readonly error: string;
}

/** Reads what `caller` registers. */
export function readRegistration(body: Uint8Array, caller: PublicKey): Registration | Refusal {
  const list = readList(body);
  if ("error" in list) return list;
  const records: TransportRecord[] = [];
  const signed: object[] = [];
  let version: string | undefined;
  for (const item of list.items) {
    const isWrapped = typeof item === "object" && item !== null && "entry" in item;
    const record = readTransport(isWrapped ? item.entry : item);
    if (record === undefined) return refuse("transport entry is invalid");
    const problem = problemWith(record, caller);
    if (problem !== undefined) return refuse(problem);
    version ??= isWrapped && "version" in item ? versionIn(item.version) : undefined;
    const signatures = signaturesOf(isWrapped && "signatures" in item ? item.signatures : undefined);
    if (signatures === undefined) return refuse("signature is invalid");
    const { latency: _, ...entry } = record;
    records.push(record);
    signed.push({ entry: wireTransport(entry), signatures });
  }
  return { records, signed, version };
}

/** A JSON list of at most {@link BATCH_RECORDS_MAX} items; null is an empty one. */
export function readList(body: Uint8Array): { readonly items: readonly unknown[] } | Refusal {
  let list: unknown;
  try {
    list = JSON.parse(decoder.decode(body)) ?? [];
  } catch {
    return refuse("body is no JSON"); // a SyntaxError, a RangeError for absurd nesting, a TypeError for no UTF-8
  }
  // The status by which the original tells JSON of another type from what is none.
  if (!Array.isArray(list)) return { status: 500, error: "json: cannot unmarshal a value that is no list" };
  if (list.length > BATCH_RECORDS_MAX) return refuse(`more than ${BATCH_RECORDS_MAX} items in a list`);
  return { items: list };
}

function problemWith({ id, edges, type }: TransportRecord, caller: PublicKey): string | undefined {
  if (edges[0] > edges[1]) return "transport edges are not in ascending order";
  if (edges[0] !== caller && edges[1] !== caller) return "caller is no edge of the transport";
  if (transportId(edges[0], edges[1], type) !== id) return "transport ID is invalid";
  return undefined;
}

/** Two signatures of 130 hex digits, or two of zeros where none came; undefined for anything else. */
function signaturesOf(value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return NO_SIGNATURES;
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  return value.every((text) => typeof text === "string" && /^[0-9a-f]{130}$/i.test(text)) ? value : undefined;
}

function refuse(error: string): Refusal {
  return { status: 400, error };
}

const NO_SIGNATURES = ["0".repeat(130), "0".repeat(130)];
const decoder = new TextDecoder("utf-8", { fatal: true });
