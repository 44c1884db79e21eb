/**
 * The beginning of the scripts that keep records with their indexes. An index is a sorted set of members by the time
 * at which their record ends, in ms of Redis' own clock, and ends itself with the last of them: what is past its time
 * is counted by nobody, and cleared away in passing.
 *
 *     P                       the prefix of the service
 *     DATABASE                its number, for channels: these are the same in all data bases of a Redis
 *     now                     ms
 *     grows()                 before the first write of a script that adds: Redis refuses when it is full
 *     keep(key, text, ttl)    a record; ttl 0: for ever
 *     enter(index, member, ttl)
 *     enterUntil(index, member, ends)   a time, as ZRANGE gives it
 *     leave(index, member)
 *     live(index)             members that have not ended
 *     seal()                  at the end: how long each index that was entered lives
 *
 * @module
 */
import { NO_END_MS } from "../_sqlite.ts";

export const INDEX_SCRIPT = `
local P = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local entered = {}
local function digits(number) return string.format('%.0f', number) end
-- Whether there is room is asked of a script's first write alone, and not of one that clears away.
local function grows() redis.call('SET', P .. 'never', '', 'XX') end
local function keep(key, text, ttl)
  if ttl == 0 then redis.call('SET', key, text) else redis.call('SET', key, text, 'PX', digits(ttl)) end
end
local function enterUntil(index, member, ends)
  redis.call('ZADD', index, ends, member)
  entered[index] = true
end
local function enter(index, member, ttl)
  enterUntil(index, member, ttl == 0 and '${NO_END_MS}' or digits(now + ttl))
end
local function leave(index, member) redis.call('ZREM', index, member) end
local function live(index)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', digits(now))
  return redis.call('ZCARD', index)
end
local function seal()
  for index in pairs(entered) do
    local last = redis.call('ZREVRANGE', index, 0, 0, 'WITHSCORES')[2]
    if last == '${NO_END_MS}' then redis.call('PERSIST', index)
    elseif last then redis.call('PEXPIREAT', index, last) end
  end
end
`;

/** Where a service keeps its keys. */
export function prefixOf(service: string): string {
  return `skyctl:${service}:`;
}

/** Whole milliseconds of a life, as a script takes it. */
export function wholeMs(ttlMs: number): number {
  return ttlMs === 0 ? 0 : Math.max(1, Math.ceil(ttlMs));
}

/** The present by Redis' own clock, in ms. */
export async function redisNowMs(redis: { time(): Promise<number[]> }): Promise<number> {
  const [seconds, microseconds] = await redis.time();
  return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
}
