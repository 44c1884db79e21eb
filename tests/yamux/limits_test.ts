/** Everything that grows, at its bound; and nothing that is left. */
import assert from "node:assert/strict";
import { Ledger, LimitError } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { YAMUX_LIMITS, type YamuxStream } from "../../lib/yamux/mod.ts";
import { frame, joined, sessionPair, utf8, withBench } from "./support.ts";

Deno.test("the 2,049th stream of the peer is reset at once; room that comes back is used", () =>
  withBench({}, async ({ session, peer, accepted, settle }) => {
    const syn = (n: number) => frame(`window_update SYN ${2 * n + 1} 0`);
    peer.send(joined(Array.from({ length: YAMUX_LIMITS.streamsMax }, (_, n) => syn(n))));
    await settle();
    assert.equal(accepted.length, 2_048);
    peer.takeBytes();
    peer.send(joined([syn(2_048), frame("data 4097", utf8("refused"))]));
    await settle();
    assert.deepEqual(peer.takeFrames(), ["window_update RST 4097 0"]);
    assert.throws(() => session.open(), LimitError);
    accepted[5]!.close(new Error("room"));
    peer.send(syn(2_049));
    await settle();
    assert.deepEqual(peer.takeFrames(), ["window_update RST 11 0", "window_update ACK 4099 0"]);
    assert.equal(session.streamCount, 2_048);
    assert.equal(session.isLive, true);
  }));

Deno.test("2,048 streams can be opened and closed in one go", () =>
  withBench({ role: "client" }, async ({ session, peer, settle }) => {
    const streams = Array.from({ length: YAMUX_LIMITS.streamsMax }, () => session.open());
    for (const stream of streams) stream.close();
    await settle();
    const frames = peer.takeFrames();
    assert.equal(frames.filter((frame) => frame.startsWith("window_update SYN")).length, 2_048);
    assert.equal(frames.filter((frame) => frame.startsWith("window_update FIN")).length, 2_048);
    peer.send(joined(streams.map(({ id }) => frame(`window_update ACK|FIN ${id} 0`))));
    await Promise.all(streams.map(({ closed }) => closed));
    assert.equal(session.streamCount, 0);
  }));

Deno.test("1,000 sessions opened, used and closed leave nothing", async () => {
  const ledger = new Ledger();
  const world = { ledger, clock: new VirtualClock({ ledger }) };
  const echo = async (stream: YamuxStream) => {
    for (let view = await stream.read(); view !== null; view = await stream.read()) await stream.write(view);
    stream.close();
  };
  for (let round = 0; round < 10; round++) {
    const pairs = Array.from(
      { length: 100 },
      () => sessionPair(world, { onStream: (stream) => void echo(stream) }),
    );
    await Promise.all(pairs.map(async ({ client, server }, index) => {
      const stream = client.open();
      await stream.write(utf8(`session ${index}`));
      assert.equal(new TextDecoder().decode((await stream.read())!), `session ${index}`);
      await stream.closeWrite();
      assert.equal(await stream.read(), null);
      await stream.closed;
      assert.equal(client.streamCount, 0);
      (index % 2 === 0 ? client : server).close(index % 3 === 0 ? new Error("abort") : undefined);
      await Promise.all([client.closed, server.closed]);
    }));
  }
  assert.deepEqual(ledger.live(), {});
});

Deno.test("1,000 streams one after the other leave nothing in the session", async () => {
  const ledger = new Ledger();
  const world = { ledger, clock: new VirtualClock({ ledger }) };
  const { client, server } = sessionPair(world, {
    onStream: (stream) => {
      if (stream.id % 3 === 0) stream.close(new Error("no"));
      else stream.close();
    },
  });
  for (let index = 0; index < 1000; index++) {
    const stream = client.open();
    if (index % 5 === 0) stream.close(new Error("mine"));
    else stream.close();
    await stream.closed;
  }
  await world.clock.advance(0);
  assert.deepEqual([client.streamCount, server.streamCount], [0, 0]);
  assert.deepEqual(ledger.count("yamux-stream"), 0);
  client.close();
  await Promise.all([client.closed, server.closed]);
  assert.deepEqual(ledger.live(), {});
});
