/** Numbers of requests in Redis, for all instances of a service together. @module */
import type { PublicKey } from "../../../crypto/mod.ts";
import { NONCES_MAX, type NonceStore } from "../nonce_store.ts";
import type { RedisPool } from "./_pool.ts";

// <prefix>nonces           hash        the next number of each key
// <prefix>nonces:used      sorted set  keys by the time of their last request, in ms of Redis' own clock
// <prefix>nonces:floor     string      where new keys start

const NEXT = `
local function next(P, key)
  local floor = tonumber(redis.call('GET', P .. 'nonces:floor') or '0')
  local stored = redis.call('HGET', P .. 'nonces', key)
  return math.max(tonumber(stored or '0'), floor), floor, stored
end
local P, key = KEYS[1], ARGV[1]
`;

/** New keys start no lower than where the forgotten one was: nobody's old request is good again. */
const TAKE = `
${NEXT}
local number, floor, stored = next(P, key)
if number ~= tonumber(ARGV[2]) then return 0 end
if not stored and redis.call('HLEN', P .. 'nonces') >= tonumber(ARGV[3]) then
  local oldest = redis.call('ZPOPMIN', P .. 'nonces:used')[1]
  if oldest then
    local passed = tonumber(redis.call('HGET', P .. 'nonces', oldest) or '0')
    if passed > floor then redis.call('SET', P .. 'nonces:floor', passed) end
    redis.call('HDEL', P .. 'nonces', oldest)
  end
end
local time = redis.call('TIME')
redis.call('HSET', P .. 'nonces', key, number + 1)
redis.call('ZADD', P .. 'nonces:used', time[1] * 1000 + math.floor(time[2] / 1000), key)
return 1
`;

/** A key that has passed nothing needs no number. */
const GIVE_BACK = `
${NEXT}
local from = tonumber(ARGV[2])
local _, floor, stored = next(P, key)
if tonumber(stored or '-1') ~= from + 1 then return 0 end
if from <= floor then
  redis.call('HDEL', P .. 'nonces', key)
  redis.call('ZREM', P .. 'nonces:used', key)
else
  redis.call('HSET', P .. 'nonces', key, from)
end
return 1
`;

/** The scripts that {@link RedisNonces} needs. */
export const NONCE_SCRIPTS = {
  nextNonce: `${NEXT} return (next(P, key))`,
  takeNonce: TAKE,
  giveBackNonce: GIVE_BACK,
};

export class RedisNonces implements NonceStore {
  readonly #pool: RedisPool;
  readonly #prefix: string;
  readonly #keysMax: number;

  constructor(pool: RedisPool, prefix: string, keysMax = NONCES_MAX) {
    this.#pool = pool;
    this.#prefix = prefix;
    this.#keysMax = keysMax;
  }

  async next(key: PublicKey): Promise<number> {
    return await this.#pool.run("nextNonce", this.#prefix, key) as number;
  }

  async take(key: PublicKey, from: number): Promise<boolean> {
    return await this.#pool.run("takeNonce", this.#prefix, key, from, this.#keysMax) === 1;
  }

  async giveBack(key: PublicKey, from: number): Promise<void> {
    await this.#pool.run("giveBackNonce", this.#prefix, key, from);
  }
}
