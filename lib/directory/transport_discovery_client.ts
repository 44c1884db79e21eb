/**
 * The transport discovery, asked: which transports there are, and which of ours shall be known (services.md 3).
 *
 * @module
 */
import type { PublicKey } from "../crypto/mod.ts";
import type { AskService } from "../dmsg/mod.ts";
import { asObject, jsonOf, keyOf, listOf, member, reasonIn, refused } from "./_answers.ts";
import { ServiceAnswerError } from "./errors.ts";
import { isTransportId, readTransport, type TransportRecord, wireTransport } from "./transport_record.ts";
import type { ServiceAnswer } from "./request_signer.ts";

/** Records, or ids, in one request: some 150 KiB of records. */
export const BATCH_MAX = 500;
/** Ids remembered as known to a service that takes each but once. */
export const POSTED_MAX = 16_384;
/** Visors whose statistics are read. */
export const STATS_KEYS_MAX = 100_000;
/** Of one visor: a total, and a number for each type. */
export const STATS_TYPES_MAX = 32;

export interface TransportDiscoveryClientOptions {
  /** The visor's version, told with each registration. */
  readonly version?: string;
}

/** One per key and process. Errors of each call: `ServiceUnreachableError`, `ServiceRefusedError`, `ServiceAnswerError`. */
export class TransportDiscoveryClient {
  readonly #ask: AskService;
  readonly #version: string | undefined;
  /** Posted to a service of before 2026: it refuses an id that it has, and forgets none. */
  readonly #posted = new Set<string>();

  constructor(ask: AskService, { version }: TransportDiscoveryClientOptions = {}) {
    this.#ask = ask;
    this.#version = version;
  }

  /**
   * Registers transports that the caller is an edge of, or renews them; entries live for 5 min (SV-2). None at
   * all says that the caller is alive. Where the service does not know this way, each new one is posted alone.
   */
  async register(records: readonly TransportRecord[], signal?: AbortSignal): Promise<void> {
    const batches = records.length === 0 ? [records] : inBatches(records);
    for (const batch of batches) {
      const answer = await this.#ask({
        method: "POST",
        path: "/v3/transports/",
        body: JSON.stringify(batch.map(wireTransport)) + "\n",
        headers: this.#version === undefined ? [] : [["SW-Visor-Version", this.#version]],
        isSigned: true,
      }, signal);
      if (isUnknownRoute(answer)) return await this.#postEach(records, signal);
      if (!isDone(answer)) throw refused(SERVICE, "transports", answer);
    }
    this.#posted.clear();
  }

  /** This transport has ended: whatever the service knew of it, its other edge may have removed. */
  forget(id: string): void {
    this.#posted.delete(id);
  }

  /** Removes transports; what is not there counts as removed. Gives how many there were. */
  async remove(ids: readonly string[], signal?: AbortSignal): Promise<number> {
    let removed = 0;
    for (const batch of inBatches(ids)) {
      const answer = await this.#ask({
        method: "POST",
        path: "/transports/delete-batch",
        body: JSON.stringify(batch) + "\n",
        isSigned: true,
      }, signal);
      if (isUnknownRoute(answer)) {
        for (const id of batch) removed += await this.#removeOne(id, signal) ? 1 : 0;
        continue;
      }
      if (!isDone(answer)) throw refused(SERVICE, "a removal", answer);
      const deleted = member(jsonOf(SERVICE, answer), "deleted");
      if (typeof deleted === "number") removed += deleted;
      for (const id of batch) this.#posted.delete(id);
    }
    return removed;
  }

  /** The transport with this id, or undefined. */
  async byId(id: string, signal?: AbortSignal): Promise<TransportRecord | undefined> {
    const answer = await this.#ask({ method: "GET", path: `/transports/id:${id}`, isSigned: true }, signal);
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw refused(SERVICE, "a look-up", answer);
    const record = readTransport(jsonOf(SERVICE, answer));
    if (record?.id === id.toLowerCase()) return record;
    throw new ServiceAnswerError(`Asked for transport ${id.slice(0, 36)}, got another or none`);
  }

  /** The transports with an edge at `key`. */
  byEdge(key: PublicKey, signal?: AbortSignal): Promise<TransportRecord[]> {
    return this.#list({ method: "GET", path: `/transports/edge:${key}`, isSigned: true }, signal);
  }

  /** Every transport: 100,000 are some 30 MB. */
  all(signal?: AbortSignal): Promise<TransportRecord[]> {
    return this.#list({ method: "GET", path: "/all-transports", isLarge: true }, signal);
  }

  /**
   * How many transports of each type every visor has; of at most {@link STATS_KEYS_MAX} visors. Empty where the
   * service does not tell it.
   */
  async perKeyStats(signal?: AbortSignal): Promise<Map<PublicKey, ReadonlyMap<string, number>>> {
    const answer = await this.#ask(
      { method: "GET", path: "/all-transports/per-key-stats", isLarge: true },
      signal,
    );
    const found = new Map<PublicKey, ReadonlyMap<string, number>>();
    if (isUnknownRoute(answer)) return found;
    if (answer.status !== 200) throw refused(SERVICE, "its statistics", answer);
    const stats = asObject(jsonOf(SERVICE, answer));
    if (stats === undefined) {
      throw new ServiceAnswerError(`The ${SERVICE} answered with what are no statistics`);
    }
    for (const [text, value] of Object.entries(stats).slice(0, STATS_KEYS_MAX)) {
      const key = keyOf(text);
      if (key === undefined) continue;
      const counts = Object.entries(asObject(value) ?? {}).slice(0, STATS_TYPES_MAX)
        .flatMap(([type, count]) => typeof count === "number" && count >= 0 ? [[type, count] as const] : []);
      found.set(key, new Map(counts));
    }
    return found;
  }

  /** Tells that the caller is up. False where the service does not offer it. */
  async heartbeat(signal?: AbortSignal): Promise<boolean> {
    const query = this.#version === undefined ? "" : `?version=${encodeURIComponent(this.#version)}`;
    const answer = await this.#ask({ method: "GET", path: `/v4/update${query}`, isSigned: true }, signal);
    if (isUnknownRoute(answer)) return false;
    if (answer.status !== 200) throw refused(SERVICE, "a heartbeat", answer);
    return true;
  }

  /** 404 and null say "none"; what is no record in a list is passed over. */
  async #list(question: Parameters<AskService>[0], signal: AbortSignal | undefined) {
    const answer = await this.#ask(question, signal);
    if (answer.status === 404) return [];
    if (answer.status !== 200) throw refused(SERVICE, "a look-up", answer);
    return listOf(SERVICE, answer).flatMap((item) => {
      const record = readTransport(asObject(member(item, "entry")) ?? item);
      return record === undefined ? [] : [record];
    });
  }

  /** One request each, and only the new ones: such a service stops a batch at the first that it knows. */
  async #postEach(records: readonly TransportRecord[], signal: AbortSignal | undefined): Promise<void> {
    for (const record of records) {
      if (this.#posted.has(record.id)) continue;
      const { latency: _, ...entry } = record;
      const answer = await this.#ask({
        method: "POST",
        path: "/transports/",
        body: JSON.stringify([{ entry: wireTransport(entry), version: this.#version }]) + "\n",
        isSigned: true,
      }, signal);
      if (!isDone(answer) && !isKnownAlready(answer)) throw refused(SERVICE, "a transport", answer);
      this.#posted.add(record.id);
      if (this.#posted.size > POSTED_MAX) this.#posted.delete(this.#posted.values().next().value!);
    }
  }

  async #removeOne(id: string, signal: AbortSignal | undefined): Promise<boolean> {
    if (!isTransportId(id)) return false;
    const answer = await this.#ask(
      { method: "DELETE", path: `/transports/id:${id}`, isSigned: true },
      signal,
    );
    if (answer.status !== 200 && answer.status !== 404) throw refused(SERVICE, "a removal", answer);
    this.#posted.delete(id);
    return answer.status === 200;
  }
}

const SERVICE = "transport discovery";

function* inBatches<T>(list: readonly T[]): Iterable<readonly T[]> {
  for (let at = 0; at < list.length; at += BATCH_MAX) yield list.slice(at, at + BATCH_MAX);
}

function isDone({ status }: ServiceAnswer): boolean {
  return status === 200 || status === 201;
}

/** A service of before 2026 has no such path, or has it for other methods. */
function isUnknownRoute({ status }: ServiceAnswer): boolean {
  return status === 404 || status === 405;
}

/** How the stores of 2024 say that they have this id. */
function isKnownAlready({ status, text }: ServiceAnswer): boolean {
  return status === 409 || (status === 500 && /duplicate key/.test(reasonIn(text)));
}
