/** A network of 100,000 transports: the list of its discovery stays readable, by everybody who reads it. */
import assert from "node:assert/strict";
import { silentLog } from "../../lib/base/mod.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import {
  ANSWER_BYTES_MAX,
  askOver,
  LARGE_ANSWER_BYTES_MAX,
  tcpHttpClient,
  TransportDiscoveryClient,
  type TransportRecord,
} from "../../lib/directory/mod.ts";
import { TransportGraph } from "../../lib/routing/paths/mod.ts";
import { openTransportStore } from "../../lib/services/store/mod.ts";
import { polledTransports } from "../../lib/services/route_finder/mod.ts";
import { runTransportDiscovery } from "../../lib/services/transport_discovery/mod.ts";
import { transportId } from "../../lib/transport/mod.ts";
import { withSystemWorld } from "../support/world.ts";

const VISORS = 1_000;
const TRANSPORTS_EACH = 100;

/** Each visor has transports to the next hundred. */
function network(): TransportRecord[] {
  const keys = Array.from(
    { length: VISORS },
    (_, number) => keyPairFromSeed(new TextEncoder().encode(`visor ${number}`)).publicKey,
  );
  const latency = { min: 1_234_567, max: 12_345_678, avg: 2_345_678 };
  return keys.flatMap((key, number) =>
    Array.from({ length: TRANSPORTS_EACH }, (_, step) => {
      const other = keys[(number + step + 1) % VISORS]!;
      const edges = key < other ? [key, other] as const : [other, key] as const;
      return { id: transportId(key, other, "stcpr"), edges, type: "stcpr", label: "automatic", latency };
    })
  );
}

Deno.test("100,000 transports are listed, read and searched", () =>
  withSystemWorld(async (world) => {
    const folder = await Deno.makeTempDir();
    const records = network();
    {
      await using store = await openTransportStore(`${folder}/store.db`, world);
      await store.put(records, { ttlMs: 600_000 });
    }
    await using service = await runTransportDiscovery({
      world,
      log: silentLog,
      settings: {
        address: { hostname: "127.0.0.1", port: 0 },
        store: `${folder}/store.db`,
        mode: "http",
        entryTimeoutMs: 600_000,
      },
    });
    const client = tcpHttpClient(world, "test/1");
    const origin = `http://127.0.0.1:${service.address!.port}`;
    let bytes = 0;
    const ask = askOver(
      "transport discovery",
      [{ name: "http", origin, client, isReady: () => true }],
      world.clock,
      silentLog,
    );
    const discovery = new TransportDiscoveryClient(async (question, signal) => {
      const answer = await ask(question, signal);
      bytes = answer.text.length;
      return answer;
    });
    const startedMs = world.clock.monotonicMs();
    const graph = new TransportGraph();
    const read = Promise.withResolvers<readonly TransportRecord[]>();
    const polled = polledTransports({
      list: async (signal) => {
        try {
          const list = await discovery.all(signal);
          read.resolve(list);
          return list;
        } catch (error) {
          read.reject(error);
          throw error;
        }
      },
      clock: world.clock,
      log: silentLog,
    })(graph);
    const all = await read.promise;
    await Promise.resolve().then(() => {}); // the graph takes it in the same turn
    const tookMs = world.clock.monotonicMs() - startedMs;
    await polled[Symbol.asyncDispose]();
    assert.equal(all.length, VISORS * TRANSPORTS_EACH);
    assert.deepEqual(all[0], records[0]);
    assert.deepEqual(all.at(-1), records.at(-1));
    assert.equal(graph.size, all.length);
    assert.ok(bytes > ANSWER_BYTES_MAX && bytes < LARGE_ANSWER_BYTES_MAX / 2, `${bytes} bytes`);
    assert.ok(tookMs < 30_000, `${tookMs} ms`);
    await client.close();
    await Deno.remove(folder, { recursive: true });
  }));
