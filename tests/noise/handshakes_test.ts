import assert from "node:assert/strict";
import fc from "fast-check";
import { chachaSeal } from "../../lib/crypto/mod.ts";
import {
  HandshakeError,
  HandshakeState,
  IK,
  KK,
  kkInitiator,
  kkResponder,
  SECP256K1,
  SpentError,
  xkInitiator,
  xkResponder,
  XX,
} from "../../lib/noise/mod.ts";
import { alice, bob, mallory, noRandom, seededRandom, text } from "./support.ts";

const random = seededRandom();

Deno.test("XK carries a payload in every message, and both sides end with the same", () => {
  const initiator = xkInitiator({ local: alice, remote: bob.publicKey, random });
  const responder = xkResponder({ local: bob, random });
  assert.deepEqual(responder.readMessage1(initiator.writeMessage1(text("one"))), text("one"));
  assert.deepEqual(initiator.readMessage2(responder.writeMessage2(text("two"))), text("two"));
  assert.deepEqual(responder.readMessage3(initiator.writeMessage3(text("three"))), text("three"));
  const [there, back] = [initiator.finish(), responder.finish()];
  assert.equal(there.remote, bob.publicKey);
  assert.equal(back.remote, alice.publicKey);
  assert.deepEqual(there.keys.send, back.keys.receive);
  assert.deepEqual(there.keys.receive, back.keys.send);
  assert.notDeepEqual(there.keys.send, there.keys.receive);
  assert.deepEqual(there.handshakeHash, back.handshakeHash);
  assert.deepEqual(there.payloads, [text("two")]);
  assert.deepEqual(back.payloads, [text("one"), text("three")]);
});

Deno.test("every handshake draws a new ephemeral key", () => {
  const first = () => kkInitiator({ local: alice, remote: bob.publicKey, random }).writeMessage1();
  assert.notDeepEqual(first().subarray(0, 33), first().subarray(0, 33));
});

Deno.test("a role refuses every call out of turn, and stays usable in turn", () => {
  const initiator = xkInitiator({ local: alice, remote: bob.publicKey, random });
  const responder = xkResponder({ local: bob, random });
  assert.throws(() => initiator.writeMessage3(), SpentError);
  assert.throws(() => initiator.readMessage2(new Uint8Array(49)), SpentError);
  assert.throws(() => initiator.finish(), SpentError);
  assert.throws(() => responder.writeMessage2(), SpentError);
  assert.throws(() => responder.readMessage3(new Uint8Array(65)), SpentError);
  const message1 = initiator.writeMessage1();
  assert.throws(() => initiator.writeMessage1(), SpentError);
  responder.readMessage1(message1);
  assert.throws(() => responder.readMessage1(message1), SpentError);
  initiator.readMessage2(responder.writeMessage2());
  responder.readMessage3(initiator.writeMessage3());
  initiator.finish();
  assert.throws(() => initiator.finish(), SpentError); // its keys are in use: counters would repeat
  assert.throws(() => initiator.writeMessage3(), SpentError);
  assert.equal(responder.finish().remote, alice.publicKey);
});

Deno.test("a KK role refuses calls out of turn, and is spent by a bad message", () => {
  const initiator = kkInitiator({ local: alice, remote: bob.publicKey, random });
  const responder = kkResponder({ local: bob, remote: alice.publicKey, random });
  assert.throws(() => responder.writeMessage2(), SpentError);
  const message1 = initiator.writeMessage1();
  responder.readMessage1(message1);
  const message2 = responder.writeMessage2();
  assert.throws(() => initiator.readMessage2(message2.with(48, message2[48]! ^ 1)), HandshakeError);
  assert.throws(() => initiator.readMessage2(message2), SpentError);
  assert.throws(() => initiator.finish(), SpentError);
  assert.equal(responder.finish().remote, alice.publicKey);
});

Deno.test("a KK responder notices at message 1 that another key dials", () => {
  const initiator = kkInitiator({ local: mallory, remote: bob.publicKey, random });
  const responder = kkResponder({ local: bob, remote: alice.publicKey, random });
  assert.throws(() => responder.readMessage1(initiator.writeMessage1()), HandshakeError);
});

Deno.test("an XK initiator notices at message 2 that another key answers", () => {
  const initiator = xkInitiator({ local: alice, remote: bob.publicKey, random });
  initiator.writeMessage1();
  const forger = xkResponder({ local: mallory, random });
  forger.readMessage1(xkInitiator({ local: alice, remote: mallory.publicKey, random }).writeMessage1());
  assert.throws(() => initiator.readMessage2(forger.writeMessage2()), HandshakeError);
});

Deno.test("an XK responder refuses a static key that the dialler does not hold", () => {
  // Alice's ephemeral with Bob's own static key in message 3: the se token betrays it.
  const liar = new HandshakeState({
    suite: { ...SECP256K1, publicKey: (pair) => pair === mallory ? alice.publicKey : pair.publicKey },
    pattern: {
      name: "XK",
      initiatorKnown: false,
      responderKnown: true,
      messages: [["e", "es"], ["e", "ee"], ["s", "se"]],
    },
    role: "initiator",
    local: mallory,
    remote: bob.publicKey,
    random,
  });
  const responder = xkResponder({ local: bob, random });
  responder.readMessage1(liar.writeMessage());
  liar.readMessage(responder.writeMessage2());
  assert.throws(() => responder.readMessage3(liar.writeMessage()), HandshakeError);
  assert.throws(() => responder.finish(), SpentError);
});

Deno.test("HandshakeState refuses a static key that is no point, though it is authentic", () => {
  const initiator = new HandshakeState({
    suite: {
      ...SECP256K1,
      encode: (key) => key === mallory.publicKey ? new Uint8Array(33) : SECP256K1.encode(key),
    },
    pattern: IK,
    role: "initiator",
    local: mallory,
    remote: bob.publicKey,
    random,
  });
  const responder = new HandshakeState({
    suite: SECP256K1,
    pattern: IK,
    role: "responder",
    local: bob,
    random,
  });
  assert.throws(() => responder.readMessage(initiator.writeMessage()), HandshakeError);
});

Deno.test("HandshakeState wants the other's key exactly where the pattern has it known", () => {
  const base = { suite: SECP256K1, local: alice, random: noRandom };
  assert.throws(() => new HandshakeState({ ...base, pattern: KK, role: "responder" }), TypeError);
  assert.throws(
    () => new HandshakeState({ ...base, pattern: XX, role: "initiator", remote: bob.publicKey }),
    TypeError,
  );
});

Deno.test("reading a first message is total: any bytes give a HandshakeError in bounded time", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, shaped) => {
      const message = shaped ? Uint8Array.of(2, ...bytes) : bytes;
      assert.throws(() => xkResponder({ local: bob, random }).readMessage1(message), HandshakeError);
      assert.throws(
        () => kkResponder({ local: bob, remote: alice.publicKey, random }).readMessage1(message),
        HandshakeError,
      );
    }),
    { seed: 1, numRuns: 200 },
  );
  const huge = chachaSeal(new Uint8Array(32), 0, new Uint8Array(0), new Uint8Array(65_536));
  assert.throws(() => xkResponder({ local: bob, random }).readMessage1(huge), HandshakeError);
});
