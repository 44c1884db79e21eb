/**
 * Uptimes by day as whoever pays for them reads and writes them (services.md 12.1): two forms of a file, and who has
 * enough of a day.
 *
 *     <date>_ut.json    [{"pk":<pk>,"on":true,"version":"v1.3.29","daily":{"2026-06-10":"97.22"}}, ...]
 *     <date>_ut.txt     <pk> 2026-06-10 97.22
 *
 * Pure. A file decides about money: one that is wrong anywhere is refused whole, and says where.
 *
 * @module
 */
import { CallerError, present, type SkyErrorOptions } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { keyOf } from "./_answers.ts";
import {
  isDay,
  PERCENT_MAX,
  percentOf,
  readUptimes,
  UPTIME_DAYS_MAX,
  type VisorUptime,
} from "./visor_uptimes.ts";

/** What a visor needs more of than this, in percent of a day. */
export const REWARD_PERCENT_MIN = 75;
/** A file of uptimes: 100,000 visors with eight days are 25 MB in the larger form. */
export const DAILY_FILE_BYTES_MAX = 96 * 1024 * 1024;

/** The forms of a file. `json` is the list as a service tells it, `lines` what a calculation reads. */
export type DailyForm = "json" | "lines";

/** A file of uptimes, or a part of it, that is none. */
export class BadDailyUptimesError extends CallerError {
  readonly code = "BAD_DAILY_UPTIMES";
  constructor(file: string, problem: string, options: SkyErrorOptions = {}) {
    super(`${file}: ${problem}`, {
      hint: "write the list of GET /uptimes?v=v2, or lines of: KEY DATE PERCENT",
      ...options,
    });
  }
}

/** Nothing is known of a day, of any visor. */
export class NoUptimeOfDayError extends CallerError {
  readonly code = "NO_UPTIME_OF_DAY";
  /** With the days that `source` has, in their order. */
  constructor(source: string, day: string, { days, isFile }: { days: readonly string[]; isFile: boolean }) {
    super(`${source} has no uptime of ${day}, of any visor`, {
      hint: days.length > 0
        ? `it has ${spanOf(days)}: name a day with --date, or a file of that day with --input`
        : isFile
        ? "no day is in it: name a file of that day with --input"
        : "services keep seven days before today; name a file of that day with --input",
    });
  }
}

function spanOf(days: readonly string[]): string {
  return days.length === 1 ? days[0]! : `days from ${days[0]} to ${days.at(-1)}`;
}

/** Who has enough of a day, in the order of their keys. */
export interface EligibleVisor extends VisorUptime {
  /** Of that day. */
  readonly percent: number;
}

/** Visors with more than `percentMin` of `day`. Errors: `NoUptimeOfDayError` where nobody has any of it. */
export function eligibleOn(
  visors: readonly VisorUptime[],
  { day, percentMin = REWARD_PERCENT_MIN, source, isFile = false }: {
    readonly day: string;
    readonly percentMin?: number;
    /** As errors call it. */
    readonly source: string;
    /** `source` is one, and no service. */
    readonly isFile?: boolean;
  },
): EligibleVisor[] {
  const seen = visors.flatMap((visor) => {
    const percent = visor.daily.get(day);
    return percent === undefined ? [] : { ...visor, percent };
  });
  if (seen.length === 0) {
    const days = new Set(visors.flatMap(({ daily }) => [...daily.keys()]));
    throw new NoUptimeOfDayError(source, day, { days: [...days].sort(), isFile });
  }
  return seen.filter(({ percent }) => percent > percentMin).sort((one, other) =>
    one.publicKey < other.publicKey ? -1 : 1
  );
}

/** A visor in the schema of the daily JSON; with `day`, that one alone. */
export function dailyJson({ publicKey, isOnline, version, daily }: VisorUptime, day?: string): object {
  const days = [...daily].filter(([each]) => day === undefined || each === day);
  return {
    pk: publicKey,
    on: isOnline,
    ...present({
      version,
      daily: days.length === 0
        ? undefined
        : Object.fromEntries(days.map(([each, percent]) => [each, percent.toFixed(2)])),
    }),
  };
}

/** One line for each visor and day that has more than `percentMin`: the days in their order within each visor. */
export function dailyLines(
  visors: readonly Pick<VisorUptime, "publicKey" | "daily">[],
  { day, percentMin = REWARD_PERCENT_MIN }: { readonly day?: string; readonly percentMin?: number } = {},
): string {
  return visors.flatMap(({ publicKey, daily }) =>
    [...daily].sort(([one], [other]) => one < other ? -1 : 1)
      .filter(([each, percent]) => (day === undefined || each === day) && percent > percentMin)
      .map(([each, percent]) => `${publicKey} ${each} ${percent.toFixed(2)}\n`)
  ).join("");
}

/** Reads a file of either form, by what it begins with. Errors: `BadDailyUptimesError`. */
export function parseDailyUptimes(text: string, file: string): VisorUptime[] {
  return /^\s*(?:\[|\{|null)/.test(text) ? parseJson(text, file) : parseLines(text, file);
}

function parseJson(text: string, file: string): VisorUptime[] {
  let list: unknown;
  try {
    list = JSON.parse(text) ?? [];
  } catch (cause) {
    throw new BadDailyUptimesError(file, "it is no JSON", { cause });
  }
  if (!Array.isArray(list)) throw new BadDailyUptimesError(file, "it is no list of visors");
  return readUptimes(list, (problem) => new BadDailyUptimesError(file, problem));
}

function parseLines(text: string, file: string): VisorUptime[] {
  const days = new Map<PublicKey, Map<string, number>>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const [keyText = "", day = "", percentText = "", ...rest] = line.trim().split(/\s+/);
    const key = keyOf(keyText);
    const percent = percentOf(percentText.replace(/%$/, ""));
    if (key === undefined || !isDay(day) || percent === undefined || rest.length > 0) {
      const wanted = `key, date and percent from 0 to ${PERCENT_MAX}`;
      throw new BadDailyUptimesError(file, `line ${index + 1} is no ${wanted}`);
    }
    const known = days.get(key) ?? new Map<string, number>();
    if (known.has(day)) {
      throw new BadDailyUptimesError(file, `line ${index + 1}: ${day} of ${key} a second time`);
    }
    if (known.size >= UPTIME_DAYS_MAX) {
      throw new BadDailyUptimesError(file, `line ${index + 1}: more than ${UPTIME_DAYS_MAX} days of ${key}`);
    }
    days.set(key, known.set(day, percent));
  }
  return [...days].map(([publicKey, daily]) => ({ publicKey, isOnline: false, daily, timeline: new Map() }));
}
