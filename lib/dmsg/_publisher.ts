/**
 * Keeps one entry in the discovery true (dmsg.md 8.4, DC-7, DC-10): posts when what it says changed, after a
 * moment of quiet, and again each interval; looks now and then whether the discovery still has it, and posts it
 * when not; deletes it at the end, after the last post has been joined.
 *
 * @module
 */
import { describeError, type Log, type Scope } from "../base/mod.ts";
import type { KeyPair } from "../crypto/mod.ts";
import { Nudge, sleep, withTimeout, type World } from "../runtime/mod.ts";
import { withLinger } from "./_abortable.ts";
import type { Discovery } from "./discovery.ts";
import { type Entry, ENTRY_VERSION, signEntry } from "./entry.ts";
import { EntryRefusedError } from "./http_discovery.ts";
import { unit } from "./_chance.ts";

/** Changes come in bursts; one post follows after so much quiet. */
export const PUBLISH_QUIET_MS = 1_000;
/** One attempt, all its requests. */
export const PUBLISH_TIMEOUT_MS = 30_000;
export const PUBLISH_RETRY_FIRST_MS = 1_000;
export const PUBLISH_RETRY_MAX_MS = 30_000;
/**
 * Deleting the entry on close, with the post before it, must not hold the process up: sockets linger after it, and all
 * is over within a second.
 */
export const DELETE_TIMEOUT_MS = 600;
/** A post under way on close may end: one that is cut off could reach the discovery after the deletion (DC-10). */
export const POST_LINGER_MS = 400;
/** Posts without an answer that are remembered; the oldest goes first. */
export const UNANSWERED_MAX = 16;
/** Under changes without a pause an entry is posted all the same after so long. */
export const PUBLISH_QUIET_MAX_MS = 10_000;
/** Answers "sequence is not of old entry + 1" that one attempt follows up. */
export const SEQUENCE_TRIES_MAX = 5;

/**
 * Between two looks at the own entry. A discovery that lost its store, or came back with an old one, has it again
 * within this, the jitter and a request: 60 s. Not below the life of a cached look-up (`ENTRY_CACHE_MS`), or a look
 * could see its own last answer. It costs a discovery one look-up per client in 35 s: 29 a second for 1,000 of
 * them, against tens of thousands that it answers; over dmsg it also keeps the one pooled stream in use.
 */
export const OWN_ENTRY_CHECK_MS = 30_000;
/** At most so much longer, by chance each time: a fleet that was started at once does not look at once. */
export const OWN_ENTRY_CHECK_JITTER_MS = 10_000;
/** A look that got no answer is repeated after half the time. */
const FAILED_CHECK_SHARE = 0.5;
/** An entry that is posted anew this often, as a server's is, is not looked at in between. */
const FREQUENT_REFRESH_MS = 2 * (OWN_ENTRY_CHECK_MS + OWN_ENTRY_CHECK_JITTER_MS);

/** Before a post is repeated whose sequence was too low, doubled each time: another post is under way just then. */
export const SEQUENCE_RETRY_FIRST_MS = 100;
export const SEQUENCE_RETRY_MAX_MS = 2_000;

/**
 * That another process posts under our key is told for so long after it was last seen, and until a look or a post shows
 * the entry to be still ours. While that process lives it is seen again far sooner: one of ours takes its place again
 * within 40 s, one that never looks posts anew each 5 min, and our next look comes within 40 s of either.
 */
export const DUPLICATE_TOLD_MS = 10 * 60_000;

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
  /** The discovery took the entry, and was not seen without it since. */
  readonly published: boolean;
  readonly sequence?: bigint;
  readonly publishedAtMs?: number;
  readonly failure?: string;
  /** Another process posts under the same key: when that was last seen, Unix ms. It lapses: `DUPLICATE_TOLD_MS`. */
  readonly duplicateSeenMs?: number;
}

export class EntryPublisher {
  readonly #options: PublisherOptions;
  readonly #nudge = new Nudge();
  #last: Entry | undefined;
  /** Posts since the last success whose answer was lost: seen again, they are our own. */
  readonly #unanswered: Entry[] = [];
  #lastPostedMs = 0; // monotonic
  #nextCheckMs = 0; // monotonic
  #isLost = false; // the discovery was seen without the last entry
  #publishedAtMs: number | undefined; // wall
  #failure: string | undefined;
  #duplicateSeenMs: number | undefined; // wall
  #duplicateToldUntilMs = 0; // monotonic
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

  /** Posts without an answer that are remembered. */
  get unanswered(): number {
    return this.#unanswered.length;
  }

  status(): PublisherStatus {
    return {
      published: this.#last !== undefined && !this.#isLost,
      sequence: this.#last?.sequence,
      publishedAtMs: this.#publishedAtMs,
      failure: this.#failure,
      duplicateSeenMs: this.#duplicateSeenMs,
    };
  }

  /**
   * Deletes the entry, once the loop has ended: a late post must not bring a dead entry back. A post whose answer
   * was lost may have been taken, so it is deleted, too. The scope must be ending. Never rejects: an entry that
   * cannot be deleted expires.
   */
  async remove(): Promise<void> {
    const { discovery, world, log } = this.#options;
    const untilMs = world.clock.monotonicMs() + DELETE_TIMEOUT_MS;
    await this.#loop;
    const last = this.#unanswered.at(-1) ?? this.#last;
    if (last === undefined) return;
    this.#last = undefined;
    this.#unanswered.length = 0;
    const what = "Deleting the entry";
    await withTimeout(
      world.clock,
      { what, afterMs: untilMs - world.clock.monotonicMs() },
      (signal) => discovery.remove(this.#signed(last, last), signal),
    ).catch((error) => log.warn("Entry not deleted; it expires by itself", { cause: describeError(error) }));
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { world: { clock }, log } = this.#options;
    let retryMs = PUBLISH_RETRY_FIRST_MS;
    while (!signal.aborted) {
      const waitMs = this.#failure !== undefined
        ? retryMs
        : Math.min(this.#untilDueMs(), this.#untilCheckMs());
      if (await this.#nudge.wait(clock, waitMs, signal)) {
        if (this.#last !== undefined || this.#failure !== undefined) await this.#quiet(signal);
      }
      try {
        if (this.#failure === undefined && this.#untilCheckMs() === 0) await this.#check(signal);
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

  /** How long nothing needs to be done unless something changes. */
  #untilDueMs(): number {
    const { world: { clock }, content, refreshMs } = this.#options;
    if (this.#last === undefined || content() === undefined) return refreshMs; // the change that gives content rings
    return Math.max(0, this.#lastPostedMs + refreshMs - clock.monotonicMs());
  }

  /** How long the own entry needs no look; Infinity while there is none, or for one that is posted often. */
  #untilCheckMs(): number {
    const { world: { clock }, content, refreshMs } = this.#options;
    if (this.#last === undefined || refreshMs <= FREQUENT_REFRESH_MS || content() === undefined) {
      return Infinity;
    }
    return Math.max(0, this.#nextCheckMs - clock.monotonicMs());
  }

  #planCheck(share = 1): void {
    const { clock, random } = this.#options.world;
    const afterMs = OWN_ENTRY_CHECK_MS + OWN_ENTRY_CHECK_JITTER_MS * unit(random);
    this.#nextCheckMs = clock.monotonicMs() + share * afterMs;
  }

  /** Looks whether the discovery has what was posted last. No answer is no news: the entry may well be there. */
  async #check(signal: AbortSignal): Promise<void> {
    const { discovery, local, world: { clock }, log, same } = this.#options;
    const what = "Looking up the own entry";
    try {
      const stored = await withTimeout(
        clock,
        { what, afterMs: PUBLISH_TIMEOUT_MS, signal },
        (ended) => discovery.entry(local.publicKey, ended),
      );
      this.#planCheck();
      const last = this.#last!;
      this.#isLost = stored === undefined || stored.signature !== last.signature || !same(stored, last);
    } catch (error) {
      signal.throwIfAborted();
      this.#planCheck(FAILED_CHECK_SHARE);
      log.debug("Own entry not looked up", { cause: describeError(error) });
      return;
    }
    if (!this.#isLost) return this.#noteOurs();
    log.info("The discovery does not have the last entry; posting it anew");
  }

  /** Waits until nothing changed for {@link PUBLISH_QUIET_MS}. */
  async #quiet(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options.world;
    const untilMs = clock.monotonicMs() + PUBLISH_QUIET_MAX_MS;
    while (clock.monotonicMs() < untilMs && await this.#nudge.wait(clock, PUBLISH_QUIET_MS, signal));
  }

  async #publishIfNeeded(signal: AbortSignal): Promise<void> {
    const { world: { clock }, content, same } = this.#options;
    const wanted = content();
    if (wanted === undefined) return;
    // The same sum as of the wait: another, rounded otherwise, could say "not yet" to a wait of 0, again and again.
    const isDue = this.#untilDueMs() === 0;
    if (this.#last !== undefined && !isDue && !this.#isLost && same(this.#last, wanted)) return;
    const what = "Publishing the entry";
    await withTimeout(clock, { what, afterMs: PUBLISH_TIMEOUT_MS, signal }, (ended) => this.#publish(ended));
  }

  async #publish(signal: AbortSignal): Promise<void> {
    const { discovery, local, world: { clock }, content } = this.#options;
    // Sequence 0 only after a genuine "not found": any other failure is retried later.
    let before = this.#last ?? await discovery.entry(local.publicKey, signal);
    for (let attempt = 1;; attempt++) {
      const wanted = content();
      if (wanted === undefined) return;
      const entry = this.#signed(wanted, before);
      try {
        return await this.#post(entry, signal);
      } catch (error) {
        if (!(error instanceof EntryRefusedError && error.isSequence)) throw error;
        const stored = await discovery.entry(local.publicKey, signal);
        if (stored?.signature === entry.signature) return this.#noteStored(entry); // a repeat after a lost answer
        if (stored !== undefined && !this.#isOurs(stored)) this.#noteDuplicate();
        if (attempt >= SEQUENCE_TRIES_MAX) throw error;
        before = stored ?? entry;
        await sleep(clock, sequenceRetryMs(attempt), signal);
      }
    }
  }

  async #post(entry: Entry, signal: AbortSignal): Promise<void> {
    const { discovery, world: { clock } } = this.#options;
    signal.throwIfAborted(); // the last look before the post (DC-10)
    this.#unanswered.push(entry);
    if (this.#unanswered.length > UNANSWERED_MAX) this.#unanswered.shift();
    try {
      await withLinger(clock, { lingerMs: POST_LINGER_MS, signal }, (ended) => discovery.post(entry, ended));
    } catch (error) {
      if (error instanceof EntryRefusedError) this.#unanswered.pop();
      throw error;
    }
    this.#noteStored(entry);
  }

  #noteStored(entry: Entry): void {
    const { world: { clock }, onChange } = this.#options;
    this.#last = entry;
    this.#unanswered.length = 0;
    this.#isLost = false;
    this.#lastPostedMs = clock.monotonicMs();
    this.#planCheck();
    this.#publishedAtMs = clock.wallMs();
    this.#noteOurs();
    onChange?.();
  }

  /** True also before the first post that was answered: what is stored then is of an earlier run of ours. */
  #isOurs({ signature }: Entry): boolean {
    const { signature: lastSignature } = this.#last ?? {};
    if (this.#last === undefined || signature === lastSignature) return true;
    return this.#unanswered.some((entry) => entry.signature === signature);
  }

  #noteDuplicate(): void {
    const { log, local, world: { clock } } = this.#options;
    this.#duplicateSeenMs = clock.wallMs();
    this.#duplicateToldUntilMs = clock.monotonicMs() + DUPLICATE_TOLD_MS;
    log.warn("Another process publishes an entry under the same key; stop one of the two", {
      key: local.publicKey,
    });
  }

  /** Nobody has posted since our last post. Without such an answer a duplicate stays told: it may well live. */
  #noteOurs(): void {
    if (this.#options.world.clock.monotonicMs() >= this.#duplicateToldUntilMs) {
      this.#duplicateSeenMs = undefined;
    }
  }

  /** The iteration after `before`; its time is later, too, even when this clock was set back. */
  #signed(content: EntryContent, before: Pick<Entry, "sequence" | "timestamp"> | undefined): Entry {
    const { local, world: { clock } } = this.#options;
    const nowNs = BigInt(Math.round(clock.wallMs() * 1000)) * 1000n;
    return signEntry({
      version: ENTRY_VERSION,
      sequence: before === undefined ? 0n : before.sequence + 1n,
      timestamp: before === undefined || nowNs > before.timestamp ? nowNs : before.timestamp + 1n,
      static: local.publicKey,
      client: content.client,
      clientType: content.clientType,
      server: content.server,
    }, local.secretKey);
  }
}

function sequenceRetryMs(attempt: number): number {
  return Math.min(SEQUENCE_RETRY_FIRST_MS * 2 ** (attempt - 1), SEQUENCE_RETRY_MAX_MS);
}
