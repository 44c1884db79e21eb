/**
 * The dial ladder of one stream (DC-3, DC-4; peer-announce.md 9): sequential with early exit.
 *
 *   1. every session there is, those of the destination's delegated servers first, no cap
 *   2. a new session with each delegated server that has none
 *   3. error 202, with the causes
 *
 * A destination that is a server has no client entry: it is asked over a session with it, and nobody else is
 * (resolving-proxy.md 3).
 *
 * @module
 */
import {
  ConnResetError,
  describeError,
  isAbort,
  type Log,
  PeerError,
  TruncatedError,
  WorldError,
} from "../base/mod.ts";
import type { KeyPair, PublicKey } from "../crypto/mod.ts";
import { type PostQuantum, type PostQuantumMode, PqRequiredError } from "../noise/mod.ts";
import type { World } from "../runtime/mod.ts";
import { withDeadlines } from "../wire/mod.ts";
import { initiateStream, STREAM_HANDSHAKE_TIMEOUT_MS } from "./_initiate.ts";
import type { PortTable } from "./_port_table.ts";
import type { Sessions } from "./_sessions.ts";
import type { DmsgAddress } from "./address.ts";
import type { EntrySource } from "./discovery.ts";
import { type Entry, verifyEntry } from "./entry.ts";
import { DmsgError } from "./errors.ts";
import type { Session } from "./session.ts";
import { DmsgStream } from "./stream.ts";

/** How long a (destination, server) pair that failed is left out (DC-4). */
export const PAIR_FAILURE_MS = 30_000;
/**
 * Servers of one entry that are connected to for one dial. An entry names two or three; one that was made to hurt
 * can name a thousand, each worth a look-up and 10 s.
 */
export const NEW_SESSIONS_PER_DIAL_MAX = 16;
/** Failed pairs remembered; the oldest goes first. */
export const PAIR_FAILURES_MAX = 4_096;

export interface DialStreamOptions {
  /** Ends the dial, never the stream that it returned (DC-5). */
  readonly signal?: AbortSignal;
  /** Only through this server, whatever the destination's entry says; no look-up is made. */
  readonly via?: PublicKey;
  /** Ask again where a failure is remembered: for callers that repeat on purpose. */
  readonly bypassCaches?: boolean;
  /** Of each attempt through one server. */
  readonly timeoutMs?: number;
}

export interface DialerOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger">;
  readonly local: KeyPair;
  readonly log: Log;
  readonly ports: PortTable;
  readonly sessions: Sessions;
  readonly postQuantum?: PostQuantum;
  readonly entries: EntrySource & { forget(key: PublicKey): void };
  readonly readIdleMs: number;
}

/** What one dial has found out so far. */
interface Search {
  readonly failures: unknown[];
  /** Servers that were not asked because they failed a moment ago. */
  readonly leftOut: Set<PublicKey>;
  /** The destination's, once it was looked up. */
  entry: Entry | undefined;
}

export class Dialer {
  readonly #options: DialerOptions;
  readonly #failedPairs = new Map<string, number>(); // "<destination> <server>" to monotonic ms

  constructor(options: DialerOptions) {
    this.#options = options;
  }

  /** Opens a stream. Errors: DmsgError 100-103 and 202, `PqRequiredError`, the signal's reason. */
  async dial(destination: DmsgAddress, options: DialStreamOptions = {}): Promise<DmsgStream> {
    const search: Search = { failures: [], leftOut: new Set(), entry: undefined };
    const { failures } = search;
    for await (const session of this.#ladder(destination.publicKey, options, search)) {
      const stream = await this.#attempt(session, destination, options, failures);
      if (stream !== undefined) return stream;
    }
    options.signal?.throwIfAborted();
    if (search.leftOut.size > 0) failures.push(new RecentlyFailedError(search.leftOut.size));
    if (search.entry !== undefined && isForeign(search.entry)) {
      failures.push(new ForeignEntryError(destination.publicKey));
    }
    const cause = failures.length > 1 ? new AggregateError(failures, reasons(failures)) : failures[0];
    throw new DmsgError(202, {
      cause,
      hint: `skyctl dmsg entry ${destination.publicKey}`,
    });
  }

  /** The sessions to try, each made just before it is its turn. */
  async *#ladder(
    key: PublicKey,
    { signal, via, bypassCaches = false }: DialStreamOptions,
    search: Search,
  ): AsyncGenerator<Session> {
    const { sessions } = this.#options;
    if (via !== undefined) {
      const session = sessions.get(via) ?? await this.#connect(via, signal, search);
      if (session !== undefined) yield session;
      return;
    }
    const delegated = await this.#delegatedServers(key, bypassCaches, signal, search);
    const tried = new Set<PublicKey>();
    const isWanted = (server: PublicKey) => {
      if (bypassCaches || !this.#hasFailed(key, server)) return true;
      search.leftOut.add(server);
      return false;
    };
    const first = sessions.live().filter((session) => delegated.includes(session.remote));
    const others = isServer(search.entry)
      ? []
      : sessions.live().filter((session) => !delegated.includes(session.remote));
    for (const session of [...first, ...others]) {
      if (session.isLive && isWanted(session.remote)) yield session;
      if (session.isLive) tried.add(session.remote); // else its server was not asked: perhaps a new session can
    }
    let connects = 0;
    for (const server of delegated) {
      signal?.throwIfAborted();
      if (connects === NEW_SESSIONS_PER_DIAL_MAX) return;
      if (tried.has(server) || !isWanted(server)) continue;
      connects++;
      const session = await this.#connect(
        server,
        signal,
        search,
        () => this.#rememberFailure(pairOf(key, server)),
      );
      if (session !== undefined) yield session;
    }
  }

  /** The session with a server, made now; undefined, with the reason among `failures`, when it cannot be had. */
  async #connect(
    server: PublicKey,
    signal: AbortSignal | undefined,
    { failures }: Search,
    onRefused = () => {},
  ): Promise<Session | undefined> {
    const { entries, sessions } = this.#options;
    try {
      const entry = await entries.entry(server, signal);
      if (entry === undefined) throw new DmsgError(100);
      return await sessions.ensure(entry, signal).catch((error) => {
        if (!signal?.aborted) onRefused();
        throw error;
      });
    } catch (error) {
      signal?.throwIfAborted();
      failures.push(atServer(server, error));
      return undefined;
    }
  }

  /** Where the destination can be reached. A missing entry leaves the sessions that there are. */
  async #delegatedServers(
    key: PublicKey,
    bypassCaches: boolean,
    signal: AbortSignal | undefined,
    search: Search,
  ): Promise<readonly PublicKey[]> {
    const { entries } = this.#options;
    if (bypassCaches) entries.forget(key);
    try {
      search.entry = await entries.entry(key, signal);
    } catch (error) {
      signal?.throwIfAborted();
      search.failures.push(error);
      return [];
    }
    const { entry } = search;
    const problem = entry === undefined
      ? 100
      : isServer(entry)
      ? undefined
      : entry.client === undefined
      ? 102
      : !entry.client.delegatedServers?.length
      ? 103
      : undefined;
    if (problem !== undefined) search.failures.push(new DmsgError(problem));
    return isServer(entry) ? [key] : entry?.client?.delegatedServers ?? [];
  }

  async #attempt(
    session: Session,
    destination: DmsgAddress,
    { signal, timeoutMs = STREAM_HANDSHAKE_TIMEOUT_MS }: DialStreamOptions,
    failures: unknown[],
  ): Promise<DmsgStream | undefined> {
    const { world, local, log, ports, postQuantum, readIdleMs } = this.#options;
    const source = { publicKey: local.publicKey, port: ports.reserve() };
    const pair = pairOf(destination.publicKey, session.remote);
    try {
      const initiated = await initiateStream(session, {
        world,
        local,
        source,
        destination,
        postQuantum,
        timeoutMs,
        signal,
      });
      const { conn, remote } = initiated;
      this.#failedPairs.delete(pair);
      conn.closed.then(() => ports.free(source.port));
      const guarded = withDeadlines(conn, world.clock, { readIdleMs });
      const far = { publicKey: remote, port: destination.port };
      return new DmsgStream(guarded, source, far, session.remote, initiated.postQuantum);
    } catch (error) {
      ports.free(source.port);
      signal?.throwIfAborted();
      if (isAbort(error)) throw error;
      if (error instanceof PqRequiredError) throw error; // the peer's own answer: no other server changes it
      failures.push(
        atServer(session.remote, error, session.isLive ? destination.port : undefined, postQuantum?.mode),
      );
      // Only a server that was really asked has failed: not one whose session was just closing.
      if (session.isLive) this.#rememberFailure(pair);
      log.debug("Stream dial failed", { destination: destination.publicKey, server: session.remote });
      return undefined;
    }
  }

  /** Failed pairs that are remembered. */
  get failedPairs(): number {
    return this.#failedPairs.size;
  }

  #hasFailed(destination: PublicKey, server: PublicKey): boolean {
    const untilMs = this.#failedPairs.get(pairOf(destination, server));
    return untilMs !== undefined && untilMs > this.#options.world.clock.monotonicMs();
  }

  #rememberFailure(pair: string): void {
    this.#failedPairs.delete(pair);
    this.#failedPairs.set(pair, this.#options.world.clock.monotonicMs() + PAIR_FAILURE_MS);
    if (this.#failedPairs.size <= PAIR_FAILURES_MAX) return;
    this.#failedPairs.delete(this.#failedPairs.keys().next().value!);
  }
}

/** Servers were not asked again so soon (DC-4). */
export class RecentlyFailedError extends WorldError {
  readonly code = "RECENTLY_FAILED";
  constructor(readonly servers: number) {
    const many = servers === 1 ? "1 server was" : `${servers} servers were`;
    super(`${many} not asked: less than ${PAIR_FAILURE_MS / 1000} s ago the peer was not reached through it`);
  }
}

/**
 * An entry without its owner's signature. It is used all the same: it can only lead to a wrong server, as whoever
 * answers must prove the key (dmsg.md 5.3), and members of newer peers that we drop break signatures too (8.2).
 * But when no server could be reached, it may well be why.
 */
export class ForeignEntryError extends PeerError {
  readonly code = "FOREIGN_ENTRY";
  constructor(readonly key: PublicKey) {
    super(`The entry that the discovery has of ${key} is not signed by it`);
  }
}

/** Of a server, and of nothing else. */
function isServer(entry: Entry | undefined): boolean {
  return entry?.server !== undefined && entry.client === undefined;
}

/** False also for a seeded entry, which is our own and never signed. */
function isForeign(entry: Entry): boolean {
  const isSeed = entry.signature === undefined && entry.timestamp === 0n;
  return !isSeed && entry.server === undefined && !verifyEntry(entry);
}

function pairOf(destination: PublicKey, server: PublicKey): string {
  return `${destination} ${server}`;
}

/** Where the discovery has no entry of a key, it adds nothing that servers do not know it either, or were not asked. */
function reasons(failures: readonly unknown[]): string {
  const isAbsence = (failure: unknown) => failure instanceof DmsgError && failure.dmsgCode === 100;
  const isSilence = (failure: unknown) =>
    failure instanceof RecentlyFailedError ||
    failure instanceof AggregateError && failure.errors.every(isSilent);
  const told = failures.some(isAbsence) ? failures.filter((failure) => !isSilence(failure)) : failures;
  return told.map((failure) => failure instanceof Error ? failure.message : String(failure)).join("; ");
}

/**
 * A server without a session of the key, a peer without a listener, and one that wants the hybrid: all of them end the
 * stream so.
 */
function isSilent(error: unknown): boolean {
  return error instanceof TruncatedError || error instanceof ConnResetError;
}

/** What happened at one server, in words of whoever wanted to reach the destination; `errors` has what it was. */
function atServer(server: PublicKey, error: unknown, port?: number, mode?: PostQuantumMode): Error {
  const text = isSilent(error) && port !== undefined
    ? `it does not know the key, or nobody listens on port ${port}` +
      (mode === "off" ? ", or the peer requires the post-quantum hybrid, which is off here" : "")
    : describeError(error);
  return new AggregateError([error], `server ${server}: ${text}`);
}
