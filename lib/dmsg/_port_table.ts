/**
 * The ports of one dmsg client: who listens where, and which ephemeral ports are taken (dmsg.md 5.2).
 *
 * @module
 */
import { DmsgError } from "./errors.ts";
import type { Listener } from "./listener.ts";

/** The counter starts here and is incremented before use: the first dial uses 49153. */
const EPHEMERAL_START = 49_152;
const PORT_MAX = 65_535;

export class PortTable {
  readonly #listeners = new Map<number, Listener>();
  readonly #ephemeral = new Set<number>();
  #last = EPHEMERAL_START;

  /** The listener on `port`, if any. */
  listener(port: number): Listener | undefined {
    return this.#listeners.get(port);
  }

  /** Every listener, in order of port. */
  listeners(): Listener[] {
    return [...this.#listeners.values()].sort((a, b) => a.port - b.port);
  }

  /** Binds `listener` to its port. Errors: 400 when it is taken, RangeError for 0 or above 65535. */
  bind(listener: Listener): void {
    const { port } = listener;
    if (!Number.isInteger(port) || port < 1 || port > PORT_MAX) {
      throw new RangeError(`A dmsg port is a whole number from 1 to ${PORT_MAX}, not ${port}`);
    }
    if (this.#listeners.has(port) || this.#ephemeral.has(port)) throw new DmsgError(400);
    this.#listeners.set(port, listener);
  }

  /** Frees the port of `listener` if it is still the one that holds it. */
  unbind(listener: Listener): void {
    if (this.#listeners.get(listener.port) === listener) this.#listeners.delete(listener.port);
  }

  /** Takes the next free ephemeral port; it stays taken until `free`. Error 400 when all are in use. */
  reserve(): number {
    for (let tried = 0; tried <= PORT_MAX - EPHEMERAL_START; tried++) {
      this.#last = this.#last >= PORT_MAX ? EPHEMERAL_START : this.#last + 1;
      if (this.#ephemeral.has(this.#last) || this.#listeners.has(this.#last)) continue;
      this.#ephemeral.add(this.#last);
      return this.#last;
    }
    throw new DmsgError(400);
  }

  free(port: number): void {
    this.#ephemeral.delete(port);
  }
}
