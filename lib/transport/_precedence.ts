/**
 * Which of two connections to one visor and of one type stays (protocol: transport, section 8.4): the newer one, but
 * never instead of one that routes run over and the peer answers on. When both ends dial at the same time, that of
 * the smaller key.
 *
 * @module
 */
import type { PublicKey } from "../crypto/mod.ts";
import type { TransportId } from "./id.ts";
import type { Transport } from "./transport.ts";

/** Both ends may dial at once: for so long, a connection of the peer that dialled second is not taken for a newer one. */
export const CROSSING_MS = 5_000;

/**
 * A peer that proved its key and connects anew has lost what we have of it, as a rule: it died in silence, or its path
 * did. When it does not answer on the old connection for so long, that is over. Below the 3 s of a persistent dial.
 */
export const LOST_AFTER_MS = 1_500;

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
    return existing === undefined || (!this.#isCrossing(existing) && !this.isInUse(id));
  }

  /**
   * The transport that only a routing rule keeps from being replaced, and on which the peer does not answer: it is to
   * be closed for the peer's new connection, whose key is proved. Errors: the signal's reason.
   */
  async lost(id: TransportId, signal: AbortSignal): Promise<Transport | undefined> {
    const existing = this.#options.live.get(id);
    if (existing === undefined || this.#isCrossing(existing) || !this.isInUse(id)) return undefined;
    return await existing.isAnswering(LOST_AFTER_MS, signal) ? undefined : existing;
  }

  #isCrossing({ isInitiator, connAgeMs, remote }: Transport): boolean {
    return isInitiator && connAgeMs < CROSSING_MS && this.isOurDialPreferred(remote);
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
