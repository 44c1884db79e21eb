/** What a visor warns of in its status: what it sees, in words, and what to do about it. @module */
import type { VisorWarning } from "../control/mod.ts";
import type { DmsgClientStatus } from "../dmsg/mod.ts";

/** A clock that is off by so much is told: a discovery refuses servers whose entries are older (dmsg.md 8.3). */
export const CLOCK_OFF_MS = 60_000;

/** What the warnings are about, as it is now. */
export interface WarningSources {
  readonly dmsg: DmsgClientStatus;
  /** By how much the discovery's clock is ahead of ours; undefined: it was not asked yet. */
  readonly discoveryAheadMs: number | undefined;
  /** Of this machine. */
  readonly wallMs: number;
  /** Why the log is not written, if it is not. */
  readonly logFailure: string | undefined;
}

/** Every warning that holds now. */
export function visorWarnings(
  { dmsg, discoveryAheadMs, wallMs, logFailure }: WarningSources,
): VisorWarning[] {
  const { entry, lastEnded, lastRefused, shortLives } = dmsg;
  const warnings: VisorWarning[] = [];
  if (entry?.duplicateSeenMs !== undefined || shortLives >= 2) {
    warnings.push({
      code: "DUPLICATE_KEY",
      text: entry?.duplicateSeenMs !== undefined
        ? "Another process publishes an entry under this visor's key"
        : `Servers end this visor's sessions soon after they begin (last: ${lastEnded?.server}): ` +
          "another process seems to use its key",
      hint: "stop one of the two, or give it a key of its own: skyctl keys gen",
    });
  }
  if (lastRefused !== undefined) {
    const { server, postQuantum } = lastRefused;
    warnings.push({
      code: "SESSION_REFUSED",
      text: `Server ${server} ends this visor's sessions at once: it may be full, ` +
        "or have a newer one of another process with this key" +
        (postQuantum ? "" : ", or refuse classical sessions, as this visor's are (SKYWIRE_REQUIRE_PQ)"),
      hint: postQuantum
        ? "wait for room there, or use other servers: skyctl dmsg connect-all"
        : "let this visor offer the hybrid (--post-quantum offer), or use other servers: skyctl dmsg connect-all",
    });
  }
  const aheadMs = discoveryAheadMs ?? 0;
  if (Math.abs(aheadMs) >= CLOCK_OFF_MS) {
    warnings.push({
      code: "CLOCK_OFF",
      text: `This machine's clock is ${Math.round(Math.abs(aheadMs) / 1000)} s ` +
        `${aheadMs > 0 ? "behind" : "ahead of"} that of the dmsg discovery: others may refuse what it signs`,
      hint: `set this machine's clock; it reads ${new Date(wallMs).toISOString()}`,
    });
  }
  if (entry?.failure !== undefined) {
    warnings.push({
      code: "ENTRY_NOT_PUBLISHED",
      text: `The newest entry is not in the discovery, so others may not find this visor: ${entry.failure}`,
    });
  }
  if (logFailure !== undefined) {
    warnings.push({
      code: "LOG_NOT_WRITTEN",
      text: `The log is kept in memory only: ${logFailure}`,
      hint: "make room on the disk of this visor's home",
    });
  }
  return warnings;
}
