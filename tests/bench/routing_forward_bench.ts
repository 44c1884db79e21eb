/**
 * Packets per second that an intermediate router passes on, and what a route group makes of one core: both in
 * process, over transports that only count, so that nothing but the router is measured.
 *
 *     deno run -A tests/bench/routing_forward_bench.ts
 *
 * @module
 */
import { silentLog } from "../../lib/base/mod.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { PostQuantum } from "../../lib/noise/mod.ts";
import { type EdgeRules, Router } from "../../lib/routing/mod.ts";
import { systemWorld } from "../../lib/runtime/mod.ts";
import { PACKET_HEADER_BYTES, PacketType, transportId, writePacketHeader } from "../../lib/transport/mod.ts";
import type { BenchRow } from "../../scripts/bench.ts";

const BATCH_PACKETS = 16;
const BATCHES = 40_000;
const GROUP_BYTES = 256 * 1024 * 1024;
const WRITE_BYTES = 64 * 1024;
const KEEP_ALIVE_NS = 600_000_000_000n;

const world = systemWorld();
const [alice, bob, carol] = ["alice", "bob", "carol"].map((name) =>
  keyPairFromSeed(new TextEncoder().encode(name))
);
const keys = { alice: alice!, bob: bob!, carol: carol! };

/** A relay with `rules` rules; batches of packets of `payloadBytes` in turn for each of `routes` of them. */
async function measureForwarding(payloadBytes: number, rules: number): Promise<number> {
  const id = transportId(keys.bob.publicKey, keys.carol.publicKey, "stcpr");
  const taken = Promise.resolve();
  const transport = { id, write: () => taken };
  const router = new Router({
    world,
    local: keys.bob,
    transports: { find: () => transport },
    log: silentLog,
  });
  const ids = router.reserveIds(rules);
  for (const routeId of ids) {
    router.addIntermediaryRules([{
      kind: "intermediary",
      keepAliveNs: KEEP_ALIVE_NS,
      routeId,
      nextRouteId: routeId, // so that the same batch can come again
      nextTransportId: id,
    }]);
  }
  const packets = new Uint8Array(BATCH_PACKETS * (PACKET_HEADER_BYTES + payloadBytes));
  for (let index = 0, at = 0; index < BATCH_PACKETS; index++) {
    const routeId = ids[(index * 7_919) % rules]!;
    at = writePacketHeader(packets, at, PacketType.data, routeId, payloadBytes) + payloadBytes;
  }
  for (let batch = 0; batch < BATCHES / 10; batch++) await router.handlePackets(packets, transport);
  const startedMs = world.clock.monotonicMs();
  for (let batch = 0; batch < BATCHES; batch++) await router.handlePackets(packets, transport);
  const seconds = (world.clock.monotonicMs() - startedMs) / 1000;
  await router.close();
  return BATCHES * BATCH_PACKETS / seconds;
}

/** Bytes per second of one group whose both ends are in this process: seal, packets, open. */
async function measureGroup(): Promise<number> {
  const id = transportId(keys.alice.publicKey, keys.bob.publicKey, "stcpr");
  const make = (local: typeof keys.alice, sink: () => Router) =>
    new Router({
      world,
      local,
      transports: {
        find: () => ({
          id,
          write: async (packets: Uint8Array) => await sink().handlePackets(packets, { id }),
        }),
      },
      log: silentLog,
      postQuantum: new PostQuantum({ random: world.random, mode: "off" }),
    });
  const near: Router = make(keys.alice, () => far);
  const far: Router = make(keys.bob, () => near);
  const listener = far.listen(3);
  const [source, destination] = [
    { publicKey: keys.alice.publicKey, port: near.ephemeralPort() },
    { publicKey: keys.bob.publicKey, port: 3 },
  ];
  const [there, back] = [{ source, destination }, { source: destination, destination: source }];
  const [nearIds, farIds] = [near.reserveIds(2), far.reserveIds(2)];
  const edge = (own: number[], others: number[], isNear: boolean): EdgeRules => ({
    descriptor: isNear ? back : there,
    forward: {
      kind: "forward",
      keepAliveNs: KEEP_ALIVE_NS,
      routeId: own[0]!,
      nextRouteId: others[1]!,
      nextTransportId: id,
      descriptor: isNear ? there : back,
    },
    reverse: {
      kind: "consume",
      keepAliveNs: KEEP_ALIVE_NS,
      routeId: own[1]!,
      descriptor: isNear ? back : there,
    },
  });
  far.addEdgeRules(edge(farIds, nearIds, false));
  const group = await near.open(edge(nearIds, farIds, true));
  const other = (await listener.accept())!;
  const chunk = new Uint8Array(WRITE_BYTES).fill(7);
  const startedMs = world.clock.monotonicMs();
  const receiving = (async () => {
    for (let got = 0; got < GROUP_BYTES;) got += (await other.read())!.length;
  })();
  for (let sent = 0; sent < GROUP_BYTES; sent += WRITE_BYTES) await group.write(chunk);
  await receiving;
  const seconds = (world.clock.monotonicMs() - startedMs) / 1000;
  group.close();
  other.close();
  await Promise.all([near.close(), far.close()]);
  return GROUP_BYTES / seconds;
}

/** For `deno task bench`. */
export default async function forwardBench(): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const payloadBytes of [4_096, 64]) {
    for (const rules of [1, 10_000]) {
      rows.push({
        name: `relay: packets of ${payloadBytes} bytes, ${BATCH_PACKETS} a batch, rules: ${rules}`,
        value: Math.round(await measureForwarding(payloadBytes, rules)),
        unit: "packets/s",
      });
    }
  }
  rows.push({
    name: "route group, both ends in one process",
    value: Math.round(await measureGroup() / 1e6),
    unit: "MB/s",
  });
  return rows;
}

if (import.meta.main) {
  const { renderRows } = await import("../../scripts/bench.ts"); // which itself waits for this file when it runs it
  console.log(renderRows(await forwardBench()));
}
