/** JSON from peers: objects whose members match in any case, as Go's decoder has it. @module */
import { MalformedError } from "../base/mod.ts";

/** A JSON object that nothing is known of. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** What `text` says. Errors: `MalformedError`, also for nesting deeper than any honest document's. */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MalformedError(`Cannot read ${what}: it is no JSON`, { cause });
  }
}

/** `json` when it is an object. Errors: `MalformedError`. */
export function parseJsonObject(json: unknown, what: string): JsonObject {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new MalformedError(`Cannot read ${what}: it is no object`);
  }
  return json as JsonObject;
}

/** The member of that name, in any case; the last one wins. Undefined when there is none, or null. */
export function member(object: JsonObject, name: string): unknown {
  const wanted = name.toLowerCase();
  let found: unknown;
  for (const key of Object.keys(object)) {
    if (key.toLowerCase() === wanted) found = object[key];
  }
  return found ?? undefined;
}
