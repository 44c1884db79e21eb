/**
 * What a link between two simulated machines does to what passes: delay, loss, order, cuts. One way at a time.
 *
 *     sent -> cut by size -> queue before a slow link -> lost, alone or in a burst -> latency, jitter -> held back, doubled
 *
 * TCP feels delay and loss only; all of it is for datagrams.
 *
 * @module
 */
import type { SimulatedNode } from "./node.ts";
import type { SeededRandom } from "./seeded.ts";

/** What a link does, one way. */
export interface LinkProfile {
  readonly latencyMs: number;
  /** Added to the latency, between 0 and this, evenly. Datagrams overtake each other by it. */
  readonly jitterMs: number;
  /** Packets lost in 100, each by itself: a delay on TCP, which sends again, and silence on UDP. */
  readonly lossPct: number;
  /**
   * Packets lost in 100 besides, in bursts (the model of Gilbert and Elliott: a good state that loses nothing,
   * a bad one that loses all, and a chance to change before each packet).
   */
  readonly burstLossPct: number;
  /** Packets of a burst, on the mean; at least 1. */
  readonly burstPackets: number;
  /** Datagrams in 100 that are held back by `reorderMs`, so that later ones overtake them. */
  readonly reorderPct: number;
  readonly reorderMs: number;
  /** Datagrams in 100 that arrive twice, each copy with a delay of its own. */
  readonly duplicatePct: number;
  readonly bytesPerSecond: number;
  /** Bytes that wait before a slow link. A datagram that finds more is dropped; TCP waits. */
  readonly queueBytes: number;
  /** The largest IP packet. A larger datagram is dropped, as where fragments do not pass. */
  readonly mtuBytes: number;
  /** Reads in 100 that give less than is there, as a real socket may. */
  readonly splitPct: number;
}

const LINK_DEFAULT: LinkProfile = {
  latencyMs: 20,
  jitterMs: 2,
  lossPct: 0,
  burstLossPct: 0,
  burstPackets: 4,
  reorderPct: 0,
  reorderMs: 20,
  duplicatePct: 0,
  bytesPerSecond: Infinity,
  queueBytes: 256 * 1024,
  mtuBytes: 1_500,
  splitPct: 10,
};
const LOOPBACK: Partial<LinkProfile> = {
  latencyMs: 0,
  jitterMs: 0,
  lossPct: 0,
  burstLossPct: 0,
  reorderPct: 0,
  duplicatePct: 0,
  bytesPerSecond: Infinity,
  mtuBytes: 65_536,
};

/** IPv4 and UDP before a datagram's own bytes. */
const DATAGRAM_HEADER_BYTES = 28;
/** TCP's first wait before it sends again; doubled each time. Linux: 200 ms. */
export const RETRY_MS = 200;
const RETRY_MS_MAX = 120_000;

/** The fate of a datagram: the delay of each copy that arrives, or why none does. */
export type Passage = { readonly delaysMs: readonly number[] } | {
  readonly dropped: "size" | "queue" | "loss";
};

interface WayState {
  profile: LinkProfile | undefined;
  /** When a slow link has sent all that it was given. */
  busyUntilMs: number;
  isInBurst: boolean;
  isBlocked: boolean;
}

export class Links {
  readonly #random: SeededRandom;
  readonly #nowMs: () => number;
  readonly #defaults: LinkProfile;
  readonly #loopback: LinkProfile;
  readonly #ways = new Map<string, WayState>();

  constructor(
    { random, nowMs, link }: { random: SeededRandom; nowMs: () => number; link: Partial<LinkProfile> },
  ) {
    this.#random = random;
    this.#nowMs = nowMs;
    this.#defaults = { ...LINK_DEFAULT, ...link };
    this.#loopback = { ...this.#defaults, ...LOOPBACK };
  }

  set(from: SimulatedNode, to: SimulatedNode, profile: Partial<LinkProfile>): void {
    this.#way(from, to).profile = { ...this.profile(from, to), ...profile };
  }

  /** `to` undefined: somewhere that is nobody's. */
  profile(from: SimulatedNode, to: SimulatedNode | undefined): LinkProfile {
    if (to === undefined) return this.#defaults;
    return this.#ways.get(nameOf(from, to))?.profile ??
      (from.name === to.name ? this.#loopback : this.#defaults);
  }

  /** How long a packet takes that is not lost, behind all that was sent the same way before. */
  delayMs(from: SimulatedNode, to: SimulatedNode, bytes: number): number {
    return this.#sendMs(from, to, bytes) + this.#travelMs(this.profile(from, to));
  }

  /** True when the link loses a packet, sent now. */
  isLost(from: SimulatedNode, to: SimulatedNode | undefined): boolean {
    const { lossPct, burstLossPct } = this.profile(from, to);
    const isInBurst = to !== undefined && burstLossPct > 0 && this.#burst(from, to);
    return isInBurst || this.#random.chance(lossPct);
  }

  /** What TCP adds to the delay because packets were lost. */
  lossDelayMs(from: SimulatedNode, to: SimulatedNode): number {
    let sumMs = 0;
    for (let attempt = 0; attempt < 8 && this.isLost(from, to); attempt++) sumMs += retryMs(attempt);
    return sumMs;
  }

  /** What becomes of a datagram of `bytes`, sent now. */
  passage(from: SimulatedNode, to: SimulatedNode | undefined, bytes: number): Passage {
    const profile = this.profile(from, to);
    if (bytes + DATAGRAM_HEADER_BYTES > profile.mtuBytes) return { dropped: "size" };
    if (to !== undefined && this.#queuedBytes(from, to) + bytes > profile.queueBytes) {
      return { dropped: "queue" };
    }
    const sendMs = to === undefined ? 0 : this.#sendMs(from, to, bytes);
    if (this.isLost(from, to)) return { dropped: "loss" };
    const heldMs = this.#random.chance(profile.reorderPct) ? profile.reorderMs : 0;
    const delaysMs = [sendMs + this.#travelMs(profile) + heldMs];
    if (this.#random.chance(profile.duplicatePct)) delaysMs.push(sendMs + this.#travelMs(profile));
    return { delaysMs };
  }

  block(from: SimulatedNode, to: SimulatedNode): void {
    this.#way(from, to).isBlocked = true;
  }

  unblock(from: SimulatedNode, to: SimulatedNode): void {
    this.#way(from, to).isBlocked = false;
  }

  /** Ways that nothing passes now. */
  get blockedWays(): number {
    let count = 0;
    for (const { isBlocked } of this.#ways.values()) if (isBlocked) count++;
    return count;
  }

  isBlocked(from: SimulatedNode, to: SimulatedNode): boolean {
    return this.#ways.get(nameOf(from, to))?.isBlocked ?? false;
  }

  /** The time until a slow link has sent `bytes` more. */
  #sendMs(from: SimulatedNode, to: SimulatedNode, bytes: number): number {
    const { bytesPerSecond } = this.profile(from, to);
    if (bytesPerSecond === Infinity) return 0;
    const way = this.#way(from, to);
    way.busyUntilMs = Math.max(this.#nowMs(), way.busyUntilMs) + (bytes / bytesPerSecond) * 1000;
    return way.busyUntilMs - this.#nowMs();
  }

  #queuedBytes(from: SimulatedNode, to: SimulatedNode): number {
    const { bytesPerSecond } = this.profile(from, to);
    if (bytesPerSecond === Infinity) return 0;
    return Math.max(0, this.#way(from, to).busyUntilMs - this.#nowMs()) * bytesPerSecond / 1000;
  }

  #travelMs({ latencyMs, jitterMs }: LinkProfile): number {
    return latencyMs + (jitterMs > 0 ? this.#random.fraction() * jitterMs : 0);
  }

  /** Lets the link change its state, and says whether it is the bad one. */
  #burst(from: SimulatedNode, to: SimulatedNode): boolean {
    const way = this.#way(from, to);
    const { burstLossPct, burstPackets } = this.profile(from, to);
    const leavePct = 100 / Math.max(1, burstPackets);
    // In the long run the bad state has its share when as many bursts begin as end.
    const enterPct = burstLossPct >= 100 ? 100 : leavePct * burstLossPct / (100 - burstLossPct);
    const isChanged = this.#random.chance(way.isInBurst ? leavePct : enterPct);
    if (isChanged) way.isInBurst = !way.isInBurst;
    return way.isInBurst;
  }

  #way(from: SimulatedNode, to: SimulatedNode): WayState {
    const name = nameOf(from, to);
    let way = this.#ways.get(name);
    if (way === undefined) {
      way = { profile: undefined, busyUntilMs: 0, isInBurst: false, isBlocked: false };
      this.#ways.set(name, way);
    }
    return way;
  }
}

/** How long TCP waits before attempt number `attempt`, from 0. */
export function retryMs(attempt: number): number {
  return Math.min(RETRY_MS * 2 ** attempt, RETRY_MS_MAX);
}

function nameOf(from: SimulatedNode, to: SimulatedNode): string {
  return `${from.name}>${to.name}`;
}
