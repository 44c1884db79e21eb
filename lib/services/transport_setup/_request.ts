/** Reading what an operator posts: every field is required, and no other one is known (services.md 11). @module */
import type { PublicKey } from "../../crypto/mod.ts";
import { parseTransportId, type TransportId } from "../../transport/mod.ts";

import { readKey } from "../hosting/mod.ts";

/** What is wrong, in the words of the original. */
export interface Problem {
  readonly problem: string;
}

/** POST `/add`. */
export interface AddRequest {
  readonly from: PublicKey;
  readonly to: PublicKey;
  readonly type: string;
}

/** POST `/remove`. */
export interface RemoveRequest {
  readonly from: PublicKey;
  readonly id: TransportId;
}

export function readAdd(body: Uint8Array): AddRequest | Problem {
  const fields = readFields(body, "TransportRequest", ["from", "to", "type"]);
  if ("problem" in fields) return fields;
  const [from, to, type] = [readKey(fields.from), readKey(fields.to), fields.type];
  if (from === undefined || to === undefined) return BAD_KEY;
  return from === to ? { problem: "source and destination keys are the same" } : { from, to, type };
}

export function readRemove(body: Uint8Array): RemoveRequest | Problem {
  const fields = readFields(body, "UUIDRequest", ["from", "id"]);
  if ("problem" in fields) return fields;
  const from = readKey(fields.from);
  if (from === undefined) return BAD_KEY;
  try {
    return { from, id: parseTransportId(fields.id) };
  } catch {
    return { problem: "invalid UUID" };
  }
}

function readFields<Name extends string>(
  body: Uint8Array,
  struct: string,
  names: readonly Name[],
): Record<Name, string> | Problem {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(body));
  } catch {
    return { problem: "body is no JSON" }; // a SyntaxError, a RangeError for absurd nesting, a TypeError for no UTF-8
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { problem: "body is no JSON object" };
  }
  const read: Partial<Record<Name, string>> = {};
  for (const [field, text] of Object.entries(value)) {
    const name = names.find((each) => each === field.toLowerCase());
    if (name === undefined) {
      return { problem: `json: unknown field ${JSON.stringify(field.slice(0, FIELD_CHARS_SHOWN))}` };
    }
    if (typeof text !== "string") return { problem: `json: field ${name} must be text` };
    read[name] = text;
  }
  const missing = names.filter((name) => !read[name]).map((name) => {
    const field = name === "id" ? "ID" : name[0]!.toUpperCase() + name.slice(1);
    return `Key: '${struct}.${field}' Error:Field validation for '${field}' failed on the 'required' tag`;
  });
  return missing.length > 0 ? { problem: missing.join("\n") } : read as Record<Name, string>;
}

export const BAD_KEY: Problem = { problem: "Invalid public key" };
/** Of a field that is none of ours, in the answer. */
const FIELD_CHARS_SHOWN = 64;
const decoder = new TextDecoder("utf-8", { fatal: true });
