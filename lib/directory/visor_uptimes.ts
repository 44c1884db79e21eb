/**
 * Uptimes of visors as services list them (services.md 3.3, 7), read with suspicion.
 *
 * Pure. A list decides about money: one that is wrong anywhere is refused whole, and says where.
 *
 * @module
 */
import type { PublicKey } from "../crypto/mod.ts";
import { asObject, keyOf, member } from "./_answers.ts";

/** Days of one visor that are read; trackers keep eight. */
export const UPTIME_DAYS_MAX = 400;

/** Who counts heartbeats, and does not cut, has one or two too many of a visor that was up all day. */
export const PERCENT_MAX = 101;

/** One visor as it is counted. */
export interface VisorUptime {
  readonly publicKey: PublicKey;
  /** Now. */
  readonly isOnline: boolean;
  readonly version?: string;
  /** Percent of each day (UTC, `2026-06-10`) that it was seen, 0 to 100. */
  readonly daily: ReadonlyMap<string, number>;
  /** Of each day, 288 characters: a dot for five minutes in which it was seen, else a blank. */
  readonly timeline: ReadonlyMap<string, string>;
}

/** Everybody of a list, each once. Errors: what `refuse` makes of the problem. */
export function readUptimes(
  list: readonly unknown[],
  refuse: (problem: string) => Error,
): VisorUptime[] {
  const seen = new Set<PublicKey>();
  return list.map((item, index) => {
    const visor = readUptime(item);
    if (visor === undefined) throw refuse(`item ${index} is no visor`);
    if (seen.has(visor.publicKey)) throw refuse(`visor ${visor.publicKey} is in it twice`);
    seen.add(visor.publicKey);
    const daily = member(item, "daily") ?? {};
    const days = Object.keys(asObject(daily) ?? {});
    if (asObject(daily) === undefined || days.length > UPTIME_DAYS_MAX) {
      throw refuse(`item ${index}: daily must have at most ${UPTIME_DAYS_MAX} days`);
    }
    const wrong = days.find((day) => !isDay(day) || !visor.daily.has(day));
    if (wrong === undefined) return visor;
    const shown = JSON.stringify(wrong.slice(0, SHOWN_CHARS));
    throw refuse(`item ${index}: ${shown} must be a date with a percent from 0 to ${PERCENT_MAX}`);
  });
}

/** True for a day of the calendar, `2026-06-10`. */
export function isDay(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const ms = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text);
}

/** One visor of a list of any version; undefined for what is none. Days that are none are passed over. */
export function readUptime(value: unknown): VisorUptime | undefined {
  const publicKey = keyOf(member(value, "pk") ?? member(value, "key"));
  const isOnline = member(value, "on") ?? member(value, "online") ?? false;
  if (publicKey === undefined || typeof isOnline !== "boolean") return undefined;
  const version = member(value, "version");
  return {
    publicKey,
    isOnline,
    ...(typeof version === "string" && version !== "" ? { version } : {}),
    daily: daysOf(member(value, "daily"), percentOf),
    timeline: daysOf(member(value, "timeline"), slotsOf),
  };
}

function daysOf<T>(value: unknown, read: (text: unknown) => T | undefined): Map<string, T> {
  const days = new Map<string, T>();
  for (const [day, text] of Object.entries(asObject(value) ?? {}).slice(0, UPTIME_DAYS_MAX)) {
    const known = /^\d{4}-\d{2}-\d{2}$/.test(day) ? read(text) : undefined;
    if (known !== undefined) days.set(day, known);
  }
  return days;
}

/** A percent as text, cut at 100; undefined for what is none. */
export function percentOf(text: unknown): number | undefined {
  const percent = typeof text === "string" && /^\d{1,3}(?:\.\d+)?$/.test(text) ? Number(text) : NaN;
  return percent <= PERCENT_MAX ? Math.min(100, percent) : undefined;
}

function slotsOf(text: unknown): string | undefined {
  return typeof text === "string" && /^[. ]{288}$/.test(text) ? text : undefined;
}

/** Of what is wrong, in a message. */
const SHOWN_CHARS = 40;
