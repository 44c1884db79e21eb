/**
 * The log of another visor or of a service, asked for over dmsg in this visor's name. A visor has it on `/visor.log`,
 * filtered and followed; a service has `/debug/log`, all of what it said lately, which is looked at again and again.
 *
 * @module
 */
import { describeError, LimitError, linesBehind, SkyError, TOLD_LINES_MAX, ToldLines } from "../base/mod.ts";
import type { StreamLine } from "../control/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { bodyLinePacks, type HttpClient, type HttpResponse } from "../http/mod.ts";
import { type Clock, sleep, type Timer, withTimeout } from "../runtime/mod.ts";
import { LogRefusedError } from "./errors.ts";
import { LOG_END_HEADER } from "./_log_follow.ts";
import { isMeant, linesOf, type LogQuery } from "./_log_query.ts";

/** Longer than any line of ours: fields are short. */
const LINE_CHARS_MAX = 256 * 1024;
/** Of a service's log, which is held at once; ours keep a MiB. */
export const SERVICE_LOG_CHARS_MAX = 16 * 1024 * 1024;
/** Between two looks at a service's log that is followed, at least. */
export const SERVICE_LOG_POLL_MS = 2_000;
/** A log that takes long to read is looked at more rarely: the pause is so many times as long as the look. */
export const SERVICE_LOG_PAUSE_FACTOR = 10;
/** One look at a service's log. */
export const SERVICE_LOG_LOOK_MS = 30_000;
/** Between two tries to reach whose log is followed. */
export const FOLLOW_RETRY_MS = 2_000;
/** A visor that does not mark where that which was ends, as ours do, has said it when it is silent for so long. */
export const SETTLE_QUIET_MS = 30_000;
/** And at last after so long, however much it says: of a slow link's minutes enough. */
export const SETTLE_MS_MAX = 10 * 60_000;

export interface RemoteLogOptions {
  /** HTTP over dmsg with this visor's key. */
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly tell: (line: StreamLine<"log">) => void;
  readonly signal: AbortSignal;
}

/**
 * Tells the lines that are asked for; with `follow` those that come, too, until the signal: who goes is waited for, and
 * no line is told twice; an empty pack is behind all that was, each time that it is read to its end. Errors:
 * `LogRefusedError`, `LimitError`, those of the first dial.
 */
export async function tellRemote(
  key: PublicKey,
  { follow, ...query }: LogQuery & { readonly follow: boolean },
  options: RemoteLogOptions,
): Promise<void> {
  const log = new RemoteLog(key, query, options);
  await (follow ? log.follow() : log.tellOnce());
}

class RemoteLog {
  readonly #key: PublicKey;
  readonly #query: LogQuery;
  readonly #options: RemoteLogOptions;
  readonly #isWanted: (line: string) => boolean;
  /** What a visor said that was told. */
  readonly #told = new ToldLines();
  /** What a service's log held at the last look. */
  #held: readonly string[] | undefined;
  /** Of this time: since when it is read, until all that was is told. */
  #readingSinceMs: number | undefined;
  #quiet: Timer | undefined;
  #state: "new" | "there" | "gone" = "new";

  constructor(key: PublicKey, query: LogQuery, options: RemoteLogOptions) {
    this.#key = key;
    this.#query = query;
    this.#options = options;
    this.#isWanted = isMeant(query); // an older visor may know no query
  }

  async tellOnce(): Promise<void> {
    const { signal } = this.#options;
    const response = await this.#visorLog(this.#query, signal);
    if (response === undefined) {
      return this.#tell(linesOf((await this.#serviceLog(signal)).join("\n"), this.#query));
    }
    for await (const lines of bodyLinePacks(response.bodyReader, LINE_CHARS_MAX)) {
      this.#tell(lines.filter(this.#isWanted));
    }
  }

  async follow(): Promise<void> {
    const { clock, tell, signal } = this.#options;
    let limit = this.#query.limit;
    for (;;) {
      let failure = "it was stopped";
      try {
        await this.#followOnce({ ...this.#query, limit });
      } catch (error) {
        signal.throwIfAborted();
        const isAway = error instanceof SkyError && !(error instanceof LogRefusedError) &&
          !(error instanceof LimitError);
        if (this.#state === "new" || !isAway) throw error;
        failure = describeError(error);
      }
      if (this.#state === "there") tell({ event: "gone", failure });
      this.#state = "gone";
      if (!this.#told.isEmpty) limit = TOLD_LINES_MAX; // the last line that was told is to be among them
      this.#told.readAnew();
      await sleep(clock, FOLLOW_RETRY_MS, signal);
    }
  }

  /** Until a visor ends its answer in order, or the peer fails. */
  async #followOnce(query: LogQuery): Promise<void> {
    const { signal } = this.#options;
    const response = await this.#visorLog(query, signal, { follow: "1" });
    if (response === undefined) return await this.#followService(query);
    this.#isThere();
    try {
      await this.#followVisor(response);
    } finally {
      this.#quiet?.cancel(); // after a break what is held back may be old: it is read anew
    }
  }

  async #followVisor({ headers, bodyReader }: HttpResponse): Promise<void> {
    const [name, emptyLine] = LOG_END_HEADER;
    const hasMark = headers.get(name) === emptyLine;
    if (!hasMark) this.#settleWhenQuiet();
    for await (const lines of bodyLinePacks(bodyReader, LINE_CHARS_MAX)) {
      this.#tell(this.#told.news(lines.filter(this.#isWanted)));
      if (hasMark && lines.includes("")) this.#settle();
      if (!hasMark && lines.some((line) => line !== "")) this.#settleWhenQuiet(); // a beat is silence
    }
    if (!hasMark) this.#settle();
  }

  async #followService(query: LogQuery): Promise<void> {
    const { clock, signal } = this.#options;
    const look = { what: `A look at the log of ${this.#key}`, afterMs: SERVICE_LOG_LOOK_MS, signal };
    for (;;) {
      const startedMs = clock.monotonicMs();
      const now = await withTimeout(clock, look, (ended) => this.#serviceLog(ended));
      this.#isThere();
      this.#tell(
        this.#held === undefined
          ? linesOf(now.join("\n"), query)
          : linesBehind(this.#held, now).filter(this.#isWanted),
      );
      this.#held = now;
      this.#settle();
      const tookMs = clock.monotonicMs() - startedMs;
      await sleep(clock, Math.max(SERVICE_LOG_POLL_MS, SERVICE_LOG_PAUSE_FACTOR * tookMs), signal);
    }
  }

  #isThere(): void {
    if (this.#state === "there") return;
    if (this.#state === "gone") this.#options.tell({ event: "back" });
    this.#state = "there";
    this.#readingSinceMs = this.#options.clock.monotonicMs();
  }

  #settleWhenQuiet(): void {
    if (this.#readingSinceMs === undefined) return;
    const { clock } = this.#options;
    const leftMs = this.#readingSinceMs + SETTLE_MS_MAX - clock.monotonicMs();
    this.#quiet?.cancel();
    this.#quiet = clock.timer(Math.max(0, Math.min(SETTLE_QUIET_MS, leftMs)), () => this.#settle());
  }

  /** All that was is read. */
  #settle(): void {
    if (this.#readingSinceMs === undefined) return;
    this.#readingSinceMs = undefined;
    this.#quiet?.cancel();
    this.#tell(this.#told.settle());
    this.#options.tell({ lines: [] });
  }

  #tell(lines: readonly string[]): void {
    if (lines.length > 0) this.#options.tell({ lines: [...lines] });
  }

  /** The answer of a visor; undefined: it is none. */
  async #visorLog(
    { minLevel, module, grep, limit }: LogQuery,
    signal: AbortSignal,
    more: { readonly follow?: string } = {},
  ): Promise<HttpResponse | undefined> {
    const asked = new URLSearchParams();
    const names = { "min-level": minLevel, module, grep, limit, ...more };
    for (const [name, value] of Object.entries(names)) {
      if (value !== undefined) asked.set(name, String(value));
    }
    const { http } = this.#options;
    const response = await http.send({ url: `http://${this.#key}/visor.log?${asked}` }, { signal });
    if (response.status === 200) return response;
    await response.discard();
    if (response.status !== 404) throw new LogRefusedError(this.#key, response.status);
    return undefined;
  }

  /** All lines that a service has. */
  async #serviceLog(signal: AbortSignal): Promise<string[]> {
    const response = await this.#options.http.send({ url: `http://${this.#key}/debug/log` }, { signal });
    if (response.status !== 200) {
      await response.discard();
      throw new LogRefusedError(this.#key, response.status);
    }
    const all: string[] = [];
    let chars = 0;
    for await (const lines of bodyLinePacks(response.bodyReader, LINE_CHARS_MAX)) {
      for (const line of lines) {
        chars += line.length + 1;
        all.push(line);
      }
      if (chars <= SERVICE_LOG_CHARS_MAX) continue;
      response.bodyReader.discard();
      throw new LimitError(`The log of ${this.#key} exceeds ${SERVICE_LOG_CHARS_MAX} characters`);
    }
    return all;
  }
}
