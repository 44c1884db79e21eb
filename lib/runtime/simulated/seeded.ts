/** Randomness from a seed: the same numbers for the same seed and purpose, on every machine. @module */
import type { Random } from "../world.ts";

/**
 * sfc32, a small fast generator that passes the usual test batteries. Not for secrets: it makes a simulation's
 * keys, and a simulation is no place for real ones.
 */
export class SeededRandom implements Random {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number | string) {
    this.#seed = String(seed);
    [this.#a, this.#b, this.#c] = [hashText(this.#seed, 1), hashText(this.#seed, 2), hashText(this.#seed, 3)];
    for (let round = 0; round < 16; round++) this.uint32();
  }

  /** Another generator that shares nothing with this one: drawing from one never moves the other. */
  fork(purpose: string): SeededRandom {
    return new SeededRandom(`${this.#seed}/${purpose}`);
  }

  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** At least 0, below 1. */
  fraction(): number {
    return this.uint32() / 2 ** 32;
  }

  /** True in `percent` of 100 calls. */
  chance(percent: number): boolean {
    return percent > 0 && this.fraction() * 100 < percent;
  }

  /** A whole number from `min` to `max`, both included. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.fraction() * (max - min + 1));
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let offset = 0; offset < length; offset += 4) {
      const word = this.uint32();
      for (let index = 0; index < 4 && offset + index < length; index++) {
        bytes[offset + index] = word >>> (index * 8);
      }
    }
    return bytes;
  }
}

/** FNV-1a over the text, finished by a mix, so that near seeds give far numbers. */
function hashText(text: string, lane: number): number {
  let hash = 0x811c9dc5 ^ Math.imul(lane, 0x9e3779b1);
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
