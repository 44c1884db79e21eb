/** The recorded handshakes of the network: every intermediate value, in both roles, and mutants of all of them. */
import assert from "node:assert/strict";
import { fromHex, parsePublicKey, type PublicKey, toHex } from "../../lib/crypto/mod.ts";
import {
  HandshakeError,
  KK,
  kkInitiator,
  kkResponder,
  ObjectOpener,
  ObjectSealer,
  SpentError,
  XK,
  xkInitiator,
  xkResponder,
} from "../../lib/noise/mod.ts";
import recorded from "../vectors/dmsg/noise-handshakes.json" with { type: "json" };
import { engine, mallory, noRandom, pairOf } from "./support.ts";

type Vector = (typeof recorded.vectors)[number];
type Role = "initiator" | "responder";
const ROLES = ["initiator", "responder"] as const;

for (const vector of recorded.vectors) {
  for (const role of ROLES) {
    Deno.test(`HandshakeState gives every recorded value as ${role}: ${vector.name}`, () => {
      const state = engine(vector, patternOf(vector), role);
      assert.equal(toHex(state.hash), vector.after_premessages.h);
      assert.equal(toHex(state.chainingKey), vector.after_premessages.ck);
      let ran = 0;
      for (const { from, payload, message, framed, h_after, ck_after } of vector.handshake_messages) {
        if (from === role) assert.equal(toHex(state.writeMessage(fromHex(payload))), message);
        else assert.equal(toHex(state.readMessage(fromHex(message))), payload);
        assert.equal(framed, (message.length / 2).toString(16).padStart(4, "0") + message);
        assert.equal(toHex(state.hash), h_after);
        assert.equal(toHex(state.chainingKey), ck_after);
        ran++;
      }
      assert.equal(ran, vector.pattern === "XK" ? 3 : 2);
      assert.ok(state.isComplete);
      assert.equal(toHex(state.hash), vector.handshake_hash);
    });

    Deno.test(`the ${role}'s own object gives the recorded keys: ${vector.name}`, () => {
      const { remote, keys, handshakeHash, payloads } = runRole(vector, role);
      const isInitiator = role === "initiator";
      assert.equal(remote, (isInitiator ? vector.responder_static : vector.initiator_static).pk);
      const [there, back] = [vector.key_initiator_to_responder, vector.key_responder_to_initiator];
      assert.equal(toHex(keys.send), isInitiator ? there : back);
      assert.equal(toHex(keys.receive), isInitiator ? back : there);
      assert.equal(toHex(handshakeHash), vector.handshake_hash);
      const received = vector.handshake_messages.filter(({ from }) => from !== role);
      assert.deepEqual(payloads.map(toHex), received.map(({ payload }) => payload));
    });
  }

  Deno.test(`recorded transport messages are sealed and opened: ${vector.name}`, () => {
    const keys = {
      initiator: fromHex(vector.key_initiator_to_responder),
      responder: fromHex(vector.key_responder_to_initiator),
    };
    for (const role of ROLES) {
      const sealer = new ObjectSealer(keys[role]);
      const opener = new ObjectOpener(keys[role]);
      let counter = 0;
      for (const { from, nonce, plaintext, ciphertext_with_nonce, framed } of vector.transport_messages) {
        if (from !== role) continue;
        assert.equal(Number(nonce), ++counter);
        assert.equal(toHex(sealer.seal(fromHex(plaintext))), framed);
        assert.equal(toHex(opener.open(fromHex(ciphertext_with_nonce))), plaintext);
      }
      assert.ok(counter > 0);
    }
  });

  Deno.test(`mutants are refused with a HandshakeError: ${vector.name}`, () => {
    let mutants = 0;
    for (const [index, { from, message }] of vector.handshake_messages.entries()) {
      const reader: Role = from === "initiator" ? "responder" : "initiator";
      for (const { name, bytes } of mutantsOf(fromHex(message), index === 2)) {
        const state = engineAt(vector, reader, index);
        assert.throws(() => state.readMessage(bytes), HandshakeError, `message ${index + 1}: ${name}`);
        // A failed handshake is never retried, not even with the right message.
        assert.throws(() => state.readMessage(fromHex(message)), SpentError);
        assert.throws(() => state.writeMessage(), SpentError);
        assert.throws(() => state.split(), SpentError);
        assert.equal(state.remote, undefined, "a key that nobody proved");
        mutants++;
      }
    }
    assert.ok(mutants >= 5 * vector.handshake_messages.length, `${mutants} mutants`);
  });

  Deno.test(`a wrong static key is refused with a HandshakeError: ${vector.name}`, () => {
    const pattern = patternOf(vector);
    const first = fromHex(vector.handshake_messages[0]!.message);
    // A responder with another key than the initiator meant.
    const stranger = engine({ ...vector, responder_static: stranded }, pattern, "responder");
    assert.throws(() => stranger.readMessage(first), HandshakeError);
    // An initiator that expects another responder.
    const misled = engine(vector, pattern, "initiator", { remote: mallory.publicKey });
    misled.writeMessage(fromHex(vector.handshake_messages[0]!.payload));
    assert.throws(() => misled.readMessage(fromHex(vector.handshake_messages[1]!.message)), HandshakeError);
    if (vector.pattern !== "KK") return;
    // A KK responder that was told another dialler.
    const told = engine(vector, pattern, "responder", { remote: mallory.publicKey });
    assert.throws(() => told.readMessage(first), HandshakeError);
  });
}

Deno.test("all recorded handshakes were run", () => {
  assert.deepEqual(recorded.vectors.map(({ pattern }) => pattern).sort(), ["KK", "KK", "KK", "XK", "XK"]);
});

const stranded = { sk: mallory.secretKey.reveal() };

function patternOf({ pattern }: Vector) {
  return pattern === "XK" ? XK : KK;
}

/** An engine that has done all messages before `index`. */
function engineAt(vector: Vector, role: Role, index: number) {
  const state = engine(vector, patternOf(vector), role);
  for (const { from, payload, message } of vector.handshake_messages.slice(0, index)) {
    if (from === role) state.writeMessage(fromHex(payload));
    else state.readMessage(fromHex(message));
  }
  return state;
}

function mutantsOf(message: Uint8Array, hasStatic: boolean): { name: string; bytes: Uint8Array }[] {
  const flip = (at: number) => message.with(at, message[at]! ^ 1);
  const otherPoint = Uint8Array.of(...fromHex(mallory.publicKey), ...message.subarray(33));
  const mutants = [
    { name: "empty", bytes: new Uint8Array(0) },
    { name: "one byte short", bytes: message.subarray(0, -1) },
    { name: "cut inside the first key", bytes: message.subarray(0, 20) },
    { name: "extended", bytes: Uint8Array.of(...message, 0) },
    { name: "first byte of the first field", bytes: flip(0) },
    { name: "last byte of the first field", bytes: flip(32) },
    { name: "first byte of the payload or its tag", bytes: flip(hasStatic ? 49 : 33) },
    { name: "last byte of the tag", bytes: flip(message.length - 1) },
    { name: "framed, so that the length is taken for a key", bytes: Uint8Array.of(0, 49, ...message) },
    { name: "zeros for the key", bytes: Uint8Array.of(...new Uint8Array(33), ...message.subarray(33)) },
    { name: "another valid key", bytes: otherPoint },
  ];
  if (hasStatic) mutants.push({ name: "tag of the static key", bytes: flip(40) });
  return mutants;
}

function runRole(vector: Vector, role: Role) {
  const isInitiator = role === "initiator";
  const local = pairOf(isInitiator ? vector.initiator_static : vector.responder_static);
  const ephemeral = pairOf(isInitiator ? vector.initiator_ephemeral : vector.responder_ephemeral);
  const remote: PublicKey = parsePublicKey(
    (isInitiator ? vector.responder_static : vector.initiator_static).pk,
  );
  const [one, two, three] = vector.handshake_messages.map(({ message, payload }) => ({
    message: fromHex(message),
    payload: fromHex(payload),
  }));
  const options = { local, ephemeral, random: noRandom };
  if (vector.pattern === "XK" && isInitiator) {
    const handshake = xkInitiator({ ...options, remote });
    assert.deepEqual(handshake.writeMessage1(one!.payload), one!.message);
    assert.deepEqual(handshake.readMessage2(two!.message), two!.payload);
    assert.deepEqual(handshake.writeMessage3(three!.payload), three!.message);
    return handshake.finish();
  }
  if (vector.pattern === "XK") {
    const handshake = xkResponder(options);
    assert.deepEqual(handshake.readMessage1(one!.message), one!.payload);
    assert.deepEqual(handshake.writeMessage2(two!.payload), two!.message);
    assert.deepEqual(handshake.readMessage3(three!.message), three!.payload);
    return handshake.finish();
  }
  if (isInitiator) {
    const handshake = kkInitiator({ ...options, remote });
    assert.deepEqual(handshake.writeMessage1(one!.payload), one!.message);
    assert.deepEqual(handshake.readMessage2(two!.message), two!.payload);
    return handshake.finish();
  }
  const handshake = kkResponder({ ...options, remote });
  assert.deepEqual(handshake.readMessage1(one!.message), one!.payload);
  assert.deepEqual(handshake.writeMessage2(two!.payload), two!.message);
  return handshake.finish();
}
