/** JSON from outside, with whole numbers kept exactly. @module */
import { MalformedError } from "../base/mod.ts";

/** A JSON value; whole numbers are bigint, others number. */
export type Json = null | boolean | number | bigint | string | readonly Json[] | JsonObject;
/** A JSON object by member. */
export interface JsonObject {
  readonly [member: string]: Json | undefined;
}

/** Parses strictly; `what` names the document in the error. Errors: `MalformedError`. */
export function parseExactJson(text: string, what: string): Json {
  try {
    return JSON.parse(text, exactNumber) as Json;
  } catch (cause) {
    // A SyntaxError, or a RangeError when the nesting is deeper than any honest document's.
    throw new MalformedError(`${what} is no JSON`, { cause });
  }
}

/** True for an object, not for a list or null. */
export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Text inside quotes as the reference writes it: only `"`, `\` and control characters are escaped. */
export function quoteJson(text: string): string {
  // deno-lint-ignore no-control-regex
  return `"${text.replace(/["\\\u0000-\u001f]/g, escapeCharacter)}"`;
}

function exactNumber(_member: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== "number") return value;
  const source = context?.source;
  return source !== undefined && /^-?[0-9]{1,20}$/.test(source) ? BigInt(source) : value;
}

function escapeCharacter(character: string): string {
  switch (character) {
    case '"':
      return '\\"';
    case "\\":
      return "\\\\";
    case "\n":
      return "\\n";
    case "\r":
      return "\\r";
    case "\t":
      return "\\t";
    default:
      return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  }
}
