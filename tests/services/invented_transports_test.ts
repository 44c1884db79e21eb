/** A discovery and the graph of a route finder beside it, against keys that say that they lie between two visors. */
import assert from "node:assert/strict";
import { wireTransport } from "../../lib/directory/mod.ts";
import { TransportGraph } from "../../lib/routing/paths/mod.ts";
import { toldTransports } from "../../lib/services/route_finder/mod.ts";
import { pair, TransportDiscoveryUnderTest, transportOf } from "./service_support.ts";

const [source, relay, destination] = [pair("source"), pair("relay"), pair("destination")];

Deno.test("RT-1: keys that register themselves to both ends of a route keep nobody's real transport out of it", async () => {
  await using service = new TransportDiscoveryUnderTest({ requestsPerMinute: 0 });
  const graph = new TransportGraph();
  await using _told = toldTransports(service.feed)(graph);
  const register = (owner: typeof source, ...records: ReturnType<typeof transportOf>[]) =>
    service.askAs(owner, "/v3/transports/", {
      method: "POST",
      body: JSON.stringify(records.map(wireTransport)),
    });
  for (let n = 0; n < 150; n++) { // more than candidates are ranked for one path
    const stranger = pair(`stranger ${n}`);
    const next = { latency: { min: 1, max: 1, avg: 1 } };
    await register(stranger, transportOf(stranger, source, next), transportOf(stranger, destination, next));
  }
  const latency = { min: 20_000, max: 20_000, avg: 20_000 };
  const real = [
    transportOf(source, relay, { latency }),
    transportOf(relay, destination, { latency }),
  ] as const;
  await register(source, real[0]);
  await register(relay, ...real);
  await register(destination, real[1]);
  assert.equal(graph.size, 302);
  for (const [from, to, first] of [[source, destination, 0], [destination, source, 1]] as const) {
    const [path] = graph.routes(from.publicKey, to.publicKey, { count: 5 });
    assert.deepEqual(path!.map(({ transportId }) => transportId), [real[first].id, real[1 - first]!.id]);
  }
});
