/**
 * What a visor says of itself on dmsg :80 (visor.md 5, operations.md 1): health for everybody, its log, survey and
 * profiles for whoever is trusted with them, and the folders that were mounted for everybody.
 *
 * @module
 */
import type { Log, LogRing } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { refusalOfStranger, withDebug } from "../dmsg/mod.ts";
import type { HeaderPairs, RawHandler, RawRequest, RawResponse } from "../http/mod.ts";
import { FileNotFoundError, type World } from "../runtime/mod.ts";
import { followLog, LOG_END_HEADER, type LogSource } from "./_log_follow.ts";
import type { Survey } from "./_survey.ts";
import { linesOf, type LogQuery, LogQueryError, parseLogQuery } from "./_log_query.ts";

export interface LogServerOptions {
  readonly world: Pick<World, "clock" | "files" | "outside" | "ledger" | "diagnostics">;
  /** The visor's. */
  readonly own: PublicKey;
  /** Keys that may read log, uptime and profiles besides the visor's own. An empty list admits only that one. */
  readonly whitelist: ReadonlySet<PublicKey>;
  /** Where `/debug/log` comes from. */
  readonly log: Log;
  readonly health: () => unknown;
  readonly uptime: () => unknown;
  readonly survey: Pick<Survey, "text" | "checksum" | "rewardAddress">;
  readonly ring: LogRing;
  readonly onLine: LogSource["onLine"];
  /** The log file; undefined: there is only the ring. */
  readonly logPath: string | undefined;
  /** Handlers of mounted folders, the newest first; each path that is not ours falls through to them. */
  readonly mounted: () => readonly RawHandler[];
}

/** Between two empty lines of a followed log that has nothing to say; one more is behind all that was. */
export const FOLLOW_BEAT_MS = 15_000;

/** The handler of a visor's port 80. */
export function logServer(options: LogServerOptions): RawHandler {
  return withDebug(async (request) => {
    const isRead = request.method === "GET" || request.method === "HEAD";
    const [path] = request.target.split("?", 1) as [string];
    switch (path) {
      case "/health":
        return isRead ? json(options.health()) : { status: 405 };
      case "/stats/uptime":
        if (!isRead) return { status: 405 };
        return refusalOfStranger(request, options) ?? json(options.uptime());
      case "/node-info":
        if (!isRead) return { status: 405 };
        return refusalOfStranger(request, options) ??
          { status: 200, headers: JSON_HEADERS, body: options.survey.text() };
      case "/node-info/checksum":
        if (!isRead) return { status: 405 };
        return refusalOfStranger(request, options) ?? json({ sha256: options.survey.checksum() });
      case "/reward.txt":
        if (!isRead) return { status: 405 };
        return refusalOfStranger(request, options) ?? sendRewardAddress(options);
      case "/visor.log":
      case "/skywire.log":
        if (!isRead) return { status: 405 };
        return refusalOfStranger(request, options) ?? await sendLog(path, request, options);
    }
    for (const handler of options.mounted()) {
      const response = await handler(request);
      if (response.status !== 404) return response;
    }
    return { status: 404 };
  }, options);
}

function sendRewardAddress({ survey: { rewardAddress } }: LogServerOptions): RawResponse {
  return rewardAddress === undefined ? { status: 404 } : text(200, `${rewardAddress}\n`);
}

/** Query: `min-level`, `module`, `grep`, `since-line`, `limit`, `follow`, `raw` (operations.md 1). */
async function sendLog(path: string, request: RawRequest, options: LogServerOptions): Promise<RawResponse> {
  const { world, ring, logPath } = options;
  let query: ReturnType<typeof parseLogQuery>;
  try {
    query = parseLogQuery(new URLSearchParams(request.target.split("?", 2)[1] ?? ""));
  } catch (error) {
    if (error instanceof LogQueryError) return text(400, error.message);
    throw error;
  }
  if (query.follow && request.method === "GET") return follow(query, request.signal, options);
  let content: string;
  try {
    content = logPath === undefined
      ? ring.text()
      : new TextDecoder().decode(await world.outside(() => world.files.read(logPath)));
  } catch (error) {
    if (!(error instanceof FileNotFoundError)) throw error;
    return text(404, `${path.slice(1)} not found (is file logging enabled?)`);
  }
  return text(200, query.raw ? content : linesOf(content, query).map((line) => line + "\n").join(""));
}

/** Lines for as long as the caller reads them; an empty one now and then notices that it has gone. */
function follow(
  query: LogQuery,
  callerSignal: AbortSignal,
  { world, ...log }: LogServerOptions,
): RawResponse {
  const left = new AbortController();
  const leave = () => left.abort(callerSignal.reason);
  if (callerSignal.aborted) leave();
  callerSignal.addEventListener("abort", leave, { once: true });
  const lines = followLog(log, query, left.signal);
  const encoder = new TextEncoder();
  let next: Promise<IteratorResult<string[], void>> | undefined;
  let isFirst = true;
  return {
    status: 200,
    headers: [...TEXT_HEADERS, LOG_END_HEADER],
    body: {
      async read() {
        next ??= lines.next();
        const beat = Promise.withResolvers<"beat">();
        const timer = world.clock.timer(FOLLOW_BEAT_MS, () => beat.resolve("beat"));
        const first = await Promise.race([next, beat.promise]);
        timer.cancel();
        if (first === "beat") return encoder.encode("\n");
        next = undefined;
        if (first.done) return null;
        const told = isFirst ? [...first.value, ""] : first.value;
        isFirst = false;
        return encoder.encode(told.map((line) => line + "\n").join(""));
      },
    },
    onDone() {
      callerSignal.removeEventListener("abort", leave);
      left.abort();
      void lines.return();
    },
  };
}

const TEXT_HEADERS: HeaderPairs = [["Content-Type", "text/plain; charset=utf-8"]];
const JSON_HEADERS: RawResponse["headers"] = [["Content-Type", "application/json"]];

function text(status: number, body: string): RawResponse {
  return { status, headers: TEXT_HEADERS, body };
}

function json(value: unknown): RawResponse {
  return { status: 200, headers: JSON_HEADERS, body: JSON.stringify(value) };
}
