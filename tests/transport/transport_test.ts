import assert from "node:assert/strict";
import { Ledger, memoryPair } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import {
  encodePacket,
  PacketType,
  parsePackets,
  RefusalCounters,
  type Transport,
  TransportClosedError,
  type VirtualStream,
} from "../../lib/transport/mod.ts";
import { assertNothingAlive } from "../support/world.ts";
import { type EndOptions, text, transportPair } from "./support.ts";

/** A pair on a clock that stands, and a check that all of it is gone. */
function setUp(near: EndOptions = {}, far: EndOptions = {}) {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const conns = memoryPair({ ledger });
  const pair = transportPair({ clock, ledger }, near, far, conns);
  const end = async () => {
    pair.near.close();
    pair.far.close();
    await Promise.all([pair.near.closed, pair.far.closed]);
    assertNothingAlive(ledger);
  };
  return { ...pair, clock, ledger, conns, end };
}

Deno.test("a batch of packets arrives whole and in order, those without a route do not", async () => {
  const seen: string[] = [];
  const { near, end, clock } = setUp({}, {
    onPackets(packets, from) {
      for (const { type, routeId, payload } of parsePackets(packets)) {
        seen.push(`${from.remote.slice(0, 4)} ${type} ${routeId} ${new TextDecoder().decode(payload)}`);
      }
    },
  });
  const batch = [
    encodePacket(PacketType.data, 1, text("one")),
    encodePacket(PacketType.keepAlive, 0, text("")),
    encodePacket(PacketType.data, 0xffff_fffe, text("two")),
  ];
  await near.write(Uint8Array.from(batch.flatMap((packet) => [...packet])));
  await near.send(PacketType.error, 3, text("three"));
  await clock.advance(0);
  const local = near.local.slice(0, 4);
  assert.deepEqual(seen, [`${local} 0 1 one`, `${local} 0 4294967294 two`, `${local} 6 3 three`]);
  assert.equal(near.bytesSent, 11);
  await end();
});

Deno.test("ping() measures the round trip; an unasked pong says nothing", async () => {
  const refusals = new RefusalCounters();
  const { near, far, clock, end } = setUp({ refusals });
  await near.ping();
  await far.send(PacketType.transportPong, 0, new Uint8Array(8));
  await clock.advance(0);
  assert.equal(refusals.count("unasked pong"), 1);
  await end();
});

Deno.test("what is closed is not live, takes nothing and says why", async () => {
  let closed: Transport | undefined;
  const { near, far, clock, end } = setUp({ onClosed: (transport) => closed = transport });
  far.close();
  await clock.advance(0);
  assert.equal(near.isLive, false);
  assert.equal(closed, near);
  await assert.rejects(near.send(PacketType.data, 1, text("x")), TransportClosedError);
  assert.throws(() => near.openStream(PacketType.appDirect), TransportClosedError);
  await assert.rejects(near.ping(), TransportClosedError);
  await end();
});

Deno.test("a virtual stream carries bytes both ways and ends", async () => {
  const { promise, resolve } = Promise.withResolvers<VirtualStream>();
  const { near, end } = setUp({}, {
    onStream(kind, stream) {
      assert.equal(kind, PacketType.appDirect);
      resolve(stream);
      return true;
    },
  });
  const stream = near.openStream(PacketType.appDirect);
  await stream.write(text("hello"));
  const accepted = await promise;
  assert.deepEqual(await accepted.read(), text("hello"));
  await accepted.write(text("and back"));
  assert.deepEqual(await stream.read(), text("and back"));
  stream.close();
  assert.equal(await accepted.read(), null);
  accepted.close();
  await Promise.all([stream.closed, accepted.closed]);
  assert.equal(near.streamCount, 0);
  await end();
});
