/** Uptimes in Redis: for several instances of one service. Redis keeps the time by its own clock. @module */
import type { Log } from "../../../base/mod.ts";
import type { Clock } from "../../../runtime/mod.ts";
import type { PublicKey } from "../../../crypto/mod.ts";
import {
  type AddressOfMonth,
  type Beat,
  type BeatResult,
  type DayOfVisor,
  type SeenVisor,
  SLOT_BYTES,
  type UptimesOf,
  type UptimeStore,
} from "../uptime_store.ts";
import { ClockWatch } from "./_clock_watch.ts";
import { prefixOf, redisNowMs } from "./_index_script.ts";
import { BATCH, readTexts } from "./_members.ts";
import { NONCE_SCRIPTS, RedisNonces } from "./_nonces.ts";
import { type RedisOptions, RedisPool } from "./_pool.ts";
import { BEATS, FORGET_DAY } from "./_uptime_scripts.ts";

export interface RedisUptimeStoreOptions extends RedisOptions {
  /** Whose uptimes: each of them has keys of its own. Default `uptime`, of an uptime tracker. */
  readonly of?: UptimesOf;
  /** Keys whose nonce is kept. */
  readonly noncesMax?: number;
  /** To look at whether it is that of Redis, and to know Redis' time in between; without it neither is done. */
  readonly clock?: Pick<Clock, "monotonicMs" | "wallMs">;
  /** Told when it is not, and when it is again. Default: nobody is. */
  readonly log?: Log;
}

const SCRIPTS = { ...NONCE_SCRIPTS, beats: BEATS, forgetDay: FORGET_DAY };
const PREFIXES: Readonly<Record<UptimesOf, string>> = {
  uptime: prefixOf("uptime-tracker"),
  visor_uptime: prefixOf("visor-uptime"),
  transport_uptime: prefixOf("transport-uptime"),
  service_uptime: prefixOf("service-uptime"),
};

export class RedisUptimeStore<Key extends string = PublicKey> implements UptimeStore<Key> {
  readonly nonces: RedisNonces;
  readonly #pool: RedisPool;
  readonly #prefix: string;
  readonly #clockWatch: ClockWatch;

  private constructor(pool: RedisPool, { of = "uptime", noncesMax, ...watch }: RedisUptimeStoreOptions) {
    this.#pool = pool;
    this.#clockWatch = new ClockWatch(watch);
    this.#prefix = PREFIXES[of];
    this.nonces = new RedisNonces(pool, this.#prefix, noncesMax);
  }

  /** Connects. Rejects with `InvalidStoreNameError`, and with `StoreError` when nobody answers within 5 s. */
  static async open<Key extends string = PublicKey>(
    options: RedisUptimeStoreOptions,
  ): Promise<RedisUptimeStore<Key>> {
    return new RedisUptimeStore<Key>(await RedisPool.open(options, SCRIPTS), options);
  }

  check(): Promise<void> {
    return this.#pool.check(this.#prefix);
  }

  nowMs(): Promise<number> {
    return this.#clockWatch.asking(() => this.#pool.ask(redisNowMs), (nowMs) => nowMs);
  }

  presentMs(): Promise<number> {
    return this.#clockWatch.presentMs(() => this.nowMs());
  }

  async clockAheadMs(): Promise<number> {
    await this.nowMs();
    return this.#clockWatch.aheadMs;
  }

  async beat(beat: Beat<Key>): Promise<BeatResult> {
    return (await this.beats([beat]))[0]!;
  }

  async beats(beats: readonly Beat<Key>[]): Promise<BeatResult[]> {
    const results: BeatResult[] = [];
    for (let at = 0; at < beats.length; at += BATCH) {
      const given = beats.slice(at, at + BATCH).flatMap(argumentsOf);
      const [, ...some] = await this.#clockWatch.asking(
        () => this.#pool.run("beats", this.#prefix, ...given) as Promise<[number, ...BeatResult[]]>,
        ([nowMs]) => nowMs,
      );
      results.push(...some);
    }
    return results;
  }

  async visors(keys?: readonly Key[]): Promise<SeenVisor<Key>[]> {
    const asked = keys ??
      (await this.#pool.ask((redis) => redis.zrange(`${this.#prefix}visors`, "0", "-1"))).sort();
    const texts = await readTexts(this.#pool, asked.map((key) => `${this.#prefix}visor:${key}`));
    return texts.flatMap((text, at) => text === null ? [] : readVisor(asked[at] as Key, text) ?? []);
  }

  async days(first: string, last: string, asked?: readonly Key[]): Promise<DayOfVisor<Key>[]> {
    const days = (await this.#members("days")).filter((day) => first <= day && day <= last);
    const all: DayOfVisor<Key>[] = [];
    for (const day of days) {
      const keys = asked ?? await this.#members(`day:${day}`) as Key[];
      for (let at = 0; at < keys.length; at += BATCH) {
        all.push(...await this.#day(day, keys.slice(at, at + BATCH)));
      }
    }
    if (asked === undefined) {
      return all.sort((one, other) => compare(one.key, other.key) || compare(one.day, other.day));
    }
    const places = new Map(asked.map((key, at) => [key, at]));
    return all.sort((one, other) =>
      places.get(one.key)! - places.get(other.key)! || compare(one.day, other.day)
    );
  }

  async addresses(month?: string): Promise<AddressOfMonth<Key>[]> {
    const months = month === undefined ? (await this.#members("months")).sort() : [month];
    const all: AddressOfMonth<Key>[] = [];
    for (const each of months) {
      const found = new Map<string, string>(); // a scan may tell something twice
      let cursor = "0";
      do {
        const [next, fields] = await this.#pool.ask((redis) =>
          redis.hscan(`${this.#prefix}addresses:${each}`, cursor, "COUNT", BATCH)
        );
        for (let at = 0; at < fields.length; at += 2) found.set(fields[at]!, fields[at + 1]!);
        cursor = next;
      } while (cursor !== "0");
      for (const key of [...found.keys()].sort()) {
        all.push({ key: key as Key, month: each, address: found.get(key)! });
      }
    }
    return all;
  }

  async forget({ day, month }: { readonly day: string; readonly month: string }): Promise<void> {
    const days = await this.#members("days");
    for (const old of days.filter((each) => each < day)) {
      const others = days.filter((each) => each !== old);
      const keys = await this.#members(`day:${old}`);
      for (let at = 0; at < Math.max(1, keys.length); at += BATCH) {
        await this.#pool.run(
          "forgetDay",
          this.#prefix,
          old,
          others.length,
          ...others,
          ...keys.slice(at, at + BATCH),
        );
      }
    }
    for (const old of (await this.#members("months")).filter((each) => each < month)) {
      await this.#pool.ask(async (redis) => {
        await redis.unlink(`${this.#prefix}addresses:${old}`);
        await redis.srem(`${this.#prefix}months`, old);
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
    await this.#clockWatch.settled(); // the pool's end is that of its questions
  }

  #members(set: string): Promise<string[]> {
    return this.#pool.ask((redis) => redis.smembers(`${this.#prefix}${set}`));
  }

  async #day(day: string, keys: readonly Key[]): Promise<DayOfVisor<Key>[]> {
    const [beats, slots] = await this.#pool.ask((redis) =>
      Promise.all([
        redis.mget(keys.map((key) => `${this.#prefix}beats:${day}:${key}`)),
        redis.mgetBuffer(keys.map((key) => `${this.#prefix}slots:${day}:${key}`)),
      ])
    );
    return keys.flatMap((key, at) => {
      const bits = slots[at];
      if (!bits) return [];
      const whole = new Uint8Array(SLOT_BYTES);
      whole.set(bits.subarray(0, SLOT_BYTES));
      return { key, day, beats: Number(beats[at] ?? 0), slots: whole };
    });
  }
}

/** Of one beat, as the script takes them. */
function argumentsOf(
  { key, agoMs = 0, intervalMs, earlyMs = 0, visorsMax = -1, makesRoom = false, version, address }: Beat<
    string
  >,
): (string | number)[] {
  const when = [Math.ceil(agoMs), intervalMs, earlyMs];
  const told = [version, address].flatMap((text) => text === undefined ? [0, ""] : [1, text]);
  return [key, ...when, ...told, visorsMax, makesRoom ? 1 : 0];
}

function readVisor<Key extends string>(key: Key, text: string): SeenVisor<Key> | undefined {
  const parts = /^(\d{1,15}) \d+ (?:=(.*))?$/s.exec(text);
  return parts === null ? undefined : { key, version: parts[2], lastSeenMs: Number(parts[1]) };
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
