/**
 * Hours of a visor's life in two tiers: how long it ran, and for how much of that each tier was up.
 *
 * Pure: no clock, no file. A sample stands for the time since the one before it, and both tiers are looked at in the
 * same moment and counted over the same time, so that they compare. What rides on dmsg is down without dmsg;
 * skynet without dmsg is what other transports carried, and is counted by itself: more skynet than dmsg and
 * that would be an error of measuring.
 *
 * @module
 */
import { UptimeFileError } from "./errors.ts";
import type { Tiers } from "./tiers.ts";

export const HOUR_MS = 3_600_000;
/** What `visor uptime` is about. */
export const PANEL_HOURS = 24;
/** That are kept: 30 days. */
export const RETAINED_HOURS = 720;
/** Format of the file. */
const FILE_VERSION = 1;

/** Milliseconds of some span. */
export interface TierTimes {
  /** The visor ran, and looked. */
  readonly runningMs: number;
  readonly dmsgMs: number;
  readonly skynetMs: number;
  /** Part of `skynetMs`: other transports than those over dmsg were up, and dmsg was not. */
  readonly skynetWithoutDmsgMs: number;
}

/** One hour, in which the visor ran at least once. `startMs` is Unix time. */
export interface UptimeHour extends TierTimes {
  readonly startMs: number;
}

const NO_TIME: TierTimes = { runningMs: 0, dmsgMs: 0, skynetMs: 0, skynetWithoutDmsgMs: 0 };

export class UptimeHistory {
  #hours = new Map<number, UptimeHour>();

  /** Notes that `tiers` held for the `spanMs` before `nowMs` (Unix time). */
  add(tiers: Tiers, { nowMs, spanMs }: { readonly nowMs: number; readonly spanMs: number }): void {
    this.#addTo(hourOf(nowMs), {
      runningMs: spanMs,
      dmsgMs: tiers.dmsg ? spanMs : 0,
      skynetMs: tiers.skynet ? spanMs : 0,
      skynetWithoutDmsgMs: tiers.skynet && !tiers.dmsg ? spanMs : 0,
    });
    this.#bound(nowMs);
  }

  /** Hours of the last `count`, this one among them, oldest first; those in which nothing ran are left out. */
  hours(nowMs: number, count: number): UptimeHour[] {
    return [...this.#hours.values()]
      .filter(({ startMs }) => isWithin(startMs, nowMs, count))
      .sort((a, b) => a.startMs - b.startMs);
  }

  /** Takes over what an earlier run kept. */
  merge(hours: readonly UptimeHour[], nowMs: number): void {
    for (const hour of hours) this.#addTo(hour.startMs, hour);
    this.#bound(nowMs);
  }

  /** The content of the file. */
  render(): string {
    const hours = [...this.#hours.values()].sort((a, b) => a.startMs - b.startMs);
    return JSON.stringify({ version: FILE_VERSION, hours }) + "\n";
  }

  /** An hour that a clock showed twice is one all the same. */
  #addTo(startMs: number, times: TierTimes): void {
    const sum = plus(this.#hours.get(startMs) ?? NO_TIME, times);
    const cut = (ms: number) => Math.min(ms, HOUR_MS);
    this.#hours.set(startMs, {
      startMs,
      runningMs: cut(sum.runningMs),
      dmsgMs: cut(sum.dmsgMs),
      skynetMs: cut(sum.skynetMs),
      skynetWithoutDmsgMs: cut(sum.skynetWithoutDmsgMs),
    });
  }

  /**
   * The clock may be wrong now, or was: hours out of the 30 days before it, which nobody is shown, go only when there
   * are too many, the oldest first. So a clock that is behind, or ahead, costs as many hours as it is wrong for.
   */
  #bound(nowMs: number): void {
    const tooMany = this.#hours.size - RETAINED_HOURS;
    if (tooMany <= 0) return;
    const hidden = [...this.#hours.keys()].filter((startMs) => !isWithin(startMs, nowMs, RETAINED_HOURS));
    for (const startMs of hidden.sort((a, b) => a - b).slice(0, tooMany)) this.#hours.delete(startMs);
  }
}

/** Adds hours up. */
export function sumOf(hours: readonly TierTimes[]): TierTimes {
  return hours.reduce(plus, NO_TIME);
}

/** What {@link UptimeHistory.render} wrote. Errors: `UptimeFileError`. */
export function parseUptimeFile(text: string): UptimeHour[] {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw new UptimeFileError("it is no JSON", { cause });
  }
  const { version, hours } = (content ?? {}) as { version?: unknown; hours?: unknown };
  if (version !== FILE_VERSION) throw new UptimeFileError(`its version is not ${FILE_VERSION}`);
  if (!Array.isArray(hours) || hours.length > RETAINED_HOURS) {
    throw new UptimeFileError(`it must have at most ${RETAINED_HOURS} hours`);
  }
  const starts = new Set<number>();
  return hours.map((hour: unknown, index) => {
    const { startMs, runningMs, dmsgMs, skynetMs, skynetWithoutDmsgMs } = (hour ?? {}) as UptimeHour;
    const times = [runningMs, dmsgMs, skynetMs, skynetWithoutDmsgMs];
    const isHour = Number.isSafeInteger(startMs) && startMs >= 0 && startMs % HOUR_MS === 0 &&
      !starts.has(startMs) && times.every((ms) => Number.isFinite(ms) && ms >= 0 && ms <= runningMs) &&
      skynetWithoutDmsgMs <= skynetMs;
    if (!isHour) throw new UptimeFileError(`hour ${index} is none`);
    starts.add(startMs);
    return { startMs, runningMs, dmsgMs, skynetMs, skynetWithoutDmsgMs };
  });
}

/** One of the last `count` hours. */
function isWithin(startMs: number, nowMs: number, count: number): boolean {
  const last = hourOf(nowMs);
  return startMs > last - count * HOUR_MS && startMs <= last;
}

/** In Unix time. */
function hourOf(ms: number): number {
  return Math.floor(ms / HOUR_MS) * HOUR_MS;
}

function plus(a: TierTimes, b: TierTimes): TierTimes {
  return {
    runningMs: a.runningMs + b.runningMs,
    dmsgMs: a.dmsgMs + b.dmsgMs,
    skynetMs: a.skynetMs + b.skynetMs,
    skynetWithoutDmsgMs: a.skynetWithoutDmsgMs + b.skynetWithoutDmsgMs,
  };
}
