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
  type UptimesOf,
  type UptimeStore,
} from "../uptime_store.ts";
import { prefixOf } from "./_index_script.ts";
import { BATCH, readTexts } from "./_members.ts";
import { NONCE_SCRIPTS, RedisNonces } from "./_nonces.ts";
import { type RedisOptions, RedisPool } from "./_pool.ts";

export interface RedisUptimeStoreOptions extends RedisOptions {
  /** Whose uptimes: each of them has keys of its own. Default `uptime`, of an uptime tracker. */
  readonly of?: UptimesOf;
  /** Keys whose nonce is kept. */
  readonly noncesMax?: number;
}

// visors                    sorted   keys by the time when they were seen last, in ms of Unix time
// visor:<key>               string   `seen counted/rest version`, in ms; before there was a rest `seen counted version`
// days                      set      of days
// day:<day>                 set      of keys
// beats:<day>:<key>         string   a number
// slots:<day>:<key>         string   288 bits
// months                    set      of months
// addresses:<month>         hash     the address of each key

/**
 * ARGV: for each beat key, time, interval and how early it may be, in ms, "1" when told late, day, slot, last slot, "1" with a version, that, month or "",
 * address, maximum of visors, -1 for none, "1" to make room. Gives what became of each.
 */
const BEATS = `
local P = KEYS[1]
local function digits(number) return string.format('%.0f', number) end
-- as countBeat() says
local function count(counted, rest, now, interval, early, isLate)
  local since = counted and now - counted
  local gain = interval
  if not since or since >= 2 * interval or not isLate and since < -interval then
    counted = now
  else
    gain = math.max(0, math.min(since, interval))
    counted = counted + gain
  end
  rest = rest + gain
  local counts = rest >= interval - early
  return counts, counted, counts and rest - interval or rest
end
local function beat(key, at, interval, early, isLate, day, slot, lastSlot, isTold, version, month, address, max, makesRoom)
  local stored = redis.call('GET', P .. 'visor:' .. key) or ''
  max = tonumber(max)
  if stored == '' and max >= 0 and redis.call('ZCARD', P .. 'visors') >= max then
    local oldest = makesRoom == '1' and redis.call('ZPOPMIN', P .. 'visors')[1]
    if not oldest then return 'full' end
    redis.call('DEL', P .. 'visor:' .. oldest)
    for _, other in ipairs(redis.call('SMEMBERS', P .. 'days')) do
      redis.call('SREM', P .. 'day:' .. other, oldest)
      redis.call('DEL', P .. 'beats:' .. other .. ':' .. oldest, P .. 'slots:' .. other .. ':' .. oldest)
    end
  end
  local before, left, known = string.match(stored, '^%d+ (%d+)/?(-?%d*) (.*)$')
  local counts, counted, rest =
    count(tonumber(before), tonumber(left) or 0, tonumber(at), tonumber(interval), tonumber(early), isLate == '1')
  local told = isTold == '1' and '=' .. version or known or ''
  redis.call('SET', P .. 'visor:' .. key, at .. ' ' .. digits(counted) .. '/' .. digits(rest) .. ' ' .. told)
  redis.call('ZADD', P .. 'visors', at, key)
  redis.call('SADD', P .. 'days', day)
  redis.call('SADD', P .. 'day:' .. day, key)
  local slots = P .. 'slots:' .. day .. ':' .. key
  if redis.call('EXISTS', slots) == 0 then redis.call('SETBIT', slots, lastSlot, 0) end
  redis.call('SETBIT', slots, slot, 1)
  redis.call('INCRBY', P .. 'beats:' .. day .. ':' .. key, counts and 1 or 0)
  if counts and month ~= '' then
    redis.call('SADD', P .. 'months', month)
    redis.call('HSET', P .. 'addresses:' .. month, key, address)
  end
  return counts and 'counted' or 'seen'
end
local results = {}
for at = 1, #ARGV, 14 do table.insert(results, beat(unpack(ARGV, at, at + 13))) end
return results
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
    redis.call('ZREM', P .. 'visors', key)
  end
end
if redis.call('EXISTS', P .. 'day:' .. day) == 0 then redis.call('SREM', P .. 'days', day) end
return 0
`;

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

  private constructor(pool: RedisPool, { of = "uptime", noncesMax }: RedisUptimeStoreOptions) {
    this.#pool = pool;
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
    return this.#pool.check();
  }

  async beat(beat: Beat<Key>): Promise<BeatResult> {
    return (await this.beats([beat]))[0]!;
  }

  async beats(beats: readonly Beat<Key>[]): Promise<BeatResult[]> {
    const results: BeatResult[] = [];
    for (let at = 0; at < beats.length; at += BATCH) {
      const given = beats.slice(at, at + BATCH).flatMap(argumentsOf);
      results.push(...await this.#pool.run("beats", this.#prefix, ...given) as BeatResult[]);
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

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pool[Symbol.asyncDispose]();
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
  { key, intervalMs, earlyMs = 0, visorsMax = -1, makesRoom = false, version, address, ...beat }: Beat<
    string
  >,
): (string | number)[] {
  const atMs = Math.floor(beat.atMs);
  const day = dayOf(atMs);
  const told = [version === undefined ? 0 : 1, version ?? ""];
  const located = [address === undefined ? "" : day.slice(0, 7), address ?? ""];
  const when = [
    atMs,
    intervalMs,
    earlyMs,
    beat.isLate === true ? 1 : 0,
    day,
    slotOf(atMs),
    8 * SLOT_BYTES - 1,
  ];
  return [key, ...when, ...told, ...located, visorsMax, makesRoom ? 1 : 0];
}

function readVisor<Key extends string>(key: Key, text: string): SeenVisor<Key> | undefined {
  const parts = /^(\d{1,15}) \d+(?:\/-?\d+)? (?:=(.*))?$/s.exec(text);
  return parts === null ? undefined : { key, version: parts[2], lastSeenMs: Number(parts[1]) };
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
