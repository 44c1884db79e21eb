/** Keys, signatures and hex as texts and as bytes. @module */
import {
  AuthenticationError,
  chachaOpen,
  chachaSeal,
  fromHex,
  keyPairFromSeed,
  parsePublicKey,
  parsePublicKeyLenient,
  parseSignature,
  publicKeyBytes,
  publicKeyFromBytes,
  SecretKey,
  sign,
  verify,
} from "../../../lib/crypto/mod.ts";
import cipher from "../../vectors/dmsg/cipher.json" with { type: "json" };
import { byteMutants, textMutants } from "../_mutants.ts";
import type { FuzzTarget } from "../_target.ts";

const pair = keyPairFromSeed(new TextEncoder().encode("fuzz"));
const key = new Uint8Array(32).fill(7);
const payload = new TextEncoder().encode("payload");
const publicKeys = cipher.pubkey_text.map(({ text }) => text);
const secretKeys = cipher.deterministic_keys.map(({ sk }) => sk);
const signatures = cipher.signatures.map(({ sig }) => sig);

export const cryptoTargets: readonly FuzzTarget[] = [
  {
    name: "crypto/public-key-text",
    inputs: textMutants(publicKeys),
    feed(text: string) {
      const lenient = parsePublicKeyLenient(text);
      return lenient === undefined ? undefined : parsePublicKey(text);
    },
  },
  {
    name: "crypto/public-key-bytes",
    inputs: byteMutants(cipher.deterministic_keys.map(({ pk }) => fromHex(pk))),
    feed: (bytes: Uint8Array) => publicKeyBytes(publicKeyFromBytes(bytes)),
  },
  {
    name: "crypto/secret-key-text",
    inputs: textMutants(secretKeys),
    feed: (text: string) => SecretKey.parse(text).publicKey,
  },
  {
    name: "crypto/secret-key-bytes",
    inputs: byteMutants(secretKeys.map(fromHex)),
    feed: (bytes: Uint8Array) => SecretKey.fromBytes(bytes).publicKey,
  },
  { name: "crypto/hex", inputs: textMutants(signatures), feed: (text: string) => fromHex(text) },
  { name: "crypto/signature-text", inputs: textMutants(signatures), feed: parseSignature },
  {
    name: "crypto/signature-bytes",
    inputs: byteMutants([sign(payload, pair.secretKey), ...signatures.map(fromHex)]),
    feed: (signature: Uint8Array) => verify(pair.publicKey, signature, payload),
    refuses: false,
  },
  {
    name: "crypto/sealed-bytes",
    inputs: byteMutants([
      chachaSeal(key, 1, payload, new Uint8Array(300)),
      chachaSeal(key, 1, payload, payload),
    ]),
    feed(sealed: Uint8Array) {
      if (sealed.length < 16) {
        throw new AuthenticationError("Shorter than its tag: callers see to the length");
      }
      return chachaOpen(key, 1, payload, sealed);
    },
  },
];
