/**
 * Network monitors remove entries of others (protocol: services.md 2.6, dmsg.md 9.1).
 *
 * A request is proven by `NM-Sign`, a signature of `NM-PK` over its own 66 characters. It has no nonce: whoever
 * saw one can repeat it, as everywhere in the network.
 *
 * @module
 */
import { InvalidSignatureTextError, parseSignature, type PublicKey, verify } from "../../crypto/mod.ts";
import type { EntryStore } from "../store/mod.ts";
import { type Answer, BAD_INPUT, bare, json, type Question } from "./_answer.ts";
import { readKeyList } from "./_keys.ts";
import { KEYS_BODY_BYTES_MAX } from "./settings.ts";

/** Answers DELETE `/dmsg-discovery/deregister`: all of the named entries go, or, with a bad key, none. */
export async function deregister(
  question: Question,
  { store, whitelist }: { readonly store: EntryStore; readonly whitelist: ReadonlySet<string> },
): Promise<Answer> {
  const monitor = question.header("nm-pk")?.toLowerCase();
  const signature = question.header("nm-sign");
  if (monitor === undefined || signature === null || !isListed(monitor, whitelist)) return FORBIDDEN;
  const proof = provenBy(monitor, signature);
  if (proof !== "proven") return proof === "unreadable" ? UNREADABLE : FORBIDDEN;
  const keys = readKeyList(await question.text(KEYS_BODY_BYTES_MAX));
  if (keys === "no list") return UNREADABLE;
  if (keys === "bad key") return BAD_INPUT;
  for (const key of keys) await store.remove(key);
  return json("null");
}

function isListed(text: string, whitelist: ReadonlySet<string>): text is PublicKey {
  return whitelist.has(text);
}

function provenBy(monitor: PublicKey, signature: string): "proven" | "wrong" | "unreadable" {
  try {
    const proven = verify(monitor, parseSignature(signature), new TextEncoder().encode(monitor));
    return proven ? "proven" : "wrong";
  } catch (error) {
    if (error instanceof InvalidSignatureTextError) return "unreadable";
    throw error;
  }
}

const FORBIDDEN = bare(403);
const UNREADABLE = bare(400);
