/** Packets in whatever pieces they come, and what a peer may send that is none. @module */
import assert from "node:assert/strict";
import { Ledger, memoryPair } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import {
  encodePacket,
  PACKET_PAYLOAD_BYTES_MAX,
  PacketType,
  parsePackets,
  RefusalCounters,
  Transport,
  TransportClosedError,
} from "../../lib/transport/mod.ts";
import { OWN_PACKETS_MAX } from "../../lib/transport/transport.ts";
import { assertNothingAlive } from "../support/world.ts";
import { alice, bob, text } from "./support.ts";

type Sink = (packets: Uint8Array, from: Transport) => void | Promise<void>;

/** One transport, and the bare other end of its connection. */
function setUp(onPackets: Sink = () => {}, { bytesMax }: { bytesMax?: number } = {}) {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const [conn, peer] = memoryPair({ ledger, bytesMax });
  const refusals = new RefusalCounters();
  const ended: unknown[] = [];
  const transport = new Transport({
    world: { clock, ledger },
    local: alice.publicKey,
    remote: bob.publicKey,
    type: "stcp",
    label: "user",
    conn,
    isInitiator: true,
    onPackets,
    onClosed: (_, reason) => ended.push(reason),
    refusals,
  });
  const end = async () => {
    transport.close();
    peer.close();
    await Promise.all([transport.closed, peer.closed]);
    assertNothingAlive(ledger);
  };
  return { transport, peer, clock, refusals, ended, end };
}

const SIZES = [0, 1, 2, 6, 7, 8, 300, 65_535, 0, 0, 40_000, 5];

function recording(): { seen: string[]; sink: Sink } {
  const seen: string[] = [];
  const sink: Sink = (packets) => {
    for (const { type, routeId, payload } of parsePackets(packets)) {
      assert.ok(payload.every((byte) => byte === routeId % 256), "a payload of another packet");
      seen.push(`${type}:${routeId}:${payload.length}`);
    }
    packets.fill(0xee); // the view is the sink's
  };
  return { seen, sink };
}

for (const piece of [1, 2, 3, 5, 6, 7, 8, 13, 4_096, 1 << 20]) {
  Deno.test(`packets in pieces of ${piece} bytes come out whole, in order, each once`, async () => {
    const { seen, sink } = recording();
    const { peer, clock, end } = setUp(sink);
    const sizes = piece < 5 ? SIZES.filter((size) => size < 1_000) : SIZES;
    const packets = sizes.map((size, index) =>
      encodePacket(index % 3, index === 4 ? 0 : index + 1, new Uint8Array(size).fill(index + 1))
    );
    const stream = Uint8Array.from(packets.flatMap((packet) => [...packet]));
    for (let at = 0; at < stream.length; at += piece) {
      await peer.write(stream.subarray(at, at + piece));
      await clock.advance(0);
    }
    const expected = sizes.flatMap((size, index) => index === 4 ? [] : [`${index % 3}:${index + 1}:${size}`]);
    assert.deepEqual(seen, expected);
    await end();
  });
}

Deno.test("one read is one call of the sink, however many packets lie in it", async () => {
  let calls = 0, count = 0;
  const { peer, clock, end } = setUp((packets) => {
    calls++;
    count += parsePackets(packets).length;
  });
  const packet = encodePacket(PacketType.data, 1, text("small"));
  await peer.write(Uint8Array.from(Array.from({ length: 1_000 }, () => [...packet]).flat()));
  await clock.advance(0);
  assert.equal(count, 1_000);
  assert.ok(calls <= 2, `${calls} calls`);
  await end();
});

Deno.test("nothing is read while the sink is busy", async () => {
  const gate = Promise.withResolvers<void>();
  let calls = 0;
  const { peer, clock, end } = setUp(() => {
    calls++;
    return gate.promise;
  });
  const packet = encodePacket(PacketType.data, 1, new Uint8Array(1_000));
  let written = 0;
  const writing = (async () => {
    for (let count = 0; count < 500; count++, written++) await peer.write(packet);
  })();
  await clock.advance(100);
  assert.equal(calls, 1);
  assert.ok(written < 500, "half a megabyte was taken in");
  gate.resolve();
  await writing;
  await clock.advance(0);
  assert.ok(calls > 1);
  await end();
});

Deno.test("the peer's end inside a packet ends the transport, and says so", async () => {
  const { peer, transport, clock, ended, end } = setUp();
  await peer.write(encodePacket(PacketType.data, 1, text("whole")).subarray(0, 9));
  await peer.closeWrite();
  await clock.advance(0);
  assert.equal(transport.isLive, false);
  assert.equal((ended[0] as { code: string }).code, "TRUNCATED");
  await end();
});

Deno.test("a sink that fails ends its transport, and nothing else", async () => {
  const { peer, transport, clock, ended, end } = setUp(() => {
    throw new Error("a bug");
  });
  await peer.write(encodePacket(PacketType.data, 1, text("x")));
  await clock.advance(0);
  assert.equal(transport.isLive, false);
  assert.equal((ended[0] as Error).message, "a bug");
  await end();
});

Deno.test("unknown and malformed packets without a route are counted, and nothing ends by them", async () => {
  const { peer, transport, clock, refusals, end } = setUp(() => assert.fail("reached the sink"));
  for (const type of [0, 4, 12, 18, 19, 24, 99, 255]) await peer.write(encodePacket(type, 0, text("?")));
  for (const type of [8, 9]) await peer.write(encodePacket(type, 0, text("1234567")));
  for (const type of [13, 14, 15, 16]) await peer.write(encodePacket(type, 0, new Uint8Array(41)));
  await clock.advance(0);
  assert.deepEqual(refusals.snapshot(), { "malformed packet": 6, "unknown packet": 8 });
  assert.equal(transport.isLive, true);
  await end();
});

Deno.test("a peer that pings and reads nothing costs a bounded number of pongs", async () => {
  const { peer, transport, clock, refusals, end } = setUp(() => {}, { bytesMax: 1_000 });
  const ping = encodePacket(PacketType.transportPing, 0, new Uint8Array(8));
  const many = Uint8Array.from(Array.from({ length: 60 }, () => [...ping]).flat());
  for (let sent = 0; sent < 2 * OWN_PACKETS_MAX; sent += 60) {
    await peer.write(many);
    await clock.advance(0);
  }
  assert.ok(refusals.count("unsent answer") >= OWN_PACKETS_MAX - 100);
  assert.equal(transport.isLive, true);
  await clock.advance(60_000);
  assert.equal(transport.isLive, false); // the write deadline
  await end();
});

Deno.test("write() takes whole packets only, and send() none that is too long", async () => {
  const { transport, end } = setUp();
  const packet = encodePacket(PacketType.data, 1, text("abc"));
  await assert.rejects(transport.write(packet.subarray(0, -1)), TypeError);
  await assert.rejects(transport.write(packet.subarray(0, 3)), TypeError);
  assert.throws(
    () => transport.send(PacketType.data, 1, new Uint8Array(PACKET_PAYLOAD_BYTES_MAX + 1)),
    RangeError,
  );
  await transport.write(new Uint8Array(0));
  await end();
});

Deno.test("silence of three minutes ends a transport; time that our own sink takes does not count", async () => {
  const gate = Promise.withResolvers<void>();
  const { peer, transport, clock, end } = setUp(() => gate.promise);
  const draining = (async () => {
    while (await peer.read() !== null);
  })().catch(() => {});
  await peer.write(encodePacket(PacketType.data, 1, text("x")));
  await clock.advance(10 * 60_000);
  assert.equal(transport.isLive, true);
  gate.resolve();
  await clock.advance(2 * 60_000);
  assert.equal(transport.isLive, true);
  await clock.advance(61_000);
  assert.equal(transport.isLive, false);
  await assert.rejects(transport.send(0, 1, text("x")), TransportClosedError);
  await end();
  await draining;
});

Deno.test("a replaced connection: a write that failed on the old one goes over the new one", async () => {
  const { transport, clock, end } = setUp(() => {}, { bytesMax: 1_000 });
  const writing = transport.send(PacketType.data, 7, new Uint8Array(5_000).fill(7));
  await clock.advance(0);
  const stream = transport.openStream(PacketType.appDirect);
  const [conn, newPeer] = memoryPair();
  transport.replaceConn(conn, { isInitiator: false });
  await writing;
  await clock.advance(0);
  const view = (await newPeer.read())!; // the packet, and nothing of the stream that ended
  assert.deepEqual(parsePackets(view).map(({ routeId, payload }) => [routeId, payload.length]), [[7, 5_000]]);
  assert.equal(transport.isInitiator, false);
  await assert.rejects(stream.read(), { code: "CONN_RESET" });
  newPeer.close();
  await clock.advance(0);
  assert.equal(transport.isLive, false);
  await end();
});
