/** One connection to Redis, and what to do where it comes to nothing. @module */
import type { Redis } from "ioredis";
import { StoreError } from "../store.ts";
import type { RedisPlace } from "./_redis_url.ts";

/**
 * Steps that Redis does whole, by name. KEYS[1] is the prefix of the keys of the service, the rest arguments;
 * `DATABASE` is the number of the data base, for channels.
 */
export type Scripts = Readonly<Record<string, string>>;

export interface ConnectOptions {
  readonly scripts?: Scripts;
  /** Ends the attempt. */
  readonly signal?: AbortSignal;
  /** Looks for the cause of a failure with a connection more: where somebody waits for a first answer. */
  readonly diagnoses?: boolean;
}

/** Above the slowest start of a Redis nearby, below an operator's patience. */
const CONNECT_TIMEOUT_MS = 5_000;
/** A Redis that answers later than this is as good as gone; the caller's own time-out is not shorter. */
const COMMAND_TIMEOUT_MS = 5_000;
/** For the other side to end a connection that we end: a service stops in 2 s, whatever its Redis does. */
const DISCONNECT_TIMEOUT_MS = 100;
/** For the answer that tells what a server speaks: it is there, and was waited for before. */
const DIAGNOSIS_TIMEOUT_MS = 1_000;

/** The name of a channel, as scripts make it: `P .. name .. '@' .. DATABASE`. */
export function channelOf({ prefix, database }: RedisPlace, name: string): string {
  return `${prefix}${name}@${database}`;
}

/**
 * A connection in the data base of `place`, that knows `scripts`, and never dials by itself again. Rejects with
 * {@link StoreError}.
 */
export async function connect(
  place: RedisPlace,
  { scripts = {}, signal, diagnoses = false }: ConnectOptions = {},
): Promise<Redis> {
  const { Redis } = await import("ioredis"); // only who uses Redis pays for it
  const redis = new Redis(place.url, {
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    keyPrefix: place.prefix,
    retryStrategy: () => null,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false, // a put that may have happened is not done twice
  });
  let failure: unknown; // the socket's own reason; what `connect` rejects with says only that it ended
  redis.on("error", (error) => failure ??= error); // without a listener it would go to the console
  for (const [name, lua] of Object.entries(scripts)) {
    redis.defineCommand(name, { numberOfKeys: 1, lua: `local DATABASE = ${place.database}\n${lua}` });
  }
  const onAbort = () => redis.disconnect();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    signal?.throwIfAborted();
    await redis.connect();
    // Not by the driver, which passes over a refusal and goes on in data base 0, which may be another deployment's.
    if (place.database !== 0) await redis.select(place.database);
  } catch (cause) {
    if (redis.status !== "end" && !signal?.aborted) {
      redis.disconnect(); // it connected, and may not select
      await endOf(redis);
    }
    const reason = failure ?? cause;
    const isPlain = diagnoses && place.isTls && hintOf(reason) === undefined && await speaksPlainly(place);
    const hint = isPlain
      ? "the server speaks no TLS there: write redis://, or name its port for TLS"
      : "start redis-server, or leave the store in memory";
    throw storeError(`Cannot connect to Redis at ${place.shown}`, reason, hint);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
  return redis;
}

/** Settles once nothing of a connection is left. */
export async function endOf(redis: Redis): Promise<void> {
  if (redis.status !== "end") await new Promise<void>((resolve) => redis.once("end", resolve));
}

/** A failure with what to do about it, as far as Redis says what is wrong; else with `hint`. */
export function storeError(message: string, cause: unknown, hint?: string): StoreError {
  return new StoreError(message, { cause, hint: hintOf(cause) ?? hint });
}

function hintOf(cause: unknown): string | undefined {
  const text = cause instanceof Error ? cause.message : "";
  return HINTS.find(([words]) => words.test(text))?.[1];
}

/** Whether a server answers as a Redis without TLS. It is told neither name nor password. */
async function speaksPlainly({ url }: RedisPlace): Promise<boolean> {
  const { Redis } = await import("ioredis");
  const plain = new URL(url.replace(/^rediss:/, "redis:"));
  plain.username = plain.password = "";
  const redis = new Redis(plain.href, {
    lazyConnect: true,
    connectTimeout: DIAGNOSIS_TIMEOUT_MS,
    commandTimeout: DIAGNOSIS_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    retryStrategy: () => null,
  });
  let failure: unknown;
  redis.on("error", (error) => failure ??= error);
  try {
    await redis.connect();
    return true;
  } catch (cause) {
    const { message } = (failure ?? cause) as Error;
    return /^(NOAUTH|NOPERM|DENIED|ERR|LOADING|WRONGPASS) /.test(message);
  } finally {
    if (redis.status !== "end") redis.disconnect();
    await endOf(redis);
  }
}

/** By what Redis, or the driver, says. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [/^NOAUTH/, "it wants a password: write redis://:PASSWORD@host:port, or redis://USER:PASSWORD@host:port"],
  [
    /^WRONGPASS|invalid password|invalid username-password/,
    "the name or the password in the URL is wrong: compare requirepass or ACL LIST there; special characters are written as %-escapes",
  ],
  [
    /NOPERM|ACL failure|user executing the script can't/,
    "its user may not do that: allow it there, ACL SETUSER NAME ~* &* +@all, or name another one in the URL",
  ],
  [
    /DB index/,
    "it has no data base of that number: name a lower one, raise `databases` there, or write ?prefix=NAME instead",
  ],
  [
    /^ERR SELECT is not allowed|unknown command.*select/i,
    "it has no numbers: leave the number out, and tell deployments apart by ?prefix=NAME",
  ],
  [/certificate/i, "its certificate is not trusted here, or is for another host: name the host as it does"],
  [
    /EPIPE|ECONNRESET|Unknown RESP type/,
    "the server ended the connection, or is no Redis: where it speaks TLS, write rediss://",
  ],
];
