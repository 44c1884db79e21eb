/** Addresses in Redis: for several instances of one address resolver. Redis keeps the time by its own clock. @module */
import type { Log } from "../../../base/mod.ts";
import type { PublicKey } from "../../../crypto/mod.ts";
import type { ResolvedType } from "../../../directory/mod.ts";
import type { Clock } from "../../../runtime/mod.ts";
import type { Binding, BindingStore, ResolverWord } from "../binding_store.ts";
import { channelOf } from "./_connection.ts";
import { INDEX_SCRIPT, prefixOf, wholeMs } from "./_index_script.ts";
import { hasKeyShape } from "./_key_shape.ts";
import { Listening } from "./_listening.ts";
import { eachLasting, MEMBER_SCRIPTS, readMembers } from "./_members.ts";
import { NONCE_SCRIPTS, RedisNonces } from "./_nonces.ts";
import { type RedisOptions, RedisPool } from "./_pool.ts";

export interface RedisBindingStoreOptions extends RedisOptions {
  /** Keys whose nonce is kept. */
  readonly noncesMax?: number;
}

// binding:<type>:<key>     string   `holder {binding}`, with its time to live; holder is `-` where there is none
// bound:<type>             index    of keys
// words@<number>           channel  what one instance says to the others

/** ARGV: type, key, ttl in ms, holder, JSON. */
const PUT = `
${INDEX_SCRIPT}
keep(P .. 'binding:' .. ARGV[1] .. ':' .. ARGV[2], ARGV[4] .. ' ' .. ARGV[5], tonumber(ARGV[3]))
live(P .. 'bound:' .. ARGV[1])
enter(P .. 'bound:' .. ARGV[1], ARGV[2], tonumber(ARGV[3]))
seal()
return 1
`;

/** ARGV: type, key, holder or "-" for whoever it is. 1 when there was a binding of the holder. */
const REMOVE = `
${INDEX_SCRIPT}
local key = P .. 'binding:' .. ARGV[1] .. ':' .. ARGV[2]
if ARGV[3] ~= '-' and string.match(redis.call('GET', key) or '', '^(%S+) ') ~= ARGV[3] then return 0 end
leave(P .. 'bound:' .. ARGV[1], ARGV[2])
return redis.call('DEL', key)
`;

/** ARGV: type, ttl in ms, keys. What would live for longer ends then. */
const SHORTEN = `
${INDEX_SCRIPT}
local ttl = tonumber(ARGV[2])
for at = 3, #ARGV do
  local key = P .. 'binding:' .. ARGV[1] .. ':' .. ARGV[at]
  local left = redis.call('PTTL', key)
  if left == -1 or left > ttl then
    redis.call('PEXPIRE', key, digits(ttl))
    enter(P .. 'bound:' .. ARGV[1], ARGV[at], ttl)
  end
end
seal()
return 0
`;

const SCRIPTS = {
  ...MEMBER_SCRIPTS,
  ...NONCE_SCRIPTS,
  putBinding: PUT,
  removeBinding: REMOVE,
  shortenBindings: SHORTEN,
};
const PREFIX = prefixOf("address-resolver");
const TYPES: readonly ResolvedType[] = ["stcpr", "sudph"];

export class RedisBindingStore implements BindingStore {
  readonly nonces: RedisNonces;
  readonly #pool: RedisPool;

  private constructor(pool: RedisPool, { noncesMax }: RedisBindingStoreOptions) {
    this.#pool = pool;
    this.nonces = new RedisNonces(pool, PREFIX, noncesMax);
  }

  /** Connects. Rejects with `InvalidStoreNameError`, and with `StoreError` when nobody answers within 5 s. */
  static async open(options: RedisBindingStoreOptions): Promise<RedisBindingStore> {
    return new RedisBindingStore(await RedisPool.open(options, SCRIPTS), options);
  }

  check(): Promise<void> {
    return this.#pool.check(PREFIX);
  }

  async put(
    type: ResolvedType,
    key: PublicKey,
    { remoteAddress, port, addresses, holder = "-" }: Binding,
    { ttlMs }: { readonly ttlMs: number },
  ): Promise<void> {
    const text = JSON.stringify({ remoteAddress, port, addresses });
    await this.#pool.run("putBinding", PREFIX, type, key, wholeMs(ttlMs), holder, text);
  }

  async get(type: ResolvedType, key: PublicKey): Promise<Binding | undefined> {
    const text = await this.#pool.ask((redis) => redis.get(bindingKey(type, key)));
    return text === null ? undefined : readBinding(text);
  }

  async remove(
    type: ResolvedType,
    key: PublicKey,
    { holder = "-" }: Pick<Binding, "holder"> = {},
  ): Promise<boolean> {
    return await this.#pool.run("removeBinding", PREFIX, type, key, holder) === 1;
  }

  async keys(type: ResolvedType): Promise<PublicKey[]> {
    const index = indexOf(type);
    const members = (await this.#pool.ask((redis) => redis.zrange(index, 0, "-1"))).filter(hasKeyShape);
    const found = await readMembers(this.#pool, index, members, (key) => bindingKey(type, key));
    return found.map(([key]) => key as PublicKey);
  }

  async shorten(ttlMs: number): Promise<void> {
    if (ttlMs === 0) return;
    const ms = wholeMs(ttlMs);
    for (const type of TYPES) {
      await eachLasting(
        this.#pool,
        { index: indexOf(type), ms },
        (keys) => this.#pool.run("shortenBindings", PREFIX, type, ms, ...keys),
      );
    }
  }

  async say(word: ResolverWord): Promise<void> {
    await this.#pool.ask((redis) =>
      redis.publish(channelOf(this.#pool.place, CHANNEL), JSON.stringify(word))
    );
  }

  hear(
    listener: (word: ResolverWord) => void,
    { clock, log }: { readonly clock: Clock; readonly log: Log },
  ): AsyncDisposable {
    const hear = (text: string) => {
      const word = readResolverWord(text);
      if (word !== undefined) listener(word);
    };
    return new Listening({ place: this.#pool.place, channel: CHANNEL, clock, log, hear });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pool[Symbol.asyncDispose]();
  }
}

function indexOf(type: ResolvedType): string {
  return `${PREFIX}bound:${type}`;
}

function bindingKey(type: string, key: string): string {
  return `${PREFIX}binding:${type}:${key}`;
}

/** Others may write there, too: what is no binding binds nobody. */
function readBinding(text: string): Binding | undefined {
  const space = text.indexOf(" ");
  const holder = text.slice(0, space);
  const { remoteAddress, port, addresses } = members(text.slice(space + 1));
  if (typeof remoteAddress !== "string" || typeof port !== "number" || !Array.isArray(addresses)) {
    return undefined;
  }
  if (!addresses.every((address) => typeof address === "string")) return undefined;
  return { remoteAddress, port, addresses, ...(holder === "-" ? {} : { holder }) };
}

function readResolverWord(text: string): ResolverWord | undefined {
  const { type, key, dialer, address, holder } = members(text);
  if (!hasKeyShape(key)) return undefined;
  if (type === "dial" && hasKeyShape(dialer) && typeof address === "string") {
    return { type, key, dialer, address };
  }
  return type === "bound" && typeof holder === "string" ? { type, key, holder } : undefined;
}

function members(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
  } catch {
    return {};
  }
}

const CHANNEL = `${PREFIX}words`;
