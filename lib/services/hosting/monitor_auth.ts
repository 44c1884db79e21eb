/**
 * Network monitors, who may remove what others registered (services.md 2.6).
 *
 * A request is proven by `NM-Sign`, a signature of `NM-PK` over its own 66 characters. It has no nonce: whoever
 * saw one can repeat it, as everywhere in the network.
 *
 * @module
 */
import { InvalidSignatureTextError, parseSignature, type PublicKey, verify } from "../../crypto/mod.ts";
import { type Answer, bare, type Question } from "./answers.ts";

/** What a request of nobody on the list is answered with; undefined when a listed monitor has proved its key. */
export function refusalOfMonitor(question: Question, whitelist: ReadonlySet<string>): Answer | undefined {
  const monitor = question.header("nm-pk")?.toLowerCase();
  const signature = question.header("nm-sign");
  if (monitor === undefined || signature === undefined || !isListed(monitor, whitelist)) return bare(403);
  try {
    const isProven = verify(monitor, parseSignature(signature), new TextEncoder().encode(monitor));
    return isProven ? undefined : bare(403);
  } catch (error) {
    if (error instanceof InvalidSignatureTextError) return bare(400);
    throw error;
  }
}

function isListed(text: string, whitelist: ReadonlySet<string>): text is PublicKey {
  return whitelist.has(text);
}
