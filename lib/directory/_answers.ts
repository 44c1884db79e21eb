/** Answers of services, read with suspicion: five styles of errors, names in any case, lists that are null. @module */
import { oneLine } from "../base/mod.ts";
import { InvalidKeyError, parsePublicKey, type PublicKey } from "../crypto/mod.ts";
import { ServiceAnswerError, ServiceRefusedError } from "./errors.ts";
import type { ServiceAnswer } from "./request_signer.ts";

/** The text of an error body of any service (services.md 1.2), on one line, bounded. */
export function reasonIn(text: string): string {
  try {
    const body = asObject(JSON.parse(text));
    const error = member(body, "error");
    const reason = member(body, "message") ??
      (asObject(error) === undefined ? error : member(error, "message"));
    if (typeof reason === "string") return oneLine(reason.slice(0, REASON_CHARS_MAX));
  } catch {
    // no JSON: the text itself says what it is
  }
  return oneLine(text.slice(0, REASON_CHARS_MAX)).trim() || "no text";
}

export function refused(service: string, what: string, { status, text }: ServiceAnswer): ServiceRefusedError {
  return new ServiceRefusedError(service, what, status, reasonIn(text));
}

/** Errors: `ServiceAnswerError`. */
export function jsonOf(service: string, { text }: ServiceAnswer): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ServiceAnswerError(`The ${service} answered with what is no JSON`, { cause });
  }
}

/** A JSON list, with null as an empty one. Errors: `ServiceAnswerError`. */
export function listOf(service: string, answer: ServiceAnswer): readonly unknown[] {
  const list = jsonOf(service, answer) ?? [];
  if (Array.isArray(list)) return list;
  throw new ServiceAnswerError(`The ${service} answered with what is no list`);
}

export function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Record<string, unknown>
    : undefined;
}

/** The member of an object by its name in any case, as Go reads them; the exact name wins. */
export function member(value: unknown, name: string): unknown {
  const object = asObject(value);
  if (object === undefined) return undefined;
  if (Object.hasOwn(object, name)) return object[name];
  const other = Object.keys(object).find((key) => key.toLowerCase() === name);
  return other === undefined ? undefined : object[other];
}

/** A key, or undefined for what is none. */
export function keyOf(value: unknown): PublicKey | undefined {
  if (typeof value !== "string") return undefined;
  try {
    return parsePublicKey(value);
  } catch (error) {
    if (error instanceof InvalidKeyError) return undefined;
    throw error;
  }
}

/** Of a service's own words in a message of ours. */
const REASON_CHARS_MAX = 300;
