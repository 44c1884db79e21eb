/**
 * How the sessions of a client ended, and what that says: a healthy one was lost, a server refused it, or a second
 * process uses our key.
 *
 *     lived   0 ── refused ── 1 s ── short: a rival? ── 30 s ── healthy
 *
 * @module
 */
import type { PublicKey } from "../crypto/mod.ts";
import type { Clock } from "../runtime/mod.ts";
import type { Session } from "./session.ts";

/** A session that lived so long was healthy: its loss is met by a dial at once, a shorter life by waiting. */
export const HEALTHY_SESSION_MS = 30_000;
/**
 * A session that ended within this was refused: by a server that is full, or that wants the post-quantum hybrid and
 * says so in no other way. A rival with our key needs longer, as it waits between its dials.
 */
export const REFUSED_SESSION_MS = 1_000;
/** A refusal is told of for so long after the last one: the next dial comes sooner, while one is due. */
export const REFUSAL_TOLD_MS = 60_000;

/** A session that ended, kept for `status`: repeated short lives point to a second process with our key. */
export interface EndedSession {
  readonly server: PublicKey;
  /** It was hybrid. */
  readonly postQuantum: boolean;
  readonly livedMs: number;
  readonly atMs: number;
}

export class SessionHistory {
  readonly #clock: Clock;
  readonly #live: () => readonly Session[];
  #lastEnded: EndedSession | undefined;
  #lastRefused: EndedSession | undefined;
  #lastRefusedMs = 0; // monotonic
  #shortLives = 0;
  #lastShortMs = 0; // monotonic

  /** `live` gives the sessions that take streams now. */
  constructor(clock: Clock, live: () => readonly Session[]) {
    this.#clock = clock;
    this.#live = live;
  }

  get lastEnded(): EndedSession | undefined {
    return this.#lastEnded;
  }

  /** The last session that its server ended at once, unless that is over: it lives now, or was long ago. */
  get lastRefused(): EndedSession | undefined {
    const nowMs = this.#clock.monotonicMs();
    const refused = this.#lastRefused;
    if (refused === undefined || nowMs - this.#lastRefusedMs > REFUSAL_TOLD_MS) return undefined;
    const now = this.#live().find(({ remote }) => remote === refused.server);
    return now !== undefined && nowMs - now.establishedMs > REFUSED_SESSION_MS ? undefined : refused;
  }

  /**
   * Sessions in a row that the server ended soon after they began. Two or more: very likely a second process
   * uses our key, as a server keeps only the newest session of a key (DS-1). Those that ended at once are not
   * among them: see {@link lastRefused}.
   */
  get shortLives(): number {
    const healthyMs = this.#clock.monotonicMs() - HEALTHY_SESSION_MS;
    const hasRecovered = this.#live().some(({ establishedMs }) =>
      establishedMs >= this.#lastShortMs && establishedMs <= healthyMs
    );
    return hasRecovered ? 0 : this.#shortLives;
  }

  /** Sessions last, or nothing is known yet: no server refuses us, and no rival shows. */
  get isCalm(): boolean {
    return this.shortLives === 0 && this.lastRefused === undefined;
  }

  /** Notes that a session ended just now, for whatever reason. */
  ended({ remote: server, postQuantum, establishedMs }: Session): EndedSession {
    const livedMs = Math.round(this.#clock.monotonicMs() - establishedMs);
    return this.#lastEnded = { server, postQuantum, livedMs, atMs: this.#clock.wallMs() };
  }

  /** Counts one that our own end did not end. True: it was healthy, so it may be replaced at once. */
  lost(ended: EndedSession): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (ended.livedMs >= HEALTHY_SESSION_MS) {
      this.#shortLives = 0;
      return true;
    }
    if (ended.livedMs < REFUSED_SESSION_MS) {
      this.#lastRefused = ended;
      this.#lastRefusedMs = nowMs;
    } else {
      this.#shortLives = this.shortLives + 1;
      this.#lastShortMs = nowMs;
    }
    return false;
  }
}
