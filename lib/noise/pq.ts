/**
 * The post-quantum half of one handshake (protocol: pq, sections 3 and 4): ML-KEM-768 in the payloads of noise
 * messages 1 and 2, and its secret in the transport keys.
 *
 *     initiator -> message 1: encapsulation key, 1184 bytes -> responder
 *               <- message 2: ciphertext, 1088 bytes        <-
 *     both      final key = HKDF-SHA-256(salt: handshake hash, input: classical key || secret)
 *
 * A payload of another length or meaning is ignored: it leaves the handshake classical, and never fails it. What
 * a classical end means is not known here; see `pq_policy.ts`.
 *
 * @module
 */
import {
  ENCAPSULATION_KEY_BYTES,
  hkdfSha256,
  InvalidKemInputError,
  type Kem,
  KEM_CIPHERTEXT_BYTES,
  type KemKeyPair,
  SHARED_SECRET_BYTES,
} from "../crypto/mod.ts";
import type { SplitKeys } from "./handshakes.ts";

/** What the final keys are bound to besides the transcript. */
const HYBRID_INFO = new TextEncoder().encode("skywire-pq-hybrid-v1");
const KEY_BYTES = 32;
const NOTHING = new Uint8Array(0);

/** The key agreement of one side of one handshake. Used once; {@link wipe} ends it, however the handshake ends. */
export class PqExchange {
  readonly #role: "initiator" | "responder";
  readonly #kem: Kem;
  readonly #onFault: (what: string, cause: unknown) => void;
  #hasSpoken = false;
  #hasOffered = false;
  #pair: KemKeyPair | undefined;
  #reply: Uint8Array | undefined;
  #secret: Uint8Array | undefined;

  /** `onFault` is told when our own KEM fails; the handshake goes on, classical. */
  constructor(
    role: "initiator" | "responder",
    kem: Kem,
    onFault: (what: string, cause: unknown) => void = () => {},
  ) {
    this.#role = role;
    this.#kem = kem;
    this.#onFault = onFault;
  }

  /** True once this side has sent an encapsulation key. */
  get hasOffered(): boolean {
    return this.#hasOffered;
  }

  /** True while a secret is agreed and not yet mixed. */
  get hasSecret(): boolean {
    return this.#secret !== undefined;
  }

  /** The payload of our next message: the offer in an initiator's first, the answer in a responder's, else none. */
  async outgoing(): Promise<Uint8Array> {
    const isFirst = !this.#hasSpoken;
    this.#hasSpoken = true;
    if (!isFirst) return NOTHING;
    if (this.#role === "responder") return this.#reply ?? NOTHING;
    try {
      this.#pair = await this.#kem.generate(); // one for each handshake, never kept
    } catch (cause) {
      this.#onFault("post-quantum keygen failed; proceeding with a CLASSICAL-only handshake", cause);
      return NOTHING;
    }
    this.#hasOffered = true;
    return this.#pair.encapsulationKey;
  }

  /** Takes the payload of an authentic message. Never rejects. */
  async incoming(payload: Uint8Array): Promise<void> {
    if (this.#secret !== undefined) return;
    try {
      if (this.#role === "responder") await this.#takeOffer(payload);
      else await this.#takeReply(payload);
    } catch (cause) {
      // A key that is none is the peer's affair, and no more than no offer at all.
      if (cause instanceof InvalidKemInputError) return;
      this.#onFault("post-quantum exchange failed; proceeding with a CLASSICAL-only handshake", cause);
    }
  }

  /**
   * The final keys of a complete handshake. Without a secret they are the ones given; else the ones given are
   * wiped, and so is the secret.
   */
  mix(classical: SplitKeys, handshakeHash: Uint8Array): SplitKeys {
    if (this.#secret === undefined) return classical;
    const send = hybridKey(classical.send, this.#secret, handshakeHash);
    const receive = hybridKey(classical.receive, this.#secret, handshakeHash);
    classical.send.fill(0);
    classical.receive.fill(0);
    this.wipe();
    return { send, receive };
  }

  /** Forgets the secret and the key pair. */
  wipe(): void {
    this.#secret?.fill(0);
    this.#secret = undefined;
    this.#pair = undefined;
    this.#reply = undefined;
  }

  async #takeOffer(payload: Uint8Array): Promise<void> {
    // One that can no longer be answered would leave the two sides with different keys.
    if (payload.length !== ENCAPSULATION_KEY_BYTES || this.#hasSpoken) return;
    const { ciphertext, sharedSecret } = await this.#kem.encapsulate(payload);
    this.#reply = ciphertext;
    this.#secret = sharedSecret;
  }

  async #takeReply(payload: Uint8Array): Promise<void> {
    if (payload.length !== KEM_CIPHERTEXT_BYTES || this.#pair === undefined) return;
    this.#secret = await this.#pair.decapsulate(payload);
  }
}

/**
 * The final key of one direction: 32 bytes. `handshakeHash` is the noise hash after the last message. A wrong
 * length is our own bug, hence a `RangeError`.
 */
export function hybridKey(
  classicalKey: Uint8Array,
  secret: Uint8Array,
  handshakeHash: Uint8Array,
): Uint8Array {
  if (secret.length !== SHARED_SECRET_BYTES) {
    throw new RangeError(
      `pq: unexpected ml-kem shared-secret size ${secret.length} (want ${SHARED_SECRET_BYTES})`,
    );
  }
  if (classicalKey.length === 0) throw new RangeError("pq: empty classical key");
  const input = new Uint8Array(classicalKey.length + secret.length);
  input.set(classicalKey);
  input.set(secret, classicalKey.length);
  try {
    return hkdfSha256({ salt: handshakeHash, input, info: HYBRID_INFO, bytes: KEY_BYTES });
  } finally {
    input.fill(0);
  }
}
