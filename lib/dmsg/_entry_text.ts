/**
 * Entries as JSON: reading what others wrote, and writing the two exact texts, signed and sent (dmsg.md 8.1, 8.2).
 *
 * @module
 */
import { LimitError, MalformedError, present } from "../base/mod.ts";
import { parsePublicKey, parsePublicKeyLenient, type PublicKey } from "../crypto/mod.ts";
import { isJsonObject, type Json, type JsonObject, parseExactJson, quoteJson } from "./_json.ts";
import type { Entry, EntryClient, EntryServer, UncheckedEntry } from "./entry.ts";

/** Longest text of one entry that is parsed: a client with 256 delegated servers needs 18 KiB. */
export const ENTRY_CHARS_MAX = 65_536;
/** Longest text of a list of entries that is parsed: 512 servers with every address are 600 KiB. */
export const ENTRY_LIST_CHARS_MAX = 8 * 1024 * 1024;

/** Reads an entry with an owner. Errors: `MalformedError`, `LimitError`. */
export function parseEntry(text: string): Entry {
  return owned(parseUncheckedEntry(text));
}

/** Reads an entry that may lack what validation asks for. Errors: `MalformedError`, `LimitError`. */
export function parseUncheckedEntry(text: string): UncheckedEntry {
  if (text.length > ENTRY_CHARS_MAX) {
    throw new LimitError(`Entry is longer than ${ENTRY_CHARS_MAX} characters`);
  }
  return readEntry(parseExactJson(text, "Entry"));
}

/**
 * Reads a list of entries; `null` is an empty one. An item that is no entry is left out: one odd entry of one
 * node must not cost a client all others. Errors: `MalformedError` for what is no list, `LimitError`.
 */
export function parseEntries(text: string): Entry[] {
  if (text.length > ENTRY_LIST_CHARS_MAX) {
    throw new LimitError(`List of entries is longer than ${ENTRY_LIST_CHARS_MAX} characters`);
  }
  const list = parseExactJson(text, "List of entries");
  if (list === null) return [];
  if (!Array.isArray(list)) throw new MalformedError("List of entries is no JSON array");
  return list.flatMap((item) => {
    try {
      return [owned(readEntry(item))];
    } catch (error) {
      if (error instanceof MalformedError) return [];
      throw error;
    }
  });
}

/** The exact text whose bytes are signed. */
export function canonicalEntry(entry: UncheckedEntry): string {
  return renderWith(entry, undefined);
}

/** The text that travels, signature included. */
export function renderEntry(entry: UncheckedEntry): string {
  return renderWith(entry, entry.signature);
}

const NULL_KEY = "0".repeat(66);

/** Members of `server` that are texts, left out when empty, in their order around the others. */
const SERVER_TEXTS = [
  ["address_v6", "addressV6"],
  ["address_udp", "addressUdp"],
  ["address_udp_v6", "addressUdpV6"],
  ["address_ws", "addressWs"],
  ["address_wt", "addressWt"],
  ["cert_hash_wt", "certHashWt"],
  ["cert_hash_wt_next", "certHashWtNext"],
] as const;

function renderWith(entry: UncheckedEntry, signature: string | undefined): string {
  const members = [
    `"version":${quoteJson(entry.version)}`,
    `"sequence":${entry.sequence}`,
    `"timestamp":${entry.timestamp}`,
    `"static":"${entry.static ?? NULL_KEY}"`,
  ];
  if (entry.client !== undefined) members.push(`"client":${renderClient(entry.client)}`);
  if (entry.clientType) members.push(`"client_type":${quoteJson(entry.clientType)}`);
  if (entry.server !== undefined) members.push(`"server":${renderServer(entry.server)}`);
  if (signature) members.push(`"signature":${quoteJson(signature)}`);
  if (entry.protocol) members.push(`"protocol":${quoteJson(entry.protocol)}`);
  return `{${members.join(",")}}`;
}

function renderClient({ delegatedServers }: EntryClient): string {
  const list = delegatedServers === null
    ? "null"
    : `[${delegatedServers.map((key) => `"${key}"`).join(",")}]`;
  return `{"delegated_servers":${list}}`;
}

function renderServer(server: EntryServer): string {
  const members = [`"address":${quoteJson(server.address)}`];
  for (const [member, name] of SERVER_TEXTS) {
    const text = server[name];
    if (text) members.push(`"${member}":${quoteJson(text)}`);
  }
  members.push(`"availableSessions":${server.availableSessions}`);
  if (server.serverType) members.push(`"serverType":${quoteJson(server.serverType)}`);
  if (server.dhtBootstrap) members.push(`"dht_bootstrap":true`);
  return `{${members.join(",")}}`;
}

function owned(entry: UncheckedEntry): Entry {
  const { static: publicKey } = entry;
  if (publicKey === undefined) throw new MalformedError("Entry does not name its owner: static is missing");
  return { ...entry, static: publicKey };
}

function readEntry(value: Json): UncheckedEntry {
  if (!isJsonObject(value)) throw new MalformedError("Entry is no JSON object");
  const client = readPart(value, "client", readClient);
  const server = readPart(value, "server", readServer);
  return {
    version: readText(value, "version") ?? "",
    sequence: readInteger(value, "sequence", 0n, U64_MAX),
    timestamp: readInteger(value, "timestamp", I64_MIN, I64_MAX),
    static: readOwner(value),
    ...present({
      client,
      clientType: readText(value, "client_type"),
      server,
      signature: readText(value, "signature"),
      protocol: readText(value, "protocol"),
    }),
  };
}

function readClient(value: JsonObject): EntryClient {
  const list = value["delegated_servers"] ?? null;
  if (list === null) return { delegatedServers: null };
  if (!Array.isArray(list)) throw malformed("client.delegated_servers", "is a list of keys");
  return { delegatedServers: list.map((item) => readKey(item, "client.delegated_servers")) };
}

function readServer(value: JsonObject): EntryServer {
  const texts: { [name in typeof SERVER_TEXTS[number][1]]?: string } = {};
  for (const [member, name] of SERVER_TEXTS) {
    const text = readText(value, member);
    if (text !== undefined) texts[name] = text;
  }
  return {
    address: readText(value, "address") ?? "",
    ...texts,
    availableSessions: Number(readInteger(value, "availableSessions", -SAFE_MAX, SAFE_MAX)),
    ...present({ serverType: readText(value, "serverType"), dhtBootstrap: readFlag(value, "dht_bootstrap") }),
  };
}

const U64_MAX = 2n ** 64n - 1n;
const I64_MAX = 2n ** 63n - 1n;
const I64_MIN = -(2n ** 63n);
const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER);

function readPart<T>(from: JsonObject, member: string, read: (value: JsonObject) => T): T | undefined {
  const value = from[member] ?? null;
  if (value === null) return undefined;
  if (!isJsonObject(value)) throw malformed(member, "is an object");
  return read(value);
}

/** Undefined when missing, null or empty: all three are the same entry. */
function readText(from: JsonObject, member: string): string | undefined {
  const value = from[member] ?? "";
  if (typeof value !== "string") throw malformed(member, "is a text");
  return value === "" ? undefined : value;
}

function readFlag(from: JsonObject, member: string): true | undefined {
  const value = from[member] ?? false;
  if (typeof value !== "boolean") throw malformed(member, "is true or false");
  return value || undefined;
}

function readInteger(from: JsonObject, member: string, least: bigint, most: bigint): bigint {
  const value = from[member] ?? 0n;
  if (typeof value !== "bigint" || value < least || value > most) {
    throw malformed(member, `is a whole number from ${least} to ${most}`);
  }
  return value;
}

function readOwner(from: JsonObject): PublicKey | undefined {
  const value = from["static"] ?? "";
  if (typeof value !== "string") throw malformed("static", "is a public key");
  try {
    return parsePublicKeyLenient(value);
  } catch (cause) {
    throw malformed("static", "is a public key", cause);
  }
}

/** Other than the owner, a key in a list is never the null key: nobody could be reached through it. */
function readKey(value: Json, member: string): PublicKey {
  if (typeof value !== "string") throw malformed(member, "holds public keys");
  try {
    return parsePublicKey(value);
  } catch (cause) {
    throw malformed(member, "holds public keys", cause);
  }
}

function malformed(member: string, rule: string, cause?: unknown): MalformedError {
  return new MalformedError(`Entry is malformed: ${member} ${rule}`, { cause });
}
