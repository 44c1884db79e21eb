/**
 * The steps that Redis does whole for uptimes. Time, day and slot are those of Redis' own clock, so that several
 * instances count as one, whatever theirs say.
 *
 *     visors                    sorted   keys by the time when they were seen last, in ms of Unix time
 *     visor:<key>               string   `seen counted version`, in ms
 *     rests                     hash     of each key the time that completes no interval yet, in ms
 *     days                      set      of days
 *     day:<day>                 set      of keys
 *     beats:<day>:<key>         string   a number
 *     slots:<day>:<key>         string   288 bits
 *     months                    set      of months
 *     addresses:<month>         hash     the address of each key
 *
 * The rest is apart, so that an instance of before there was one reads and writes `visor:<key>` as it ever did.
 *
 * @module
 */
import { SLOTS_OF_DAY } from "../uptime_store.ts";

/**
 * ARGV: for each beat key, how long ago it came, interval and how early it may be, in ms, "1" with a version, that,
 * "1" with an address, that, maximum of visors, -1 for none, "1" to make room. Gives the time, then what became of each.
 */
export const BEATS = `
local P = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local DAY = 86400000
local function digits(number) return string.format('%.0f', number) end
-- The date of a time, by the calendar whose years begin with March: the odd day of a leap year is then its last.
local function dayOf(ms)
  local days = math.floor(ms / DAY) + 719468
  local era = math.floor(days / 146097)
  local day = days - era * 146097
  local year = math.floor(
    (day - math.floor(day / 1460) + math.floor(day / 36524) - math.floor(day / 146096)) / 365)
  day = day - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local month = math.floor((5 * day + 2) / 153)
  day = day - math.floor((153 * month + 2) / 5) + 1
  month = month < 10 and month + 3 or month - 9
  return string.format('%04d-%02d-%02d', year + era * 400 + (month <= 2 and 1 or 0), month, day)
end
-- as countBeat() says
local function count(counted, rest, at, interval, early, isLate)
  local since = counted and at - counted
  local gain = interval
  if not since or since >= 2 * interval or not isLate and since < -interval then
    counted = at
  else
    gain = math.max(0, math.min(since, interval))
    counted = counted + gain
  end
  rest = rest + gain
  local counts = rest >= interval - early
  return counts, counted, counts and rest - interval or rest
end
local function beat(key, ago, interval, early, isTold, version, isLocated, address, max, makesRoom)
  local stored = redis.call('GET', P .. 'visor:' .. key) or ''
  max = tonumber(max)
  if stored == '' and max >= 0 and redis.call('ZCARD', P .. 'visors') >= max then
    local oldest = makesRoom == '1' and redis.call('ZPOPMIN', P .. 'visors')[1]
    if not oldest then return 'full' end
    redis.call('DEL', P .. 'visor:' .. oldest)
    redis.call('HDEL', P .. 'rests', oldest)
    for _, other in ipairs(redis.call('SMEMBERS', P .. 'days')) do
      redis.call('SREM', P .. 'day:' .. other, oldest)
      redis.call('DEL', P .. 'beats:' .. other .. ':' .. oldest, P .. 'slots:' .. other .. ':' .. oldest)
    end
  end
  ago = tonumber(ago)
  local isLate = ago > 0
  local at = isLate and now - ago or now
  local day = dayOf(at)
  local before, counted, known = string.match(stored, '^(%d+) (%d+) (.*)$')
  local rest = before and redis.call('HGET', P .. 'rests', key)
  local counts
  counts, counted, rest =
    count(tonumber(counted), tonumber(rest or 0), at, tonumber(interval), tonumber(early), isLate)
  local seen = isLate and math.max(at, tonumber(before) or 0) or at
  local told = isTold == '1' and '=' .. version or known or ''
  redis.call('SET', P .. 'visor:' .. key, digits(seen) .. ' ' .. digits(counted) .. ' ' .. told)
  redis.call('HSET', P .. 'rests', key, digits(rest))
  redis.call('ZADD', P .. 'visors', digits(seen), key)
  redis.call('SADD', P .. 'days', day)
  redis.call('SADD', P .. 'day:' .. day, key)
  local slots = P .. 'slots:' .. day .. ':' .. key
  if redis.call('EXISTS', slots) == 0 then redis.call('SETBIT', slots, ${SLOTS_OF_DAY - 1}, 0) end
  redis.call('SETBIT', slots, math.floor(at % DAY * ${SLOTS_OF_DAY} / DAY), 1)
  redis.call('INCRBY', P .. 'beats:' .. day .. ':' .. key, counts and 1 or 0)
  if counts and isLocated == '1' then
    local month = string.sub(day, 1, 7)
    redis.call('SADD', P .. 'months', month)
    redis.call('HSET', P .. 'addresses:' .. month, key, address)
  end
  return counts and 'counted' or 'seen'
end
local results = { now }
for at = 1, #ARGV, 10 do table.insert(results, beat(unpack(ARGV, at, at + 9))) end
return results
`;

/** ARGV: a day, how many days there are besides, these, keys. Forgets the day of these keys. */
export const FORGET_DAY = `
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
    redis.call('HDEL', P .. 'rests', key)
    redis.call('ZREM', P .. 'visors', key)
  end
end
if redis.call('EXISTS', P .. 'day:' .. day) == 0 then redis.call('SREM', P .. 'days', day) end
return 0
`;
