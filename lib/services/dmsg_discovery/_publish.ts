/** Posting and deleting an entry, each proven by the entry's own signature (DD-6: over HTTP and dmsg alike). @module */
import { LimitError, type Log, MalformedError } from "../../base/mod.ts";
import type { Clock } from "../../runtime/mod.ts";
import { type Entry, parseUncheckedEntry, renderEntry, type UncheckedEntry } from "../../dmsg/mod.ts";
import type { Answer } from "../hosting/mod.ts";
import { type EntryStore, type StoredEntry, StoreError } from "../store/mod.ts";
import { message, UNEXPECTED } from "./_answer.ts";
import {
  hasOwner,
  type Iteration,
  type Refusal,
  refusalAfter,
  refusalOf,
  refusalOfAddress,
} from "./_validation.ts";
import { CLIENT_TTL_MS, type DmsgDiscoverySettings, SERVER_TTL_MS } from "./settings.ts";

export interface PublishOptions {
  readonly store: EntryStore;
  readonly clock: Pick<Clock, "wallMs">;
  readonly log: Log;
  readonly settings: DmsgDiscoverySettings;
}

export class Publisher {
  readonly #store: EntryStore;
  readonly #clock: Pick<Clock, "wallMs">;
  readonly #log: Log;
  readonly #passPhrase: string;
  readonly #officialServers: ReadonlySet<string>;
  readonly #allowLoopbackAddresses: boolean;
  readonly #clientTtlMs: number;
  /** What this instance stored last, by key: most posts follow it, and are then judged without asking the store. */
  readonly #recent = new Map<string, string>();

  constructor({ store, clock, log, settings }: PublishOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#passPhrase = settings.passPhrase ?? "";
    this.#officialServers = new Set(settings.officialServers);
    this.#allowLoopbackAddresses = settings.allowLoopbackAddresses ?? false;
    this.#clientTtlMs = settings.clientTtlMs ?? CLIENT_TTL_MS;
  }

  /** Stores a posted entry if it follows the stored one. `source` is who posted it, for the log. */
  async post(body: string, source: string): Promise<Answer> {
    const entry = read(body);
    if (entry === undefined) return UNEXPECTED;
    const refusal = (this.#allowLoopbackAddresses ? undefined : refusalOfAddress(entry)) ??
      refusalOf(entry, this.#clock.wallMs());
    if (refusal !== undefined || !hasOwner(entry)) return refused(refusal);
    const put = this.#stored(entry);
    const ttlMs = entry.server === undefined ? this.#clientTtlMs : SERVER_TTL_MS;
    let recent = this.#recent.get(entry.static); // may be replaced or gone by now: the put finds that out
    for (let attempt = 0; attempt < PUT_ATTEMPTS_MAX; attempt++) {
      const isGuess = recent !== undefined;
      const replaces = recent ?? await this.#store.get(entry.static);
      recent = undefined;
      const stale = replaces === undefined ? undefined : refusalAfter(iterationOf(replaces), entry);
      if (stale !== undefined) {
        if (isGuess) continue; // nobody is refused by a guess
        return refused(stale);
      }
      if (!await this.#store.put(put, { ttlMs, replaces })) continue; // somebody was faster: judge again
      this.#remember(entry.static, put.text);
      if (entry.server !== undefined) this.#logRegistration(entry, entry.server.address, source);
      return replaces === undefined ? WROTE_FIRST : WROTE_NEXT;
    }
    throw new StoreError(
      `Cannot store an entry of ${entry.static}: it changed ${PUT_ATTEMPTS_MAX} times meanwhile`,
    );
  }

  /** Removes the entry of whoever signed this one, be it stored or not. */
  async remove(body: string): Promise<Answer> {
    const entry = read(body);
    if (entry === undefined) return UNEXPECTED;
    const refusal = refusalOf(entry, this.#clock.wallMs());
    if (refusal !== undefined || !hasOwner(entry)) return refused(refusal);
    this.#recent.delete(entry.static);
    await this.#store.remove(entry.static);
    return DELETED;
  }

  #remember(key: string, text: string): void {
    this.#recent.delete(key);
    this.#recent.set(key, text);
    if (this.#recent.size > RECENT_MAX) this.#recent.delete(this.#recent.keys().next().value!);
  }

  /** The entry as it is handed out: a server's type is the discovery's word, set after the signature was tested. */
  #stored(entry: Entry): StoredEntry {
    const { server } = entry;
    const handedOut = server === undefined
      ? entry
      : { ...entry, server: { ...server, serverType: this.#typeOf(entry.static, server.serverType) } };
    return {
      key: entry.static,
      text: renderEntry(handedOut),
      delegatedServers: entry.client === undefined ? undefined : entry.client.delegatedServers ?? [],
      isVisor: entry.client !== undefined && entry.clientType === "visor",
      availableSessions: server?.availableSessions,
    };
  }

  #typeOf(key: string, posted: string | undefined): string {
    return (posted ?? "") === this.#passPhrase || this.#officialServers.has(key) ? "official" : "community";
  }

  /** DD-4: one line per registration of a server, so that two with one key are seen; none for clients. */
  #logRegistration(entry: Entry, address: string, source: string): void {
    const { static: key, sequence } = entry;
    this.#log.info("Server registered", {
      key,
      sequence,
      address: address.slice(0, LOGGED_CHARS_MAX),
      source,
    });
  }
}

/** Undefined for what is no entry: no JSON, a wrong type, a bad key. */
function read(body: string): UncheckedEntry | undefined {
  try {
    return parseUncheckedEntry(body);
  } catch (error) {
    if (error instanceof MalformedError || error instanceof LimitError) return undefined;
    throw error;
  }
}

/**
 * Reads only what orders iterations: members two and three of every entry (dmsg.md 8.1), whose names cannot stand
 * in the text before them, where quotes are escaped. What has no such form, in a data base that others write
 * too, is older than everything.
 */
function iterationOf(stored: string): Iteration {
  const [, sequence, timestamp] = /"sequence":([0-9]+),"timestamp":(-?[0-9]+)/.exec(stored) ?? [];
  if (sequence === undefined || timestamp === undefined) return BEFORE_ALL;
  return { sequence: BigInt(sequence), timestamp: BigInt(timestamp) };
}

const BEFORE_ALL: Iteration = { sequence: -1n, timestamp: -(2n ** 63n) };

function refused(refusal: Refusal | undefined): Answer {
  return refusal === undefined ? UNEXPECTED : message(refusal.status, refusal.message);
}

const WROTE_FIRST = message(200, "wrote a new entry");
const WROTE_NEXT = message(200, "wrote new entry iteration");
const DELETED = message(200, "deleted entry");

/** Of an address in the log: room for every name of the DNS and a port, nearly. */
const LOGGED_CHARS_MAX = 256;
/** Texts of about 600 bytes: some 5 MiB. */
const RECENT_MAX = 8_192;
/** Each failed attempt means that another post of the same key succeeded, so that few are ever needed. */
const PUT_ATTEMPTS_MAX = 16;
