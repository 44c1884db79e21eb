/**
 * The dmsg client: sessions with servers, streams to and from any key, its own entry in the discovery.
 *
 * One per key and process (DC-1). It works from its first moment: streams dialled before a session exists make
 * one. `isReady` is what is true now, never a latch (DC-13).
 *
 * @module
 */
import { ConnClosedError, describeError, type Log, Scope, silentLog } from "../base/mod.ts";
import type { KeyPair, PublicKey } from "../crypto/mod.ts";
import { PostQuantum, type PostQuantumSettings } from "../noise/mod.ts";
import type { World } from "../runtime/mod.ts";
import { Dialer, type DialStreamOptions } from "./_dialer.ts";
import { pingServer } from "./_liveness.ts";
import { endOf } from "./_ended.ts";
import { PortTable } from "./_port_table.ts";
import { EntryPublisher, type PublisherStatus } from "./_publisher.ts";
import { respondToStream, STREAM_READ_IDLE_MS } from "./_respond.ts";
import type { EndedSession } from "./_session_history.ts";
import { type SessionRetry, Sessions } from "./_sessions.ts";
import type { DmsgAddress } from "./address.ts";
import { type Discovery, LayeredDiscovery } from "./discovery.ts";
import { type Entry, sameDelegatedServers } from "./entry.ts";
import { DmsgError } from "./errors.ts";
import { Listener } from "./listener.ts";
import type { Session, SessionStatus } from "./session.ts";
import type { DmsgStream } from "./stream.ts";

export type { DialStreamOptions } from "./_dialer.ts";
export type { SessionRetry } from "./_sessions.ts";

/** A client's entry is posted anew after so long; it lives for 60 min (DD-3). */
export const CLIENT_ENTRY_REFRESH_MS = 30 * 60_000;
/** Sessions of a visor unless its configuration says otherwise. */
export const SESSIONS_MIN_DEFAULT = 2;

export interface DmsgClientOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger" | "network">;
  readonly local: KeyPair;
  /** Where entries are looked up and published. */
  readonly discovery: Discovery;
  /** Entries that need no look-up and never expire: servers, services, the discovery itself. */
  readonly seeded?: readonly Entry[];
  readonly log?: Log;
  /** Servers that come before all others that are not seeded: those of an own configuration. */
  readonly configured?: readonly PublicKey[];
  /** Sessions to hold; 0 means one with every server. */
  readonly sessionsMin?: number;
  /** Waits between rounds in which sessions stayed missing. */
  readonly sessionRetry?: SessionRetry;
  /** Only servers of this type; "all" by default. */
  readonly serversType?: "all" | "official" | "community";
  /** False: nothing is published, nobody finds this client. For short-lived diallers. Default true. */
  readonly publish?: boolean;
  /** `client_type` of the entry, e.g. "visor". */
  readonly clientType?: string;
  /** Streams that received nothing for so long are closed. */
  readonly readIdleMs?: number;
  /** The post-quantum hybrid of every session and stream. Default: offered, never required. */
  readonly postQuantum?: PostQuantumSettings;
  /** Called after each session that came or went, and after each post of the entry. */
  readonly onChange?: () => void;
}

export interface DmsgClientStatus {
  readonly ready: boolean;
  readonly publicKey: PublicKey;
  readonly sessions: readonly SessionStatus[];
  readonly entry: PublisherStatus | undefined;
  readonly lastFailure: string | undefined;
  readonly lastEnded: EndedSession | undefined;
  /** The last session that its server ended at once: full, or not content with a classical one. */
  readonly lastRefused: EndedSession | undefined;
  /** Sessions in a row that ended soon after they began, and not at once. */
  readonly shortLives: number;
  readonly held: HeldByClient;
}

/** What a client remembers, in entries of each table; LIMITS.md bounds them. */
export interface HeldByClient {
  readonly failedPairs: number;
  readonly cachedEntries: number;
  readonly unansweredPosts: number;
}

export class DmsgClient implements AsyncDisposable {
  readonly local: KeyPair;
  readonly discovery: LayeredDiscovery;
  readonly #options: DmsgClientOptions;
  readonly #log: Log;
  readonly #scope: Scope;
  readonly #publishing: Scope;
  readonly #ports = new PortTable();
  readonly #sessions: Sessions;
  readonly #dialer: Dialer;
  readonly #publisher: EntryPublisher | undefined;
  readonly #watchers = new Set<() => void>();
  readonly #responding = new Set<Promise<void>>();
  #withdrawing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: DmsgClientOptions) {
    const { world, local, log = silentLog, sessionsMin = SESSIONS_MIN_DEFAULT } = options;
    this.#options = options;
    this.#log = log;
    this.local = local;
    this.#scope = new Scope();
    this.#publishing = new Scope(this.#scope);
    // Half a client must not look whole: without sessions, or without its entry, nobody finds its listeners (DS-7).
    this.#publishing.signal.addEventListener("abort", () => {
      if (this.#publishing.failure !== undefined) this.#scope.end(this.#publishing.failure);
    });
    this.#scope.signal.addEventListener("abort", () => this.#onEnd());
    this.discovery = new LayeredDiscovery(options.discovery, world.clock, options.seeded ?? []);
    const postQuantum = new PostQuantum({ ...options.postQuantum, random: world.random, log });
    const readIdleMs = options.readIdleMs ?? STREAM_READ_IDLE_MS;
    this.#sessions = new Sessions({
      world,
      local,
      log,
      sessionsMin,
      retry: options.sessionRetry,
      postQuantum,
      scope: this.#scope,
      servers: (signal) => this.#servers(signal),
      trusted: new Set([
        ...this.discovery.seededServers().map((entry) => entry.static),
        ...options.configured ?? [],
      ]),
      onChange: () => this.#onChange(),
      onStream: (stream, session) => {
        const answered = respondToStream(stream, session, {
          world,
          local,
          ports: this.#ports,
          log,
          postQuantum,
          readIdleMs,
          signal: this.#scope.signal,
        }).finally(() => this.#responding.delete(answered));
        this.#responding.add(answered);
      },
    });
    this.#dialer = new Dialer({
      world,
      local,
      log,
      postQuantum,
      ports: this.#ports,
      sessions: this.#sessions,
      entries: this.discovery,
      readIdleMs,
    });
    if (options.publish !== false) {
      this.#publisher = new EntryPublisher({
        world,
        local,
        log,
        scope: this.#publishing,
        discovery: this.discovery,
        refreshMs: CLIENT_ENTRY_REFRESH_MS,
        content: () => {
          const delegatedServers = this.#sessions.live().map((session) => session.remote as PublicKey);
          // Before the first session there is nothing to say (DC-1).
          if (delegatedServers.length === 0) return undefined;
          return { client: { delegatedServers }, clientType: options.clientType };
        },
        same: (a, b) => sameDelegatedServers(a, b),
        onChange: () => this.#wakeWatchers(),
      });
    }
    this.#sessions.start();
  }

  get publicKey(): PublicKey {
    return this.local.publicKey;
  }

  /** Settles with the failure that ended the client, or undefined after an orderly close. */
  get ended(): Promise<unknown> {
    return endOf(this.#scope);
  }

  /** The clock that the client lives by. */
  get clock(): World["clock"] {
    return this.#options.world.clock;
  }

  /** True while at least one session is live and the client has not ended. */
  get isReady(): boolean {
    return !this.#isOver && this.isConnected;
  }

  /** True while at least one session is live, also while the entry is being deleted over it. */
  get isConnected(): boolean {
    return this.#sessions.live().length > 0;
  }

  /** Resolves once a session is live. Rejects with the signal's reason, or when the client is closed. */
  whenReady(signal?: AbortSignal): Promise<void> {
    return this.#when(() => this.isReady, signal);
  }

  /** Resolves once a session is live and the own entry is published. */
  whenPublished(signal?: AbortSignal): Promise<void> {
    return this.#when(() => this.isReady && this.#publisher?.status().published !== false, signal);
  }

  status(): DmsgClientStatus {
    return {
      ready: this.isReady,
      publicKey: this.publicKey,
      sessions: this.sessions(),
      entry: this.#publisher?.status(),
      lastFailure: this.#sessions.lastFailure,
      lastEnded: this.#sessions.history.lastEnded,
      lastRefused: this.#sessions.history.lastRefused,
      shortLives: this.#sessions.history.shortLives,
      held: {
        failedPairs: this.#dialer.failedPairs,
        cachedEntries: this.discovery.cachedEntries,
        unansweredPosts: this.#publisher?.unanswered ?? 0,
      },
    };
  }

  /** Every live session, oldest first. */
  sessions(): SessionStatus[] {
    return this.#sessions.live().map((session) => session.status());
  }

  /**
   * Opens a stream. Errors: DmsgError 202 with the causes, 200 when the client is closed; `PqRequiredError`; the
   * signal's reason.
   */
  async dial(destination: DmsgAddress, options: DialStreamOptions = {}): Promise<DmsgStream> {
    if (this.#scope.signal.aborted) throw new DmsgError(200);
    const stream = await this.#dialer.dial(destination, options).catch((cause) => {
      throw this.#scope.signal.aborted ? new DmsgError(200, { cause }) : cause;
    });
    if (!this.#scope.signal.aborted) return stream;
    stream.close(new DmsgError(200));
    throw new DmsgError(200);
  }

  /** Takes streams on a dmsg port. Errors: 400 when the port is taken, 200 when the client is closed. */
  listen(port: number): Listener {
    if (this.#isOver) throw new DmsgError(200);
    const listener = new Listener(port, (closed) => this.#ports.unbind(closed));
    this.#ports.bind(listener);
    return listener;
  }

  /** A session with this server, made now when there is none. */
  async connect(server: PublicKey, signal?: AbortSignal): Promise<SessionStatus> {
    return (await this.#sessionWith(server, signal)).status();
  }

  /** Sessions with every server that the discovery or the seeds name (CL-2), and why some could not be had. */
  async connectAll(
    signal?: AbortSignal,
  ): Promise<{ server: PublicKey; address: string; connected: boolean; failure?: string }[]> {
    const servers = await this.#servers(signal, "all");
    const failures = new Map<PublicKey, unknown>();
    await this.#sessions.ensureAll(servers, (entry, failure) => failures.set(entry.static, failure), signal);
    return servers.map(({ static: server, server: about }) => {
      const failure = failures.get(server);
      const connected = failure === undefined;
      const told = { server, address: about!.address, connected };
      return connected ? told : { ...told, failure: describeError(failure) };
    });
  }

  /** Round trip to a server of any age, in milliseconds. */
  async pingServer(server: PublicKey, signal?: AbortSignal): Promise<number> {
    return await pingServer(await this.#sessionWith(server, signal), this.#options.world.clock, signal);
  }

  async #sessionWith(server: PublicKey, signal: AbortSignal | undefined): Promise<Session> {
    const entry = await this.discovery.entry(server, signal);
    if (entry === undefined) throw new DmsgError(100);
    return await this.#sessions.ensure(entry, signal);
  }

  /**
   * Takes the own entry off the discovery, for good, while everything else still works: the first step of the end,
   * for who has more to say over the sessions and would otherwise wait for one after the other. Never rejects.
   */
  withdraw(): Promise<void> {
    this.#publishing.end(new ConnClosedError(undefined, "The entry is withdrawn"));
    return this.#withdrawing ??= this.#publisher?.remove() ?? Promise.resolve();
  }

  /**
   * Ends everything in order: listeners, publishing (joined), the entry (deleted), sessions. Nothing is held when
   * it resolves; it never rejects. Calling it again waits for the same end.
   */
  close(): Promise<void> {
    this.#closing ??= Promise.resolve().then(() => this.#close()); // set first: who is woken sees the closing
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const reason = new ConnClosedError(undefined, "The dmsg client is closed");
    for (const listener of this.#ports.listeners()) listener.close();
    this.#wakeWatchers();
    // Streams still work here: a discovery behind dmsg is told over them.
    await this.withdraw();
    this.#scope.end(reason);
    await this.#sessions.close();
    await Promise.all(this.#responding);
    await this.#scope[Symbol.asyncDispose]();
  }

  /** Closing, or failed. */
  get #isOver(): boolean {
    return this.#closing !== undefined || this.#scope.signal.aborted;
  }

  /** Of its background work: by a close, or by a failure that nobody foresaw. */
  #onEnd(): void {
    for (const listener of this.#ports.listeners()) listener.close();
    if (this.#closing !== undefined) return;
    this.#log.error("The dmsg client failed", { cause: describeError(this.#scope.signal.reason) });
    this.#wakeWatchers();
  }

  #onChange(): void {
    this.#publisher?.nudge();
    this.#wakeWatchers();
  }

  #wakeWatchers(): void {
    try {
      this.#options.onChange?.();
    } catch (error) {
      // Whoever listens has a trouble of its own, a full disk for one: our tables must not be left half changed.
      this.#log.warn("A listener failed", { cause: describeError(error) });
    }
    for (const wake of [...this.#watchers]) wake();
  }

  /**
   * Servers to choose from: the discovery's, else the seeded ones (DC-9). Before the first session the seeds come
   * first, as a discovery behind dmsg cannot answer yet; once one of them was not reached, both: each may be stale.
   */
  async #servers(signal?: AbortSignal, which: "available" | "all" = "available"): Promise<Entry[]> {
    const { serversType = "all" } = this.#options;
    const seeded = this.discovery.seededServers();
    const isAll = which === "all";
    const isFirst = !this.isConnected && this.#sessions.lastFailure === undefined;
    if (isFirst && !isAll && seeded.length > 0) return seeded;
    let found: Entry[] = [];
    try {
      found = isAll ? await this.discovery.allServers(signal) : await this.discovery.availableServers(signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (seeded.length === 0) throw error;
      this.#log.debug("Discovery gave no servers", { cause: describeError(error) });
    }
    found = found.filter((entry) => serversType === "all" || entry.server?.serverType === serversType);
    if (found.length === 0 && seeded.length > 0) {
      this.#log.debug("No entries from discovery; falling back to seeded servers from config.");
    }
    if (found.length > 0 && this.isConnected && !isAll) return found;
    const known = new Set(found.map((entry) => entry.static));
    return [...found, ...seeded.filter((entry) => !known.has(entry.static))];
  }

  #when(holds: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#watchers.delete(check);
        signal?.removeEventListener("abort", check);
      };
      const check = () => {
        if (signal?.aborted) {
          end();
          reject(signal.reason);
        } else if (this.#isOver) {
          end();
          reject(new DmsgError(200));
        } else if (holds()) {
          end();
          resolve();
        }
      };
      this.#watchers.add(check);
      signal?.addEventListener("abort", check, { once: true });
      check();
    });
  }
}
