/**
 * Keys, signatures, hashes, AEAD, KEM: the only place that touches a curve or a cipher.
 *
 * ```ts
 * import { keyPairFromSeed, sign, verify } from "./mod.ts";
 * const { publicKey, secretKey } = keyPairFromSeed(new TextEncoder().encode("an example"));
 * const payload = new TextEncoder().encode("hello");
 * console.log(verify(publicKey, sign(payload, secretKey), payload));
 * ```
 *
 * @module
 */
export {
  chachaOpen,
  chachaOpenInto,
  chachaSeal,
  chachaSealInto,
  CIPHER_KEY_BYTES,
  COUNTER_MAX,
  NONCE_BYTES,
  TAG_BYTES,
} from "./chacha.ts";
export {
  AuthenticationError,
  InvalidHexError,
  InvalidKemInputError,
  InvalidKeyError,
  InvalidSignatureTextError,
} from "./errors.ts";
export { HASH_BYTES, hkdf2, hkdfSha256, hmacSha256, sha256 } from "./hash.ts";
export { fromHex, toHex } from "./hex.ts";
export * from "./kem.ts";
export { KeyFileError, parseSecretKeyOf, writeKeyFile } from "./key_file.ts";
export { KEPT_KEY_HINT, keptKeyPair, readKeyPair } from "./kept_keys.ts";
export * from "./keys.ts";
export { NOISE_DH_BYTES, noiseDh } from "./noise_dh.ts";
export type { ProvenKey } from "./proven.ts"; // only the type: what makes one is not for everybody
export { PUBLIC_KEY_BYTES, SECRET_KEY_BYTES, SIGNATURE_BYTES } from "./secp.ts";
export * from "./signatures.ts";
