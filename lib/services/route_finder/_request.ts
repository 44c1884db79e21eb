/**
 * What a route finder is asked (services.md 5).
 *
 *     {"Edges":["<from>:<to>",...],"Opts":{"MinHops":1,"MaxHops":50,"NumRoutes":3}}
 *
 * Names in any case. Without `Opts` both limits are 0, which no path keeps.
 *
 * @module
 */
import { MalformedError } from "../../base/mod.ts";
import { InvalidKeyError, parsePublicKey, type PublicKey } from "../../crypto/mod.ts";

export interface RoutesRequest {
  readonly pairs: readonly { readonly from: PublicKey; readonly to: PublicKey; readonly name: string }[];
  readonly minHops: number;
  readonly maxHops: number;
  /** Paths for each pair; 0: the service's own number. */
  readonly count: number;
}

/** Pairs of one request: visors ask both directions of one route, and each costs a search. */
export const PAIRS_MAX = 16;
/** 16 pairs need 2.3 KiB. */
export const REQUEST_BYTES_MAX = 16 * 1024;

/** Reads a body. Errors: `MalformedError`, whose message is the answer's. */
export function parseRoutesRequest(text: string): RoutesRequest {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (cause) {
    throw new MalformedError(cause instanceof Error ? cause.message : "not JSON", { cause });
  }
  const { edges, opts } = members(body, "the body");
  const { minhops, maxhops, numroutes } = members(opts, "Opts");
  return {
    pairs: listOf(edges).map(parsePair),
    minHops: wholeNumber(minhops, "Opts.MinHops"),
    maxHops: wholeNumber(maxhops, "Opts.MaxHops"),
    count: wholeNumber(numroutes, "Opts.NumRoutes"),
  };
}

function parsePair(edge: unknown): RoutesRequest["pairs"][number] {
  if (typeof edge !== "string") throw new MalformedError("Edges: an edge is one text, <key>:<key>");
  const [from, to, ...more] = edge.split(":", 3);
  if (to === undefined || more.length > 0) {
    throw new MalformedError("Edges: an edge is two keys with a colon between");
  }
  try {
    return { from: parsePublicKey(from!), to: parsePublicKey(to), name: edge };
  } catch (cause) {
    if (cause instanceof InvalidKeyError) throw new MalformedError("Invalid public key", { cause });
    throw cause;
  }
}

/** The members of an object by their names in lower case; null and undefined have none. */
function members(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (value === null || value === undefined) return {};
  if (typeof value !== "object" || Array.isArray(value)) throw new MalformedError(`${what} is no object`);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name.toLowerCase(), member]));
}

function listOf(value: unknown): readonly unknown[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw new MalformedError("Edges is no list");
  if (value.length > PAIRS_MAX) {
    throw new MalformedError(`Edges: ${value.length} pairs, more than ${PAIRS_MAX}`);
  }
  return value;
}

function wholeNumber(value: unknown, what: string): number {
  if (value === null || value === undefined) return 0;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= U16_MAX) return value;
  throw new MalformedError(`${what} is no number from 0 to ${U16_MAX}`);
}

const U16_MAX = 65_535;
