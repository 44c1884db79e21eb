/**
 * Keeps one entry in the discovery true (dmsg.md 8.4, DC-7, DC-10): posts when what it says changed, after a
 * moment of quiet, and again each interval; deletes it at the end, after the last post has been joined.
 *
 * @module
 */
import { describeError, type Log, type Scope } from "../base/mod.ts";
import type { KeyPair } from "../crypto/mod.ts";
import { sleep, withTimeout, type World } from "../runtime/mod.ts";
import { Nudge } from "./_nudge.ts";
import type { Discovery } from "./discovery.ts";
import { type Entry, signEntry } from "./entry.ts";
import { EntryRefusedError } from "./http_discovery.ts";

/** Changes come in bursts; one post follows after so much quiet. */
export const PUBLISH_QUIET_MS = 1_000;
/** One attempt, all its requests. */
export const PUBLISH_TIMEOUT_MS = 30_000;
export const PUBLISH_RETRY_FIRST_MS = 1_000;
export const PUBLISH_RETRY_MAX_MS = 30_000;
/** Deleting the entry on close must not hold the process up. */
export const DELETE_TIMEOUT_MS = 1_500;
/** Answers "sequence is not of old entry + 1" that one attempt follows up. */
export const SEQUENCE_TRIES_MAX = 5;

/** What an entry says, without its numbers and signature. */
export type EntryContent = Pick<Entry, "client" | "clientType" | "server">;

export interface PublisherOptions {
  readonly world: Pick<World, "clock" | "random">;
  readonly local: KeyPair;
  readonly log: Log;
  readonly scope: Scope;
  readonly discovery: Discovery;
  /** What to say now; undefined: nothing yet, so nothing is posted. */
  readonly content: () => EntryContent | undefined;
  /** Whether two contents say the same. */
  readonly same: (a: EntryContent, b: EntryContent) => boolean;
  /** Posted anew after so long even when nothing changed. */
  readonly refreshMs: number;
  /** Called after each post that the discovery took. */
  readonly onChange?: () => void;
}

/** What `visor status` says of the own entry. */
export interface PublisherStatus {
  readonly published: boolean;
  readonly sequence?: bigint;
  readonly publishedAtMs?: number;
  readonly failure?: string;
  /** Another process posts under the same key: when that was last seen, Unix ms. */
  readonly duplicateSeenMs?: number;
}

export class EntryPublisher {
  readonly #options: PublisherOptions;
  readonly #nudge = new Nudge();
  #last: Entry | undefined;
  /** What was posted last, also when no answer came: seen again, it is our own. */
  #attempted: string | undefined;
  #lastPostedMs = 0; // monotonic
  #publishedAtMs: number | undefined; // wall
  #failure: string | undefined;
  #duplicateSeenMs: number | undefined;
  readonly #loop: Promise<void>;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#loop = new Promise((resolve) =>
      options.scope.spawn("publish entry", (signal) => this.#run(signal).finally(resolve))
    );
  }

  /** Something changed that the entry says. */
  nudge(): void {
    this.#nudge.ring();
  }

  status(): PublisherStatus {
    return {
      published: this.#last !== undefined,
      sequence: this.#last?.sequence,
      publishedAtMs: this.#publishedAtMs,
      failure: this.#failure,
      duplicateSeenMs: this.#duplicateSeenMs,
    };
  }

  /**
   * Deletes the entry, once the loop has ended: a late post must not bring a dead entry back. The scope must be
   * ending. Never rejects: an entry that cannot be deleted expires.
   */
  async remove(): Promise<void> {
    await this.#loop;
    const { discovery, world, log } = this.#options;
    const last = this.#last;
    if (last === undefined) return;
    this.#last = undefined;
    const what = "Deleting the entry";
    await withTimeout(
      world.clock,
      { what, afterMs: DELETE_TIMEOUT_MS },
      (signal) => discovery.remove(this.#signed(last, last.sequence + 1n), signal),
    ).catch((error) => log.warn("Entry not deleted; it expires by itself", { cause: describeError(error) }));
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { world: { clock }, refreshMs, log } = this.#options;
    let retryMs = PUBLISH_RETRY_FIRST_MS;
    while (!signal.aborted) {
      const dueMs = this.#lastPostedMs + refreshMs - clock.monotonicMs();
      const waitMs = this.#failure !== undefined ? retryMs : this.#last === undefined ? refreshMs : dueMs;
      if (await this.#nudge.wait(clock, Math.max(0, waitMs), signal)) {
        if (this.#last !== undefined) await this.#quiet(signal);
      }
      try {
        await this.#publishIfNeeded(signal);
        this.#failure = undefined;
        retryMs = PUBLISH_RETRY_FIRST_MS;
      } catch (error) {
        if (signal.aborted) return;
        if (this.#failure !== undefined) retryMs = Math.min(retryMs * 2, PUBLISH_RETRY_MAX_MS);
        this.#failure = describeError(error);
        log.warn("Entry not published", { retry_ms: retryMs, cause: this.#failure });
      }
    }
  }

  /** Waits until nothing changed for {@link PUBLISH_QUIET_MS}. */
  async #quiet(signal: AbortSignal): Promise<void> {
    for (let rounds = 0; rounds < 10; rounds++) {
      if (!await this.#nudge.wait(this.#options.world.clock, PUBLISH_QUIET_MS, signal)) return;
    }
  }

  async #publishIfNeeded(signal: AbortSignal): Promise<void> {
    const { world: { clock }, content, same, refreshMs } = this.#options;
    const wanted = content();
    if (wanted === undefined) return;
    const isDue = clock.monotonicMs() - this.#lastPostedMs >= refreshMs;
    if (this.#last !== undefined && !isDue && same(this.#last, wanted)) return;
    const what = "Publishing the entry";
    await withTimeout(clock, { what, afterMs: PUBLISH_TIMEOUT_MS, signal }, (ended) => this.#publish(ended));
  }

  async #publish(signal: AbortSignal): Promise<void> {
    const { discovery, local, world: { clock }, content } = this.#options;
    let sequence: bigint;
    if (this.#last !== undefined) sequence = this.#last.sequence + 1n;
    else {
      // Sequence 0 only after a genuine "not found": any other failure is retried later.
      const stored = await discovery.entry(local.publicKey, signal);
      sequence = stored === undefined ? 0n : stored.sequence + 1n;
    }
    for (let attempt = 1;; attempt++) {
      const wanted = content();
      if (wanted === undefined) return;
      const entry = this.#signed(wanted, sequence);
      try {
        signal.throwIfAborted(); // the last look before the post (DC-10)
        await discovery.post(entry, signal).catch((error) => {
          if (!(error instanceof EntryRefusedError)) this.#attempted = entry.signature;
          throw error;
        });
        this.#last = entry;
        this.#lastPostedMs = clock.monotonicMs();
        this.#publishedAtMs = clock.wallMs();
        this.#options.onChange?.();
        return;
      } catch (error) {
        if (!(error instanceof EntryRefusedError && error.isSequence) || attempt >= SEQUENCE_TRIES_MAX) {
          throw error;
        }
        const stored = await discovery.entry(local.publicKey, signal);
        const isOurs = stored?.signature === this.#attempted || stored?.signature === this.#last?.signature;
        if (stored !== undefined && this.#last !== undefined && !isOurs) this.#noteDuplicate();
        sequence = (stored?.sequence ?? sequence) + 1n;
        await sleep(clock, Math.min(100 * 2 ** (attempt - 1), 2_000), signal);
      }
    }
  }

  #noteDuplicate(): void {
    const { log, local, world: { clock } } = this.#options;
    this.#duplicateSeenMs = clock.wallMs();
    log.warn("Another process publishes an entry under the same key; stop one of the two", {
      key: local.publicKey,
    });
  }

  #signed(content: EntryContent, sequence: bigint): Entry {
    const { local, world: { clock } } = this.#options;
    const nowNs = BigInt(Math.round(clock.wallMs() * 1000)) * 1000n;
    const lastNs = this.#last?.timestamp ?? 0n;
    return signEntry({
      version: "0.0.1",
      sequence,
      timestamp: nowNs > lastNs ? nowNs : lastNs + 1n,
      static: local.publicKey,
      client: content.client,
      clientType: content.clientType,
      server: content.server,
    }, local.secretKey);
  }
}
