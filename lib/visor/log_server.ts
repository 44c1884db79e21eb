/**
 * What a visor says of itself on dmsg :80 (visor.md 5, operations.md 1): health for everybody, its log for
 * whoever is trusted with it, and the folders that were mounted for everybody.
 *
 * @module
 */
import type { LogRing } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { parseDmsgAddress } from "../dmsg/mod.ts";
import type { RawHandler, RawRequest, RawResponse } from "../http/mod.ts";
import { FileNotFoundError, type World } from "../runtime/mod.ts";

export interface LogServerOptions {
  readonly world: Pick<World, "files" | "outside">;
  /** Keys that may read log and uptime besides the visor's own. An empty list admits only that one. */
  readonly whitelist: ReadonlySet<PublicKey>;
  readonly health: () => unknown;
  readonly uptime: () => unknown;
  readonly ring: LogRing;
  /** The log file; undefined: there is only the ring. */
  readonly logPath: string | undefined;
  /** Handlers of mounted folders, the newest first; each path that is not ours falls through to them. */
  readonly mounted: () => readonly RawHandler[];
}

/** Lines that `limit` may ask for at most. */
const LOG_LINES_MAX = 100_000;
const LEVELS = ["DEBUG", "INFO", "WARN", "ERROR"];

/** The handler of a visor's port 80. */
export function logServer(options: LogServerOptions): RawHandler {
  return async (request) => {
    const isRead = request.method === "GET" || request.method === "HEAD";
    const [path, query = ""] = request.target.split("?", 2) as [string, string?];
    switch (path) {
      case "/health":
        return isRead ? json(options.health()) : { status: 405 };
      case "/stats/uptime":
        if (!isRead) return { status: 405 };
        return isAdmitted(request, options) ? json(options.uptime()) : text(401, "401 Unauthorized");
      case "/visor.log":
      case "/skywire.log":
        if (!isRead) return { status: 405 };
        if (!isAdmitted(request, options)) return text(401, "401 Unauthorized");
        return await sendLog(path, new URLSearchParams(query), options);
    }
    for (const handler of options.mounted()) {
      const response = await handler(request);
      if (response.status !== 404) return response;
    }
    return { status: 404 };
  };
}

/** The remote address of a dmsg stream holds the key that its handshake proved. */
function isAdmitted({ remote }: RawRequest, { whitelist }: LogServerOptions): boolean {
  return whitelist.has(parseDmsgAddress(remote).publicKey);
}

/** Query: `min-level`, `module`, `grep`, `since-line`, `limit` (operations.md 1). */
async function sendLog(
  path: string,
  query: URLSearchParams,
  { world, ring, logPath }: LogServerOptions,
): Promise<RawResponse> {
  let content: string;
  try {
    content = logPath === undefined
      ? ring.text()
      : new TextDecoder().decode(await world.outside(() => world.files.read(logPath)));
  } catch (error) {
    if (!(error instanceof FileNotFoundError)) throw error;
    return text(404, `${path.slice(1)} not found (is file logging enabled?)`);
  }
  const since = Number(query.get("since-line") ?? 0);
  const limit = Math.min(LOG_LINES_MAX, Number(query.get("limit") ?? LOG_LINES_MAX));
  if (!Number.isInteger(since) || !Number.isInteger(limit) || since < 0 || limit < 1) {
    return text(400, "since-line and limit are whole numbers");
  }
  const least = LEVELS.indexOf((query.get("min-level") ?? "debug").toUpperCase());
  if (least < 0) return text(400, "min-level is one of debug, info, warn, error");
  const module = query.get("module");
  const grep = query.get("grep");
  const lines = content.split("\n").slice(since).filter((line) => {
    if (line === "") return false;
    const match = /^\[[^\]]*\] ([A-Z]+) \[([^\]]*)\]/.exec(line);
    if (match !== null && LEVELS.indexOf(match[1]!) < least) return false;
    if (module !== null && match?.[2] !== module) return false;
    return grep === null || line.includes(grep);
  });
  return text(200, lines.slice(-limit).map((line) => line + "\n").join(""));
}

function text(status: number, body: string): RawResponse {
  return { status, headers: [["Content-Type", "text/plain; charset=utf-8"]], body };
}

function json(value: unknown): RawResponse {
  return { status: 200, headers: [["Content-Type", "application/json"]], body: JSON.stringify(value) };
}
