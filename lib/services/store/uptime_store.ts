/** `UptimeStore`: who was seen when, by day. One interface, SQLite or Redis behind it. @module */
import type { PublicKey } from "../../crypto/mod.ts";
import type { NonceStore } from "./nonce_store.ts";
import type { Store } from "./store.ts";

/** Five minutes each, from midnight UTC. */
export const SLOTS_OF_DAY = 288;
export const SLOT_BYTES = SLOTS_OF_DAY / 8;
export const DAY_MS = 24 * 60 * 60_000;
const SLOT_MS = DAY_MS / SLOTS_OF_DAY;

/**
 * Whose uptimes one store keeps beside the others in the same place: visors by their heartbeats at an uptime tracker,
 * visors by what they register at a transport discovery, transports by the same, visors by the services they register.
 */
export type UptimesOf = "uptime" | "visor_uptime" | "transport_uptime" | "service_uptime";

/**
 * A sign of life, of a visor unless said otherwise. What it is worth is for {@link countBeat} to say.
 *
 * When it came is for the store to say: in Redis by Redis' own clock, whatever those of the instances that share it
 * say; in SQLite by this machine's. So a store is told no time of day, but how long ago a beat was, where that is not
 * now; such a late beat gives nothing that has been counted since, and is no clock that was set back.
 */
export interface Beat<Key extends string = PublicKey> {
  readonly key: Key;
  /** How long ago it came, in milliseconds; below 0 is now. Default: 0. */
  readonly agoMs?: number;
  /** From one to the next, and what one stands for. In whole milliseconds. */
  readonly intervalMs: number;
  /** It counts when no more than this is wanting to a whole interval. In whole milliseconds. Default: 0. */
  readonly earlyMs?: number;
  /** Visors that there may be; one that is new beyond them is not taken. Default: any number. */
  readonly visorsMax?: number;
  /** A new one beyond them is taken all the same, and the one not seen for longest is forgotten, with its days. */
  readonly makesRoom?: boolean;
  /** Of the visor, or whatever else is told of what beats; undefined: what was known stays. */
  readonly version?: string;
  /** The public IP address that it came from, `""` for none: kept where it counts. Undefined: none is kept. */
  readonly address?: string;
}

/** What became of a beat: `seen`: it completes no interval (yet); `full`: of one visor more than there may be. */
export type BeatResult = "counted" | "seen" | "full";

/** A visor as it was last seen. */
export interface SeenVisor<Key extends string = PublicKey> {
  readonly key: Key;
  readonly version: string | undefined;
  /** Unix time of the last beat, counted or not, by the clock that the store counts by. */
  readonly lastSeenMs: number;
}

/** What was counted of one visor on one day. */
export interface DayOfVisor<Key extends string = PublicKey> {
  readonly key: Key;
  /** `2026-06-10`, UTC. */
  readonly day: string;
  /** Beats that count. */
  readonly beats: number;
  /** {@link SLOTS_OF_DAY} bits, the first slot in the highest bit of the first byte. */
  readonly slots: Uint8Array;
}

/** Who had which address in a month. */
export interface AddressOfMonth<Key extends string = PublicKey> {
  readonly key: Key;
  /** `2026-06`. */
  readonly month: string;
  readonly address: string;
}

/**
 * Uptimes by key and day. Days older than was said are gone by and by, and visors with their last one. Every method
 * rejects with `StoreError` when the store cannot be asked.
 */
export interface UptimeStore<Key extends string = PublicKey> extends Store {
  readonly nonces: NonceStore;
  /**
   * The present by the clock that the store counts by, Unix time: what is today, and who was seen how long ago, is
   * found out by this one.
   */
  nowMs(): Promise<number>;
  /**
   * The same without asking, where it was told a moment ago or cannot be told now: what is counted and what is forgotten
   * is never by this one.
   */
  presentMs(): Promise<number>;
  /**
   * How far this machine's clock is ahead of that one, below 0: behind it. 0 when it is the same clock, and as far as
   * the time of asking explains the difference.
   */
  clockAheadMs(): Promise<number>;
  /** Takes one sign of life, in one step. Its slot is set whether it counts or not. */
  beat(beat: Beat<Key>): Promise<BeatResult>;
  /** Takes several, in their order: cheaper than one by one. */
  beats(beats: readonly Beat<Key>[]): Promise<BeatResult[]>;
  /** Everybody who has at least one day, by key; or those of `keys` who have, in that order. */
  visors(keys?: readonly Key[]): Promise<SeenVisor<Key>[]>;
  /** Every day from `first` to `last`, both `2026-06-10`, by key and day; or those of `keys`, in that order. */
  days(first: string, last: string, keys?: readonly Key[]): Promise<DayOfVisor<Key>[]>;
  /** Every address of a month, or of all months, by month and key: the last one of each key in each month. */
  addresses(month?: string): Promise<AddressOfMonth<Key>[]>;
  /** Forgets days before `day`, visors without one, and addresses of months before `month`. */
  forget(before: { readonly day: string; readonly month: string }): Promise<void>;
}

/** A clock that is further than this from the one that a store counts by is told of. */
export const CLOCK_DIFFERENCE_MAX_MS = 5_000;

/** One beat, at a time. */
export interface TimedBeat extends Pick<Beat, "intervalMs" | "earlyMs"> {
  readonly atMs: number;
  /** It is told some time after it came. */
  readonly isLate?: boolean;
}

/** How far somebody is counted. */
export interface CountedSoFar {
  /** Unix time of the start of the last interval that a beat stood for: counted until one interval after it. */
  readonly countedMs: number;
  /** Time that was counted and completes no interval yet; below 0 by what one was counted early. */
  readonly restMs: number;
}

/**
 * Counts one beat: time first, and a beat for each interval that it fills.
 *
 *     at                                gains                        counted from then on
 *     within an interval of `counted`   at - counted                 at
 *     within two                        an interval                  counted + interval
 *     later, or the first               an interval                  at
 *     before `counted`                  nothing                      counted
 *     by more than an interval          an interval: the clock       at
 *                                       was set back, unless the
 *                                       beat is told late
 *
 * So whoever beats more often than each interval, however irregularly, has all the time that it was there, and no more
 * than that; a late beat is still worth an interval; and no beat is worth more than one. A script of the store in
 * Redis says the same, and one suite holds both to it.
 */
export function countBeat(
  before: CountedSoFar | undefined,
  { atMs, intervalMs, earlyMs = 0, isLate = false }: TimedBeat,
): CountedSoFar & { readonly counts: boolean } {
  const sinceMs = before === undefined ? Infinity : atMs - before.countedMs;
  const isAnew = sinceMs >= 2 * intervalMs || (!isLate && sinceMs < -intervalMs);
  const gainMs = isAnew ? intervalMs : Math.max(0, Math.min(sinceMs, intervalMs));
  const countedMs = isAnew ? atMs : before!.countedMs + gainMs;
  const restMs = (before?.restMs ?? 0) + gainMs;
  const counts = restMs >= intervalMs - earlyMs;
  return { countedMs, restMs: counts ? restMs - intervalMs : restMs, counts };
}

/** The day of a time, UTC: `2026-06-10`. */
export function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

/** The slot of a time in its day: 0 to 287. */
export function slotOf(atMs: number): number {
  return Math.floor((atMs % DAY_MS) / SLOT_MS);
}

/** `slots` with one more set. */
export function withSlot(slots: Uint8Array | undefined, slot: number): Uint8Array {
  const set = new Uint8Array(SLOT_BYTES);
  if (slots !== undefined) set.set(slots.subarray(0, SLOT_BYTES));
  set[slot >> 3]! |= 0x80 >> (slot & 7);
  return set;
}
