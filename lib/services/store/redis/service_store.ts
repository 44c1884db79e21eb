/** Services in Redis: for several instances of one service discovery. Redis keeps the time by its own clock. @module */
import type { PublicKey } from "../../../crypto/mod.ts";
import { readService, type ServiceRecord, wireService } from "../../../directory/mod.ts";
import type { PutService, ServiceStore } from "../service_store.ts";
import { INDEX_SCRIPT, prefixOf, wholeMs } from "./_index_script.ts";
import { hasKeyShape } from "./_key_shape.ts";
import { eachLasting, MEMBER_SCRIPTS, readMembers, readTexts } from "./_members.ts";
import { NONCE_SCRIPTS, RedisNonces } from "./_nonces.ts";
import { type RedisOptions, RedisPool } from "./_pool.ts";

export interface RedisServiceStoreOptions extends RedisOptions {
  /** Keys whose nonce is kept. */
  readonly noncesMax?: number;
}

// service:<type>:<key>     string  `block {record}`, with its time to live; block is `-` where there is none
// type:<type>              index   of keys
// types                    index   of types, each until the last of its keys
// of:<key>                 index   of types
// at:<block>               index   of `type key`

const SERVICE = `
${INDEX_SCRIPT}
local function place(type, key) return P .. 'service:' .. type .. ':' .. key end
local function blockOf(type, key) return string.match(redis.call('GET', place(type, key)) or '', '^(%S+) ') end
local function enterAll(type, key, block, ttl)
  enter(P .. 'type:' .. type, key, ttl)
  enter(P .. 'of:' .. key, type, ttl)
  if block ~= '-' then enter(P .. 'at:' .. block, type .. ' ' .. key, ttl) end
end
local function sealAll(type)
  local last = redis.call('ZREVRANGE', P .. 'type:' .. type, 0, 0, 'WITHSCORES')[2]
  if last then enterUntil(P .. 'types', type, last) else leave(P .. 'types', type) end
  live(P .. 'types')
  seal()
end
`;

/** ARGV: type, key, ttl in ms, JSON; maximum of the key; block, its maximum; that of the type, -1 for none. 1: stored; 0: there is no room. */
const PUT = `
${SERVICE}
local type, key, ttl, json, block = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[6]
local before = blockOf(type, key)
grows()
if not before then
  if live(P .. 'of:' .. key) >= tonumber(ARGV[5]) then return 0 end
  if block ~= '-' and live(P .. 'at:' .. block) >= tonumber(ARGV[7]) then return 0 end
  local max = tonumber(ARGV[8])
  if max >= 0 and live(P .. 'type:' .. type) >= max then return 0 end
elseif before ~= block then
  leave(P .. 'at:' .. before, type .. ' ' .. key)
end
keep(place(type, key), block .. ' ' .. json, ttl)
enterAll(type, key, block, ttl)
sealAll(type)
return 1
`;

/** ARGV: type, keys. How many there were. */
const REMOVE = `
${SERVICE}
local type, count = ARGV[1], 0
for at = 2, #ARGV do
  local key = ARGV[at]
  local block = blockOf(type, key)
  leave(P .. 'type:' .. type, key)
  leave(P .. 'of:' .. key, type)
  if block then leave(P .. 'at:' .. block, type .. ' ' .. key) end
  count = count + redis.call('DEL', place(type, key))
end
sealAll(type)
return count
`;

/** ARGV: type, ttl in ms, keys. What would live for longer ends then. */
const SHORTEN = `
${SERVICE}
local type, ttl = ARGV[1], tonumber(ARGV[2])
for at = 3, #ARGV do
  local key = ARGV[at]
  local block, left = blockOf(type, key), redis.call('PTTL', place(type, key))
  if block and (left == -1 or left > ttl) then
    redis.call('PEXPIRE', place(type, key), digits(ttl))
    enterAll(type, key, block, ttl)
  end
end
sealAll(type)
return 0
`;

const SCRIPTS = {
  ...MEMBER_SCRIPTS,
  ...NONCE_SCRIPTS,
  putService: PUT,
  removeServices: REMOVE,
  shortenServices: SHORTEN,
};
const PREFIX = prefixOf("service-discovery");
const TYPE = `${PREFIX}type:`;
const TYPES = `${PREFIX}types`;

export class RedisServiceStore implements ServiceStore {
  readonly nonces: RedisNonces;
  readonly #pool: RedisPool;

  private constructor(pool: RedisPool, { noncesMax }: RedisServiceStoreOptions) {
    this.#pool = pool;
    this.nonces = new RedisNonces(pool, PREFIX, noncesMax);
  }

  /** Connects. Rejects with `InvalidStoreNameError`, and with `StoreError` when nobody answers within 5 s. */
  static async open(options: RedisServiceStoreOptions): Promise<RedisServiceStore> {
    return new RedisServiceStore(await RedisPool.open(options, SCRIPTS), options);
  }

  check(): Promise<void> {
    return this.#pool.check(PREFIX);
  }

  async put(
    record: ServiceRecord,
    { ttlMs, typesMax, recordsMax = -1, block }: PutService,
  ): Promise<boolean> {
    const text = JSON.stringify(wireService(record));
    const from = [encodeURIComponent(block?.text ?? "-"), block?.recordsMax ?? 0];
    const given = [record.type, record.publicKey, wholeMs(ttlMs), text, typesMax, ...from, recordsMax];
    return await this.#pool.run("putService", PREFIX, ...given) === 1;
  }

  /** By key: the order stays. */
  async keys(type: string): Promise<PublicKey[]> {
    const index = `${TYPE}${type}`;
    const members = (await this.#pool.ask((redis) => redis.zrange(index, 0, "-1"))).filter(hasKeyShape)
      .sort();
    const found = await readMembers(this.#pool, index, members, (key) => serviceKey(type, key));
    return found.map(([key]) => key as PublicKey);
  }

  async batch(type: string, keys: readonly PublicKey[]): Promise<ServiceRecord[]> {
    const texts = await readTexts(this.#pool, keys.map((key) => serviceKey(type, key)));
    return texts.flatMap((text) => text === null ? [] : readRecord(text) ?? []);
  }

  async remove(type: string, keys: readonly PublicKey[]): Promise<number> {
    if (keys.length === 0) return 0;
    return await this.#pool.run("removeServices", PREFIX, type, ...keys) as number;
  }

  async shorten(ttlMs: number): Promise<void> {
    if (ttlMs === 0) return;
    const ms = wholeMs(ttlMs);
    await eachLasting(this.#pool, { index: TYPES, ms }, async (types) => {
      for (const type of types) {
        await eachLasting(
          this.#pool,
          { index: `${TYPE}${type}`, ms },
          (keys) => this.#pool.run("shortenServices", PREFIX, type, ms, ...keys),
        );
      }
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pool[Symbol.asyncDispose]();
  }
}

function serviceKey(type: string, key: string): string {
  return `${PREFIX}service:${type}:${key}`;
}

/** Others may write there, too: what is no record is none. */
function readRecord(text: string): ServiceRecord | undefined {
  try {
    return readService(JSON.parse(text.slice(text.indexOf(" ") + 1)));
  } catch {
    return undefined;
  }
}
