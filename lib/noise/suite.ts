/** The curve that a handshake runs on, as a parameter of the engine. @module */
import {
  generateKeyPair,
  type KeyPair,
  noiseDh,
  PUBLIC_KEY_BYTES,
  type PublicKey,
  publicKeyBytes,
  publicKeyFromBytes,
} from "../crypto/mod.ts";
import type { Random } from "../runtime/mod.ts";

/** A Diffie-Hellman function with its key types. Cipher and hash are fixed: ChaChaPoly and SHA256. */
export interface NoiseSuite<Pair, Key> {
  /** The part of the protocol name after the pattern. */
  readonly name: string;
  /** Length of a public key on the wire. */
  readonly publicKeyBytes: number;
  generate(random: Random): Pair;
  publicKey(pair: Pair): Key;
  encode(key: Key): Uint8Array;
  /** Throws for bytes that are no key. */
  decode(bytes: Uint8Array): Key;
  dh(pair: Pair, key: Key): Uint8Array;
}

/** What Skywire speaks (protocol: dmsg, section 2.1). */
export const SECP256K1: NoiseSuite<KeyPair, PublicKey> = {
  name: "Secp256k1_ChaChaPoly_SHA256",
  publicKeyBytes: PUBLIC_KEY_BYTES,
  generate: generateKeyPair,
  publicKey: (pair) => pair.publicKey,
  encode: publicKeyBytes,
  decode: publicKeyFromBytes,
  dh: (pair, key) => noiseDh(pair.secretKey, key),
};
