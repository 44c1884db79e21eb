import assert from "node:assert/strict";
import { type Conn, ConnResetError, LimitError, TimedOutError, TruncatedError } from "../../lib/base/mod.ts";
import { fromHex, parsePublicKey, toHex } from "../../lib/crypto/mod.ts";
import {
  HANDSHAKE_TIMEOUT_MS,
  HandshakeError,
  type HandshakeExtension,
  type HandshakenConn,
  noiseConn,
  xkAccept,
  xkConnect,
  xkInitiator,
  xkResponder,
} from "../../lib/noise/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import recorded from "../vectors/dmsg/noise-handshakes.json" with { type: "json" };
import { bareEnds } from "../support/bare_ends.ts";
import { alice, bob, mallory, pairOf, seededRandom, text } from "./support.ts";

const random = seededRandom("xk_conn");

Deno.test("xkConnect() and xkAccept() join two ends, and leave no timer", async () => {
  const { near, far, clock, end } = bareEnds();
  const [dialled, accepted] = await Promise.all([
    xkConnect(near, { local: alice, remote: bob.publicKey, clock, random }),
    xkAccept(far, { local: bob, clock, random }),
  ]);
  assert.equal(dialled.result.remote, bob.publicKey);
  assert.equal(accepted.result.remote, alice.publicKey);
  assert.equal(clock.pendingTimers, 0);
  const [a, b] = [dialled, accepted].map(({ conn, result }) => noiseConn(conn, result.keys)) as [Conn, Conn];
  await a.write(text("hello"));
  assert.deepEqual(await b.read(), text("hello"));
  await b.write(text("and back"));
  assert.deepEqual(await a.read(), text("and back"));
  await end();
});

Deno.test("xkConnect() writes the recorded bytes, byte by byte answered, and nothing behind message 3", async () => {
  const vector = recorded.vectors[0]!;
  const { near, far, clock, end } = bareEnds();
  const [one, two, three] = vector.handshake_messages.map(({ framed }) => framed);
  const connecting = xkConnect(near, {
    local: pairOf(vector.initiator_static),
    remote: parsePublicKey(vector.responder_static.pk),
    ephemeral: pairOf(vector.initiator_ephemeral),
    clock,
    random,
  });
  assert.equal(toHex((await far.read())!), one);
  for (const byte of fromHex(two!)) await far.write(Uint8Array.of(byte));
  const { result } = await connecting;
  assert.equal(toHex((await far.read())!), three);
  assert.equal(toHex(result.keys.send), vector.key_initiator_to_responder);
  let more = false;
  const silence = far.read().then(() => more = true, () => {});
  await clock.advance(60_000);
  assert.equal(more, false);
  await end();
  await silence;
});

Deno.test("xkAccept() keeps what came in one piece with message 3", async () => {
  const vector = recorded.vectors[0]!;
  const { near, far, clock, end } = bareEnds();
  const [one, two, three] = vector.handshake_messages.map(({ framed }) => fromHex(framed));
  const accepting = xkAccept(far, {
    local: pairOf(vector.responder_static),
    ephemeral: pairOf(vector.responder_ephemeral),
    clock,
    random,
  });
  await near.write(one!);
  assert.deepEqual(await near.read(), two);
  await near.write(Uint8Array.of(...three!, ...text("what follows")));
  const { conn, result } = await accepting;
  assert.equal(result.remote, vector.initiator_static.pk);
  assert.deepEqual(await conn.read(), text("what follows"));
  await near.write(text("and more"));
  assert.deepEqual(await conn.read(), text("and more"));
  await end();
});

Deno.test("both sides give up after 5 s, whoever is silent, and close", async () => {
  const starts: ((conn: Conn, clock: VirtualClock) => Promise<HandshakenConn>)[] = [
    (conn, clock) => xkConnect(conn, { local: alice, remote: bob.publicKey, clock, random }),
    (conn, clock) => xkAccept(conn, { local: bob, clock, random }),
  ];
  for (const start of starts) {
    const { near, far, clock, end } = bareEnds();
    let settled = false;
    const failed = assert.rejects(start(near, clock).finally(() => settled = true), TimedOutError);
    await far.write(Uint8Array.of(0)); // half a length
    await clock.advance(HANDSHAKE_TIMEOUT_MS - 1);
    assert.equal(settled, false);
    await clock.advance(1);
    await failed;
    await drainUntilReset(far);
    await end();
  }
});

Deno.test("an aborted signal ends the handshake, and has no hold on a finished one", async () => {
  const { near, far, clock, end } = bareEnds();
  const controller = new AbortController();
  const failed = assert.rejects(
    xkAccept(near, { local: bob, clock, random, signal: controller.signal }),
    (error) => error === controller.signal.reason,
  );
  await clock.advance(1_000);
  controller.abort(new Error("shutting down"));
  await failed;
  await drainUntilReset(far);
  assert.equal(clock.pendingTimers, 0);
  await end();

  const second = bareEnds();
  const later = new AbortController();
  const [{ conn }] = await Promise.all([
    xkConnect(second.near, { local: alice, remote: bob.publicKey, ...second, random, signal: later.signal }),
    xkAccept(second.far, { local: bob, ...second, random, signal: later.signal }),
  ]);
  later.abort();
  await conn.write(text("still here"));
  await second.end();
});

Deno.test("an abort in the last moment of a handshake fails it: the connection is closed already", async () => {
  const { near, far, clock, end } = bareEnds();
  const controller = new AbortController();
  const reason = new Error("shutting down");
  const extension: HandshakeExtension = {
    outgoing: () => new Uint8Array(0),
    incoming() {},
    keys(keys) {
      controller.abort(reason);
      return keys;
    },
  };
  await Promise.all([
    xkConnect(near, { local: alice, remote: bob.publicKey, clock, random }),
    assert.rejects(
      xkAccept(far, { local: bob, clock, random, signal: controller.signal, extension }),
      (error) => error === reason,
    ),
  ]);
  await end();
});

Deno.test("xkConnect() refuses another responder and closes without a word", async () => {
  const { near, far, clock, end } = bareEnds();
  const connecting = assert.rejects(
    xkConnect(near, { local: alice, remote: bob.publicKey, clock, random }),
    HandshakeError,
  );
  const forger = xkResponder({ local: mallory, random });
  forger.readMessage1(xkInitiator({ local: alice, remote: mallory.publicKey, random }).writeMessage1());
  await far.read();
  await far.write(Uint8Array.of(0, 49, ...forger.writeMessage2()));
  await connecting;
  await assert.rejects(far.read(), ConnResetError);
  await end();
});

Deno.test("xkAccept() refuses damaged, oversize and cut first messages with a typed error, and closes", async () => {
  const good = fromHex(recorded.vectors[0]!.handshake_messages[0]!.framed);
  const local = pairOf(recorded.vectors[0]!.responder_static);
  const mutants: [string, Uint8Array, new (...args: never[]) => Error][] = [
    ["a flipped key byte", good.with(20, good[20]! ^ 1), HandshakeError],
    ["a flipped tag byte", good.with(50, good[50]! ^ 1), HandshakeError],
    ["length one short", good.with(1, 48), HandshakeError],
    ["length of nothing", Uint8Array.of(0, 0), HandshakeError],
    ["length above the bound", Uint8Array.of(0x0f, 0xff), LimitError],
    ["another protocol", text("GET / HTTP/1.1\r\n\r\n"), LimitError],
    ["cut inside the message", good.subarray(0, 30), TruncatedError],
    ["cut inside the length", good.subarray(0, 1), TruncatedError],
    ["an end at once", new Uint8Array(0), TruncatedError],
  ];
  for (const [name, bytes, expected] of mutants) {
    const { near, far, clock, end } = bareEnds();
    const failed = assert.rejects(xkAccept(far, { local, clock, random }), expected, name);
    await near.write(bytes);
    await near.closeWrite().catch(() => {}); // refused by then, perhaps
    await failed;
    await assert.rejects(near.read(), ConnResetError);
    assert.equal(clock.pendingTimers, 0);
    await end();
  }
});

Deno.test("an extension fills and sees every payload, and may replace the keys", async () => {
  const { near, far, clock, end } = bareEnds();
  const seen: string[] = [];
  const extension = (name: string): HandshakeExtension => {
    let count = 0;
    return {
      outgoing: async () => text(`${name}${++count}`),
      incoming: (payload) => void seen.push(new TextDecoder().decode(payload)),
      keys: async ({ send, receive }, handshakeHash) => {
        assert.equal(handshakeHash.length, 32);
        return { send: send.map((byte) => byte ^ 1), receive: receive.map((byte) => byte ^ 1) };
      },
    };
  };
  const [dialled, accepted] = await Promise.all([
    xkConnect(near, { local: alice, remote: bob.publicKey, clock, random, extension: extension("a") }),
    xkAccept(far, { local: bob, clock, random, extension: extension("b") }),
  ]);
  assert.deepEqual(seen, ["a1", "b1", "a2"]);
  assert.deepEqual(dialled.result.keys.send, accepted.result.keys.receive);
  assert.deepEqual(dialled.result.keys.receive, accepted.result.keys.send);
  await end();
});

Deno.test("an extension that refuses the keys keeps message 3 from being sent", async () => {
  const { near, far, clock, end } = bareEnds();
  const refusal = new Error("post-quantum is required");
  const extension: HandshakeExtension = {
    outgoing: () => new Uint8Array(0),
    incoming() {},
    keys() {
      throw refusal;
    },
  };
  const accepting = assert.rejects(xkAccept(far, { local: bob, clock, random }), ConnResetError);
  await assert.rejects(
    xkConnect(near, { local: alice, remote: bob.publicKey, clock, random, extension }),
    (error) => error === refusal,
  );
  await accepting;
  await end();
});

async function drainUntilReset(conn: Conn): Promise<void> {
  await assert.rejects(async () => {
    for (;;) if (await conn.read() === null) throw new Error("The connection ended in order");
  }, ConnResetError);
}
