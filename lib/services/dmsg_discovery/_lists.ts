/** Look-ups of many entries: lists, batches, who is reached through whom. @module */
import { InvalidKeyError, parsePublicKeyLenient, type PublicKey } from "../../crypto/mod.ts";
import type { Random } from "../../runtime/mod.ts";
import { type Answer, json } from "../hosting/mod.ts";
import type { EntryStore } from "../store/mod.ts";
import { BAD_INPUT, NO_ENTRY, NO_SERVERS } from "./_answer.ts";
import { readKeyList } from "./_keys.ts";
import { AVAILABLE_SERVERS_MAX } from "./settings.ts";

/** GET `entry/{pk}`. */
export async function entryOf(store: EntryStore, keyText: string): Promise<Answer> {
  const key = readKey(keyText);
  if (key === "bad key") return BAD_INPUT;
  const entry = key === "null key" ? undefined : await store.get(key);
  return entry === undefined ? NO_ENTRY : json(entry);
}

/** POST `entries/batch`: the entries that exist, by key. */
export async function entriesOf(store: EntryStore, body: string): Promise<Answer> {
  const keys = readKeyList(body);
  if (typeof keys === "string") return BAD_INPUT;
  const found = await store.batch(keys);
  return json(`{${[...found].map(([key, entry]) => `"${key}":${entry}`).join(",")}}`);
}

/** GET `server/{pk}/clients`. */
export async function clientsOf(store: EntryStore, keyText: string): Promise<Answer> {
  const key = readKey(keyText);
  if (key === "bad key") return BAD_INPUT;
  return json(JSON.stringify(key === "null key" ? [] : await store.clientsOf(key)));
}

/** GET `servers/clients`. */
export async function clientsByServer(store: EntryStore): Promise<Answer> {
  return json(JSON.stringify(Object.fromEntries(await store.clientsByServer())));
}

/** GET `all_servers`. */
export async function allServers(store: EntryStore): Promise<Answer> {
  return serverList(await store.allServers());
}

/** GET `available_servers`: most free first; of more than the bound a random choice, so that none is forgotten. */
export async function availableServers(store: EntryStore, random: Random): Promise<Answer> {
  return serverList(sample(await store.availableServers(), AVAILABLE_SERVERS_MAX, random));
}

function serverList(entries: readonly string[]): Answer {
  return entries.length === 0 ? NO_SERVERS : json(`[${entries.join(",")}]`);
}

/** At most `most` of `list`, each equally likely, in the order of the list. */
function sample<T>(list: readonly T[], most: number, random: Random): readonly T[] {
  if (list.length <= most) return list;
  const draws = random.bytes(4 * list.length);
  const lots = new DataView(draws.buffer, draws.byteOffset, draws.byteLength);
  const drawn = list.map((_, index) => ({ index, lot: lots.getUint32(4 * index) }))
    .sort((a, b) => a.lot - b.lot)
    .slice(0, most)
    .sort((a, b) => a.index - b.index);
  return drawn.map(({ index }) => list[index]!);
}

/** A key in a path: zeros only are the null key, which has no entry and is no mistake (dmsg.md 1.1). */
function readKey(text: string): PublicKey | "null key" | "bad key" {
  try {
    return parsePublicKeyLenient(text) ?? "null key";
  } catch (error) {
    if (error instanceof InvalidKeyError) return "bad key";
    throw error;
  }
}
