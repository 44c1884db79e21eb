/** Places for what has no key yet: so many at once, and a share of them for each address. @module */

export class Places {
  readonly #max: number;
  readonly #perAddressMax: number;
  readonly #taken = new Map<string, number>();
  #count = 0;

  constructor({ max, perAddressMax }: { readonly max: number; readonly perAddressMax: number }) {
    this.#max = max;
    this.#perAddressMax = perAddressMax;
  }

  /** Those that are taken. */
  get count(): number {
    return this.#count;
  }

  hasRoom(hostname: string): boolean {
    return this.#count < this.#max && !this.isFullFor(hostname);
  }

  /** The address has all of its share. */
  isFullFor(hostname: string): boolean {
    return (this.#taken.get(hostname) ?? 0) >= this.#perAddressMax;
  }

  /** Takes one; what it returns gives it back, once. */
  take(hostname: string): () => void {
    this.#count++;
    this.#taken.set(hostname, (this.#taken.get(hostname) ?? 0) + 1);
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      this.#count--;
      const left = this.#taken.get(hostname)! - 1;
      if (left > 0) this.#taken.set(hostname, left);
      else this.#taken.delete(hostname);
    };
  }
}
