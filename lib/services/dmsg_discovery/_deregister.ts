/** Network monitors remove entries of others (protocol: services.md 2.6, dmsg.md 9.1). @module */
import { type Answer, bare, json, type Question, refusalOfMonitor } from "../hosting/mod.ts";
import type { EntryStore } from "../store/mod.ts";
import { BAD_INPUT, textOf } from "./_answer.ts";
import { readKeyList } from "./_keys.ts";
import { KEYS_BODY_BYTES_MAX } from "./settings.ts";

/** Answers DELETE `/dmsg-discovery/deregister`: all of the named entries go, or, with a bad key, none. */
export async function deregister(
  question: Question,
  { store, whitelist }: { readonly store: EntryStore; readonly whitelist: ReadonlySet<string> },
): Promise<Answer> {
  const refusal = refusalOfMonitor(question, whitelist);
  if (refusal !== undefined) return refusal;
  const keys = readKeyList(await textOf(question, KEYS_BODY_BYTES_MAX));
  if (keys === "no list") return bare(400);
  if (keys === "bad key") return BAD_INPUT;
  for (const key of keys) await store.remove(key);
  return json("null");
}
