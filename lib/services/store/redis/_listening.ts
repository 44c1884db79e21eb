/**
 * Hearing what others say on a channel of Redis, for as long as is wanted: a connection of its own, made again a second
 * after it ended. What was said meanwhile is lost: whoever needs it reads anew when it is told that listening began.
 *
 * @module
 */
import type { Redis } from "ioredis";
import { describeError, type Log, Scope, unlessAborted } from "../../../base/mod.ts";
import { type Clock, sleep } from "../../../runtime/mod.ts";
import { channelOf, connect, storeError } from "./_connection.ts";
import type { RedisPlace } from "./_redis_url.ts";

/** Between the end of a connection and the next one. */
export const LISTEN_AGAIN_MS = 1_000;
/** Between two looks whether the connection still answers; as often what cannot be told in words is read. */
export const LISTEN_BEAT_MS = 30_000;

export interface ListeningOptions {
  readonly place: RedisPlace;
  /** Without the prefix and the number of the data base, which tell the channels of deployments apart. */
  readonly channel: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Must not throw. */
  readonly hear: (word: string) => void;
  /** Called when listening began, and on each beat. What it rejects with ends the connection. */
  readonly beat?: (signal: AbortSignal) => Promise<void>;
}

export class Listening implements AsyncDisposable {
  readonly #options: ListeningOptions;
  readonly #scope = new Scope();
  #hurry: (() => void) | undefined;

  constructor(options: ListeningOptions) {
    this.#options = options;
    this.#scope.spawn("listening to Redis", (signal) => this.#run(signal));
  }

  /** The next beat comes at once, or {@link LISTEN_AGAIN_MS} after the last one. */
  hurry(): void {
    this.#hurry?.();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope[Symbol.asyncDispose]();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, log, place } = this.#options;
    const channel = channelOf(place, this.#options.channel);
    let isFailing = false;
    while (!signal.aborted) {
      try {
        await this.#listen(signal, channel, () => {
          if (isFailing) log.info("Other instances are heard again", { channel });
          isFailing = false;
        });
      } catch (error) { // whatever it is, the next connection may be better than none
        if (signal.aborted) return;
        if (!isFailing) log.warn("Other instances cannot be heard", { channel, cause: describeError(error) });
        isFailing = true;
      }
      await sleep(clock, LISTEN_AGAIN_MS, signal).catch(() => {}); // the loop looks at the signal
    }
  }

  /** From the subscription to the end of the connection. */
  async #listen(signal: AbortSignal, channel: string, onBegin: () => void): Promise<void> {
    const { clock, place, hear, beat } = this.#options;
    const redis = await connect(place, { signal });
    let isOver = false;
    const end = () => {
      if (!isOver) redis.disconnect(); // a second one would wait for an end that was
      isOver = true;
    };
    const ended = new Promise<void>((resolve) => redis.once("end", resolve)).then(() => void (isOver = true));
    signal.addEventListener("abort", end, { once: true });
    try {
      signal.throwIfAborted();
      redis.on("message", (_: string, word: string) => hear(word));
      await redis.subscribe(channel).catch((cause) => {
        throw storeError("Cannot listen to Redis", cause);
      });
      for (let isFirst = true; isLive(redis); isFirst = false) {
        if (!isFirst) await redis.ping();
        if (beat !== undefined) await unlessAborted(signal, beat(signal)); // a store that is silent holds no close up
        if (isFirst) onBegin();
        await this.#pause(clock, ended);
      }
    } finally {
      signal.removeEventListener("abort", end);
      end();
      await ended;
    }
  }

  /** Until the next beat, or the end of the connection. */
  async #pause(clock: Clock, ended: Promise<void>): Promise<void> {
    const waiting = new AbortController();
    const stop = () => waiting.abort();
    void ended.then(stop);
    const quiet = () => {};
    await sleep(clock, LISTEN_AGAIN_MS, waiting.signal).catch(quiet);
    this.#hurry = stop;
    await sleep(clock, LISTEN_BEAT_MS - LISTEN_AGAIN_MS, waiting.signal).catch(quiet);
    this.#hurry = undefined;
  }
}

function isLive(redis: Redis): boolean {
  return redis.status === "ready";
}
