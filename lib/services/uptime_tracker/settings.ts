/** What an operator decides about an uptime tracker (services.md 1.3, 7). @module */
import type { HostedSettings } from "../hosting/mod.ts";

/** How visors are counted and told of. Everything has a default. */
export interface UptimeTrackerSettings extends Pick<HostedSettings, "believeProxies" | "build"> {
  /** Lists for one address or key, in a minute. 0: no limit. Default {@link LISTS_PER_MINUTE}. */
  readonly listsPerMinute?: number;
  /** Visors that are counted, at most. Default {@link VISORS_MAX}. */
  readonly visorsMax?: number;
}

/** Of everybody, for one address or key (services.md 1.3). */
export const LISTS_PER_MINUTE = 5;
/** Visors beat each 5 min; what a beat stands for. */
export const BEAT_MS = 5 * 60_000;
/** A beat that comes a little early completes its interval; what was wanting is taken off the next one. */
export const BEAT_EARLY_MS = 10_000;
/** Of a whole day. */
export const BEATS_OF_DAY = 24 * 60 * 60_000 / BEAT_MS;
/** A visor is online for so long after its last beat: one interval, and some minute for its way. */
export const ONLINE_MS = 6 * 60_000;
/** Counted at once: a list of all for a week is 14 MB, and 136 MB with timelines. Those that are known go on. */
export const VISORS_MAX = 50_000;
/** Days of the page for people when it is not told how many. */
export const DASHBOARD_DAYS = 6;
