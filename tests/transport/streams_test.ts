/** Rules of virtual streams, against a peer that is played frame by frame. @module */
import assert from "node:assert/strict";
import { Ledger, memoryPair } from "../../lib/base/mod.ts";
import { fromHex, type KeyPair, publicKeyBytes } from "../../lib/crypto/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import {
  parseStreamFrame,
  STREAM_HEADER_BYTES,
  writeStreamHeader,
} from "../../lib/transport/_stream_frame.ts";
import { STREAMS_MAX } from "../../lib/transport/_stream_mux.ts";
import {
  encodePacket,
  PacketType,
  parsePacket,
  parsePackets,
  RefusalCounters,
  Transport,
  type VirtualStream,
} from "../../lib/transport/mod.ts";
import { FULL_QUEUE_MS, STREAM_QUEUE_BYTES_MAX } from "../../lib/transport/virtual_stream.ts";
import vectors from "../vectors/routing/packets.json" with { type: "json" };
import { assertNothingAlive } from "../support/world.ts";
import { alice, bob, carol, text } from "./support.ts";

const SYN = 1, FIN = 2, RELAY = 4, RELAYED = 8;
const KIND = PacketType.appDirect;

function setUp({ local = alice, remote = bob, accept = true } = {}) {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const [conn, peer] = memoryPair({ ledger });
  const refusals = new RefusalCounters();
  const accepted: VirtualStream[] = [];
  const packets: number[] = [];
  const transport = new Transport({
    world: { clock, ledger },
    local: local.publicKey,
    remote: remote.publicKey,
    type: "stcp",
    label: "user",
    conn,
    isInitiator: true,
    onPackets: (batch) => void packets.push(...parsePackets(batch).map(({ routeId }) => routeId)),
    onStream(_kind, stream) {
      if (accept) accepted.push(stream);
      return accept;
    },
    refusals,
  });
  const sent: { kind: number; id: bigint; flags: number; data: string }[] = [];
  const playing = (async () => {
    for (let view = await peer.read(); view !== null; view = await peer.read()) {
      for (const { type, payload } of parsePackets(view)) {
        const frame = type >= 13 && type <= 16 ? parseStreamFrame(payload) : undefined;
        if (frame === undefined) continue;
        assert.deepEqual(frame.sender, publicKeyBytes(local.publicKey));
        const data = new TextDecoder().decode(frame.data);
        sent.push({ kind: type, id: frame.streamId, flags: frame.flags, data });
      }
    }
  })().catch(() => {});
  const send = async (id: bigint, flags: number, data = "", sender: KeyPair = remote) => {
    await peer.write(encodePacket(KIND, 0, frameOf(id, flags, text(data), sender)));
    await clock.advance(0);
  };
  const end = async () => {
    transport.close();
    peer.close();
    await Promise.all([transport.closed, peer.closed, playing]);
    assert.equal(transport.streamCount, 0);
    assertNothingAlive(ledger);
  };
  return { transport, peer, clock, refusals, accepted, packets, sent, send, end };
}

function frameOf(streamId: bigint, flags: number, data: Uint8Array, sender: KeyPair): Uint8Array {
  const frame = new Uint8Array(STREAM_HEADER_BYTES + data.length);
  frame.set(data, writeStreamHeader(frame, 0, { streamId, sender: publicKeyBytes(sender.publicKey), flags }));
  return frame;
}

Deno.test("the recorded frames are parsed and written as they are", () => {
  let ran = 0;
  for (const { hex, stream_id, sender, flags, data } of vectors.vectors) {
    if (stream_id === undefined) continue;
    const { payload } = parsePacket(fromHex(hex));
    const frame = parseStreamFrame(payload)!;
    assert.deepEqual([frame.streamId, frame.flags], [BigInt(stream_id), flags]);
    assert.deepEqual(frame.sender, fromHex(sender!));
    assert.deepEqual(frame.data, fromHex(data ?? ""));
    const written = new Uint8Array(payload.length);
    written.set(frame.data, writeStreamHeader(written, 0, frame));
    assert.deepEqual(written, payload);
    ran++;
  }
  assert.equal(ran, 4);
});

Deno.test("ids are even at the smaller key and odd at the larger, and skip those of old peers", async () => {
  for (const [local, remote] of [[alice, bob], [bob, alice]] as const) {
    const odd = local.publicKey > remote.publicKey ? 1n : 0n;
    const { transport, clock, sent, send, end } = setUp({ local, remote });
    transport.openStream(KIND);
    await send(4n + odd, SYN); // counts as it likes
    transport.openStream(KIND);
    await clock.advance(0);
    assert.deepEqual(sent.map(({ id, flags }) => [id, flags]), [[2n + odd, SYN], [6n + odd, SYN]]);
    await end();
  }
});

Deno.test("a stream of any id is accepted, read to its end and answered", async () => {
  for (const id of [0n, 1n, 7n, 2n ** 64n - 1n]) {
    const { accepted, sent, send, clock, end } = setUp();
    await send(id, SYN, "with the SYN");
    const [stream] = accepted as [VirtualStream];
    assert.deepEqual(await stream.read(), text("with the SYN"));
    await send(id, FIN, "with the FIN");
    assert.deepEqual(await stream.read(), text("with the FIN"));
    assert.equal(await stream.read(), null);
    await stream.write(text("answer"));
    stream.close();
    await clock.advance(0);
    assert.deepEqual(sent, [{ kind: KIND, id, flags: 0, data: "answer" }, {
      kind: KIND,
      id,
      flags: FIN,
      data: "",
    }]);
    await end();
  }
});

Deno.test("a stream that nobody accepts is ended at once, and counted", async () => {
  const { transport, sent, send, refusals, end } = setUp({ accept: false });
  await send(9n, SYN);
  await send(9n, 0, "behind it");
  assert.deepEqual(sent.map(({ id, flags }) => [id, flags]), [[9n, FIN]]);
  assert.equal(refusals.count("stream"), 1);
  assert.equal(transport.streamCount, 0);
  await end();
});

Deno.test("relaying is refused, and so is a frame of somebody else", async () => {
  const { accepted, sent, send, refusals, end } = setUp();
  await send(2n, SYN | RELAY, "x".repeat(106));
  await send(3n, RELAYED, "data");
  await send(4n, SYN, "", carol);
  assert.deepEqual(accepted, []);
  assert.deepEqual(sent.map(({ id, flags }) => [id, flags]), [[2n, FIN], [4n, FIN]]);
  assert.equal(refusals.count("relayed stream"), 3);
  await end();
});

Deno.test("a second SYN of an id ends the stream that has it: neither could be told from the other", async () => {
  const { transport, sent, send, end } = setUp();
  const stream = transport.openStream(KIND);
  const reading = stream.read();
  reading.catch(() => {});
  await send(2n + (alice.publicKey > bob.publicKey ? 1n : 0n), SYN);
  await assert.rejects(reading, { code: "CONN_RESET" });
  assert.equal(sent.at(-1)!.flags, FIN);
  await end();
});

Deno.test("streams of one transport are bounded, on both sides", async () => {
  const { transport, accepted, send, refusals, end } = setUp();
  for (let id = 0; id < STREAMS_MAX + 5; id++) await send(BigInt(id), SYN);
  assert.equal(accepted.length, STREAMS_MAX);
  assert.equal(refusals.count("stream"), 5);
  assert.throws(() => transport.openStream(KIND), { code: "LIMIT_REACHED" });
  accepted[0]!.close();
  transport.openStream(KIND);
  await end();
});

Deno.test("a full queue holds the transport up until somebody reads; nothing is lost", async () => {
  const { peer, clock, accepted, packets, send, end } = setUp();
  await send(2n, SYN);
  const data = new Uint8Array(32_768).fill(7);
  const frames = STREAM_QUEUE_BYTES_MAX / data.length + 10;
  const writing = (async () => {
    for (let count = 0; count < frames; count++) {
      await peer.write(encodePacket(KIND, 0, frameOf(2n, 0, data, bob)));
    }
    await peer.write(encodePacket(PacketType.data, 77, text("behind")));
  })();
  await clock.advance(FULL_QUEUE_MS - 1_000);
  assert.deepEqual(packets, []);
  let bytes = 0;
  while (bytes < frames * data.length) bytes += (await accepted[0]!.read())!.length;
  assert.equal(bytes, frames * data.length);
  await writing;
  await clock.advance(0);
  assert.deepEqual(packets, [77]);
  await clock.advance(FULL_QUEUE_MS);
  await end();
});

Deno.test("a queue that stays full for 30 s ends its stream, and the transport goes on", async () => {
  const { peer, clock, accepted, packets, refusals, sent, send, transport, end } = setUp();
  await send(2n, SYN);
  const data = new Uint8Array(65_000);
  const writing = (async () => {
    for (let count = 0; count < 20; count++) {
      await peer.write(encodePacket(KIND, 0, frameOf(2n, 0, data, bob)));
    }
    await peer.write(encodePacket(PacketType.data, 77, text("behind")));
  })();
  await clock.advance(FULL_QUEUE_MS + 1);
  await writing;
  await clock.advance(0);
  assert.deepEqual(packets, [77]);
  await assert.rejects(accepted[0]!.read(), { code: "CONN_CLOSED" });
  assert.equal(refusals.count("stalled stream"), 1);
  assert.equal(sent.at(-1)!.flags, FIN);
  assert.equal(transport.isLive, true);
  await end();
});

Deno.test("streams end with their transport, and say so", async () => {
  const { transport, accepted, send, end } = setUp();
  await send(2n, SYN);
  const own = transport.openStream(KIND);
  const reads = [own.read(), accepted[0]!.read()];
  transport.close();
  for (const read of reads) await assert.rejects(read, { code: "TRANSPORT_CLOSED" });
  await assert.rejects(own.write(text("late")), { code: "TRANSPORT_CLOSED" });
  await end();
});
