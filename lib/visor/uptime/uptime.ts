/**
 * The visor looks at itself once per interval, and keeps what it saw in a file (visor.md 5.3).
 *
 * @module
 */
import { describeError, type Log, Scope } from "../../base/mod.ts";
import { FileNotFoundError, sleep, type World } from "../../runtime/mod.ts";
import {
  HOUR_MS,
  PANEL_HOURS,
  parseUptimeFile,
  RETAINED_HOURS,
  sumOf,
  type TierTimes,
  UptimeHistory,
  type UptimeHour,
} from "./history.ts";
import { UptimeFileError } from "./errors.ts";
import type { Tiers } from "./tiers.ts";

/** A crash costs at most so much; each write is one of some 70 KiB at the most. */
export const WRITE_INTERVAL_MS = 5 * 60_000;
/** 720 hours are some 80 KiB. */
export const FILE_BYTES_MAX = 512 * 1024;

export interface UptimeOptions {
  readonly world: Pick<World, "clock" | "files" | "outside">;
  /** The file; its folder exists. */
  readonly path: string;
  /** 0: nothing is sampled. */
  readonly sampleIntervalMs: number;
  /** What is true in this moment. */
  readonly look: () => Tiers;
  readonly log: Log;
}

/** Everything about the uptime, for people and programs. Times are Unix time in milliseconds. */
export interface UptimeReport {
  /** 0: nothing is sampled. */
  readonly sampleIntervalMs: number;
  readonly now: Tiers;
  readonly panel: TierTimes & { readonly fromMs: number; readonly toMs: number };
  readonly retained: TierTimes;
  /** Of the panel, oldest first. */
  readonly hours: readonly UptimeHour[];
  /** Why the newest samples are not on disk. */
  readonly failure?: string;
}

export class Uptime implements AsyncDisposable {
  readonly #options: UptimeOptions;
  readonly #history = new UptimeHistory();
  readonly #scope = new Scope();
  #isWritten = true;
  #writtenMs: number;
  #failure: string | undefined;

  /** Samples from now on. Nothing waits for the file. */
  constructor(options: UptimeOptions) {
    this.#options = options;
    this.#writtenMs = options.world.clock.monotonicMs();
    if (options.sampleIntervalMs > 0) this.#scope.spawn("uptime", (signal) => this.#run(signal));
  }

  /** As of this moment. */
  report(): UptimeReport {
    const { world: { clock }, sampleIntervalMs, look } = this.#options;
    const toMs = clock.wallMs();
    const hours = this.#history.hours(toMs, PANEL_HOURS);
    return {
      sampleIntervalMs,
      now: look(),
      panel: { fromMs: Math.floor(toMs / HOUR_MS - PANEL_HOURS + 1) * HOUR_MS, toMs, ...sumOf(hours) },
      retained: sumOf(this.#history.hours(toMs, RETAINED_HOURS)),
      hours,
      ...(this.#failure === undefined ? {} : { failure: this.#failure }),
    };
  }

  /** Ends the sampling and keeps what there is. Never rejects. */
  async close(): Promise<void> {
    await this.#scope[Symbol.asyncDispose]();
    if (!this.#isWritten) await this.#write();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { world: { clock }, sampleIntervalMs, look } = this.#options;
    await this.#load();
    let lastMs = clock.monotonicMs();
    for (;;) {
      await sleep(clock, sampleIntervalMs, signal);
      const nowMs = clock.monotonicMs();
      // A machine that slept was not up: one sample stands for one interval at the most.
      const spanMs = Math.min(nowMs - lastMs, sampleIntervalMs);
      lastMs = nowMs;
      this.#history.add(look(), { nowMs: clock.wallMs(), spanMs });
      this.#isWritten = false;
      if (nowMs - this.#writtenMs >= WRITE_INTERVAL_MS) await this.#write();
    }
  }

  async #load(): Promise<void> {
    const { world, path, log } = this.#options;
    const { clock, files } = world;
    try {
      const bytes = await world.outside(async () => {
        const info = await files.info(path);
        if (info !== undefined && info.bytes > FILE_BYTES_MAX) throw new UptimeFileError("it is too large");
        return await files.read(path);
      });
      this.#history.merge(parseUptimeFile(new TextDecoder().decode(bytes)), clock.wallMs());
    } catch (error) {
      if (!(error instanceof FileNotFoundError)) {
        log.warn("Uptime begins anew", { path, cause: describeError(error) });
      }
    }
  }

  /** A disk that fails costs samples, never the visor. */
  async #write(): Promise<void> {
    const { world, path, log } = this.#options;
    this.#writtenMs = world.clock.monotonicMs();
    const bytes = new TextEncoder().encode(this.#history.render());
    try {
      await world.outside(() => world.files.write(path, bytes, { mode: 0o600 }));
      this.#isWritten = true;
      this.#failure = undefined;
    } catch (error) {
      this.#failure = describeError(error);
      log.warn("Uptime not kept", { path, cause: this.#failure });
    }
  }
}
