/**
 * Whether another process uses the visor's key, and which servers want it not.
 *
 * A server keeps only the newest session of a key (DS-1), so two processes with one key end each other's sessions by
 * turns, and each finds the other one's entry in the discovery. A server that is full ends sessions, too: at once,
 * and never one that it let live. What of this is so shows with time: a visor that has just started does not know.
 *
 *     session   0 ── ended: full, or a rival? ── 1 s ── ended: a rival? ── 30 s          45 s ── nobody else
 *
 * @module
 */
import type { VisorWarning } from "../../control/mod.ts";
import type { DmsgClientStatus } from "../../dmsg/mod.ts";
import { type Finding, okUnless } from "./finding.ts";

/**
 * A rival would show within this: it dials again within 15 s, and looks at its entry in the discovery, where ours is
 * then, within 40 s.
 */
export const KEY_SETTLED_MS = 45_000;

export interface KeyFacts {
  readonly warnings: readonly VisorWarning[];
  /** How long the visor runs. */
  readonly uptimeMs: number;
  /** How long the oldest session with a server lives; undefined: there is none. */
  readonly oldestSessionMs: number | undefined;
  readonly ends: Pick<DmsgClientStatus, "lastEnded" | "lastRefused" | "shortLives">;
  /** Whose the entry in the discovery is; undefined: it could not be looked up, or there is none to compare with. */
  readonly publishedBy: "us" | "another" | undefined;
}

/**
 * Who has posted the entry that the discovery has, by its sequence number: each post has the next one, and `own` is of
 * later than the look. Posts without an answer may be there, or not.
 */
export function whoPublished(
  postedSequence: bigint | undefined,
  own: { readonly sequence: bigint | undefined; readonly unanswered: number },
): KeyFacts["publishedBy"] {
  if (postedSequence === undefined || own.sequence === undefined) return undefined;
  if (postedSequence <= own.sequence) return "us";
  return own.unanswered > 0 ? undefined : "another";
}

type Wrong = Omit<Finding, "check">;

const CAUSE = "two processes run with one secret key: of one home copied, or a key given twice";
const NEXT = "stop one of the two, or give it a key of its own: skyctl keys gen";

/** What shows that another process uses the key; empty: nothing, as yet. */
export function rivals(
  { warnings, publishedBy, ends: { lastEnded, lastRefused, shortLives } }: KeyFacts,
): Wrong[] {
  const told = warnings.filter(({ code }) => code === "DUPLICATE_KEY");
  if (told.length > 0) {
    return told.map(({ text, hint }) => ({ severity: "error", text, cause: CAUSE, next: hint ?? NEXT }));
  }
  if (publishedBy === "another") {
    return [{
      severity: "error",
      text: "Another process has published an entry under this visor's key since this visor did",
      cause: CAUSE,
      next: NEXT,
    }];
  }
  // It ended one at once, and let a later one live for a while: so it was not for want of room.
  const hasLetLive = lastRefused !== undefined && lastEnded !== undefined &&
    lastEnded.server === lastRefused.server && lastEnded.livedMs > lastRefused.livedMs;
  if (shortLives > 0 && hasLetLive) {
    return [{
      severity: "error",
      text:
        `Server ${lastEnded.server} ends this visor's sessions soon after they begin: another process seems to ` +
        "use its key",
      cause: CAUSE,
      next: NEXT,
    }];
  }
  return [];
}

/** Whether all that a rival would do would have shown by now. */
function isSettled({ oldestSessionMs = 0, publishedBy, ends }: KeyFacts): boolean {
  return oldestSessionMs >= KEY_SETTLED_MS && ends.shortLives === 0 && publishedBy === "us";
}

/** Of the key: another process uses it, or none, or that is not known yet. */
export function keyFindings(facts: KeyFacts): Finding[] {
  const found = rivals(facts);
  if (found.length > 0 || isSettled(facts)) {
    return okUnless("key", "no other process uses this visor's key", found);
  }
  return [{
    check: "key",
    severity: "unknown",
    text: "Whether another process uses this visor's key is not known yet",
    cause: whyUnknown(facts),
    next: `skyctl visor doctor, once more after ${KEY_SETTLED_MS / 1_000} s`,
  }];
}

function whyUnknown({ oldestSessionMs, publishedBy, ends: { lastEnded, shortLives } }: KeyFacts): string {
  if (shortLives > 0 && lastEnded !== undefined) {
    return `server ${lastEnded.server} ended a session after ${
      secondsOf(lastEnded.livedMs)
    }, as it does for a newer one`;
  }
  if (oldestSessionMs === undefined) {
    return "there is no session with a server, which would end for another one";
  }
  if (oldestSessionMs < KEY_SETTLED_MS) {
    return `the oldest session with a server began ${
      secondsOf(oldestSessionMs)
    } ago: one that another process has ` +
      "would take its place by and by";
  }
  return publishedBy === undefined
    ? "what the discovery has under it could not be told from the own entry"
    : "";
}

/** Of servers that end sessions at once. For a rival they do so, too, so that comes first. */
export function refusalFindings(facts: KeyFacts): Finding[] {
  const { warnings, uptimeMs, oldestSessionMs, ends: { lastRefused, shortLives } } = facts;
  const told = warnings.filter(({ code }) => code === "SESSION_REFUSED");
  if (told.length === 0 || rivals(facts).length > 0) return [];
  const isFull = shortLives === 0 && (oldestSessionMs ?? uptimeMs) >= KEY_SETTLED_MS;
  return told.map(({ text, hint }): Finding =>
    isFull ? { check: "sessions", severity: "warning", text, next: hint ?? "skyctl dmsg connect-all" } : {
      check: "sessions",
      severity: "unknown",
      text: `Server ${lastRefused?.server} ended a session at once, and why is not known yet`,
      cause: "it may be full, or have a newer session of another process with this visor's key",
      next: `skyctl visor doctor, once more after ${KEY_SETTLED_MS / 1_000} s`,
    }
  );
}

function secondsOf(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
