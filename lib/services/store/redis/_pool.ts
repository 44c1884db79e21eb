/**
 * Connections to one Redis, made when they are needed: a further one once those there are busy.
 *
 * A Redis that is gone fails the questions that it was asked, and each later one dials anew: it comes back without
 * being told. Nothing runs between questions.
 *
 * @module
 */
import type { Redis } from "ioredis";
import type { Ledger } from "../../../base/mod.ts";
import { InvalidStoreNameError, StoreError } from "../store.ts";

/** Steps that Redis does whole, by name. KEYS[1] is the prefix of the keys of the service, the rest arguments. */
export type Scripts = Readonly<Record<string, string>>;

export interface RedisOptions {
  /** `redis://[:password@]host[:port][/number]`. */
  readonly url: string;
  /** Connections at most. Default {@link POOL_SIZE}. */
  readonly poolSize?: number;
  /** Counts the open store as kind `store`. */
  readonly ledger?: Ledger;
}

/** Connections of one service, as the services of the network have it. */
export const POOL_SIZE = 10;
/** More are a slip of the pen: a Redis works on one question at a time. */
export const POOL_SIZE_MAX = 1_024;
/** Questions under way on one connection before a further one is used: they are sent without waiting for each other. */
const QUESTIONS_PER_CONNECTION = 32;
/** Above the slowest start of a Redis nearby, below an operator's patience. */
const CONNECT_TIMEOUT_MS = 5_000;
/** A Redis that answers later than this is as good as gone; the caller's own time-out is not shorter. */
const COMMAND_TIMEOUT_MS = 5_000;

/** For the other side to end a connection that we end: a service stops in 2 s, whatever its Redis does. */
const DISCONNECT_TIMEOUT_MS = 250;

/** One place of the pool. */
interface Slot {
  connection: Promise<Redis>;
  /** Questions under way. */
  busy: number;
}

export class RedisPool implements AsyncDisposable {
  readonly url: string;
  readonly #scripts: Scripts;
  readonly #size: number;
  readonly #release: (() => void) | undefined;
  readonly #slots: Slot[] = [];
  readonly #closing = new AbortController();
  #open = true;

  private constructor({ url, poolSize = POOL_SIZE, ledger }: RedisOptions, scripts: Scripts, first: Redis) {
    this.url = url;
    this.#scripts = scripts;
    this.#size = Math.max(1, Math.min(POOL_SIZE_MAX, Math.floor(poolSize)));
    this.#slots.push({ connection: Promise.resolve(first), busy: 0 });
    this.#release = ledger?.open("store");
  }

  /** Connects once. Rejects with {@link InvalidStoreNameError}, and with {@link StoreError} when nobody answers. */
  static async open(options: RedisOptions, scripts: Scripts = {}): Promise<RedisPool> {
    return new RedisPool(options, scripts, await connect(options.url, { scripts }));
  }

  /** Asks on one connection. Whatever fails is a {@link StoreError}. */
  async ask<T>(question: (redis: Redis) => Promise<T>): Promise<T> {
    if (!this.#open) throw new StoreError("Cannot use the Redis store: it is closed");
    const slot = this.#free();
    slot.busy++;
    try {
      return await question(await this.#connected(slot));
    } catch (cause) {
      throw cause instanceof StoreError ? cause : new StoreError("Cannot use the Redis store", { cause });
    } finally {
      slot.busy--;
    }
  }

  /** Runs one of the scripts. */
  run(name: string, prefix: string, ...given: readonly (string | number)[]): Promise<unknown> {
    return this.ask((redis) => (redis as unknown as Commands)[name]!(prefix, ...given));
  }

  /** Rejects with {@link StoreError} when Redis does not answer. */
  async check(): Promise<void> {
    await this.ask((redis) => redis.ping());
  }

  /** What was asked is answered first; a server that answers no more does not hold us. May be repeated. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#closing.abort();
    await Promise.all(this.#slots.map(async ({ connection, busy }) => {
      const redis = await connection.catch(() => undefined);
      if (redis === undefined || redis.status === "end") return; // gone already: that is what was wanted
      const ended = new Promise<void>((resolve) => redis.once("end", resolve));
      if (busy === 0) redis.disconnect();
      else await redis.quit().catch(() => redis.disconnect());
      await ended;
    }));
    this.#release?.();
  }

  #free(): Slot {
    const free = this.#slots.find(({ busy }) => busy < QUESTIONS_PER_CONNECTION);
    if (free !== undefined) return free;
    if (this.#slots.length < this.#size) {
      const slot = { connection: this.#dial(), busy: 0 };
      slot.connection.catch(() => {}); // told to those who ask on it
      this.#slots.push(slot);
      return slot;
    }
    return this.#slots.reduce((least, slot) => slot.busy < least.busy ? slot : least);
  }

  #dial(): Promise<Redis> {
    return connect(this.url, { scripts: this.#scripts, signal: this.#closing.signal });
  }

  /**
   * The connection of a place; a new one when it has ended. ioredis could do that by itself, but with timers that
   * outlive a close; here the next question dials, and all that wait share the dial.
   */
  async #connected(slot: Slot): Promise<Redis> {
    const { connection } = slot;
    const usable = await connection.then((redis) => redis.status !== "end", () => false);
    if (!this.#open) throw new StoreError("Cannot use the Redis store: it is closed");
    if (!usable && slot.connection === connection) slot.connection = this.#dial();
    return await slot.connection;
  }
}

/**
 * A connection that knows `scripts`, and never dials by itself again. `signal` ends the attempt. Errors as
 * `RedisPool.open`.
 */
export async function connect(
  url: string,
  { scripts = {}, signal }: { readonly scripts?: Scripts; readonly signal?: AbortSignal } = {},
): Promise<Redis> {
  const where = placeOf(url);
  const { Redis } = await import("ioredis"); // only who uses Redis pays for it
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    retryStrategy: () => null,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false, // a put that may have happened is not done twice
  });
  let failure: unknown; // the socket's own reason; what `connect` rejects with says only that it ended
  redis.on("error", (error) => failure ??= error); // without a listener it would go to the console
  for (const [name, lua] of Object.entries(scripts)) redis.defineCommand(name, { numberOfKeys: 1, lua });
  const onAbort = () => redis.disconnect();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    signal?.throwIfAborted();
    await redis.connect();
  } catch (cause) {
    if (redis.status !== "end" && !signal?.aborted) redis.disconnect(); // it connected, and was refused for its password, for one
    throw new StoreError(`Cannot connect to Redis at ${where}`, {
      cause: failure ?? cause,
      hint: "start redis-server, or leave the store in memory",
    });
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
  return redis;
}

/** Host, port and number of a URL, without name and password. Throws {@link InvalidStoreNameError} for what is no URL. */
function placeOf(url: string): string {
  try {
    const { protocol, host, pathname, username, password } = new URL(url);
    decodeURIComponent(username + password); // as ioredis will do
    if (host !== "") return `${protocol}//${host}${pathname}`;
  } catch {
    // said below, without the text, which may hold a password
  }
  throw new InvalidStoreNameError("Not the URL of a Redis (not shown: it may hold a password)", {
    hint: "write redis://[:password@]host[:port][/number], with %-escapes in the password",
  });
}

type Commands = Record<string, (prefix: string, ...given: (string | number)[]) => Promise<unknown>>;
