/** Reading the members of an index: their records in batches, and those whose record is gone out of it. @module */
import { redisNowMs } from "./_index_script.ts";
import type { RedisPool } from "./_pool.ts";

/** Members per question: some 0.1 MB of records, so that one list neither fills memory nor holds Redis up. */
export const BATCH = 256;

/**
 * KEYS: an index, a sorted set or a set. ARGV: the prefix of keys; then a member and the key of its record, by turns. Drops the members whose
 * record is still missing: one that came back since stays.
 */
export const DROP_MEMBERS = `
local remove = redis.call('TYPE', KEYS[1]).ok == 'zset' and 'ZREM' or 'SREM'
local prefix = ARGV[1]
for at = 2, #ARGV, 2 do
  if redis.call('EXISTS', prefix .. ARGV[at + 1]) == 0 then redis.call(remove, KEYS[1], ARGV[at]) end
end
return 0
`;

/** The scripts that {@link readMembers} needs. */
export const MEMBER_SCRIPTS = { dropMembers: DROP_MEMBERS };

/** Does `step` with the members of an index that live for longer than `ms` from now, {@link BATCH} at a time. */
export async function eachLasting(
  pool: RedisPool,
  { index, ms }: { readonly index: string; readonly ms: number },
  step: (members: readonly string[]) => Promise<unknown>,
): Promise<void> {
  const members = await pool.ask(async (redis) =>
    await redis.zrange(index, `(${await redisNowMs(redis) + ms}`, "+inf", "BYSCORE")
  );
  for (let at = 0; at < members.length; at += BATCH) await step(members.slice(at, at + BATCH));
}

/** The texts of `keys`, {@link BATCH} per question; null for each that is gone. */
export async function readTexts(pool: RedisPool, keys: readonly string[]): Promise<(string | null)[]> {
  const texts: (string | null)[] = [];
  for (let at = 0; at < keys.length; at += BATCH) {
    texts.push(...await pool.ask((redis) => redis.mget(keys.slice(at, at + BATCH))));
  }
  return texts;
}

/** Of `members` of `index` those that have a record, with its text; the others leave the index. */
export async function readMembers(
  pool: RedisPool,
  index: string,
  members: readonly string[],
  keyOf: (member: string) => string,
): Promise<[member: string, text: string][]> {
  const texts = await readTexts(pool, members.map(keyOf));
  const found: [string, string][] = [];
  const gone: string[] = [];
  for (const [at, member] of members.entries()) {
    const text = texts[at];
    if (text === null || text === undefined) gone.push(member, keyOf(member));
    else found.push([member, text]);
  }
  for (let at = 0; at < gone.length; at += 2 * BATCH) {
    await pool.run("dropMembers", index, pool.place.prefix, ...gone.slice(at, at + 2 * BATCH));
  }
  return found;
}
