/** The dialling side of a stream: bounded, cancellable, and never more than its own stream at stake. */
import assert from "node:assert/strict";
import { LimitError, TimedOutError, TruncatedError } from "../../lib/base/mod.ts";
import { type KeyPair, keyPairFromSeed, toHex } from "../../lib/crypto/mod.ts";
import { initiateStream, STREAM_HANDSHAKE_TIMEOUT_MS } from "../../lib/dmsg/_initiate.ts";
import {
  checkStreamRequest,
  encodeStreamResponse,
  parseSignedObject,
  SESSION_STREAMS_MAX,
  signObject,
} from "../../lib/dmsg/mod.ts";
import { kkResponder, noiseConn } from "../../lib/noise/mod.ts";
import { ConnReader } from "../../lib/wire/mod.ts";
import { concat } from "./_recording.ts";
import { type Joined, type SessionRig, withRig } from "./_session_rig.ts";

const [alice, bob] = ["alice", "bob"].map((name) => keyPairFromSeed(new TextEncoder().encode(name))) as [
  KeyPair,
  KeyPair,
];

function dial(rig: SessionRig, a: Joined, options: { signal?: AbortSignal; timeoutMs?: number } = {}) {
  return initiateStream(a.client, {
    world: rig.world,
    local: alice,
    source: { publicKey: alice.publicKey, port: 49_153 },
    destination: { publicKey: bob.publicKey, port: 1000 },
    ...options,
  });
}

/** Answers the request that came last as B would, with `early` bytes of the stream in the same breath. */
async function answer(rig: SessionRig, a: Joined, early = new Uint8Array(0)) {
  await rig.settle();
  const stream = a.incoming.shift()!;
  const reader = new ConnReader(stream);
  const [high, low] = await reader.readExactly(2);
  const signed = parseSignedObject(a.server.opener.open(await reader.readExactly((high! << 8) | low!)));
  const request = checkStreamRequest(signed);
  const kk = kkResponder({ local: bob, remote: alice.publicKey, random: rig.random });
  kk.readMessage1(request.noiseMessage);
  const response = signObject(
    encodeStreamResponse({
      requestHash: signed.hash,
      accepted: true,
      errorCode: 0,
      noiseMessage: kk.writeMessage2(),
    }),
    bob.secretKey,
  );
  const sealed = a.server.sealer.seal(response.bytes);
  const { keys } = kk.finish();
  if (early.length === 0) {
    await stream.write(sealed);
    return { conn: noiseConn(stream, keys, { ledger: rig.ledger }), request };
  }
  // The frames are made beside the stream, so that all leaves in one write.
  const written: Uint8Array[] = [sealed];
  const aside = {
    halfClose: true,
    closed: stream.closed,
    read: () => stream.read(),
    write: (bytes: Uint8Array) => Promise.resolve(void written.push(bytes.slice())),
    closeWrite: () => stream.closeWrite(),
    close: (reason?: unknown) => stream.close(reason),
  };
  const conn = noiseConn(aside, keys, { ledger: rig.ledger });
  await conn.write(early);
  await stream.write(concat(written));
  return { conn, request };
}

Deno.test("initiateStream() signs what it asks, with the time now and both addresses", () =>
  withRig(async (rig) => {
    const a = await rig.serve(alice);
    const dialling = dial(rig, a);
    const { conn: far, request } = await answer(rig, a);
    const { conn, remote } = await dialling;
    assert.equal(remote, bob.publicKey);
    assert.equal(request.timestamp, BigInt(rig.clock.wallMs()) * 1_000_000n);
    assert.deepEqual(request.source, { publicKey: alice.publicKey, port: 49_153 });
    assert.deepEqual(request.destination, { publicKey: bob.publicKey, port: 1000 });
    assert.equal(request.ipInfo, false);
    await conn.write(Uint8Array.of(1));
    assert.deepEqual([...(await far.read())!], [1]);
    conn.close();
    far.close();
  }));

Deno.test("initiateStream() keeps what came in one breath with the response", () =>
  withRig(async (rig) => {
    const a = await rig.serve(alice);
    const dialling = dial(rig, a);
    const early = new Uint8Array(10_000).map((_, index) => index * 3);
    const { conn: far } = await answer(rig, a, early);
    const { conn } = await dialling;
    assert.equal(toHex(await new ConnReader(conn).readExactly(early.length)), toHex(early));
    conn.close();
    far.close();
  }));

Deno.test("DC-5: cancelling after the dial returned never touches the stream", () =>
  withRig(async (rig) => {
    const a = await rig.serve(alice);
    const controller = new AbortController();
    const dialling = dial(rig, a, { signal: controller.signal });
    const { conn: far } = await answer(rig, a);
    const { conn } = await dialling;
    controller.abort(new Error("too late"));
    await rig.clock.advance(STREAM_HANDSHAKE_TIMEOUT_MS * 2);
    await conn.write(Uint8Array.of(1));
    assert.deepEqual([...(await far.read())!], [1]);
    await far.write(Uint8Array.of(2));
    assert.deepEqual([...(await conn.read())!], [2]);
    conn.close();
    far.close();
  }));

Deno.test("DC-6: a cancelled dial rejects with the signal's reason and ends its own stream only", () =>
  withRig(async (rig) => {
    const a = await rig.serve(alice);
    const first = dial(rig, a);
    const { conn: far } = await answer(rig, a);
    const { conn } = await first;
    const controller = new AbortController();
    const outcome = dial(rig, a, { signal: controller.signal }).catch((error: unknown) => error);
    await rig.settle();
    assert.equal(a.client.mux.streamCount, 2);
    const reason = new Error("changed my mind");
    controller.abort(reason);
    await rig.settle();
    assert.equal(await outcome, reason);
    const stream = a.incoming.shift()!;
    await rig.outcome(stream);
    stream.close();
    await rig.settle();
    assert.deepEqual([a.client.mux.streamCount, a.server.mux.streamCount], [1, 1]);
    await conn.write(Uint8Array.of(1));
    assert.deepEqual([...(await far.read())!], [1]);
    conn.close();
    far.close();
  }));

Deno.test("a dial whose signal is aborted already opens nothing", () =>
  withRig(async (rig) => {
    const a = await rig.serve(alice);
    const reason = new Error("before");
    const outcome = dial(rig, a, { signal: AbortSignal.abort(reason) }).catch((error: unknown) => error);
    assert.equal(await outcome, reason);
    await rig.settle();
    assert.deepEqual([a.client.mux.streamCount, a.incoming.length], [0, 0]);
  }));

Deno.test("DC-6: a dial without an answer ends after 5 s, its stream with it, the session not", () =>
  withRig(async (rig) => {
    const a = await rig.serve(alice);
    const outcome = dial(rig, a).catch((error: unknown) => error);
    await rig.clock.advance(4_999);
    assert.equal(a.client.mux.streamCount, 1);
    await rig.clock.advance(1);
    const error = await outcome;
    assert.ok(error instanceof TimedOutError && error.afterMs === 5_000, String(error));
    const stream = a.incoming.shift()!;
    await rig.outcome(stream);
    stream.close();
    await rig.settle();
    assert.deepEqual([a.client.mux.streamCount, a.client.isLive], [0, true]);
  }));

Deno.test("a dial that the server ends without a word fails at once", () =>
  withRig(async (rig) => {
    const a = await rig.serve(alice);
    const outcome = dial(rig, a).catch((error: unknown) => error);
    await rig.settle();
    a.incoming.shift()!.close();
    assert.ok(await outcome instanceof TruncatedError);
    await rig.settle();
    assert.deepEqual([a.client.isLive, a.client.mux.streamCount], [true, 0]);
  }));

Deno.test("a dial over a session that has ended fails at once, and so does one whose session ends", () =>
  withRig(async (rig) => {
    const a = await rig.serve(alice);
    const outcome = dial(rig, a).then(() => "dialed", () => "failed");
    await rig.settle();
    a.server.close();
    assert.equal(await outcome, "failed");
    await assert.rejects(dial(rig, a));
  }));

Deno.test("a session has room for 2,048 streams; one more is a LimitError, and nothing is drawn for it", () =>
  withRig(async (rig) => {
    const a = await rig.serve(alice);
    const streams = Array.from({ length: SESSION_STREAMS_MAX }, () => a.client.mux.open());
    const drawsBefore = rig.random.draws;
    await assert.rejects(dial(rig, a), LimitError);
    assert.equal(rig.random.draws, drawsBefore);
    assert.equal(SESSION_STREAMS_MAX, 2_048);
    for (const stream of streams) stream.close();
    for (const stream of a.incoming) stream.close();
  }));
