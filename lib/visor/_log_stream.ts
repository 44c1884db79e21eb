/**
 * The log as the control API gives it: this visor's own, or that of another visor or service, asked for over dmsg
 * in this visor's name.
 *
 * @module
 */
import { FileNotFoundError, type World } from "../runtime/mod.ts";
import { parsePublicKey, type PublicKey } from "../crypto/mod.ts";
import type { StreamInput, StreamLine } from "../control/mod.ts";
import { bodyLines, type HttpClient } from "../http/mod.ts";
import { LogRefusedError } from "./errors.ts";
import { followLog } from "./_log_follow.ts";
import { isMeant, linesOf, type LogQuery } from "./_log_query.ts";
import type { LogFile } from "./log_file.ts";

/** Longer than any line of ours: fields are short. */
const LINE_CHARS_MAX = 256 * 1024;

export interface LogStreamOptions {
  readonly world: Pick<World, "files" | "outside">;
  readonly own: PublicKey;
  readonly logFile: LogFile;
  /** HTTP over dmsg with this visor's key. */
  readonly http: HttpClient;
}

type Tell = (line: StreamLine<"log">) => void;

/** Tells the lines that are asked for. Errors: `LogRefusedError`, those of the dial. */
export async function tellLog(
  { key, follow = false, ...query }: StreamInput<"log">,
  { world, own, logFile, http }: LogStreamOptions,
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const whose = key === undefined ? own : parsePublicKey(key);
  if (whose !== own) return await tellRemote(whose, { ...query, follow }, http, tell, signal);
  if (follow) {
    for await (const lines of followLog(logFile, query, signal)) for (const line of lines) tell({ line });
    return;
  }
  for (const line of linesOf(await contentOf(logFile, world), query)) tell({ line });
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

/** A visor answers on `/visor.log`, with the query; a service has `/debug/log`, all of it. */
async function tellRemote(
  key: PublicKey,
  { follow, ...query }: LogQuery & { readonly follow: boolean },
  http: HttpClient,
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const { minLevel, module, grep, limit } = query;
  const asked = new URLSearchParams();
  const names = { "min-level": minLevel, module, grep, limit, follow: follow ? "1" : undefined };
  for (const [name, value] of Object.entries(names)) if (value !== undefined) asked.set(name, String(value));
  const response = await http.send({ url: `http://${key}/visor.log?${asked}` }, { signal });
  if (response.status === 200) {
    const isWanted = isMeant(query); // an older visor may know no query
    for await (const line of bodyLines(response.bodyReader, LINE_CHARS_MAX)) {
      if (isWanted(line)) tell({ line });
    }
    return;
  }
  await response.discard();
  if (response.status !== 404) throw new LogRefusedError(key, response.status);
  const debug = await http.send({ url: `http://${key}/debug/log` }, { signal });
  if (debug.status !== 200) {
    await debug.discard();
    throw new LogRefusedError(key, debug.status);
  }
  const lines: string[] = [];
  for await (const line of bodyLines(debug.bodyReader, LINE_CHARS_MAX)) lines.push(line);
  for (const line of linesOf(lines.join("\n"), query)) tell({ line });
}
