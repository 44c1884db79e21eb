/** What Redis keeps of a transport, and what it tells of changes, read with care: others may write there, too. @module */
import type { PublicKey } from "../../../crypto/mod.ts";
import type { TransportLatency, TransportRecord } from "../../../directory/mod.ts";
import type { TransportWord } from "../transport_store.ts";
import { hasKeyShape } from "./_key_shape.ts";

/** A transport that is kept, without its latency. */
export interface KeptTransport {
  /** Its place in lists. */
  readonly number: number;
  /** Both edges say that there is such a transport. */
  readonly isConfirmed: boolean;
  readonly record: TransportRecord;
}

/** Reads the text of `tp:<id>`; undefined for what is none. */
export function readKept(id: string, text: string): KeptTransport | undefined {
  const parts = /^(\d{1,15}) ([0-3]) \S+ \S+ (\S+) (\S+) (.*)$/s.exec(text);
  if (parts === null) return undefined;
  const [, number, bits, first, second, tail] = parts;
  const record = readRecord(id, first, second, tail);
  return record && { number: Number(number), isConfirmed: bits === "3", record };
}

/** Reads the text of `lat:<id>`, or of a latency alone; undefined for what is none. */
export function readLatency(text: unknown): TransportLatency | undefined {
  const numbers = typeof text === "string" ? /^(\d{1,15}) (\d{1,15}) (\d{1,15})(?: \S+)?$/.exec(text) : null;
  return numbers === null
    ? undefined
    : { min: Number(numbers[1]), max: Number(numbers[2]), avg: Number(numbers[3]) };
}

/** The JSON of what the indexes do not need. */
export function tailOf({ type, label }: TransportRecord): string {
  return JSON.stringify([type, label]);
}

export function latencyText(latency: TransportLatency | undefined): string {
  return latency === undefined ? "" : `${latency.min} ${latency.max} ${latency.avg}`;
}

/** The same record with another latency. */
export function withLatency(record: TransportRecord, latency: TransportLatency | undefined): TransportRecord {
  const { id, edges, type, label } = record;
  return latency === undefined ? { id, edges, type, label } : { id, edges, type, label, latency };
}

/** Reads what an instance told; undefined for what is no such word. */
export function readWord(text: string): TransportWord | undefined {
  let word: Partial<Record<"ttl" | "ids" | "put" | "removed", unknown>> | null;
  try {
    word = JSON.parse(text);
  } catch {
    return undefined; // no JSON, or absurd nesting
  }
  if (typeof word !== "object" || word === null) return undefined;
  if (word.removed !== undefined) {
    const removed = texts(word.removed);
    return removed && { removed };
  }
  const ids = texts(word.ids);
  if (ids === undefined || typeof word.ttl !== "number" || !(word.ttl >= 0)) return undefined;
  const put: TransportRecord[] = [];
  for (const item of listOf(word.put) ?? []) {
    const [id, first, second, tail, latency] = listOf(item) ?? [];
    const record = readRecord(id, first, second, tail);
    if (record === undefined) return undefined;
    put.push(withLatency(record, readLatency(latency)));
  }
  return { ttlMs: word.ttl, renewed: ids, put };
}

function readRecord(
  id: unknown,
  first: unknown,
  second: unknown,
  tail: unknown,
): TransportRecord | undefined {
  if (typeof id !== "string" || !hasKeyShape(first) || !hasKeyShape(second) || typeof tail !== "string") {
    return undefined;
  }
  try {
    const [type, label] = listOf(JSON.parse(tail)) ?? [];
    if (typeof type !== "string" || typeof label !== "string") return undefined;
    return { id, edges: [first, second] as [PublicKey, PublicKey], type, label };
  } catch {
    return undefined;
  }
}

/** Lua writes an empty list as an empty object. */
function listOf(value: unknown): readonly unknown[] | undefined {
  if (Array.isArray(value)) return value;
  const isEmpty = typeof value === "object" && value !== null && Object.keys(value).length === 0;
  return isEmpty ? [] : undefined;
}

function texts(value: unknown): string[] | undefined {
  const list = listOf(value);
  return list?.every((item) => typeof item === "string") ? [...list] as string[] : undefined;
}
