/** The answering side of a stream: room before the answer, refusals without a word, and early bytes kept. */
import assert from "node:assert/strict";
import { ConnClosedError, TimedOutError } from "../../lib/base/mod.ts";
import { type KeyPair, keyPairFromSeed } from "../../lib/crypto/mod.ts";
import {
  checkStreamResponse,
  LISTENER_QUEUE_MAX,
  parseSignedObject,
  type SignedObject,
  type StreamRequest,
} from "../../lib/dmsg/mod.ts";
import { kkInitiator, noiseConn } from "../../lib/noise/mod.ts";
import { withPrefix } from "../../lib/base/mod.ts";
import { ConnReader } from "../../lib/wire/mod.ts";
import type { YamuxStream } from "../../lib/yamux/mod.ts";
import { concat, keyOf } from "./_recording.ts";
import { accepted, type Joined, type SessionRig, signedRequest, withRig } from "./_session_rig.ts";

const [alice, bob] = ["alice", "bob"].map((name) => keyPairFromSeed(new TextEncoder().encode(name))) as [
  KeyPair,
  KeyPair,
];

/** A request of A for a stream to `port`, with the handshake that goes on when it is answered. */
function ask(rig: SessionRig, port = 1000, changes: Partial<StreamRequest> = {}) {
  const handshake = kkInitiator({ local: alice, remote: bob.publicKey, random: rig.random });
  const request = signedRequest(alice, bob.publicKey, {
    destination: { publicKey: bob.publicKey, port },
    noiseMessage: handshake.writeMessage1(),
    ...changes,
  });
  return { handshake, request };
}

async function deliver(rig: SessionRig, b: Joined, request: SignedObject): Promise<YamuxStream> {
  const stream = b.server.mux.open();
  await stream.write(b.server.sealer.seal(request.bytes));
  await rig.settle();
  return stream;
}

/** The end of the caller, once it was answered. */
async function answered(rig: SessionRig, b: Joined, stream: YamuxStream, asked: ReturnType<typeof ask>) {
  const reader = new ConnReader(stream);
  const [high, low] = await reader.readExactly(2);
  const object = b.server.opener.open(await reader.readExactly((high! << 8) | low!));
  const { noiseMessage } = checkStreamResponse(parseSignedObject(object), {
    request: asked.request,
    destination: { publicKey: bob.publicKey },
  });
  asked.handshake.readMessage2(noiseMessage);
  return noiseConn(withPrefix(stream, reader.rest()), asked.handshake.finish().keys, { ledger: rig.ledger });
}

async function assertRefused(rig: SessionRig, stream: YamuxStream, dmsgCode: number): Promise<void> {
  const { bytes, end } = await rig.outcome(stream);
  assert.deepEqual([bytes.length, end], [0, "end"]);
  assert.match(rig.takeCause(), new RegExp(`^dmsg error ${dmsgCode} - `));
  stream.close();
}

Deno.test("respondToStream() gives the listener a stream that both ends can use", () =>
  withRig(async (rig) => {
    const b = await rig.serve(bob);
    const listener = rig.listen(1000);
    const asked = ask(rig);
    const near = await answered(rig, b, await deliver(rig, b, asked.request), asked);
    const far = await accepted(listener);
    assert.deepEqual([far.remote, far.local, far.server], [
      { publicKey: alice.publicKey, port: 49_153 },
      { publicKey: bob.publicKey, port: 1000 },
      keyOf("server"),
    ]);
    await near.write(Uint8Array.of(1, 2));
    assert.deepEqual([...(await far.read())!], [1, 2]);
    await far.write(Uint8Array.of(3));
    assert.deepEqual([...(await near.read())!], [3]);
    near.close();
    far.close();
  }));

Deno.test("respondToStream() refuses before it answers when the queue is full (401), and has room again", () =>
  withRig(async (rig) => {
    const b = await rig.serve(bob);
    const listener = rig.listen(1000);
    const streams: YamuxStream[] = [];
    for (let count = 0; count < LISTENER_QUEUE_MAX; count++) {
      streams.push(await deliver(rig, b, ask(rig).request));
    }
    const { request } = ask(rig);
    const drawsBefore = rig.random.draws;
    await assertRefused(rig, await deliver(rig, b, request), 401);
    assert.equal(rig.random.draws, drawsBefore, "no handshake was begun");
    (await accepted(listener)).close();
    const asked = ask(rig);
    const near = await answered(rig, b, await deliver(rig, b, asked.request), asked);
    near.close();
    assert.equal(b.client.isLive, true);
    for (const stream of streams) stream.close();
  }));

Deno.test("respondToStream() gives room back for every handshake that failed", () =>
  withRig(async (rig) => {
    const b = await rig.serve(bob);
    const listener = rig.listen(1000);
    for (let count = 0; count <= LISTENER_QUEUE_MAX; count++) {
      const stream = await deliver(rig, b, ask(rig, 1000, { noiseMessage: new Uint8Array(49) }).request);
      stream.close();
    }
    rig.records.length = 0;
    const asked = ask(rig);
    const near = await answered(rig, b, await deliver(rig, b, asked.request), asked);
    (await accepted(listener)).close();
    near.close();
  }));

Deno.test("respondToStream() refuses a port where nobody listens (306), also once the listener is closed", () =>
  withRig(async (rig) => {
    const b = await rig.serve(bob);
    const listener = rig.listen(1000);
    await assertRefused(rig, await deliver(rig, b, ask(rig, 1001).request), 306);
    listener.close();
    await assertRefused(rig, await deliver(rig, b, ask(rig).request), 306);
    assert.equal(b.client.isLive, true);
  }));

Deno.test("respondToStream() refuses a request for another key (303)", () =>
  withRig(async (rig) => {
    const b = await rig.serve(bob);
    rig.listen(1000);
    const request = signedRequest(alice, alice.publicKey);
    await assertRefused(rig, await deliver(rig, b, request), 303);
  }));

Deno.test("a listener that closes ends the streams that nobody accepted; accepted ones live on", () =>
  withRig(async (rig) => {
    const b = await rig.serve(bob);
    const listener = rig.listen(1000);
    const first = ask(rig);
    const near = await answered(rig, b, await deliver(rig, b, first.request), first);
    const far = await accepted(listener);
    const second = ask(rig);
    const waiting = await answered(rig, b, await deliver(rig, b, second.request), second);
    listener.close();
    await rig.settle();
    await assert.rejects(waiting.read());
    waiting.close();
    await near.write(Uint8Array.of(1));
    assert.deepEqual([...(await far.read())!], [1]);
    near.close();
    far.close();
  }));

Deno.test("respondToStream() keeps what came in one breath with the request", () =>
  withRig(async (rig) => {
    const b = await rig.serve(bob);
    const listener = rig.listen(1000);
    const { request } = ask(rig);
    const stream = b.server.mux.open();
    // No caller has keys this early: the bytes are kept for the handshake's connection, which refuses them.
    await stream.write(concat([b.server.sealer.seal(request.bytes), Uint8Array.of(0, 1, 2)]));
    const far = await accepted(listener);
    await assert.rejects(far.read(), /frame/i);
    stream.close();
  }));

Deno.test("respondToStream() answers the liveness marker", () =>
  withRig(async (rig) => {
    const b = await rig.serve(bob);
    const stream = b.server.mux.open();
    await stream.write(Uint8Array.of(0, 0));
    assert.deepEqual([...(await rig.outcome(stream)).bytes], [0, 0]);
    stream.close();
    assert.equal(rig.records.length, 0);
  }));

Deno.test("respondToStream() waits 5 s for a request, and its session lives on", () =>
  withRig(async (rig) => {
    const b = await rig.serve(bob);
    const stream = b.server.mux.open();
    await rig.clock.advance(4_999);
    assert.equal(rig.working, 1);
    await rig.clock.advance(1);
    assert.equal(rig.working, 0);
    await rig.outcome(stream);
    stream.close();
    assert.match(rig.takeCause(), /5000 ms/);
    assert.equal(b.client.isLive, true);
  }));

Deno.test("a client that ends lets go of a request under way, without a word in the log", () =>
  withRig(async (rig) => {
    const b = await rig.serve(bob);
    const stream = b.server.mux.open();
    await rig.settle();
    assert.equal(rig.working, 1);
    rig.abort();
    await rig.settle();
    assert.equal(rig.working, 0);
    assert.equal(rig.records.length, 0);
    await rig.outcome(stream);
    stream.close();
  }));

Deno.test("an accepted stream that receives nothing for 2 min is closed while it is read", () =>
  withRig(async (rig) => {
    const b = await rig.serve(bob);
    const listener = rig.listen(1000);
    const asked = ask(rig);
    const near = await answered(rig, b, await deliver(rig, b, asked.request), asked);
    const far = await accepted(listener);
    const outcome = far.read().catch((error: unknown) => error);
    await rig.clock.advance(119_999);
    await near.write(Uint8Array.of(1));
    assert.deepEqual([...await outcome as Uint8Array], [1]);
    const silent = far.read().catch((error: unknown) => error);
    await rig.clock.advance(119_999);
    assert.equal(b.client.mux.streamCount, 1);
    await rig.clock.advance(1);
    const error = await silent;
    assert.ok(error instanceof ConnClosedError && error.cause instanceof TimedOutError, String(error));
    near.close();
  }));
