/**
 * `transportCompliance()`: what every type of transport must do, case by case, on simulated machines.
 *
 * ```ts
 * transportCompliance("stcp", (simulation) => ({ type: "stcp", visor: (name) => ..., cut() {}, reset() {}, close: ... }));
 * ```
 *
 * Alice dials Bob. At the end of each case both are closed, and nothing may be alive on any machine.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { KeyPair } from "../../lib/crypto/mod.ts";
import { sleep, type World } from "../../lib/runtime/mod.ts";
import type { Simulation } from "../../lib/runtime/simulated/mod.ts";
import {
  encodePacket,
  PacketType,
  parsePackets,
  type Transport,
  TransportClosedError,
  TransportManager,
  type TransportManagerOptions,
  type TransportType,
  type VirtualStream,
} from "../../lib/transport/mod.ts";
import { withSimulation } from "../support/world.ts";
import { alice, bob, text } from "./support.ts";

export type VisorOptions = Partial<TransportManagerOptions>;

/** What is below the transports of one case. */
export interface TransportRig {
  readonly type: TransportType;
  /** A visor of that key on the machine `at`, which can dial and be dialled. */
  visor(local: KeyPair, at: string, options?: VisorOptions): Promise<TransportManager>;
  /** From now on nothing passes between Alice's and Bob's machines. */
  cut(): void;
  /** Connections between them, or to what relays them, are reset. */
  reset(): void;
  /** True where a new holder of a key ends the old one's connections below already. */
  readonly endsOldConnections?: boolean;
  /** Frees what is below. */
  close(): Promise<void>;
}

export type MakeRig = (simulation: Simulation) => Promise<TransportRig> | TransportRig;

/** What a case works with. */
interface Bench {
  readonly rig: TransportRig;
  readonly simulation: Simulation;
  readonly clock: World["clock"];
  readonly near: TransportManager;
  readonly far: TransportManager;
  /** What Bob's sink does; by default it keeps copies of payloads in `seen`. */
  onPackets: (packets: Uint8Array, from: Transport) => void | Promise<void>;
  readonly seen: Uint8Array[];
  dial(): Promise<{ out: Transport; back: Transport }>;
  wait(ms: number): Promise<void>;
}

interface ComplianceCase {
  readonly name: string;
  run(bench: Bench): Promise<void>;
}

/** Registers every case as a step of one test. */
export function transportCompliance(name: string, makeRig: MakeRig, { rounds = 100 } = {}): void {
  Deno.test(`transports of type ${name} comply`, async (test) => {
    for (const each of [...CASES, openedAndClosed(rounds)]) {
      await test.step(each.name, () =>
        withSimulation(`${name} ${each.name}`, async (simulation) => {
          await simulation.run(() => runCase(each, simulation, makeRig), { untilMs: 24 * 3_600_000 });
        }, { link: { splitPct: 50 } }));
    }
  });
}

async function runCase(each: ComplianceCase, simulation: Simulation, makeRig: MakeRig): Promise<void> {
  const rig = await makeRig(simulation);
  const seen: Uint8Array[] = [];
  const keep = (packets: Uint8Array) => {
    for (const { payload } of parsePackets(packets)) seen.push(payload.slice());
  };
  const near = await rig.visor(alice, "alice");
  const far = await rig.visor(bob, "bob", { onPackets: (packets, from) => bench.onPackets(packets, from) });
  const clock = simulation.node("watch").clock;
  const bench: Bench = {
    rig,
    simulation,
    near,
    far,
    seen,
    clock,
    onPackets: keep,
    wait: (ms) => sleep(clock, ms),
    async dial() {
      const out = await near.dial(bob.publicKey, rig.type);
      for (let turns = 0; far.find(out.id) === undefined; turns++) {
        assert.ok(turns < 100, "the far end has no transport");
        await bench.wait(10);
      }
      return { out, back: far.find(out.id)! };
    },
  };
  await each.run(bench);
  await Promise.all([near.close(), far.close()]);
  await rig.close();
}

/** Payloads of many sizes; the same for the same number. */
function payloads(count: number, bytesMax = 3_000): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => {
    const length = (index * 7_919 + 13) % bytesMax;
    return new Uint8Array(length).map((_, at) => index + at);
  });
}

const CASES: readonly ComplianceCase[] = [
  {
    name: "a dial settles: one transport at both ends, with the dialler's label",
    async run({ near, far, rig, wait }) {
      const out = await near.dial(bob.publicKey, rig.type, { label: "automatic" });
      await wait(200);
      const back = far.find(out.id)!;
      assert.deepEqual([out.remote, out.isInitiator, out.isLive], [bob.publicKey, true, true]);
      assert.deepEqual([back.remote, back.isInitiator, back.isLive], [alice.publicKey, false, true]);
      assert.equal(back.label, "automatic");
      assert.equal(out.type, rig.type);
      assert.deepEqual(near.to(bob.publicKey), [out]);
      assert.deepEqual(far.transports(), [back]);
      assert.equal(await near.dial(bob.publicKey, rig.type), out);
    },
  },
  {
    name: "packets arrive both ways, whole and in order",
    async run(bench) {
      const { out, back } = await bench.dial();
      const sent = payloads(500);
      for (let at = 0; at < sent.length; at += 7) {
        const batch = sent.slice(at, at + 7).map((payload) => encodePacket(PacketType.data, at + 1, payload));
        await out.write(Uint8Array.from(batch.flatMap((packet) => [...packet])));
      }
      await out.ping();
      assert.deepEqual(bench.seen, sent);
      const bytes = sent.reduce((sum, { length }) => sum + length, 0);
      assert.ok(back.bytesReceived >= bytes && back.bytesReceived < bytes + 100, "and pings besides");
      assert.ok(out.bytesSent >= bytes && out.bytesSent < bytes + 100);
      for (const payload of sent) await back.send(PacketType.data, 9, payload);
      await back.ping();
      assert.ok(out.bytesReceived >= bytes && out.bytesReceived < bytes + 100);
    },
  },
  {
    name: "the largest packets arrive, among the smallest",
    async run(bench) {
      const { out } = await bench.dial();
      const sent = [65_535, 0, 1, 65_535, 65_534, 6, 7, 65_530].map((length) =>
        new Uint8Array(length).fill(length)
      );
      for (const payload of sent) await out.send(PacketType.data, 0xffff_ffff, payload);
      await out.ping();
      assert.deepEqual(bench.seen, sent);
    },
  },
  {
    name: "a slow receiver holds the sender up, and loses nothing",
    async run(bench) {
      const { out } = await bench.dial();
      let taken = 0;
      const gate = Promise.withResolvers<void>();
      bench.onPackets = async (packets) => {
        await gate.promise;
        taken += parsePackets(packets).length;
      };
      const payload = new Uint8Array(8_000).fill(5);
      let written = 0;
      const writing = (async () => {
        for (let count = 0; count < 1_500; count++) {
          await out.send(PacketType.data, 1, payload);
          written++;
        }
      })();
      await bench.wait(20_000);
      assert.equal(taken, 0);
      assert.ok(written < 1_500, "12 MB were taken in while nobody read");
      assert.ok(out.isLive);
      gate.resolve();
      await writing;
      await out.ping();
      assert.equal(taken, 1_500);
    },
  },
  {
    name: "pings measure the round trip, at both ends",
    async run(bench) {
      const { out, back } = await bench.dial();
      assert.ok(await out.ping() >= 40);
      await bench.wait(1_500);
      for (const end of [out, back]) {
        const { min, max, avg } = end.latencyMs!;
        assert.ok(min >= 40 && min <= avg && avg <= max && max < 2_000, JSON.stringify(end.latencyMs));
      }
    },
  },
  {
    name: "an idle transport stays",
    async run(bench) {
      const { out, back } = await bench.dial();
      await bench.wait(15 * 60_000);
      assert.ok(out.isLive && back.isLive);
      await out.ping();
    },
  },
  {
    name: "a peer that is gone without a word is noticed, at both ends",
    async run(bench) {
      const { out, back } = await bench.dial();
      bench.rig.cut();
      await bench.wait(6 * 60_000);
      assert.deepEqual([out.isLive, back.isLive], [false, false]);
      assert.equal(bench.near.find(out.id), undefined);
      assert.equal(bench.far.find(out.id), undefined);
      await Promise.all([out.closed, back.closed]);
    },
  },
  {
    name: "a peer's reset is noticed at once",
    async run(bench) {
      const { out, back } = await bench.dial();
      bench.rig.reset();
      await bench.wait(2_000);
      assert.deepEqual([out.isLive, back.isLive], [false, false]);
      assert.deepEqual([bench.near.transports(), bench.far.transports()], [[], []]);
    },
  },
  {
    name: "close() may be repeated, ends the other end, and leaves nothing to be found",
    async run(bench) {
      const { out, back } = await bench.dial();
      const closed: Transport[] = [];
      bench.near.onClosed((transport) => {
        assert.equal(bench.near.find(transport.id), undefined); // told when it is gone already
        closed.push(transport);
      });
      out.close();
      out.close(new Error("again"));
      assert.equal(out.isLive, false);
      assert.equal(bench.near.find(out.id), undefined);
      assert.deepEqual(bench.near.to(bob.publicKey), []);
      await assert.rejects(out.send(PacketType.data, 1, text("late")), TransportClosedError);
      await Promise.all([out.closed, back.closed]);
      assert.deepEqual(closed, [out]);
      const again = await bench.near.dial(bob.publicKey, bench.rig.type);
      assert.notEqual(again, out);
      assert.equal(again.id, out.id);
    },
  },
  {
    name: "a write that gets nowhere fails within its minute, and closes the transport",
    async run(bench) {
      const { out } = await bench.dial();
      bench.rig.cut();
      const startMs = bench.clock.monotonicMs();
      const payload = new Uint8Array(60_000);
      await assert.rejects(async () => {
        for (;;) await out.send(PacketType.data, 1, payload);
      }, TransportClosedError);
      const tookMs = bench.clock.monotonicMs() - startMs;
      assert.ok(tookMs <= 61_000, `${tookMs} ms`);
      assert.equal(out.isLive, false);
    },
  },
  {
    name: "close() does not wait for a write",
    async run(bench) {
      const { out } = await bench.dial();
      bench.rig.cut();
      const payload = new Uint8Array(60_000);
      let failure: Error | undefined;
      const writing = (async () => {
        for (;;) await out.send(PacketType.data, 1, payload);
      })().catch((error) => void (failure = error));
      await bench.wait(5_000);
      assert.equal(failure, undefined);
      const startMs = bench.clock.monotonicMs();
      await bench.near.remove(out.id);
      await writing;
      assert.equal((failure as Error | undefined)?.name, "TransportClosedError");
      assert.ok(bench.clock.monotonicMs() - startMs <= 2_000);
    },
  },
  {
    name: "a newer connection takes the place of the older one",
    async run(bench) {
      const { back } = await bench.dial();
      const restarted = await bench.rig.visor(alice, "alice2");
      const out = await restarted.dial(bob.publicKey, bench.rig.type);
      await bench.wait(500);
      const newer = bench.far.find(out.id)!;
      assert.deepEqual(bench.far.transports(), [newer]);
      if (!bench.rig.endsOldConnections) assert.equal(newer, back, "only the connection is another");
      assert.deepEqual(bench.near.transports(), []);
      await out.send(PacketType.data, 1, text("from the new one"));
      await out.ping();
      assert.deepEqual(bench.seen, [text("from the new one")]);
      assert.ok(await newer.ping() > 0);
      await restarted.close();
    },
  },
  {
    name: "a virtual stream carries a megabyte each way",
    async run(bench) {
      const { out } = await bench.dial();
      const accepted = Promise.withResolvers<VirtualStream>();
      bench.far.onStream(PacketType.appDirect, accepted.resolve);
      const stream = out.openStream(PacketType.appDirect);
      await stream.write(Uint8Array.of(0, 3));
      const other = await accepted.promise;
      assert.equal(other.remote, alice.publicKey);
      assert.deepEqual(await other.read(), Uint8Array.of(0, 3));
      const bytes = new Uint8Array(1 << 20).map((_, at) => at >> 5);
      for (const [from, to] of [[stream, other], [other, stream]] as const) {
        const writing = from.write(bytes);
        let at = 0;
        while (at < bytes.length) {
          const view = (await to.read())!;
          assert.deepEqual(view, bytes.subarray(at, at + view.length));
          at += view.length;
        }
        await writing;
      }
      stream.close();
      assert.equal(await other.read(), null);
      other.close();
    },
  },
];

function openedAndClosed(rounds: number): ComplianceCase {
  return {
    name: `${rounds} transports opened and closed leave nothing`,
    async run({ near, far, rig, wait }) {
      for (let round = 0; round < rounds; round++) {
        const out = await near.dial(bob.publicKey, rig.type);
        await out.send(PacketType.data, 1, text("x"));
        await near.remove(out.id);
        await wait(200); // a newer connection would replace it before its end is known there
      }
      assert.deepEqual([near.transports(), far.transports()], [[], []]);
    },
  };
}
