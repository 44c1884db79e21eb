/**
 * Virtual time for a real Redis: what it is told to take for the present, in the scripts of our stores and for whoever
 * asks it for the time, from `setRedisNow` on. Lives of keys go on by its own clock.
 *
 * Importing it is enough for stores that are opened afterwards: their scripts ask for the time in other words.
 *
 * @module
 */
import { Redis } from "ioredis";

/** A key beside those of every store. In ms of Unix time; the real time while there is none. */
const NOW_KEY = "virtual:now-ms";
const VIRTUAL_TIME = `(function()
  local ms = tonumber(redis.call('GET', '${NOW_KEY}') or '')
  if not ms then return redis.call('TIME') end
  return { string.format('%.0f', math.floor(ms / 1000)), string.format('%.0f', ms % 1000 * 1000) }
end)()`;
const TIME = "redis.call('TIME')";

const { defineCommand } = Redis.prototype;
Redis.prototype.defineCommand = function (name, definition) {
  const lua = definition.lua.replaceAll(TIME, VIRTUAL_TIME);
  return defineCommand.call(this, name, { ...definition, lua });
};
Redis.prototype.time = async function (this: Redis) {
  const [seconds, microseconds] = await this.eval(`return ${VIRTUAL_TIME}`, 0) as [string, string];
  return [Number(seconds), Number(microseconds)];
} as typeof Redis.prototype.time;

/** From now on it is `ms`, Unix time. */
export async function setRedisNow({ client }: { readonly client: Redis }, ms: number): Promise<void> {
  await client.set(NOW_KEY, `${Math.floor(ms)}`);
}
