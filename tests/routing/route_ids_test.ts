/** Route ids: none twice, none foreseen, and what a neighbour gets who guesses. @module */
import assert from "node:assert/strict";
import { CountedRouteIds, ScatteredRouteIds } from "../../lib/routing/_route_ids.ts";
import { RouteTableFullError } from "../../lib/routing/mod.ts";
import { SeededRandom } from "../../lib/runtime/simulated/mod.ts";
import { encodePacket, PacketType } from "../../lib/transport/mod.ts";
import { withRouting } from "./_bench.ts";
import { decode, encode, link, Node, openRoute, over } from "./_rig.ts";

const ID_END = 2 ** 30;

Deno.test("scattered ids: none is 0, none comes twice, and each is known as given out, no other", () => {
  const ids = new ScatteredRouteIds(new SeededRandom(1));
  const taken = Array.from({ length: 20 }, () => ids.take(200)).flat();
  const all = new Set(taken);
  assert.equal(all.size, 4_000);
  for (const id of taken) {
    assert.ok(id >= 1 && id < ID_END && Number.isInteger(id), `${id}`);
    assert.ok(ids.wasTaken(id));
  }
  const ascents = taken.filter((id, at) => at > 0 && id > taken[at - 1]!).length;
  assert.ok(ascents > 1_800 && ascents < 2_200, `${ascents} of 4,000 are above the one before`);
  const others = taken.flatMap((id) => [id + 1, id ^ 1]).filter((id) => !all.has(id));
  assert.ok(others.length > 7_900); // neighbours of an id are not given out with it
  assert.ok(others.every((id) => !ids.wasTaken(id)));
  for (const id of [0, -1, 1.5, ID_END, 2 ** 32 + taken[0]!, NaN]) assert.equal(ids.wasTaken(id), false);
});

Deno.test("two routers give out different ids; fewer than one in a thousand is small", () => {
  const [one, two] = [1, 2].map((seed) => new ScatteredRouteIds(new SeededRandom(seed)).take(1_000));
  const both = new Set([...one!, ...two!]);
  assert.ok(both.size >= 1_998);
  assert.ok([...both].filter((id) => id <= 10_000).length < 2);
});

Deno.test("counted ids end where scattered ones do", () => {
  for (const ids of [new CountedRouteIds(), new ScatteredRouteIds(new SeededRandom(1))]) {
    assert.deepEqual(ids.take(0), []);
    for (const count of [-1, 0.5]) assert.throws(() => ids.take(count), RangeError);
    assert.throws(() => ids.take(ID_END), RouteTableFullError);
  }
});

Deno.test("a neighbour that sends packets ahead of a route's own gets none of its rules", () =>
  withRouting(async (bench) => {
    const names = ["alice", "relay", "bob", "mallory"];
    const [alice, relay, bob, mallory] = names.map((name) =>
      bench.node(name, { settings: { countsRouteIds: false } })
    ) as [Node, Node, Node, Node];
    link(alice, relay);
    link(relay, bob);
    link(mallory, relay);
    const listener = bob.router.listen(3);
    const own = relay.router.reserveIds(1)[0]!; // as a reservation of her own tells her
    const spray = () => {
      for (let id = 1; id <= 64; id++) {
        for (const routeId of [id, own + id, own - id]) {
          const packet = encodePacket(PacketType.keepAlive, routeId, new Uint8Array());
          void relay.router.handlePackets(packet, over(mallory, relay));
        }
      }
    };
    const opening = openRoute([alice, relay, bob]); // its rules are there; not one packet came by them
    spray();
    const group = await bench.within(1_000, opening);
    const other = (await listener.accept())!;
    await group.write(encode("hers"));
    assert.equal(decode(await other.read()), "hers");
    assert.equal(relay.router.counters().wrongTransport, 0);
    for (const each of [group, other, listener]) each.close();
  }));
