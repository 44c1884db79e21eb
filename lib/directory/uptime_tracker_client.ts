/**
 * Who was up and when, asked by HTTP of an uptime tracker, or of a transport discovery, which counts it since 2026
 * (services.md 3.3, 7).
 *
 * @module
 */
import type { PublicKey } from "../crypto/mod.ts";
import type { AskService } from "../dmsg/mod.ts";
import { asObject, keyOf, listOf, member, refused } from "./_answers.ts";

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

/** Whose uptimes are wanted. */
export interface FindUptimes {
  /** Undefined: everybody's. */
  readonly keys?: readonly PublicKey[];
  /** With the slots of each day, where the service has them. Default false. */
  readonly timeline?: boolean;
}

/** Keys in one question: 17 KB of a URL. */
export const UPTIME_KEYS_MAX = 256;
/** Days of one visor that are read; trackers keep eight. */
export const UPTIME_DAYS_MAX = 400;

/** Errors of each call: `ServiceUnreachableError`, `ServiceRefusedError`, `ServiceAnswerError`. */
export class UptimeTrackerClient {
  readonly #ask: AskService;
  readonly #name: string;

  /** `name` as errors call the service. */
  constructor(ask: AskService, name = "uptime tracker") {
    this.#ask = ask;
    this.#name = name;
  }

  /** Says that this visor is up: each 5 min. False: the service counts nobody, as those of before. */
  async heartbeat(version?: string, signal?: AbortSignal): Promise<boolean> {
    const query = version === undefined ? "" : `?version=${encodeURIComponent(version)}`;
    const answer = await this.#ask({ method: "GET", path: `/v4/update${query}`, isSigned: true }, signal);
    if (answer.status === 404 || answer.status === 405) return false;
    if (answer.status !== 200) throw refused(this.#name, "a heartbeat", answer);
    return true;
  }

  /** Uptimes by day; at most {@link UPTIME_KEYS_MAX} keys go in one question. */
  async uptimes({ keys, timeline = false }: FindUptimes = {}, signal?: AbortSignal): Promise<VisorUptime[]> {
    const version = timeline ? "v3" : "v2";
    if (keys === undefined) return await this.#list(`/uptimes?v=${version}`, signal);
    const found: VisorUptime[] = [];
    for (let at = 0; at < keys.length; at += UPTIME_KEYS_MAX) {
      const some = keys.slice(at, at + UPTIME_KEYS_MAX).join(",");
      found.push(...await this.#list(`/uptimes?v=${version}&visors=${some}`, signal));
    }
    return found;
  }

  async #list(path: string, signal: AbortSignal | undefined): Promise<VisorUptime[]> {
    const answer = await this.#ask({ method: "GET", path, isLarge: true }, signal);
    if (answer.status !== 200) throw refused(this.#name, "its list", answer);
    return listOf(this.#name, answer).flatMap((item) => readUptime(item) ?? []);
  }
}

/** Reads one visor of a list of any version; undefined for what is none. Days that are none are passed over. */
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

function percentOf(text: unknown): number | undefined {
  const percent = typeof text === "string" && /^\d{1,3}(?:\.\d+)?$/.test(text) ? Number(text) : NaN;
  return percent <= 100 ? percent : undefined;
}

function slotsOf(text: unknown): string | undefined {
  return typeof text === "string" && /^[. ]{288}$/.test(text) ? text : undefined;
}
