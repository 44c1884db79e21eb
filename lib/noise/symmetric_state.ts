/** The symmetric half of a handshake (Noise specification, sections 5.1 and 5.2). @module */
import { chachaOpen, chachaSeal, HASH_BYTES, hkdf2, sha256 } from "../crypto/mod.ts";

/** Chaining key, hash and cipher of a handshake under way. */
export class SymmetricState {
  #chainingKey: Uint8Array;
  #hash: Uint8Array;
  #key: Uint8Array | undefined; // none before the first DH: payloads then go in clear
  #counter = 0;

  constructor(protocolName: string) {
    const name = new TextEncoder().encode(protocolName);
    if (name.length > HASH_BYTES) {
      this.#hash = sha256(name);
    } else {
      this.#hash = new Uint8Array(HASH_BYTES);
      this.#hash.set(name);
    }
    this.#chainingKey = this.#hash;
  }

  /** h: what both sides have agreed on so far. */
  get hash(): Uint8Array {
    return this.#hash;
  }

  /** ck: what all DH results were folded into. */
  get chainingKey(): Uint8Array {
    return this.#chainingKey;
  }

  /** True once payloads and static keys are encrypted, and so 16 bytes longer. */
  get hasKey(): boolean {
    return this.#key !== undefined;
  }

  mixHash(data: Uint8Array): void {
    this.#hash = sha256(this.#hash, data);
  }

  mixKey(dhOutput: Uint8Array): void {
    [this.#chainingKey, this.#key] = hkdf2(this.#chainingKey, dhOutput);
    this.#counter = 0;
  }

  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const ciphertext = this.#key === undefined
      ? plaintext
      : chachaSeal(this.#key, this.#counter++, this.#hash, plaintext);
    this.mixHash(ciphertext);
    return ciphertext;
  }

  /** Throws `AuthenticationError`; the state is then of no more use. */
  decryptAndHash(ciphertext: Uint8Array): Uint8Array {
    const plaintext = this.#key === undefined
      ? ciphertext.slice()
      : chachaOpen(this.#key, this.#counter++, this.#hash, ciphertext);
    this.mixHash(ciphertext);
    return plaintext;
  }

  /** The two transport keys in the specification's order; which is whose is decided by the caller. */
  split(): [Uint8Array, Uint8Array] {
    return hkdf2(this.#chainingKey, new Uint8Array(0));
  }
}
