/**
 * The list of uptimes in its three versions (services.md 7.3), and what is forgotten by and by.
 *
 *     v1  [{"key":<pk>,"online":true}, ...]
 *     v2  [{"pk":<pk>,"on":true,"version":"v1.3.29","daily":{"2026-06-10":"97.22"}}, ...]
 *     v3  as v2, with "timeline":{"2026-06-10":"<288 characters>"}
 *
 * @module
 */
import { describeError, type Log, present, unlessAborted } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { isVersion } from "../../directory/mod.ts";
import { type Clock, sleep } from "../../runtime/mod.ts";
import { type Answer, goJson, json, plain, queryValue, readKey } from "../hosting/mod.ts";
import { DAY_MS, dayOf, type SeenVisor, type UptimeStore } from "../store/mod.ts";
import { DayCache } from "./_days.ts";
import { type CountedDay, timelineOf } from "./_packed_days.ts";
import type { KeptText } from "./_kept_text.ts";
import { type ListText, PartsReader, wholeText } from "./_parts.ts";
import { PackedVisor, type ToldVisor } from "./_told.ts";
import { Turns } from "./_turns.ts";
import {
  ASKED_KEYS_MAX,
  HISTORY_DAYS,
  HISTORY_MONTHS,
  LIST_KEPT_MS,
  PART_VISORS,
  REGISTRATION_BEAT_MS,
  REGISTRATION_EARLY_MS,
  TIDY_MS,
  VISORS_KEPT_MAX,
} from "./settings.ts";

export interface UptimesOptions<Key extends string = PublicKey> {
  readonly store: UptimeStore<Key>;
  /** For how long something is kept; what is today is for the store to say. */
  readonly clock: Clock;
  /** Beats of a visor that is up all day: 100 percent. */
  readonly beatsOfDay: number;
  /** Who is online is found out once for a list: whoever was seen so short a time ago (in ms), or as this decides. */
  readonly online: number | (() => Promise<(visor: SeenVisor<Key>) => boolean>);
  /** A list of more than {@link PART_VISORS} is told again for so long, in ms. Default {@link LIST_KEPT_MS}. */
  readonly keptMs?: number;
}

/** Everybody, as read last. */
interface Everybody<Key extends string> {
  /** Of the reading, from 1 on. */
  readonly number: number;
  readonly list: readonly ToldVisor<Key>[];
  readonly untilMs: number;
  readonly today: string;
}

export class Uptimes<Key extends string = PublicKey> {
  readonly #options: UptimesOptions<Key>;
  readonly #days: DayCache<Key>;
  readonly #turns: Turns;
  #readings = 0;
  #newest: Everybody<Key> | undefined;
  /** Under way. */
  #reading: { readonly today: string; readonly everybody: Promise<Everybody<Key>> } | undefined;

  constructor(options: UptimesOptions<Key>) {
    this.#options = options;
    this.#days = new DayCache(options.store, options.clock, options.beatsOfDay);
    this.#turns = new Turns(options.clock);
  }

  /** Those of `keys` who have a day. Days are up to 5 min old, the rest is of now. */
  async told(keys: readonly Key[]): Promise<ToldVisor<Key>[]> {
    return await this.#read(keys);
  }

  /**
   * Everybody who has a day, by key. Whoever asks during a reading is told what it finds; a long list is kept for a
   * moment besides. Whatever is done with all of a long list is done in {@link inParts}.
   */
  async everybody(): Promise<readonly ToldVisor<Key>[]> {
    const today = dayOf(await this.presentMs());
    const known = this.#newest;
    const isFresh = known !== undefined && known.untilMs > this.#options.clock.monotonicMs() &&
      known.today === today; // a day that is over is told whole
    if (isFresh) return known.list;
    if (this.#reading?.today !== today) this.#reading = { today, everybody: this.#readEverybody(today) };
    const reading = this.#reading;
    try {
      return (await reading.everybody).list;
    } finally {
      if (this.#reading === reading) this.#reading = undefined;
    }
  }

  /** Does something with {@link everybody}, some at a time: between them others have their turns. */
  async inParts(work: (part: readonly ToldVisor<Key>[]) => void): Promise<void> {
    const list = await this.everybody();
    for (let at = 0; at < list.length; at += PART_VISORS) {
      const isLast = at + PART_VISORS >= list.length;
      await this.#turns.run(() => work(list.slice(at, at + PART_VISORS)), { isLast });
    }
  }

  /**
   * Of everybody: a short list whole, a long one in parts. `listOf`: what it is like when everybody is known. `kept`: of
   * the same list, for whoever asked for it before and asks for it after.
   */
  async answer(
    listOf: (all: readonly ToldVisor<Key>[]) => ListText<ToldVisor<Key>>,
    { headers = json("").headers, kept }: {
      readonly headers?: Answer["headers"];
      readonly kept?: KeptText | undefined;
    } = {},
  ): Promise<Answer> {
    const all = await this.everybody();
    const list = listOf(all);
    if (all.length <= PART_VISORS) return { status: 200, headers, body: wholeText(list, all) };
    const given = { newest: () => this.#newest!.list, turns: this.#turns, partItems: PART_VISORS, kept };
    return { status: 200, headers, body: "", parts: () => new PartsReader(list, given) };
  }

  /** When a long list that was read last is no longer told, by the monotonic clock. */
  get keptUntilMs(): number {
    return this.#newest?.untilMs ?? 0;
  }

  async #readEverybody(today: string): Promise<Everybody<Key>> {
    const { clock, keptMs = LIST_KEPT_MS } = this.#options;
    const number = ++this.#readings;
    const list = await this.#read();
    const untilMs = list.length > PART_VISORS ? clock.monotonicMs() + keptMs : 0;
    const everybody = { number, list, untilMs, today };
    if (number > (this.#newest?.number ?? 0)) this.#newest = everybody; // one of before midnight may end after it
    return everybody;
  }

  async #read(keys?: readonly Key[]): Promise<ToldVisor<Key>[]> {
    const days = await this.#days.days();
    const isOnline = await this.#online();
    const visors = await this.#options.store.visors(keys);
    return visors.map((visor) => new PackedVisor(visor, isOnline(visor), days));
  }

  /** As of the store: what a list is of. Errors: `StoreError`. */
  presentMs(): Promise<number> {
    return this.#options.store.presentMs();
  }

  /** The present by the clock that days are counted by, Unix time. Errors: `StoreError`. */
  nowMs(): Promise<number> {
    return this.#options.store.nowMs();
  }

  async #online(): Promise<(visor: SeenVisor<Key>) => boolean> {
    const { online, store } = this.#options;
    if (typeof online === "function") return await online();
    const nowMs = await store.presentMs();
    // Later than now, by more than that: before the clock was set back.
    return ({ lastSeenMs }) => Math.abs(nowMs - lastSeenMs) < online;
  }
}

/**
 * How a registration beats. Keys cost nothing to invent: those that are up keep their places, whoever fills the others.
 */
export const REGISTRATION_BEAT = {
  intervalMs: REGISTRATION_BEAT_MS,
  earlyMs: REGISTRATION_EARLY_MS,
  visorsMax: VISORS_KEPT_MAX,
  makesRoom: true,
} as const;

/** Forgets what is too old now and every hour, until the signal. `before`: what is done with it first. */
export async function keepTidy(
  stores: readonly Pick<UptimeStore, "forget" | "nowMs">[],
  { clock, log, before = () => Promise.resolve() }: {
    readonly clock: Clock;
    readonly log: Log;
    readonly before?: () => Promise<void>;
  },
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      await unlessAborted(signal, before());
      for (const store of stores) await unlessAborted(signal, forgetOld(store, clock)); // a silent store holds no close up
    } catch (error) {
      signal.throwIfAborted();
      log.error("Uptimes cannot be kept tidy", { cause: describeError(error) });
    }
    await sleep(clock, TIDY_MS, signal);
  }
}

/**
 * Forgets what is too old to be told of, by the clock that the store counts by and by this machine's as well: what is
 * forgotten is gone, and a clock that is ahead, of whichever of them, must not be the end of it. To be repeated every
 * now and then. Errors: `StoreError`.
 */
export async function forgetOld(
  store: Pick<UptimeStore, "forget" | "nowMs">,
  clock: Pick<Clock, "wallMs">,
): Promise<void> {
  const nowMs = Math.min(await store.nowMs(), clock.wallMs());
  const now = new Date(nowMs);
  const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - HISTORY_MONTHS, 1));
  await store.forget({
    day: dayOf(nowMs - HISTORY_DAYS * DAY_MS),
    month: month.toISOString().slice(0, 7),
  });
}

/** GET `/uptimes`: query `v`, `visors`, `startDate`, `endDate`, `status`. `kept`: of the same question. */
export async function answerUptimes(uptimes: Uptimes, query: string, kept?: KeptText): Promise<Answer> {
  const range = readRange(query);
  if ("problem" in range) {
    return { ...plain(`${goJson({ error: range.problem })}\n`, 500), refused: "invalid" };
  }
  const visors = queryValue(query, "visors");
  const status = queryValue(query, "status");
  const within = (visor: ToldVisor): ToldVisor =>
    range.isSet ? { ...visor, days: visor.days.filter(({ day }) => range.has(day)) } : visor;
  const render = rendererOf(queryValue(query, "v"));
  const list: ListText<ToldVisor> = {
    ...jsonList((visor: ToldVisor) => render(within(visor))),
    empty: status === "off" ? "null\n" : undefined, // the words of the original
    isWanted: (visor) =>
      (status === "on" ? visor.isOnline : status !== "off" || !visor.isOnline) &&
      (!range.isSet || visor.days.some(({ day }) => range.has(day))),
  };
  if (visors) return json(wholeText(list, await uptimes.told(keysIn(visors))));
  return await uptimes.answer(() => list, { kept });
}

/** A list as services write it, with a line end. */
export function jsonList<Item>(render: (item: Item) => object): ListText<Item> {
  return {
    head: "[",
    separator: ",",
    tail: "]\n",
    render: (items) => goJson(items.map(render)).slice(1, -1),
  };
}

/** `v2`, `v3`, and the first version for everything else. */
export function rendererOf(version: unknown): (visor: ToldVisor) => object {
  return version === "v2" ? renderV2 : version === "v3" ? renderV3 : renderV1;
}

/** One visor of the first version. */
export function renderV1({ key, isOnline }: Pick<ToldVisor, "key" | "isOnline">): object {
  return { key, online: isOnline };
}

export function renderV2({ key, isOnline, version, days }: ToldVisor): object {
  return { pk: key, on: isOnline, ...present({ version, daily: dailyOf(days) }) };
}

export function renderV3(visor: ToldVisor): object {
  const { days } = visor; // unpacked once
  return { ...renderV2({ ...visor, days }), ...present({ timeline: timelinesOf(days) }) };
}

/** Percents by day; undefined for no day at all. */
export function dailyOf(days: readonly CountedDay[]): object | undefined {
  return byDay(days, ({ percent }) => percent);
}

/** Timelines by day; undefined for no day at all. */
export function timelinesOf(days: readonly CountedDay[]): object | undefined {
  return byDay(days, ({ slots }) => timelineOf(slots));
}

/** Undefined for no day at all: the member is left out. */
function byDay(days: readonly CountedDay[], text: (day: CountedDay) => string): object | undefined {
  return days.length === 0 ? undefined : Object.fromEntries(days.map((each) => [each.day, text(each)]));
}

/** What may stand in the list as a version; anything else counts as not said. */
export function versionIn(text: unknown): string | undefined {
  return typeof text === "string" && text !== "" && isVersion(text) ? text : undefined;
}

/** Which days are wanted, or what is wrong with the question. */
type Range = { readonly isSet: boolean; has(day: string): boolean } | { readonly problem: string };

function readRange(query: string): Range {
  const days: [string, string] = ["", "9999"];
  let isSet = false;
  for (const [at, name] of ["start", "end"].entries()) {
    const text = queryValue(query, `${name}Date`);
    if (!text) continue;
    if (!/^-?\d{1,18}$/.test(text)) {
      const shown = text.slice(0, DATE_CHARS_SHOWN);
      const problem = `strconv.ParseInt: parsing ${JSON.stringify(shown)}: invalid syntax`;
      return { problem: `invalid ${name} date ${shown}: ${problem}` };
    }
    isSet = true;
    days[at] = dayOf(Math.max(0, Math.min(Number(text), SECONDS_MAX)) * 1_000);
  }
  return { isSet, has: (day) => days[0] <= day && day <= days[1] };
}

/** Keys between commas or semicolons; what is none is passed over. */
export function keysIn(text: string): PublicKey[] {
  const keys = new Set<PublicKey>();
  for (const part of text.split(/[,;]/, ASKED_KEYS_MAX)) {
    const key = readKey(part.trim());
    if (key !== undefined) keys.add(key);
  }
  return [...keys];
}

/** The end of the year 9998. */
const SECONDS_MAX = 253_370_764_800;
/** Of a date that is none, in the answer. */
const DATE_CHARS_SHOWN = 64;
