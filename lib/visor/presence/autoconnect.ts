/**
 * Transports to public visors that a visor makes by itself (protocol: visor, section 3): up to five, looked at every
 * 5 min, by sudph and where that fails by stcpr. Visors come from the service discovery; while that cannot be asked,
 * from the transport discovery, which knows who has transports of these types.
 *
 * @module
 */
import { describeError, type Log } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import type { FindServices } from "../../directory/mod.ts";
import { type Clock, withTimeout } from "../../runtime/mod.ts";
import type { Transport, TransportType } from "../../transport/mod.ts";
import { Rounds } from "./_rounds.ts";
import { PUBLIC_TYPE } from "./service_registration.ts";

/** Public visors that are connected by themselves. */
export const PUBLIC_VISORS_MAX = 5;
/** Visors that are asked for and tried in one round: as many again as are wanted, for those that cannot be reached. */
export const CANDIDATES_MAX = 2 * PUBLIC_VISORS_MAX;
export const AUTOCONNECT_MS = 5 * 60_000;
/** From the start: the visor's own binding comes first. */
export const AUTOCONNECT_FIRST_MS = 10_000;
/** Of one dial: an unreachable visor must leave time for the others of the round. */
export const AUTOCONNECT_DIAL_MS = 12_000;
/** In this order (2026 has `quic` after them). */
export const AUTOCONNECT_TYPES: readonly TransportType[] = ["sudph", "stcpr"];

export interface AutoconnectOptions {
  readonly clock: Clock;
  readonly publicKey: PublicKey;
  readonly directory: {
    find(wanted: FindServices, signal?: AbortSignal): Promise<readonly { readonly publicKey: PublicKey }[]>;
  };
  /** Keys of visors with transports of {@link AUTOCONNECT_TYPES}, in no order, so many of them at most. */
  readonly others?: (count: number, signal: AbortSignal) => Promise<readonly PublicKey[]>;
  readonly transports: {
    readonly types: readonly TransportType[];
    to(remote: PublicKey): readonly Pick<Transport, "type">[];
    dial(
      remote: PublicKey,
      type: TransportType,
      options: { readonly label: string; readonly signal: AbortSignal },
    ): Promise<unknown>;
  };
  readonly log: Log;
}

export class Autoconnect {
  readonly #options: AutoconnectOptions;
  readonly #rounds: Rounds;
  /** Public visors that have or had a transport to this one. */
  #known = new Set<PublicKey>();

  constructor(options: AutoconnectOptions) {
    this.#options = options;
    this.#rounds = new Rounds({
      clock: options.clock,
      log: options.log,
      name: "Connect to public visors",
      firstMs: AUTOCONNECT_FIRST_MS,
      intervalMs: AUTOCONNECT_MS,
      timeoutMs: AUTOCONNECT_MS,
      work: (signal) => this.#connect(signal),
    });
  }

  /** Public visors that are connected. */
  get connected(): number {
    this.#known = new Set([...this.#known].filter((key) => this.#isConnected(key)));
    return this.#known.size;
  }

  /** Never rejects. */
  async close(): Promise<void> {
    await this.#rounds.close();
  }

  #isConnected(key: PublicKey): boolean {
    return this.#options.transports.to(key).some(({ type }) =>
      AUTOCONNECT_TYPES.some((each) => each === type)
    );
  }

  async #connect(signal: AbortSignal): Promise<void> {
    if (this.connected >= PUBLIC_VISORS_MAX) return;
    const candidates = new Set(await this.#candidates(signal));
    candidates.delete(this.#options.publicKey);
    for (const key of [...candidates].slice(0, CANDIDATES_MAX)) {
      if (this.connected >= PUBLIC_VISORS_MAX) return;
      if (this.#isConnected(key) || await this.#dial(key, signal)) this.#known.add(key);
    }
  }

  async #candidates(signal: AbortSignal): Promise<readonly PublicKey[]> {
    const { directory, others } = this.#options;
    try {
      const found = await directory.find({ type: PUBLIC_TYPE, quantity: CANDIDATES_MAX }, signal);
      return found.map(({ publicKey }) => publicKey);
    } catch (error) {
      signal.throwIfAborted();
      if (others === undefined) throw error;
      return await others(CANDIDATES_MAX, signal);
    }
  }

  async #dial(remote: PublicKey, signal: AbortSignal): Promise<boolean> {
    const { clock, transports, log } = this.#options;
    for (const type of AUTOCONNECT_TYPES.filter((each) => transports.types.includes(each))) {
      const limit = { what: "Connecting to a public visor", afterMs: AUTOCONNECT_DIAL_MS, signal };
      try {
        await withTimeout(
          clock,
          limit,
          (ended) => transports.dial(remote, type, { label: "automatic", signal: ended }),
        );
        return true;
      } catch (error) {
        signal.throwIfAborted();
        log.debug("A public visor cannot be connected", { remote, type, cause: describeError(error) });
      }
    }
    return false;
  }
}
