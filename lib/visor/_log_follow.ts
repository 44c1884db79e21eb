/**
 * A log as it grows: what the running visor has said, then each line that comes.
 *
 * @module
 */
import type { LogRing } from "../base/mod.ts";
import { isMeant, linesOf, type LogQuery } from "./_log_query.ts";

/** Lines that wait for a reader that is slow; further ones are left out, and counted. */
export const FOLLOWED_LINES_MAX = 4_096;

/** The header of an answer with a followed log that has an empty line behind all that was, and what it says. */
export const LOG_END_HEADER = ["sw-log-end", "empty-line"] as const;

/** Where lines come from; a `LogFile` is one. */
export interface LogSource {
  readonly ring: LogRing;
  /** Calls `listener` with each further line. Gives the undo. */
  onLine(listener: (line: string) => void): () => void;
}

/**
 * The lines that are meant, in packs, and what was said until `signal`: first those in the ring, be there none; none is
 * missing or there twice. Ends without an error.
 */
export async function* followLog(
  log: LogSource,
  query: LogQuery,
  signal: AbortSignal,
): AsyncGenerator<string[], void> {
  const isWanted = isMeant(query);
  let waiting: string[] = [];
  let leftOut = 0;
  let wake = () => {};
  const undo = log.onLine((line) => {
    if (!isWanted(line)) return;
    if (waiting.length < FOLLOWED_LINES_MAX) waiting.push(line);
    else leftOut++;
    wake();
  });
  const onAbort = () => {
    undo(); // what is said from now on is not waited for
    wake();
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const there = linesOf(log.ring.text(), query); // in the same turn: no line falls between the two
    yield there;
    for (;;) {
      const lines = waiting;
      waiting = [];
      if (leftOut > 0) lines.push(`(${leftOut} lines left out: they are read too slowly)`);
      leftOut = 0;
      if (lines.length > 0) {
        yield lines;
        continue;
      }
      if (signal.aborted) return;
      const woken = Promise.withResolvers<void>();
      wake = woken.resolve;
      await woken.promise;
    }
  } finally {
    undo();
    signal.removeEventListener("abort", onAbort);
  }
}
