/** Source ports of one type of transport (protocol: transport, section 4.3). @module */
import { LimitError } from "../base/mod.ts";

// Wire
const PORT_MIN = 49_152;
const PORT_MAX = 65_535;

export class EphemeralPorts {
  readonly #taken = new Set<number>();
  #last = PORT_MIN; // raised before use: the first one is 49153

  /** A port that is free, until {@link free}. Errors: `LimitError` when none is. */
  take(): number {
    if (this.#taken.size > PORT_MAX - PORT_MIN) throw new LimitError("Every source port is in use");
    do this.#last = this.#last === PORT_MAX ? PORT_MIN : this.#last + 1; while (this.#taken.has(this.#last));
    this.#taken.add(this.#last);
    return this.#last;
  }

  free(port: number): void {
    this.#taken.delete(port);
  }
}
