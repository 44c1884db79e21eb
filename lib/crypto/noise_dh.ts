/** The Diffie-Hellman function of Skywire's Noise (protocol: dmsg, section 2.1). @module */
import { HASH_BYTES, sha256 } from "./hash.ts";
import { type PublicKey, publicKeyBytes, type SecretKey } from "./keys.ts";
import { multiply } from "./secp.ts";

/** DHLEN of the protocol: a hash and a zero byte. */
export const NOISE_DH_BYTES = 33;

/** SHA-256 of the compressed product point, and one zero byte: 33 bytes. */
export function noiseDh(secretKey: SecretKey, publicKey: PublicKey): Uint8Array {
  const output = new Uint8Array(NOISE_DH_BYTES); // byte 32 stays zero
  output.set(sha256(multiply(secretKey.bytes(), publicKeyBytes(publicKey))).subarray(0, HASH_BYTES));
  return output;
}
