/**
 * Who may have connections about rules: those of setup nodes and of peers, on dmsg port 136 and on virtual streams
 * of type 13, are counted together.
 *
 * @module
 */
import type { PublicKey } from "../../crypto/mod.ts";

/** Connections at once, of everybody; further ones are closed. */
export const SETUP_CONNECTIONS_MAX = 512;
/** Of these, those of visors that are not trusted: the rest is for setup nodes. */
export const DIRECT_CONNECTIONS_MAX = 256;
/** Connections at once of one visor that is not trusted. */
export const DIRECT_OF_PEER_MAX = 8;

/** One for all that serves setup calls of a visor. */
export class SetupConnections {
  readonly #ofPeers = new Map<PublicKey, number>();
  #all = 0;
  #direct = 0;

  /** Counts a connection of a setup node. Gives what takes it off the count again; undefined: there is no room. */
  enter(): (() => void) | undefined {
    if (this.#all >= SETUP_CONNECTIONS_MAX) return undefined;
    this.#all++;
    return () => this.#all--;
  }

  /** The same of a visor that sets its own routes up. */
  enterPeer(peer: PublicKey): (() => void) | undefined {
    const connections = this.#ofPeers.get(peer) ?? 0;
    if (connections >= DIRECT_OF_PEER_MAX || this.#direct >= DIRECT_CONNECTIONS_MAX) return undefined;
    const leave = this.enter();
    if (leave === undefined) return undefined;
    this.#direct++;
    this.#ofPeers.set(peer, connections + 1);
    return () => {
      leave();
      this.#direct--;
      const left = this.#ofPeers.get(peer)! - 1;
      if (left === 0) this.#ofPeers.delete(peer);
      else this.#ofPeers.set(peer, left);
    };
  }
}
