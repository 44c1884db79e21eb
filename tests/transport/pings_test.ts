/** Is the peer there? Rules of transport pings, against a peer that is played. @module */
import assert from "node:assert/strict";
import { Ledger, memoryPair } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import {
  encodePacket,
  PacketType,
  parsePackets,
  RefusalCounters,
  Transport,
  type TransportType,
} from "../../lib/transport/mod.ts";
import { assertNothingAlive } from "../support/world.ts";
import { alice, bob, text } from "./support.ts";

/** A transport, and a peer that answers pings after `pongMs`, or not. */
function setUp({ pongMs, type = "stcp" }: { pongMs?: number; type?: TransportType } = {}) {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const [conn, peer] = memoryPair({ ledger });
  const refusals = new RefusalCounters();
  const ended: unknown[] = [];
  const transport = new Transport({
    world: { clock, ledger },
    local: alice.publicKey,
    remote: bob.publicKey,
    type,
    label: "user",
    conn,
    isInitiator: true,
    onPackets: () => {},
    onClosed: (_, reason) => ended.push(reason),
    refusals,
  });
  const state = { pongMs, pings: 0, atMs: [] as number[] };
  const playing = (async () => {
    for (let view = await peer.read(); view !== null; view = await peer.read()) {
      for (const { type, payload } of parsePackets(view)) {
        if (type !== PacketType.transportPing) continue;
        state.pings++;
        state.atMs.push(clock.monotonicMs());
        const pong = encodePacket(PacketType.transportPong, 0, payload);
        if (state.pongMs !== undefined) {
          clock.timer(state.pongMs, () => void peer.write(pong).catch(() => {}));
        }
      }
    }
  })().catch(() => {});
  const end = async () => {
    transport.close();
    peer.close();
    await Promise.all([transport.closed, peer.closed, playing]);
    await clock.advance(60_000);
    assertNothingAlive(ledger);
  };
  return { transport, peer, clock, state, refusals, ended, end };
}

Deno.test("over UDP a ping goes out each 20 s: NAT boxes forget what is silent for 30 s", async () => {
  const { clock, state, end } = setUp({ pongMs: 5, type: "sudph" });
  await clock.advance(61_000);
  assert.deepEqual(state.atMs, [1_000, 21_000, 41_000, 61_000]);
  await end();
});

Deno.test("a ping goes out after a second and then each minute", async () => {
  const { clock, state, end } = setUp({ pongMs: 5 });
  await clock.advance(999);
  assert.equal(state.pings, 0);
  await clock.advance(1);
  assert.equal(state.pings, 1);
  await clock.advance(10 * 60_000);
  assert.equal(state.pings, 11);
  await end();
});

Deno.test("latency: the least, the most and the newest round trip; absurd ones do not count", async () => {
  const { transport, clock, state, end } = setUp({ pongMs: 50 });
  assert.equal(transport.latencyMs, undefined);
  await clock.advance(2_000);
  assert.deepEqual(transport.latencyMs, { min: 50, max: 50, avg: 50 });
  for (
    const [pongMs, expected] of [[10, { min: 10, max: 50, avg: 10 }], [30, {
      min: 10,
      max: 50,
      avg: 30,
    }]] as const
  ) {
    state.pongMs = pongMs;
    await clock.advance(60_000);
    assert.deepEqual(transport.latencyMs, expected);
  }
  state.pongMs = 30_001;
  await clock.advance(120_000);
  assert.deepEqual(transport.latencyMs, { min: 10, max: 50, avg: 30 });
  await end();
});

Deno.test("three pings without an answer end a transport whose peer answered before", async () => {
  const { transport, peer, clock, state, ended, end } = setUp({ pongMs: 5 });
  await clock.advance(2_000);
  state.pongMs = undefined;
  const talking = setTalking(peer, clock);
  await clock.advance(3 * 60_000);
  assert.equal(transport.isLive, true);
  await clock.advance(60_000);
  assert.equal(transport.isLive, false);
  assert.equal((ended[0] as { code: string }).code, "TIMED_OUT");
  talking.cancel();
  await end();
});

Deno.test("a peer of 2024 answers no ping, and stays while it sends anything", async () => {
  const { transport, peer, clock, end } = setUp();
  const talking = setTalking(peer, clock);
  await clock.advance(30 * 60_000);
  assert.equal(transport.isLive, true);
  talking.cancel();
  await clock.advance(3 * 60_000 + 1_000);
  assert.equal(transport.isLive, false);
  await end();
});

Deno.test("a pong that nobody asked for, or one of a second time, proves nothing", async () => {
  const { transport, peer, clock, refusals, end } = setUp();
  await clock.advance(1_000);
  for (let count = 0; count < 3; count++) {
    await peer.write(encodePacket(PacketType.transportPong, 0, new Uint8Array(8).fill(count)));
  }
  await clock.advance(0);
  assert.equal(transport.latencyMs, undefined);
  assert.equal(refusals.count("unasked pong"), 3);
  await end();
});

Deno.test("the peer's ping comes back unchanged, its first eight bytes", async () => {
  const { peer, clock, transport, end } = setUp();
  const seen: number[][] = [];
  void peer; // its reads are taken by the rig: the answer is seen at a second pair
  const ledger = new Ledger();
  const [conn, other] = memoryPair({ ledger });
  transport.replaceConn(conn, { isInitiator: true });
  await other.write(encodePacket(PacketType.transportPing, 0, text("12345678 and more")));
  for (const { type, routeId, payload } of parsePackets((await other.read())!)) {
    seen.push([type, routeId, ...payload]);
  }
  assert.deepEqual(seen, [[PacketType.transportPong, 0, ...text("12345678")]]);
  await clock.advance(0);
  await end();
  other.close();
});

Deno.test("ping() ends with its signal, in 30 s, or with the transport", async () => {
  const { transport, clock, end } = setUp();
  const controller = new AbortController();
  const aborted = transport.ping(controller.signal);
  aborted.catch(() => {});
  controller.abort(new Error("enough"));
  await assert.rejects(aborted, /enough/);
  const late = transport.ping();
  late.catch(() => {});
  await clock.advance(30_000);
  await assert.rejects(late, { code: "TIMED_OUT" });
  const last = transport.ping();
  last.catch(() => {});
  transport.close();
  await assert.rejects(last, { code: "TRANSPORT_CLOSED" });
  await end();
});

/** A peer that sends a keep-alive packet each half minute. */
function setTalking(
  peer: { write(bytes: Uint8Array): Promise<void> },
  clock: VirtualClock,
): { cancel(): void } {
  let timer = clock.timer(0, send);
  function send() {
    peer.write(encodePacket(PacketType.keepAlive, 5, new Uint8Array(0))).catch(() => {});
    timer = clock.timer(30_000, send);
  }
  return { cancel: () => timer.cancel() };
}
