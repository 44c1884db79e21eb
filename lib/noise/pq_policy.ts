/**
 * What a node does about the post-quantum hybrid (protocol: pq, section 5): offer it, notice when a peer is
 * without it, and refuse such a peer where that is asked for.
 *
 *     mode       we offer   we answer an offer   a classical end
 *     "offer"    yes        yes                  goes on; told of in the log
 *     "require"  yes        yes                  `PqRequiredError`
 *     "off"      no         no                   goes on: what a peer without the hybrid does
 *
 * @module
 */
import { describeError, type Log, silentLog } from "../base/mod.ts";
import { type Kem, type ProvenKey, type PublicKey, seededKem } from "../crypto/mod.ts";
import type { Random } from "../runtime/mod.ts";
import { PqRequiredError } from "./errors.ts";
import type { SplitKeys } from "./handshakes.ts";
import { PqExchange } from "./pq.ts";
import type { HandshakeExtension } from "./_handshake_conn.ts";

/** Keys that are remembered as hybrid; the one not met for longest goes first. About 1 MB at the most. */
export const HYBRID_PEERS_MAX = 4_096;

export type PostQuantumMode = "offer" | "require" | "off";

/** The part that a user of the network decides. */
export interface PostQuantumSettings {
  /** Default `"offer"`. */
  readonly mode?: PostQuantumMode;
  /** Default: the one in JavaScript, with coins from the World's randomness. */
  readonly kem?: Kem;
}

/** The policy of one node, and its memory of who was hybrid. One for all handshakes of a key. */
export class PostQuantum {
  readonly mode: PostQuantumMode;
  readonly #kem: Kem;
  readonly #log: Log;
  readonly #peers = new HybridPeers();

  constructor(
    { mode = "offer", kem, random, log = silentLog }: PostQuantumSettings & {
      readonly random: Random;
      readonly log?: Log;
    },
  ) {
    this.mode = mode;
    this.#kem = kem ?? seededKem(random);
    this.#log = log.child("noise");
  }

  /** The extension of one handshake. Dispose of it when the handshake has ended, either way. */
  begin(role: "initiator" | "responder"): PqHandshake {
    const exchange = new PqExchange(role, this.#kem, (what, cause) => {
      this.#log.warn(what, { cause: describeError(cause) });
    });
    return new PqHandshake(exchange, this.mode, (remote, isHybrid) => this.#note(remote, isHybrid, exchange));
  }

  #note(remote: ProvenKey, isHybrid: boolean, { hasOffered }: PqExchange): void {
    // A KK responder may be told of a replayed message 1: what it says was true once, and that is all it can do.
    const wasHybrid = this.#peers.note(remote, isHybrid);
    if (isHybrid) return;
    if (hasOffered && this.mode !== "require") this.#log.warn(DOWNGRADE_WARNING, { peer: remote });
    if (wasHybrid) this.#log.warn(FALLEN_WARNING, { peer: remote });
  }
}

/** The hybrid in one handshake, whether the mode wants it or not. */
export class PqHandshake implements HandshakeExtension, Disposable {
  readonly #exchange: PqExchange;
  readonly #mode: PostQuantumMode;
  readonly #note: (remote: ProvenKey, isHybrid: boolean) => void;
  #isHybrid = false;

  constructor(
    exchange: PqExchange,
    mode: PostQuantumMode,
    note: (remote: ProvenKey, isHybrid: boolean) => void,
  ) {
    this.#exchange = exchange;
    this.#mode = mode;
    this.#note = note;
  }

  /** True once the secret is in the keys. */
  get isHybrid(): boolean {
    return this.#isHybrid;
  }

  async outgoing(): Promise<Uint8Array> {
    return this.#mode === "off" ? NOTHING : await this.#exchange.outgoing();
  }

  async incoming(payload: Uint8Array): Promise<void> {
    if (this.#mode !== "off") await this.#exchange.incoming(payload);
  }

  /** The final keys. Throws {@link PqRequiredError}: nothing more must then be said to the peer. */
  keys(classical: SplitKeys, handshakeHash: Uint8Array, remote: ProvenKey): SplitKeys {
    if (this.#mode === "off") return classical;
    this.#isHybrid = this.#exchange.hasSecret;
    this.#note(remote, this.#isHybrid);
    if (this.#mode === "require" && !this.#isHybrid) throw new PqRequiredError(remote);
    return this.#exchange.mix(classical, handshakeHash);
  }

  [Symbol.dispose](): void {
    this.#exchange.wipe();
  }
}

/** Which keys were hybrid, in memory only and bounded. */
class HybridPeers {
  /** True: hybrid when last met. False: classical since, and already told of. Not met for longest first. */
  readonly #peers = new Map<PublicKey, boolean>();

  /** Notes a handshake; true for the first classical one after a hybrid one. */
  note(peer: PublicKey, isHybrid: boolean): boolean {
    const before = this.#peers.get(peer);
    if (before === undefined && !isHybrid) return false; // never hybrid: nothing to remember
    this.#peers.delete(peer);
    this.#peers.set(peer, isHybrid);
    if (this.#peers.size > HYBRID_PEERS_MAX) this.#peers.delete(this.#peers.keys().next().value!);
    return before === true && !isHybrid;
  }
}

const NOTHING = new Uint8Array(0);

/** Skywire's own words; each time an offer was not taken. */
const DOWNGRADE_WARNING =
  "post-quantum DOWNGRADE: offered ML-KEM but peer returned no ciphertext; session is CLASSICAL-only " +
  "(older peer, or a payload-stripping MITM)";
/** Once, however often it comes back classical: a peer cannot fill the log with it. */
const FALLEN_WARNING =
  "post-quantum DOWNGRADE: this peer was hybrid before in this process, and is CLASSICAL-only now " +
  "(an older version under the same key, or somebody else who holds it)";
