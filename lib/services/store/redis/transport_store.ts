/** Transports in Redis: for several instances of one transport discovery. Redis keeps the time by its own clock. @module */
import type { Log } from "../../../base/mod.ts";
import type { PublicKey } from "../../../crypto/mod.ts";
import type { TransportRecord } from "../../../directory/mod.ts";
import type { Clock } from "../../../runtime/mod.ts";
import {
  LATENCIES_MAX,
  LATENCY_TTL_MS,
  type LivingTransport,
  type PutTransports,
  type TransportFollower,
  TRANSPORTS_MAX,
  type TransportStore,
} from "../transport_store.ts";
import { StoreError } from "../store.ts";
import { prefixOf, redisNowMs, wholeMs } from "./_index_script.ts";
import { Listening } from "./_listening.ts";
import { eachLasting, MEMBER_SCRIPTS, readMembers, readTexts } from "./_members.ts";
import { NONCE_SCRIPTS, RedisNonces } from "./_nonces.ts";
import { type RedisOptions, RedisPool } from "./_pool.ts";
import { PUT, REMOVE, SHORTEN } from "./_transport_scripts.ts";
import {
  type KeptTransport,
  latencyText,
  readKept,
  readLatency,
  readWord,
  tailOf,
  withLatency,
} from "./_transport_words.ts";

export interface RedisTransportStoreOptions extends RedisOptions {
  /** Default {@link TRANSPORTS_MAX}. */
  readonly transportsMax?: number;
  /** Default {@link LATENCIES_MAX}. */
  readonly latenciesMax?: number;
  /** Keys whose nonce is kept. */
  readonly noncesMax?: number;
}

const SCRIPTS = {
  ...MEMBER_SCRIPTS,
  ...NONCE_SCRIPTS,
  putTransports: PUT,
  removeTransports: REMOVE,
  shortenTransports: SHORTEN,
};
const PREFIX = prefixOf("transport-discovery");

export class RedisTransportStore implements TransportStore {
  readonly nonces: RedisNonces;
  readonly #pool: RedisPool;
  readonly #transportsMax: number;
  readonly #latenciesMax: number;

  private constructor(pool: RedisPool, options: RedisTransportStoreOptions) {
    const { noncesMax, transportsMax = TRANSPORTS_MAX, latenciesMax = LATENCIES_MAX } = options;
    this.#pool = pool;
    this.#transportsMax = transportsMax;
    this.#latenciesMax = latenciesMax;
    this.nonces = new RedisNonces(pool, PREFIX, noncesMax);
  }

  /** Connects. Rejects with `InvalidStoreNameError`, and with `StoreError` when nobody answers within 5 s. */
  static async open(options: RedisTransportStoreOptions): Promise<RedisTransportStore> {
    return new RedisTransportStore(await RedisPool.open(options, SCRIPTS), options);
  }

  check(): Promise<void> {
    return this.#pool.check(PREFIX);
  }

  async put(
    records: readonly TransportRecord[],
    { ttlMs, owner }: PutTransports,
  ): Promise<TransportRecord[] | undefined> {
    if (records.length === 0) return [];
    const given = new Map<string, TransportRecord>();
    const parts: string[] = [];
    for (const record of records) {
      const { id, edges, type, label, latency } = record;
      if (![id, ...edges, type, label].every((text) => typeof text === "string")) {
        throw new StoreError("Cannot store a transport: a part of it is no text");
      }
      given.set(id, record);
      const bits = owner === undefined ? BOTH_EDGES : edges.map((edge) => edge === owner.key);
      parts.push(
        id,
        ...edges,
        tailOf(record),
        `${(bits[0] ? 1 : 0) | (bits[1] ? 2 : 0)}`,
        latencyText(latency),
      );
    }
    const changed = await this.#pool.run(
      "putTransports",
      PREFIX,
      wholeMs(ttlMs),
      owner?.key ?? "-",
      owner?.recordsMax ?? 0,
      encodeURIComponent(owner?.block?.text ?? "-"),
      owner?.block?.recordsMax ?? 0,
      this.#transportsMax,
      this.#latenciesMax,
      LATENCY_TTL_MS,
      ...parts,
    ) as string[] | null;
    if (changed === null) return undefined;
    const result: TransportRecord[] = [];
    for (let at = 0; at < changed.length; at += 2) {
      result.push(withLatency(given.get(changed[at]!)!, readLatency(changed[at + 1])));
    }
    return result;
  }

  async byId(id: string): Promise<TransportRecord | undefined> {
    const [text, latency] = await this.#pool.ask((redis) => redis.mget(transportKey(id), latencyKey(id)));
    const kept = typeof text === "string" ? readKept(id, text) : undefined;
    return kept && shown(kept, latency);
  }

  async byEdges(keys: readonly PublicKey[]): Promise<TransportRecord[]> {
    const found = new Map<string, KeptTransport>(); // a transport between two of them is found at both
    for (const key of new Set(keys)) {
      const index = `${PREFIX}edge:${key}`;
      for (
        const kept of await this.#read(
          index,
          await this.#pool.ask((redis) => redis.zrange(index, 0, "-1")),
        )
      ) {
        found.set(kept.record.id, kept);
      }
    }
    return await this.#shown([...found.values()]);
  }

  async all(): Promise<TransportRecord[]> {
    const ids = await this.#pool.ask((redis) => redis.zrange(ALL, 0, "-1"));
    return await this.#shown(await this.#read(ALL, ids));
  }

  async allWithLives(): Promise<LivingTransport[]> {
    const [nowMs, members] = await this.#pool.ask((redis) =>
      Promise.all([redisNowMs(redis), redis.zrange(ALL, 0, "-1", "WITHSCORES")])
    );
    const ends = new Map<string, number>();
    for (let at = 0; at < members.length; at += 2) ends.set(members[at]!, Number(members[at + 1]));
    const records = await this.#shown(await this.#read(ALL, [...ends.keys()]));
    return records.map((record) => {
      const endMs = ends.get(record.id)!;
      return { record, leftMs: endMs >= Number.MAX_SAFE_INTEGER ? Infinity : Math.max(0, endMs - nowMs) };
    });
  }

  async shorten(ttlMs: number): Promise<void> {
    if (ttlMs === 0) return;
    const ms = wholeMs(ttlMs);
    await eachLasting(
      this.#pool,
      { index: ALL, ms },
      (ids) => this.#pool.run("shortenTransports", PREFIX, ms, ...ids),
    );
  }

  async remove(ids: readonly string[]): Promise<string[]> {
    if (ids.length === 0) return [];
    return await this.#pool.run("removeTransports", PREFIX, ...new Set(ids)) as string[];
  }

  follow(
    follower: TransportFollower,
    { clock, log }: { readonly clock: Clock; readonly log: Log },
  ): AsyncDisposable {
    let told: Set<string> | undefined; // ids of words that came while everything is read
    const listening = new Listening({
      place: this.#pool.place,
      channel: `${PREFIX}changes`,
      clock,
      log,
      hear: (text) => {
        const word = readWord(text);
        if (word === undefined) return listening.hurry(); // others' words: what is true is read
        for (const id of "removed" in word ? word.removed : word.renewed) told?.add(id);
        if (!follower.told(word)) listening.hurry();
      },
      beat: async () => {
        told = new Set();
        try {
          follower.read(await this.allWithLives(), told);
        } finally {
          told = undefined;
        }
      },
    });
    return listening;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pool[Symbol.asyncDispose]();
  }

  /** Those of `ids` that are there, in the order in which they came first; the others leave `index`. */
  async #read(index: string, ids: readonly string[]): Promise<KeptTransport[]> {
    const found = await readMembers(this.#pool, index, ids, transportKey);
    return found.flatMap(([id, text]) => readKept(id, text) ?? []);
  }

  async #shown(kept: KeptTransport[]): Promise<TransportRecord[]> {
    kept.sort((one, other) => one.number - other.number);
    const confirmed = kept.filter(({ isConfirmed }) => isConfirmed);
    const texts = await readTexts(this.#pool, confirmed.map(({ record }) => latencyKey(record.id)));
    const latencies = new Map(confirmed.map((each, at) => [each, texts[at]]));
    return kept.map((each) => shown(each, latencies.get(each)));
  }
}

/** A transport as answers show it: what one edge alone says of it may be invented. */
function shown({ isConfirmed, record }: KeptTransport, latency: string | null | undefined): TransportRecord {
  return isConfirmed ? withLatency(record, readLatency(latency)) : record;
}

function transportKey(id: string): string {
  return `${PREFIX}tp:${id}`;
}

function latencyKey(id: string): string {
  return `${PREFIX}lat:${id}`;
}

const ALL = `${PREFIX}all`;
const BOTH_EDGES = [true, true];
