/**
 * The log as the control API gives it: this visor's own, or that of another visor or service, asked for over dmsg
 * in this visor's name.
 *
 * @module
 */
import { unlessAborted } from "../base/mod.ts";
import { FileNotFoundError, type World } from "../runtime/mod.ts";
import { parsePublicKey, type PublicKey } from "../crypto/mod.ts";
import type { StreamInput, StreamLine } from "../control/mod.ts";
import type { HttpClient } from "../http/mod.ts";
import { followLog } from "./_log_follow.ts";
import { linesOf } from "./_log_query.ts";
import type { LogFile } from "./log_file.ts";
import { tellRemote } from "./_remote_log.ts";

/** Lines that are told together: a caller takes so many at once. */
export const LOG_PACK_LINES = 500;

export interface LogStreamOptions {
  readonly world: Pick<World, "clock" | "files" | "outside">;
  readonly own: PublicKey;
  readonly logFile: LogFile;
  /** HTTP over dmsg with this visor's key. */
  readonly http: HttpClient;
  /** Aborted when this visor stops: another's log ends then. */
  readonly stopping: AbortSignal;
  /** Aborted when this visor has stopped: its own log ends then, behind the last line. */
  readonly stopped: AbortSignal;
}

type Tell = (line: StreamLine<"log">) => void;

/**
 * Tells the lines that are asked for; with `follow` an empty pack when all that was is told, and then those that come:
 * until the signal, or in order when this visor ends. Errors: `LogRefusedError`, those of the dial.
 */
export async function tellLog(
  { key, follow = false, ...query }: StreamInput<"log">,
  { world, own, logFile, http, stopping, stopped }: LogStreamOptions,
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const tellPacks = (lines: string[]) => {
    for (let at = 0; at < lines.length; at += LOG_PACK_LINES) {
      tell({ lines: lines.slice(at, at + LOG_PACK_LINES) });
    }
  };
  const whose = key === undefined ? own : parsePublicKey(key);
  if (whose !== own) {
    const ends = AbortSignal.any([signal, stopping]);
    const telling = tellRemote(whose, { ...query, follow }, {
      http,
      clock: world.clock,
      tell: (line) => "lines" in line && line.lines.length > 0 ? tellPacks(line.lines) : tell(line),
      signal: ends,
    });
    return await unlessAborted(stopping, telling);
  }
  if (follow) {
    let isAllTold = false;
    for await (const lines of followLog(logFile, query, AbortSignal.any([signal, stopped]))) {
      tellPacks(lines);
      if (!isAllTold) tell({ lines: [] });
      isAllTold = true;
    }
    return;
  }
  tellPacks(linesOf(await contentOf(logFile, world), query));
}

async function contentOf(
  { path, ring }: LogFile,
  { files, outside }: LogStreamOptions["world"],
): Promise<string> {
  if (path === undefined) return ring.text();
  try {
    return new TextDecoder().decode(await outside(() => files.read(path)));
  } catch (error) {
    if (error instanceof FileNotFoundError) return ring.text();
    throw error;
  }
}
