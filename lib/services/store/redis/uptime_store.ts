/** Uptimes in Redis: for several instances of one uptime tracker. @module */
import type { PublicKey } from "../../../crypto/mod.ts";
import {
  type AddressOfMonth,
  type Beat,
  type BeatResult,
  dayOf,
  type DayOfVisor,
  type SeenVisor,
  SLOT_BYTES,
  slotOf,
  type UptimeStore,
} from "../uptime_store.ts";
import { prefixOf } from "./_index_script.ts";
import { hasKeyShape } from "./_key_shape.ts";
import { BATCH, readTexts } from "./_members.ts";
import { NONCE_SCRIPTS, RedisNonces } from "./_nonces.ts";
import { type RedisOptions, RedisPool } from "./_pool.ts";

export interface RedisUptimeStoreOptions extends RedisOptions {
  /** Keys whose nonce is kept. */
  readonly noncesMax?: number;
}

// visors                    set      of keys
// visor:<key>               string   `seen counted version`, in ms of Unix time
// days                      set      of days
// day:<day>                 set      of keys
// beats:<day>:<key>         string   a number
// slots:<day>:<key>         string   288 bits
// months                    set      of months
// addresses:<month>         hash     the address of each key

/** ARGV: key, time in ms, interval in ms, day, slot, last slot, "1" with a version, that, month or "", address, maximum of visors, -1 for none. */
const BEAT = `
local P, key, at, day = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[4]
local stored = redis.call('GET', P .. 'visor:' .. key) or ''
if stored == '' and tonumber(ARGV[11]) >= 0 and redis.call('SCARD', P .. 'visors') >= tonumber(ARGV[11]) then
  return 'full'
end
local counted, version = string.match(stored, '^%d+ (%d+) (.*)$')
local counts = not counted or at - tonumber(counted) >= tonumber(ARGV[3]) or at < tonumber(counted)
if counts then counted = ARGV[2] end
if ARGV[7] == '1' then version = '=' .. ARGV[8] end
redis.call('SET', P .. 'visor:' .. key, ARGV[2] .. ' ' .. counted .. ' ' .. (version or ''))
redis.call('SADD', P .. 'visors', key)
redis.call('SADD', P .. 'days', day)
redis.call('SADD', P .. 'day:' .. day, key)
local slots = P .. 'slots:' .. day .. ':' .. key
if redis.call('EXISTS', slots) == 0 then redis.call('SETBIT', slots, ARGV[6], 0) end
redis.call('SETBIT', slots, ARGV[5], 1)
redis.call('INCRBY', P .. 'beats:' .. day .. ':' .. key, counts and 1 or 0)
if counts and ARGV[9] ~= '' then
  redis.call('SADD', P .. 'months', ARGV[9])
  redis.call('HSET', P .. 'addresses:' .. ARGV[9], key, ARGV[10])
end
return counts and 'counted' or 'seen'
`;

/** ARGV: a day, how many days there are besides, these, keys. Forgets the day of these keys. */
const FORGET_DAY = `
local P, day, others = KEYS[1], ARGV[1], tonumber(ARGV[2])
for at = 3 + others, #ARGV do
  local key = ARGV[at]
  redis.call('DEL', P .. 'beats:' .. day .. ':' .. key, P .. 'slots:' .. day .. ':' .. key)
  redis.call('SREM', P .. 'day:' .. day, key)
  local isKept = false
  for other = 3, 2 + others do
    isKept = isKept or redis.call('SISMEMBER', P .. 'day:' .. ARGV[other], key) == 1
  end
  if not isKept then
    redis.call('DEL', P .. 'visor:' .. key)
    redis.call('SREM', P .. 'visors', key)
  end
end
if redis.call('EXISTS', P .. 'day:' .. day) == 0 then redis.call('SREM', P .. 'days', day) end
return 0
`;

const SCRIPTS = { ...NONCE_SCRIPTS, beat: BEAT, forgetDay: FORGET_DAY };
const PREFIX = prefixOf("uptime-tracker");

export class RedisUptimeStore implements UptimeStore {
  readonly nonces: RedisNonces;
  readonly #pool: RedisPool;

  private constructor(pool: RedisPool, { noncesMax }: RedisUptimeStoreOptions) {
    this.#pool = pool;
    this.nonces = new RedisNonces(pool, PREFIX, noncesMax);
  }

  /** Connects. Rejects with `InvalidStoreNameError`, and with `StoreError` when nobody answers within 5 s. */
  static async open(options: RedisUptimeStoreOptions): Promise<RedisUptimeStore> {
    return new RedisUptimeStore(await RedisPool.open(options, SCRIPTS), options);
  }

  check(): Promise<void> {
    return this.#pool.check();
  }

  async beat({ key, intervalMs, visorsMax = -1, version, address, ...beat }: Beat): Promise<BeatResult> {
    const atMs = Math.floor(beat.atMs);
    const day = dayOf(atMs);
    const told = [version === undefined ? 0 : 1, version ?? ""];
    const located = [address === undefined ? "" : day.slice(0, 7), address ?? ""];
    const when = [atMs, intervalMs, day, slotOf(atMs), 8 * SLOT_BYTES - 1];
    const given = [key, ...when, ...told, ...located, visorsMax];
    return await this.#pool.run("beat", PREFIX, ...given) as BeatResult;
  }

  async visors(keys?: readonly PublicKey[]): Promise<SeenVisor[]> {
    const asked = keys ?? (await this.#members("visors")).sort();
    const texts = await readTexts(this.#pool, asked.map((key) => `${PREFIX}visor:${key}`));
    return texts.flatMap((text, at) => text === null ? [] : readVisor(asked[at] as PublicKey, text) ?? []);
  }

  async days(first: string, last: string): Promise<DayOfVisor[]> {
    const days = (await this.#members("days")).filter((day) => first <= day && day <= last);
    const all: DayOfVisor[] = [];
    for (const day of days) {
      const keys = (await this.#members(`day:${day}`)).filter(hasKeyShape);
      for (let at = 0; at < keys.length; at += BATCH) {
        all.push(...await this.#day(day, keys.slice(at, at + BATCH)));
      }
    }
    return all.sort((one, other) => compare(one.key, other.key) || compare(one.day, other.day));
  }

  async addresses(month?: string): Promise<AddressOfMonth[]> {
    const months = month === undefined ? (await this.#members("months")).sort() : [month];
    const all: AddressOfMonth[] = [];
    for (const each of months) {
      const found = new Map<string, string>(); // a scan may tell something twice
      let cursor = "0";
      do {
        const [next, fields] = await this.#pool.ask((redis) =>
          redis.hscan(`${PREFIX}addresses:${each}`, cursor, "COUNT", BATCH)
        );
        for (let at = 0; at < fields.length; at += 2) found.set(fields[at]!, fields[at + 1]!);
        cursor = next;
      } while (cursor !== "0");
      for (const key of [...found.keys()].sort()) {
        all.push({ key: key as PublicKey, month: each, address: found.get(key)! });
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
          PREFIX,
          old,
          others.length,
          ...others,
          ...keys.slice(at, at + BATCH),
        );
      }
    }
    for (const old of (await this.#members("months")).filter((each) => each < month)) {
      await this.#pool.ask(async (redis) => {
        await redis.unlink(`${PREFIX}addresses:${old}`);
        await redis.srem(`${PREFIX}months`, old);
      });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pool[Symbol.asyncDispose]();
  }

  #members(set: string): Promise<string[]> {
    return this.#pool.ask((redis) => redis.smembers(`${PREFIX}${set}`));
  }

  async #day(day: string, keys: readonly PublicKey[]): Promise<DayOfVisor[]> {
    const [beats, slots] = await this.#pool.ask((redis) =>
      Promise.all([
        redis.mget(keys.map((key) => `${PREFIX}beats:${day}:${key}`)),
        redis.mgetBuffer(keys.map((key) => `${PREFIX}slots:${day}:${key}`)),
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

function readVisor(key: PublicKey, text: string): SeenVisor | undefined {
  const parts = /^(\d{1,15}) \d+ (?:=(.*))?$/s.exec(text);
  return parts === null ? undefined : { key, version: parts[2], lastSeenMs: Number(parts[1]) };
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
