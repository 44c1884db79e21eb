/** What happened in a simulation: a running hash of all of it, and the last lines of it. @module */

/** Lines kept for a report. */
const RECENT_MAX = 200;

interface TraceLine {
  readonly atMs: number;
  readonly node: string;
  readonly event: string;
  readonly length: number;
}

/** Two runs that did the same have the same hash. */
export class Trace {
  readonly #recent: TraceLine[] = [];
  #next = 0;
  #low = 0x811c9dc5;
  #high = 0x9747b28c;
  #count = 0;
  readonly #float = new Float64Array(1);
  readonly #words = new Uint32Array(this.#float.buffer);

  /** The number of lines so far. */
  get count(): number {
    return this.#count;
  }

  add(atMs: number, node: string, event: string, length: number): void {
    this.#count++;
    this.#float[0] = atMs;
    this.#mix(this.#words[0]!);
    this.#mix(this.#words[1]!);
    this.#mixText(node);
    this.#mixText(event);
    this.#mix(length);
    this.#recent[this.#next] = { atMs, node, event, length };
    this.#next = (this.#next + 1) % RECENT_MAX;
  }

  /** 16 hex characters. */
  hash(): string {
    return [this.#high, this.#low].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  /** The last lines, oldest first: `  1500.000 alice timer 0`. */
  recent(): string[] {
    return [...this.#recent.slice(this.#next), ...this.#recent.slice(0, this.#next)]
      .map(({ atMs, node, event, length }) => `${atMs.toFixed(3).padStart(12)} ${node} ${event} ${length}`);
  }

  #mixText(text: string): void {
    for (let index = 0; index < text.length; index++) this.#mix(text.charCodeAt(index));
    this.#mix(0xffff);
  }

  #mix(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 0x01000193);
    this.#high = Math.imul(this.#high ^ (word + (this.#low >>> 15)), 0x5bd1e995);
  }
}
