/** Time: keep-alive, and the three limits of writing, opening and closing. */
import assert from "node:assert/strict";
import { Ledger, memoryPair, TimedOutError } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { YamuxSession, type YamuxStream } from "../../lib/yamux/mod.ts";
import { frame, sessionPair, watch, withBench } from "./support.ts";

Deno.test("a keep-alive ping goes out every 30 s, counting up from 0", () =>
  withBench({}, async ({ session, peer, clock }) => {
    await clock.advance(29_999);
    assert.deepEqual(peer.takeFrames(), []);
    await clock.advance(1);
    assert.deepEqual(peer.takeFrames(), ["ping SYN 0 0"]);
    await clock.advance(9_999);
    peer.send(frame("ping ACK 0 0"));
    await clock.advance(20_001);
    assert.deepEqual(peer.takeFrames(), ["ping SYN 0 1"]);
    assert.equal(session.isLive, true);
    peer.send(frame("ping ACK 0 1"));
    await clock.advance(0);
  }));

Deno.test("a session without an answer to its keep-alive is dead after 40 s, not before", () =>
  withBench({}, async ({ session, clock }) => {
    await clock.advance(39_999);
    assert.equal(session.isLive, true);
    await clock.advance(1);
    await session.closed;
    assert.ok(session.failure instanceof TimedOutError && session.failure.afterMs === 10_000);
  }));

Deno.test("whatever comes after the keep-alive ping shows that the peer is alive", () =>
  withBench({}, async ({ session, peer, clock }) => {
    await clock.advance(35_000);
    peer.send(frame("window_update 9 0"));
    await clock.advance(24_999);
    assert.equal(session.isLive, true);
  }));

Deno.test("a write that takes 10 s ends the session; slower progress than that is death", () =>
  withBench({ role: "client", isReading: false, bytesMax: 100 }, async ({ session, clock }) => {
    const writing = watch(session.open().write(new Uint8Array(200)));
    await clock.advance(0);
    assert.equal(writing.state, "done", "taken in");
    await clock.advance(9_999);
    assert.equal(session.isLive, true);
    await clock.advance(1);
    await session.closed;
    assert.ok(session.failure instanceof TimedOutError);
    assert.match(session.failure.message, /write/);
  }));

Deno.test("a slow line gets small batches: 16 KiB in 4 s keep the session alive", async () => {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const [near, far] = memoryPair({ bytesMax: 4096, ledger });
  const session = new YamuxSession(near, {
    role: "client",
    world: { clock, ledger },
    limits: { keepAliveMs: 1e9 },
    onStream() {},
  });
  const stream = session.open();
  far.write(frame("window_update ACK 1 4000000"));
  const writing = watch(stream.write(new Uint8Array(600_000)));
  for (let second = 0; second < 180 && writing.state === "pending"; second++) {
    await far.read(); // 4 KiB per second
    await clock.advance(1_000);
    assert.equal(session.failure, undefined, `dead after ${second} s`);
  }
  assert.equal(writing.state, "done");
  session.close(new Error("done"));
  far.close();
  await session.closed;
  assert.deepEqual(ledger.live(), {});
});

Deno.test("a line that becomes slow gets smaller batches: the second one passes where it could not as large", async () => {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const [near, far] = memoryPair({ bytesMax: 4096, ledger });
  const session = new YamuxSession(near, {
    role: "client",
    world: { clock, ledger },
    limits: { keepAliveMs: 1e9 },
    onStream() {},
  });
  const stream = session.open();
  await far.write(frame("window_update ACK 1 4000000"));
  await clock.advance(0);
  const writing = watch(stream.write(new Uint8Array(1_900_000)));
  let got = 0;
  const take = async (bytes: number, msEach: number) => {
    for (const end = got + bytes; got < end;) {
      got += (await far.read())!.length;
      await clock.advance(msEach);
      assert.equal(session.failure, undefined, `dead after ${got} bytes`);
    }
  };
  await take(800_000, 0); // batches have grown to their largest
  await take(360_000, 600); // 6.8 KB/s: the large ones under way still pass
  await take(500_000, 780); // 5.2 KB/s: a large one would need 35 s
  await take(200_000, 0);
  assert.equal(writing.state, "done");
  session.close(new Error("done"));
  far.close();
  await session.closed;
  assert.deepEqual(ledger.live(), {});
});

Deno.test("an opened stream without ACK ends the session after 20 s", () =>
  withBench({ role: "client" }, async ({ session, peer, clock }) => {
    session.open();
    await clock.advance(5_000);
    session.open();
    peer.send(frame("window_update ACK 3 0")); // only the second one
    await clock.advance(14_999);
    assert.equal(session.isLive, true);
    await clock.advance(1);
    await session.closed;
    assert.ok(session.failure instanceof TimedOutError);
    assert.match(session.failure.message, /opening/);
  }));

Deno.test("the open time-out is a setting, and a stream that was reset does not count", () =>
  withBench({ role: "client", limits: { openTimeoutMs: 75_000 } }, async ({ session, clock, peer }) => {
    session.open();
    session.open().close(new Error("changed my mind"));
    for (let at = 0; at < 70_000; at += 5_000) {
      peer.send(frame("window_update 99 0"));
      await clock.advance(5_000);
    }
    assert.equal(session.isLive, true);
    peer.send(frame("window_update ACK 1 0"), frame("ping ACK 0 0"));
    await clock.advance(9_000);
    assert.equal(session.isLive, true);
  }));

Deno.test("a closed stream whose peer sends no FIN is reset and forgotten after 30 s", () =>
  withBench({}, async ({ session, peer, clock, accepted }) => {
    peer.send(frame("window_update SYN 1 0"), frame("window_update SYN 3 0"));
    await clock.advance(0);
    accepted[0]!.close();
    await clock.advance(10_000);
    accepted[1]!.close();
    const closed = accepted.map((stream) => watch(stream.closed));
    await clock.advance(19_999);
    assert.deepEqual(closed.map(({ state }) => state), ["pending", "pending"]);
    peer.takeBytes();
    await clock.advance(1);
    assert.deepEqual(closed.map(({ state }) => state), ["done", "pending"]);
    peer.send(frame("window_update 99 0"));
    await clock.advance(0);
    assert.deepEqual(peer.takeFrames(), ["ping SYN 0 0", "window_update RST 1 0"]);
    await clock.advance(10_000);
    assert.deepEqual(peer.takeFrames(), ["window_update RST 3 0"]);
    assert.equal(session.streamCount, 0);
    assert.equal(session.isLive, true);
  }));

Deno.test("a half that was closed with closeWrite() has no limit: reading goes on", () =>
  withBench({ limits: { keepAliveMs: 1e9 } }, async ({ peer, clock, accepted }) => {
    peer.send(frame("window_update SYN 1 0"));
    await clock.advance(0);
    await accepted[0]!.closeWrite();
    await clock.advance(600_000);
    peer.send(frame("data FIN 1", Uint8Array.of(7)));
    assert.deepEqual(await accepted[0]!.read(), Uint8Array.of(7));
    assert.equal(await accepted[0]!.read(), null);
    await accepted[0]!.closed;
  }));

Deno.test("traffic sets no timers: 1,000 writes in a minute need a handful", async () => {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  let timers = 0;
  const timer = clock.timer.bind(clock);
  clock.timer = (delayMs, fire) => (timers++, timer(delayMs, fire));
  const { client, server } = sessionPair({ ledger, clock }, { onStream: (stream) => void drain(stream) });
  const stream = client.open();
  for (let index = 0; index < 1_000; index++) {
    await stream.write(new Uint8Array(100));
    await clock.advance(60);
  }
  assert.ok(timers < 30, `${timers} timers were set`);
  client.close();
  await Promise.all([client.closed, server.closed]);
  assert.deepEqual(ledger.live(), {});
});

async function drain(stream: YamuxStream): Promise<void> {
  try {
    while (await stream.read() !== null);
  } catch {
    // the end of the session
  }
}

Deno.test("a session has one timer, however many streams and writes it has", async () => {
  const ledger = new Ledger();
  const world = { ledger, clock: new VirtualClock({ ledger }) };
  const { client, server } = sessionPair(world, { onStream: (stream) => stream.close() });
  for (let index = 0; index < 100; index++) {
    const stream = client.open();
    await stream.write(new Uint8Array(1000));
    if (index % 2 === 0) stream.close();
  }
  await world.clock.advance(0);
  assert.equal(ledger.count("timer"), 2, "one per session");
  await world.clock.advance(300_000);
  assert.equal(client.isLive && server.isLive, true);
  assert.equal(ledger.count("timer"), 2);
  client.close();
  await Promise.all([client.closed, server.closed]);
  assert.deepEqual(ledger.live(), {});
});
