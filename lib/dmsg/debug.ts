/**
 * What a process tells of itself to those who run the deployment, on its dmsg port 80 and nowhere else (SV-5):
 *
 *     /debug/pprof/            which profiles there are
 *     /debug/pprof/heap        bytes of memory
 *     /debug/pprof/goroutine   what is alive, by kind: tasks, timers, sockets, sessions, streams
 *     /debug/pprof/profile     where the time goes, for ?seconds=: a .cpuprofile
 *     /debug/log               what was logged lately
 *
 * The names are Go's where what they mean is the same; its other profiles have no equal here, and are 404. The caller
 * is who its stream has proved to be: the own key, or one of the survey whitelist.
 *
 * @module
 */
import { isAbort, type Log } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import type { RawHandler, RawRequest, RawResponse } from "../http/mod.ts";
import type { World } from "../runtime/mod.ts";
import { parseDmsgAddress } from "./address.ts";

/** Of a CPU profile that does not say how long it is to be; Go's. */
export const CPU_PROFILE_DEFAULT_MS = 30_000;
/** The longest: who asks waits for all of it. */
export const CPU_PROFILE_MAX_MS = 60_000;

/** Who may look. */
export interface Trusted {
  /** Always. */
  readonly own: PublicKey;
  /** The survey whitelist. Empty: nobody else. */
  readonly whitelist: ReadonlySet<PublicKey>;
}

export interface DebugOptions extends Trusted {
  readonly world: Pick<World, "ledger" | "diagnostics">;
  /** Its ring is `/debug/log`. */
  readonly log: Log;
}

/** The handler with the debug endpoints before it; every other path is its own, untouched and unchecked. */
export function withDebug(handler: RawHandler, options: DebugOptions): RawHandler {
  const profiles = new Profiles(options);
  return (request) => {
    const [path, query = ""] = request.target.split("?", 2) as [string, string?];
    const name = pprofName(path);
    if (name === undefined && path !== "/debug/log") return handler(request);
    const refusal = refusalOfStranger(request, options);
    if (refusal !== undefined) return refusal;
    if (request.method !== "GET" && request.method !== "HEAD") {
      return { status: 405, headers: [["Allow", "GET, HEAD"]] };
    }
    return name === undefined
      ? text(200, options.log.recent?.text() ?? "")
      : profiles.answer(name, new URLSearchParams(query), request.signal);
  };
}

/** What stands behind `/debug/pprof/`; undefined for another path. */
function pprofName(path: string): string | undefined {
  const match = /^\/debug\/pprof(?:\/(.*))?$/.exec(path);
  return match === null ? undefined : match[1] ?? "";
}

/** What whoever is not trusted is answered with. The remote address of a dmsg stream holds the key that it proved. */
export function refusalOfStranger(
  { remote }: RawRequest,
  { own, whitelist }: Trusted,
): RawResponse | undefined {
  let caller: PublicKey;
  try {
    caller = parseDmsgAddress(remote).publicKey;
  } catch {
    return text(500, "500 Internal Server Error"); // no dmsg stream: nobody has proved anything
  }
  return caller === own || whitelist.has(caller) ? undefined : text(401, "401 Unauthorized");
}

class Profiles {
  readonly #options: DebugOptions;
  #isProfiling = false;

  constructor(options: DebugOptions) {
    this.#options = options;
  }

  async answer(name: string, query: URLSearchParams, signal: AbortSignal): Promise<RawResponse> {
    const { ledger, diagnostics } = this.#options.world;
    switch (name) {
      case "":
        return text(200, PROFILES.map(([each, about]) => `${each.padEnd(12)}${about}\n`).join(""));
      case "heap":
        return json(diagnostics.memory());
      case "goroutine":
        return json(ledger.live());
      case "profile":
        return await this.#cpu(query, signal);
      default:
        return text(
          404,
          `404 no profile ${JSON.stringify(name.slice(0, 40))} here: /debug/pprof/ lists them`,
        );
    }
  }

  async #cpu(query: URLSearchParams, signal: AbortSignal): Promise<RawResponse> {
    const seconds = Number(query.get("seconds") ?? CPU_PROFILE_DEFAULT_MS / 1_000);
    if (!(seconds > 0 && seconds * 1_000 <= CPU_PROFILE_MAX_MS)) {
      return text(400, `seconds is a number above 0 and at most ${CPU_PROFILE_MAX_MS / 1_000}`);
    }
    if (this.#isProfiling) return text(503, "503 a CPU profile is being taken; one at a time");
    this.#isProfiling = true;
    try {
      const profile = await this.#options.world.diagnostics.cpuProfile(seconds * 1_000, signal);
      const headers = [["Content-Type", "application/json"], [
        "Content-Disposition",
        'attachment; filename="cpu.cpuprofile"',
      ]] as const;
      return { status: 200, headers: [...headers], body: profile };
    } catch (error) {
      if (isAbort(error) || signal.aborted) throw error;
      return text(501, "501 this runtime gives no CPU profile");
    } finally {
      this.#isProfiling = false;
    }
  }
}

const PROFILES = [
  ["goroutine", "what is alive, by kind: tasks, timers, sockets, sessions, streams"],
  ["heap", "bytes of memory"],
  [
    "profile",
    `where the time goes, for ?seconds= (${
      CPU_PROFILE_DEFAULT_MS / 1_000
    }): a .cpuprofile, for a browser's tools`,
  ],
] as const;

function text(status: number, body: string): RawResponse {
  return {
    status,
    headers: [["Content-Type", "text/plain; charset=utf-8"], ["X-Content-Type-Options", "nosniff"]],
    body,
  };
}

function json(value: unknown): RawResponse {
  return { status: 200, headers: [["Content-Type", "application/json"]], body: JSON.stringify(value) };
}
