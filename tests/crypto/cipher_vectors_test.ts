/** Every recorded case of the cipher formats but the addresses, which are dmsg's. */
import assert from "node:assert/strict";
import {
  fromHex,
  InvalidKeyError,
  keyPairFromSeed,
  noiseDh,
  parsePublicKey,
  parsePublicKeyLenient,
  parseSignature,
  SecretKey,
  sha256,
  sign,
  toHex,
  verify,
} from "../../lib/crypto/mod.ts";
import cipher from "../vectors/dmsg/cipher.json" with { type: "json" };

Deno.test("keyPairFromSeed() gives the recorded key pairs", () => {
  let ran = 0;
  for (const { seed_hex, sk, pk } of cipher.deterministic_keys) {
    const pair = keyPairFromSeed(fromHex(seed_hex));
    assert.equal(pair.secretKey.reveal(), sk);
    assert.equal(pair.publicKey, pk);
    assert.equal(SecretKey.parse(sk).publicKey, pk);
    ran++;
  }
  assert.equal(ran, 6);
});

Deno.test("both parsers of public keys judge the recorded texts as the network does", () => {
  let ran = 0;
  for (const { text, set_ok, unmarshal_text_ok, unmarshal_text_value } of cipher.pubkey_text) {
    if (set_ok) assert.equal(parsePublicKey(text), unmarshal_text_value);
    else assert.throws(() => parsePublicKey(text), InvalidKeyError, text);
    if (!unmarshal_text_ok) assert.throws(() => parsePublicKeyLenient(text), InvalidKeyError, text);
    else assert.equal(parsePublicKeyLenient(text) ?? NULL_KEY, unmarshal_text_value, text);
    ran++;
  }
  assert.equal(ran, 11);
});

Deno.test("verify() judges the recorded signatures as the network does", () => {
  let ran = 0;
  for (const { pk, payload, sha256: hash, sig, valid, sk, r, s, recid } of cipher.signatures) {
    const bytes = fromHex(payload);
    assert.equal(toHex(sha256(bytes)), hash);
    assert.equal(verify(parsePublicKey(pk), parseSignature(sig), bytes), valid);
    if (r !== undefined) assert.equal(sig, `${r}${s}0${recid}`);
    if (sk !== undefined) {
      assert.equal(verify(parsePublicKey(pk), sign(bytes, SecretKey.parse(sk)), bytes), true);
    }
    ran++;
  }
  assert.equal(ran, 8);
});

Deno.test("noiseDh() gives the recorded outputs from both sides", () => {
  let ran = 0;
  for (const { sk_a, pk_a, sk_b, pk_b, dh_output_33 } of cipher.noise_dh) {
    assert.equal(toHex(noiseDh(SecretKey.parse(sk_a), parsePublicKey(pk_b))), dh_output_33);
    assert.equal(toHex(noiseDh(SecretKey.parse(sk_b), parsePublicKey(pk_a))), dh_output_33);
    ran++;
  }
  assert.equal(ran, 2);
});

const NULL_KEY = "00".repeat(33);
