/**
 * Connections to one Redis, made when they are needed: a further one once those there are busy.
 *
 * A Redis that is gone fails the questions that it was asked, and later ones dial anew: it comes back without
 * being told. So does a connection on which a question had no answer in time, as behind a proxy that forgot it: what
 * else is under way there fails with it, and nothing is asked twice, as it may have been done. Nothing runs
 * between questions.
 *
 * @module
 */
import type { Redis } from "ioredis";
import type { Ledger } from "../../../base/mod.ts";
import type { Clock } from "../../../runtime/mod.ts";
import { StoreError, type StoreState } from "../store.ts";
import { connect, endOf, type Scripts, storeError } from "./_connection.ts";
import { parseRedisUrl, type RedisPlace } from "./_redis_url.ts";

export interface RedisOptions {
  /** `redis://[:password@]host[:port][/number][?prefix=name]`. */
  readonly url: string;
  /** Connections at most. Default {@link POOL_SIZE}. */
  readonly poolSize?: number;
  /** Counts the open store as kind `store`. */
  readonly ledger?: Ledger;
  /** For the pauses between dials that fail; without it there are none. */
  readonly clock?: Pick<Clock, "monotonicMs">;
}

/** Connections of one service, as the services of the network have it. */
export const POOL_SIZE = 10;
/** More are a slip of the pen: a Redis works on one question at a time. */
export const POOL_SIZE_MAX = 1_024;
/** Questions under way on one connection before a further one is used: they are sent without waiting for each other. */
const QUESTIONS_PER_CONNECTION = 32;
/** After a dial that failed: first and longest pause, in which questions fail with its reason. */
const REDIAL_MS = 25;
const REDIAL_MAX_MS = 1_000;
/** For what was asked to be answered when a store closes: a service stops in 2 s. */
const CLOSE_MS = 250;

/** One place of the pool. */
interface Slot {
  connection: Redis | undefined;
  dialling: Promise<Redis> | undefined;
  /** Questions under way. */
  busy: number;
}

export class RedisPool implements AsyncDisposable {
  readonly place: RedisPlace;
  readonly #scripts: Scripts;
  readonly #size: number;
  readonly #release: (() => void) | undefined;
  readonly #clock: RedisOptions["clock"];
  readonly #slots: Slot[] = [];
  /** Connections that were given up, until they are gone. */
  readonly #ending = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #failed: { readonly failure: StoreError; readonly pauseMs: number; readonly untilMs: number } | undefined;
  #open = true;

  private constructor(
    place: RedisPlace,
    first: Redis,
    { poolSize = POOL_SIZE, ledger, clock }: RedisOptions,
    scripts: Scripts,
  ) {
    this.place = place;
    this.#scripts = scripts;
    this.#clock = clock;
    this.#size = Math.max(1, Math.min(POOL_SIZE_MAX, Math.floor(poolSize)));
    this.#slots.push({ connection: first, dialling: undefined, busy: 0 });
    this.#release = ledger?.open("store");
  }

  /** Connects once. Rejects with `InvalidStoreNameError`, and with {@link StoreError} when nobody answers. */
  static async open(options: RedisOptions, scripts: Scripts = {}): Promise<RedisPool> {
    const place = parseRedisUrl(options.url);
    return new RedisPool(place, await connect(place, { scripts, diagnoses: true }), options, scripts);
  }

  /** Asks on one connection. Whatever fails is a {@link StoreError}. */
  async ask<T>(question: (redis: Redis) => Promise<T>): Promise<T> {
    if (!this.#open) throw closed();
    const slot = this.#free();
    slot.busy++;
    let redis: Redis | undefined;
    try {
      redis = await this.#connected(slot);
      return await question(redis);
    } catch (cause) {
      if (redis !== undefined && isSilence(cause)) this.#giveUp(redis);
      throw cause instanceof StoreError ? cause : storeError("Cannot use the Redis store", cause);
    } finally {
      slot.busy--;
    }
  }

  /** Runs one of the scripts. */
  run(name: string, prefix: string, ...given: readonly (string | number)[]): Promise<unknown> {
    return this.ask((redis) => (redis as unknown as Commands)[name]!(prefix, ...given));
  }

  /**
   * Rejects with {@link StoreError} when Redis does not answer, or takes no writes to keys with `prefix`: a user may be
   * allowed these alone.
   */
  async check(prefix: string): Promise<void> {
    let isConnected = false;
    try {
      await this.ask((redis) => {
        isConnected = true;
        return redis.set(`${prefix}never`, "", "XX"); // refused as any write is; else nothing comes of it
      });
    } catch (error) {
      const state = isConnected && error instanceof StoreError ? stateOf(error.cause) : undefined;
      if (state === undefined) throw error;
      const { cause, hint } = error as StoreError;
      throw new StoreError("Cannot write to the Redis store", { cause, hint, state });
    }
  }

  /** What was asked is answered first, for at most {@link CLOSE_MS}. May be repeated. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#closing.abort();
    await Promise.all(this.#slots.map(async ({ connection, dialling, busy }) => {
      const redis = await dialling?.catch(() => undefined) ?? connection;
      if (redis === undefined) return;
      if (busy > 0 && redis.status === "ready") {
        redis.options.commandTimeout = CLOSE_MS;
        await redis.quit().catch(() => redis.disconnect());
      } else if (redis.status !== "end") redis.disconnect();
      await endOf(redis);
    }));
    await Promise.all(this.#ending);
    this.#release?.();
  }

  #free(): Slot {
    const free = this.#slots.find(({ busy }) => busy < QUESTIONS_PER_CONNECTION);
    if (free !== undefined) return free;
    if (this.#slots.length < this.#size) {
      const slot = { connection: undefined, dialling: undefined, busy: 0 };
      this.#slots.push(slot);
      return slot;
    }
    return this.#slots.reduce((least, slot) => slot.busy < least.busy ? slot : least);
  }

  /**
   * The connection of a place; a new one when it has ended. ioredis could do that by itself, but with timers that
   * outlive a close; here the next question dials, and all that wait share the dial and its failure.
   */
  async #connected(slot: Slot): Promise<Redis> {
    if (slot.connection?.status === "ready") return slot.connection;
    slot.dialling ??= this.#dial().then((redis) => slot.connection = redis).finally(() => {
      slot.dialling = undefined;
    });
    const redis = await slot.dialling;
    if (!this.#open) throw closed();
    return redis;
  }

  async #dial(): Promise<Redis> {
    const before = this.#failed;
    if (before !== undefined && this.#nowMs() < before.untilMs) {
      const { message, cause, hint } = before.failure;
      throw new StoreError(message, { cause, hint });
    }
    try {
      const redis = await connect(this.place, { scripts: this.#scripts, signal: this.#closing.signal });
      this.#failed = undefined;
      return redis;
    } catch (failure) {
      const pauseMs = before === undefined ? REDIAL_MS : Math.min(REDIAL_MAX_MS, 2 * before.pauseMs);
      this.#failed = { failure: failure as StoreError, pauseMs, untilMs: this.#nowMs() + pauseMs };
      throw failure;
    }
  }

  #nowMs(): number {
    return this.#clock?.monotonicMs() ?? Infinity;
  }

  /** What is silent is no connection any more; one that nobody uses now may be as dead, and is made again for nothing. */
  #giveUp(silent: Redis): void {
    for (const slot of this.#slots) {
      const { connection: redis } = slot;
      if (redis === undefined || redis !== silent && slot.busy > 0) continue;
      slot.connection = undefined;
      if (redis.status === "end") continue;
      const ended = endOf(redis).then(() => void this.#ending.delete(ended));
      this.#ending.add(ended);
      redis.disconnect();
    }
  }
}

/** The driver's words for a question that had no answer in time. */
function isSilence(cause: unknown): boolean {
  return cause instanceof Error && cause.message === "Command timed out";
}

function closed(): StoreError {
  return new StoreError("Cannot use the Redis store: it is closed");
}

/** What is wrong with a Redis that answers and takes no writes, by what it says; undefined for every other failure. */
function stateOf(cause: unknown): StoreState | undefined {
  const text = cause instanceof Error ? cause.message : "";
  return REFUSALS.find(([words]) => words.test(text))?.[1];
}

const REFUSALS: readonly (readonly [RegExp, StoreState])[] = [
  [/^OOM /, "full"],
  [/^MISCONF .*No space left/, "full"],
  [/^READONLY /, "read-only"],
  [/^(MISCONF|NOREPLICAS|NOPERM) /, "unwritable"],
];

type Commands = Record<string, (prefix: string, ...given: (string | number)[]) => Promise<unknown>>;
