/**
 * What a bad line does to packets, one by one: which are lost, and when the others arrive.
 *
 * Seeded: the same packets at the same times have the same fate. Loss comes in bursts (Gilbert and Elliott's two
 * states), as on radio; a packet that is held back is overtaken by those behind it.
 *
 * @module
 */

export interface ImpairmentOptions {
  readonly seed: number;
  /** One way. */
  readonly delayMs: number;
  /** Part of the packets that is lost, in the long run; below 50. */
  readonly lossPct?: number;
  /** How many are lost in a row, on average. Default 1: each for itself. */
  readonly burstPackets?: number;
  /** Part of the packets that is held back, and for how long. */
  readonly reorderPct?: number;
  readonly reorderMs?: number;
}

/** One direction of a line. */
export class Impairment {
  readonly #options: Required<ImpairmentOptions>;
  #state: number;
  #isBad = false;

  constructor(options: ImpairmentOptions) {
    this.#options = { lossPct: 0, burstPackets: 1, reorderPct: 0, reorderMs: 0, ...options };
    this.#state = options.seed >>> 0;
  }

  /** When a packet that is sent now arrives; undefined when it never does. */
  arrivalMs(nowMs: number): number | undefined {
    const { delayMs, lossPct, burstPackets, reorderPct, reorderMs } = this.#options;
    const loss = lossPct / 100;
    // Of all packets `loss` are in a burst, and a burst ends with each packet by 1 / burstPackets.
    const leaves = 1 / burstPackets;
    const enters = loss * leaves / (1 - loss);
    this.#isBad = this.#next() < (this.#isBad ? 1 - leaves : enters);
    if (this.#isBad) return undefined;
    const isHeld = reorderPct > 0 && this.#next() * 100 < reorderPct;
    return nowMs + delayMs + (isHeld ? reorderMs : 0);
  }

  /** In [0, 1): mulberry32. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ mixed >>> 15, mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32;
  }
}
