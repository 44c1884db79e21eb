/** Sessions: their handshake's bounds, the quiet after it, what they count, and how they end. */
import assert from "node:assert/strict";
import {
  type Conn,
  ConnClosedError,
  ConnResetError,
  silentLog,
  TimedOutError,
  TruncatedError,
} from "../../lib/base/mod.ts";
import { type KeyPair, keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { acceptSession, connectSession, type Session } from "../../lib/dmsg/mod.ts";
import {
  QUIET_AFTER_HANDSHAKE_MS,
  SESSION_HANDSHAKE_TIMEOUT_MS,
  SESSION_STREAMS_MAX,
} from "../../lib/dmsg/session.ts";
import { u16Frame } from "../../lib/wire/mod.ts";
import { PostQuantum, xkConnect, xkInitiator } from "../../lib/noise/mod.ts";
import { YamuxSession, type YamuxStream } from "../../lib/yamux/mod.ts";
import { concat, muxFrame, statics } from "./_recording.ts";
import { type SessionRig, withRig } from "./_session_rig.ts";
import { Played, widePair } from "./_wires.ts";

const alice: KeyPair = keyPairFromSeed(new TextEncoder().encode("alice"));
const AT = { hostname: "203.0.113.9", port: 8081 };

type Options = Partial<Parameters<typeof connectSession>[3]>;

function connect(rig: SessionRig, conn: Conn, options: Options = {}): Promise<Session> {
  const onStream = () => {};
  return connectSession(conn, AT, statics.server.publicKey, {
    world: rig.world,
    local: alice,
    log: silentLog,
    onStream,
    ...options,
  });
}

function accept(rig: SessionRig, conn: Conn, options: Options = {}): Promise<Session> {
  return acceptSession(conn, AT, {
    world: rig.world,
    local: statics.server,
    log: silentLog,
    onStream: () => {},
    ...options,
  });
}

/** As a server of 2024 sees it: no hybrid. */
const classical = (rig: SessionRig): Options => ({
  postQuantum: new PostQuantum({ mode: "off", random: rig.random }),
});

async function endSession(rig: SessionRig, session: Session): Promise<void> {
  session.close();
  await rig.settle();
  await session.closed;
}

Deno.test("connectSession() says nothing for 50 ms after message 3, as old servers lose what follows it", () =>
  withRig(async (rig) => {
    const [near, far] = widePair(rig.ledger);
    const [accepting, connecting] = [accept(rig, far), connect(rig, near, classical(rig))];
    let isConnected = false;
    connecting.then(() => isConnected = true);
    await rig.clock.advance(QUIET_AFTER_HANDSHAKE_MS - 1);
    assert.equal(isConnected, false);
    await rig.clock.advance(1);
    assert.equal(isConnected, true);
    assert.equal(QUIET_AFTER_HANDSHAKE_MS, 50);
    await endSession(rig, await connecting);
    await endSession(rig, await accepting);
  }));

Deno.test("connectSession() speaks at once to a server that took part in the hybrid: it is no old one", () =>
  withRig(async (rig) => {
    const [near, far] = widePair(rig.ledger);
    const [accepting, connecting] = [accept(rig, far), connect(rig, near)];
    const startMs = rig.clock.monotonicMs();
    await rig.settle();
    const [client, server] = [await connecting, await accepting];
    assert.deepEqual([client.postQuantum, rig.clock.monotonicMs() - startMs], [true, 0]);
    const pinged = client.mux.ping();
    await rig.settle();
    assert.equal(await pinged, 0);
    await endSession(rig, client);
    await endSession(rig, server);
  }));

Deno.test("acceptSession() keeps mux bytes that come in one breath with message 3", () =>
  withRig(async (rig) => {
    const [near, far] = widePair(rig.ledger);
    const streams: YamuxStream[] = [];
    const accepting = accept(rig, near, { onStream: (stream) => void streams.push(stream) });
    const played = new Played(far);
    const handshake = xkInitiator({ local: alice, remote: statics.server.publicKey, random: rig.random });
    played.send(u16Frame(handshake.writeMessage1()));
    await rig.settle();
    handshake.readMessage2(played.received.subarray(2));
    const message3 = u16Frame(handshake.writeMessage3());
    played.send(concat([message3, muxFrame(1, new Uint8Array(0), 1), muxFrame(1, Uint8Array.of(7))]));
    const session = await accepting;
    await rig.settle();
    assert.equal(session.remote, alice.publicKey);
    assert.equal(streams.length, 1);
    assert.deepEqual([...(await streams[0]!.read())!], [7]);
    await endSession(rig, session);
    far.close();
  }));

for (const [role, open] of [["connectSession()", connect], ["acceptSession()", accept]] as const) {
  Deno.test(`${role} gives a silent peer 5 s, closes its connection, and leaves nothing`, () =>
    withRig(async (rig) => {
      const [near, far] = widePair(rig.ledger);
      const played = new Played(far);
      const outcome = open(rig, near).catch((error: unknown) => error);
      await rig.clock.advance(SESSION_HANDSHAKE_TIMEOUT_MS - 1);
      assert.equal(played.isEnded, false);
      await rig.clock.advance(1);
      const error = await outcome;
      assert.ok(error instanceof TimedOutError && error.afterMs === 5_000, String(error));
      assert.equal(played.isEnded, true);
      far.close();
    }));

  Deno.test(`${role} gives up when the peer ends, or when its signal says so`, () =>
    withRig(async (rig) => {
      const [near, far] = widePair(rig.ledger);
      const outcome = open(rig, near).catch((error: unknown) => error);
      far.close();
      const error = await outcome;
      assert.ok(error instanceof TruncatedError || error instanceof ConnResetError, String(error));
      const [left, right] = widePair(rig.ledger);
      const controller = new AbortController();
      const reason = new Error("changed my mind");
      const cancelled = open(rig, left, { signal: controller.signal }).catch((error: unknown) => error);
      await rig.settle();
      controller.abort(reason);
      assert.equal(await cancelled, reason);
      await left.closed;
      right.close();
    }));
}

Deno.test("connectSession() that is cancelled in the quiet closes its connection", () =>
  withRig(async (rig) => {
    const [near, far] = widePair(rig.ledger);
    const controller = new AbortController();
    const accepting = accept(rig, far);
    const outcome = connect(rig, near, { ...classical(rig), signal: controller.signal })
      .catch((error: unknown) => error);
    await rig.clock.advance(10);
    const reason = new Error("changed my mind");
    controller.abort(reason);
    assert.equal(await outcome, reason);
    await near.closed;
    await endSession(rig, await accepting);
  }));

Deno.test("a signal that is aborted after connectSession() returned does not end the session", () =>
  withRig(async (rig) => {
    const [near, far] = widePair(rig.ledger);
    const controller = new AbortController();
    const accepting = accept(rig, far, { signal: controller.signal });
    const connecting = connect(rig, near, { signal: controller.signal });
    await rig.clock.advance(QUIET_AFTER_HANDSHAKE_MS);
    const [client, server] = [await connecting, await accepting];
    controller.abort(new Error("too late"));
    await rig.settle();
    assert.equal(client.isLive && server.isLive, true);
    await endSession(rig, client);
    await endSession(rig, server);
  }));

Deno.test("Session.status() tells who, where, how long and how much", () =>
  withRig(async (rig) => {
    await rig.clock.advance(700); // the machine is older than the session
    const a = await rig.serve(alice);
    const stream = a.client.mux.open();
    await stream.write(new Uint8Array(1_000));
    await rig.clock.advance(1_500);
    const { bytesIn, bytesOut, ...rest } = a.client.status();
    assert.deepEqual(rest, {
      remote: statics.server.publicKey,
      remoteAddress: "127.0.0.1:8081",
      postQuantum: true,
      streams: 1,
      uptimeMs: 1_500,
    });
    assert.ok(bytesOut >= 1_012 && bytesOut < 1_100, `${bytesOut} bytes out`);
    assert.ok(bytesIn >= 12 && bytesIn < 100, `${bytesIn} bytes in`);
    const server = a.server.status();
    assert.deepEqual([server.remote, server.bytesIn], [alice.publicKey, bytesOut]);
    stream.close();
    a.incoming.shift()!.close();
  }));

Deno.test("a session that ends takes its streams with it, on both sides", () =>
  withRig(async (rig) => {
    const a = await rig.serve(alice);
    const stream = a.client.mux.open();
    await rig.settle();
    const read = stream.read().catch((error: unknown) => error);
    a.client.close(new Error("over"));
    assert.equal(a.client.isLive, false);
    assert.ok(await read instanceof ConnClosedError);
    assert.throws(() => a.client.mux.open());
    await rig.settle();
    assert.equal(a.server.isLive, false);
    await a.server.closed;
    await assert.rejects(a.incoming.shift()!.read());
  }));

Deno.test("a peer has room for 2,048 streams in one session; each further one is reset at once", () =>
  withRig(async (rig) => {
    const [near, far] = widePair(rig.ledger);
    const accepted: YamuxStream[] = [];
    const accepting = accept(rig, far, { onStream: (stream) => void accepted.push(stream) });
    const { conn } = await xkConnect(near, {
      local: alice,
      remote: statics.server.publicKey,
      clock: rig.clock,
      random: rig.random,
    });
    const limits = { streamsMax: SESSION_STREAMS_MAX + 10 };
    const greedy = new YamuxSession(conn, { role: "client", world: rig.world, limits, onStream() {} });
    const streams = Array.from({ length: SESSION_STREAMS_MAX + 2 }, () => greedy.open());
    await rig.settle();
    assert.equal(accepted.length, SESSION_STREAMS_MAX);
    for (const refused of streams.slice(SESSION_STREAMS_MAX)) await assert.rejects(refused.read());
    assert.equal(greedy.isLive, true);
    // Room for as many as end.
    streams[0]!.close();
    accepted[0]!.close();
    await rig.settle();
    greedy.open();
    await rig.settle();
    assert.equal(accepted.length, SESSION_STREAMS_MAX + 1);
    greedy.close();
    await endSession(rig, await accepting);
    await greedy.closed;
  }));
