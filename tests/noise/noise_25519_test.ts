/**
 * The engine on another curve, against public vectors: the standard's key assignment, four patterns, prologues.
 * Their data is not part of this project: skipped where it does not lie beside it.
 */
import assert from "node:assert/strict";
import { x25519 } from "@noble/curves/ed25519.js";
import { chachaOpen, chachaSeal, fromHex, toHex } from "../../lib/crypto/mod.ts";
import { HandshakeState, IK, KK, type NoiseSuite, XK, XX } from "../../lib/noise/mod.ts";
import { noRandom } from "./support.ts";

const url = new URL("../../../shared/vectors/noise-25519/handshakes.json", import.meta.url);
const ignore = !exists(url);

interface Pair {
  readonly secret: Uint8Array;
  readonly public: Uint8Array;
}

const X25519: NoiseSuite<Pair, Uint8Array> = {
  name: "25519_ChaChaPoly_SHA256",
  publicKeyBytes: 32,
  generate: (random) => pairOf(random.bytes(32)),
  publicKey: (pair) => pair.public,
  encode: (key) => key,
  decode: (bytes) => bytes.slice(),
  dh: (pair, key) => x25519.getSharedSecret(pair.secret, key),
};

interface Vector {
  readonly handshake: string;
  readonly init_static: string;
  readonly resp_static: string;
  readonly gen_init_ephemeral: string;
  readonly gen_resp_ephemeral: string;
  readonly prologue?: string;
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[];
}

Deno.test({
  name: `HandshakeState agrees with 16 public vectors on curve 25519${
    ignore ? " (skipped: ../shared/vectors is not there)" : ""
  }`,
  ignore,
  fn() {
    const { count, vectors }: { count: number; vectors: Vector[] } = JSON.parse(Deno.readTextFileSync(url));
    let ran = 0;
    const patterns = new Set<string>();
    for (const vector of vectors) {
      patterns.add(run(vector));
      ran++;
    }
    assert.equal(ran, 16);
    assert.equal(ran, count);
    assert.deepEqual([...patterns].sort(), ["IK", "KK", "XK", "XX"]);
  },
});

function run(vector: Vector): string {
  const pattern = { XK, KK, XX, IK }[vector.handshake.split("_")[1]!]!;
  assert.equal(vector.handshake, `Noise_${pattern.name}_${X25519.name}`);
  const prologue = fromHex(vector.prologue ?? "");
  const [initiatorStatic, responderStatic] = [vector.init_static, vector.resp_static].map(pairOfHex);
  const initiator = new HandshakeState({
    suite: X25519,
    pattern,
    role: "initiator",
    local: initiatorStatic!,
    remote: pattern.responderKnown ? responderStatic!.public : undefined,
    random: { bytes: () => fromHex(vector.gen_init_ephemeral) },
    prologue,
  });
  const responder = new HandshakeState({
    suite: X25519,
    pattern,
    role: "responder",
    local: responderStatic!,
    remote: pattern.initiatorKnown ? initiatorStatic!.public : undefined,
    random: noRandom,
    ephemeral: pairOfHex(vector.gen_resp_ephemeral),
    prologue,
  });

  const handshakeMessages = pattern.messages.length;
  for (const [index, { payload, ciphertext }] of vector.messages.slice(0, handshakeMessages).entries()) {
    const [writer, reader] = index % 2 === 0 ? [initiator, responder] : [responder, initiator];
    assert.equal(toHex(writer.writeMessage(fromHex(payload))), ciphertext);
    assert.equal(toHex(reader.readMessage(fromHex(ciphertext))), payload);
  }
  assert.deepEqual(initiator.hash, responder.hash);
  assert.deepEqual(initiator.remote, responderStatic!.public);
  assert.deepEqual(responder.remote, initiatorStatic!.public);
  assert.deepEqual(initiator.split(), responder.split());

  // Two transport messages follow: one from the initiator, who has the first key by the standard, one back.
  const transport = vector.messages.slice(handshakeMessages);
  assert.equal(transport.length, 2);
  for (const [direction, { payload, ciphertext }] of transport.entries()) {
    const key = initiator.split()[direction]!;
    const sealed = chachaSeal(key, 0, NOTHING, fromHex(payload));
    assert.equal(toHex(sealed), ciphertext);
    assert.equal(toHex(chachaOpen(key, 0, NOTHING, sealed)), payload);
  }
  return pattern.name;
}

const NOTHING = new Uint8Array(0);

function pairOf(secret: Uint8Array): Pair {
  return { secret, public: x25519.getPublicKey(secret) };
}

function pairOfHex(hex: string): Pair {
  return pairOf(fromHex(hex));
}

function exists(url: URL): boolean {
  try {
    return Deno.statSync(url).isFile;
  } catch {
    return false;
  }
}
