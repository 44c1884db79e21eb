/**
 * Which of two connections to one visor and of one type stays (protocol: transport, section 9): the newer one, but
 * never instead of one that routes run over. When both ends dial at the same time, that of the smaller key.
 *
 * @module
 */
import type { PublicKey } from "../crypto/mod.ts";
import type { TransportId } from "./id.ts";
import type { Transport } from "./transport.ts";

/** Both ends may dial at once: for so long, a connection of the peer that dialled second is not taken for a newer one. */
export const CROSSING_MS = 5_000;

export interface PrecedenceOptions {
  readonly local: PublicKey;
  readonly live: ReadonlyMap<TransportId, Transport>;
  /** True when a routing rule needs the transport. */
  readonly isUsed: ((id: TransportId) => boolean) | undefined;
}

export class Precedence {
  readonly #options: PrecedenceOptions;

  constructor(options: PrecedenceOptions) {
    this.#options = options;
  }

  /** False when a connection of the peer must not take the place of the one that is there. */
  mayReplace(id: TransportId): boolean {
    const existing = this.#options.live.get(id);
    if (existing === undefined) return true;
    const isCrossing = existing.isInitiator && existing.connAgeMs < CROSSING_MS &&
      this.isOurDialPreferred(existing.remote);
    return !isCrossing && !this.isInUse(id);
  }

  /** Whether a routing rule needs the transport. */
  isInUse(id: TransportId): boolean {
    return this.#options.isUsed?.(id) ?? false;
  }

  /** When both dial at once, the connection of the smaller key stays: both ends see it alike. */
  isOurDialPreferred(remote: PublicKey): boolean {
    return this.#options.local < remote;
  }
}
