/** RT-1: a bounded pool of paths, ranked by measured latency with a penalty for each unmeasured hop. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  candidatePool,
  CANDIDATES_MAX,
  cheapest,
  hopCostMs,
  HOPS_MAX,
  isMeasured,
  TransportGraph,
} from "../../../lib/routing/paths/mod.ts";
import vectors from "../../vectors/mux/latency-weight.json" with { type: "json" };
import { graphOf, id, plainPaths, smallNetworks, transport, visor, visorsOf } from "./_networks.ts";

const [S, A, B, C, D, E] = [0, 1, 2, 3, 4, 5];

Deno.test("candidatePool() is 32 times what is asked for, between 128 and 2048, as in the vectors", () => {
  let ran = 0;
  for (const { number, pool } of vectors.pool) {
    assert.equal(candidatePool(number), pool);
    ran++;
  }
  assert.equal(ran, vectors.case_counts.pool);
});

Deno.test("cheapest() ranks the vector's candidates as it does", () => {
  const candidates = vectors.input_in_discovery_order.map(({ name, hop_latency_ms, total_ms }) => {
    const costMs = hop_latency_ms.map(hopCostMs).reduce((sum, cost) => sum + cost, 0);
    assert.equal(costMs, total_ms);
    return { name, costMs };
  });
  assert.equal(candidates.length, vectors.case_counts.input_in_discovery_order);
  assert.deepEqual(cheapest(candidates, 6).map(({ name }) => name), vectors.sorted);
  assert.deepEqual(cheapest(candidates, 2).map(({ name }) => name), vectors.sorted.slice(0, 2));
});

for (const latencyMs of [undefined, 0, -1, -Infinity, Infinity, NaN]) {
  Deno.test(`a latency of ${latencyMs} is no measurement`, () => {
    assert.equal(hopCostMs(latencyMs), 500);
    const graph = graphOf([S, D, latencyMs], [S, A, 249], [A, D, 250]);
    assert.deepEqual(graph.routes(visor(S), visor(D)).map(visorsOf), [[S, A, D]]);
    const other = graphOf([S, D, latencyMs], [S, A, 250], [A, D, 250]);
    assert.deepEqual(other.routes(visor(S), visor(D)).map(visorsOf), [[S, D]], "equal: the shorter one");
  });
}

Deno.test("a path beyond the pool is not ranked, be it the fastest", () => {
  const over = graphOf(
    ...Array.from({ length: 200 }, (_, n) => [[S, 10 + n, 100], [10 + n, D, n === 150 ? 1 : 100]] as const)
      .flat(),
  );
  const parallel = graphOf(...Array.from({ length: 200 }, (_, n) => [S, D, n === 150 ? 1 : 100] as const));
  for (const graph of [over, parallel]) {
    const costs = (count: number) =>
      graph.routes(visor(S), visor(D), { count }).map((path) => path.at(-1)!.transportId);
    const fastest = id(graph === over ? 301 : 150);
    assert.deepEqual([1, 4].map((count) => costs(count).includes(fastest)), [false, false], "a pool of 128");
    assert.deepEqual(costs(5)[0], fastest, "a pool of 160");
  }
});

Deno.test("without measurements the order is that of hop counts", () => {
  const graph = graphOf([S, A], [A, B], [B, D], [S, C], [C, D], [S, D]);
  assert.deepEqual(graph.routes(visor(S), visor(D), { count: 9 }).map(visorsOf), [
    [S, D],
    [S, C, D],
    [S, A, B, D],
  ]);
});

Deno.test("a fast detour comes before a slow direct transport", () => {
  const graph = graphOf([S, D, 700], [S, A, 40], [A, D, 45], [S, B, 20], [B, C, 20], [C, D, 44]);
  const routes = graph.routes(visor(S), visor(D), { count: 3 });
  assert.deepEqual(routes.map(visorsOf), [[S, B, C, D], [S, A, D], [S, D]]);
  assert.deepEqual(routes[1], [
    { transportId: id(1), from: visor(S), to: visor(A) },
    { transportId: id(2), from: visor(A), to: visor(D) },
  ]);
});

Deno.test("routes() keeps to both limits of hops, and reads a minimum of 0 as 1", () => {
  const graph = graphOf([S, D], [S, A], [A, D], [A, B], [B, D]);
  const lengths = (minHops: number | undefined, maxHops: number | undefined) =>
    graph.routes(visor(S), visor(D), { minHops, maxHops, count: 9 }).map((path) => path.length);
  assert.deepEqual(lengths(0, 9), [1, 2, 3]);
  assert.deepEqual(lengths(undefined, undefined), [1, 2, 3]);
  assert.deepEqual(lengths(2, 2), [2]);
  assert.deepEqual(lengths(2, 9), [2, 3]);
  assert.deepEqual(lengths(4, 9), []);
  assert.deepEqual(lengths(3, 2), []);
  assert.deepEqual(lengths(0, 0), []);
});

Deno.test("routes() gives as many as asked for, and none for none", () => {
  const graph = graphOf([S, D], [S, A], [A, D], [S, B], [B, D]);
  assert.deepEqual([0, 1, 2, 3, 9].map((count) => graph.routes(visor(S), visor(D), { count }).length), [
    0,
    1,
    2,
    3,
    3,
  ]);
  assert.equal(graph.routes(visor(S), visor(D)).length, 1);
});

Deno.test("parallel transports are paths of their own", () => {
  const graph = graphOf([S, A, 30], [S, A, 10], [A, D, 5], [A, D, 1]);
  const routes = graph.routes(visor(S), visor(D), { count: 9 });
  assert.deepEqual(
    routes.map((path) => path.map(({ transportId }) => transportId)),
    [[id(1), id(3)], [id(1), id(2)], [id(0), id(3)], [id(0), id(2)]],
  );
});

Deno.test("a visor that is left out is in no path, neither are its transports", () => {
  const graph = graphOf([S, A, 1], [A, D, 1], [S, B, 9], [B, D, 9]);
  const routes = (without: number[]) =>
    graph.routes(visor(S), visor(D), { count: 9, without: new Set(without.map(visor)) }).map(visorsOf);
  assert.deepEqual(routes([]), [[S, A, D], [S, B, D]]);
  assert.deepEqual(routes([A]), [[S, B, D]]);
  assert.deepEqual(routes([A, B]), []);
  assert.deepEqual(routes([S, D, E]), [[S, A, D], [S, B, D]], "ends cannot be left out");
});

Deno.test("unknown visors and separate parts have no routes", () => {
  const graph = graphOf([S, A], [B, D]);
  assert.deepEqual(graph.routes(visor(S), visor(D)), []);
  assert.deepEqual(graph.routes(visor(S), visor(E)), []);
  assert.deepEqual(graph.routes(visor(E), visor(S)), []);
  assert.deepEqual([S, A, B, D, E].map((n) => graph.has(visor(n))), [true, true, true, true, false]);
});

Deno.test("from a visor to itself: over a transport and back over the same", () => {
  const graph = graphOf([S, A, 40], [S, A, 20], [B, S, 30], [A, B, 1]);
  const routes = graph.routes(visor(S), visor(S), { count: 9 });
  assert.deepEqual(routes.map(visorsOf), [[S, A, S], [S, B, S], [S, A, S]]);
  assert.deepEqual(routes[0], [
    { transportId: id(1), from: visor(S), to: visor(A) },
    { transportId: id(1), from: visor(A), to: visor(S) },
  ]);
  assert.deepEqual(graph.routes(visor(S), visor(S), { minHops: 3 }), []);
  assert.deepEqual(graph.routes(visor(S), visor(S), { maxHops: 1 }), []);
  assert.deepEqual(
    graph.routes(visor(S), visor(S), { count: 9, without: new Set([visor(A)]) }).map(visorsOf),
    [[S, B, S]],
  );
});

Deno.test("a transport from a visor to itself is kept, and used by no path", () => {
  const graph = graphOf([S, S, 1], [S, D, 1]);
  assert.equal(graph.size, 2);
  assert.deepEqual(graph.routes(visor(S), visor(S), { count: 9 }).map(visorsOf), [[S, D, S]]);
  assert.equal(graphOf([S, S]).has(visor(S)), false);
  assert.equal(graph.remove(id(0)), true);
  assert.equal(graph.remove(id(0)), false);
  assert.equal(graph.size, 1);
});

Deno.test("add() of a transport that is there takes its latency, measured() too", () => {
  const graph = graphOf([S, A, 10], [A, D, 10], [S, B, 20], [B, D, 20]);
  const best = () => visorsOf(graph.routes(visor(S), visor(D))[0]!);
  assert.deepEqual(best(), [S, A, D]);
  graph.add(transport(0, S, A, 100));
  assert.equal(graph.size, 4);
  assert.deepEqual(best(), [S, B, D]);
  assert.equal(graph.measured(id(2), 200), true);
  assert.deepEqual(best(), [S, A, D]);
  assert.equal(graph.measured(id(0), undefined), true);
  assert.deepEqual(best(), [S, B, D]);
  assert.equal(graph.measured(id(9), 1), false);
});

Deno.test("remove() takes a transport out, and a visor with its last one", () => {
  const graph = graphOf([S, A], [A, D], [S, B], [B, D]);
  assert.equal(graph.remove(id(1)), true);
  assert.equal(graph.remove(id(1)), false);
  assert.deepEqual(graph.routes(visor(S), visor(D), { count: 9 }).map(visorsOf), [[S, B, D]]);
  assert.equal(graph.remove(id(0)), true);
  assert.equal(graph.has(visor(A)), false);
  graph.add(transport(7, E, D));
  graph.add(transport(8, E, S));
  assert.deepEqual(graph.routes(visor(S), visor(D), { count: 9 }).map(visorsOf), [[S, B, D], [S, E, D]]);
});

Deno.test("invented transports without a latency keep no measured path out, however many they are", () => {
  const invented = Array.from({ length: 3_000 }, (_, n) => [[S, 100 + n], [100 + n, D]] as const).flat();
  const graph = graphOf(...invented, [S, A, 20], [A, B, 20], [B, D, 20]);
  const paths = graph.routes(visor(S), visor(D), { count: 5 });
  assert.deepEqual(visorsOf(paths[0]!), [S, A, B, D]);
  assert.equal(paths.length, 5);
  assert.equal(new Set(paths.map((path) => visorsOf(path).join())).size, 5);
  assert.deepEqual(
    graph.routes(visor(S), visor(D), { without: new Set([visor(A)]) }).map((path) => path.length),
    [2],
  );
  graph.measured(id(6_001), undefined);
  assert.deepEqual(graph.routes(visor(S), visor(D)).map((path) => path.length), [2], "not measured any more");
  graph.add(transport(6_001, A, B, 30));
  assert.deepEqual(graph.routes(visor(S), visor(D)).map(visorsOf), [[S, A, B, D]]);
  graph.remove(id(6_002));
  assert.deepEqual(graph.routes(visor(S), visor(D)).map((path) => path.length), [2]);
});

Deno.test("replaceAll() leaves exactly what it is given", () => {
  const graph = graphOf([S, A, 10], [A, D, 10], [S, D, 900]);
  graph.replaceAll([transport(0, S, A, 30), transport(5, A, D, 7), transport(2, S, D, 900)]);
  assert.equal(graph.size, 3);
  assert.deepEqual(graph.routes(visor(S), visor(D))[0]!.map(({ transportId }) => transportId), [
    id(0),
    id(5),
  ]);
  graph.replaceAll([]);
  assert.equal(graph.size, 0);
  assert.equal(graph.has(visor(S)), false);
});

Deno.test("routes() agrees with every path ranked the plain way, on small random networks", () => {
  fc.assert(
    fc.property(
      smallNetworks,
      fc.integer({ min: 0, max: 4 }),
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 12 }),
      (transports, minHops, maxHops, count) => {
        const graph = new TransportGraph();
        graph.replaceAll(transports);
        const hops = { hopsMin: Math.max(1, minHops), hopsMax: maxHops };
        const pool = (of: typeof transports) =>
          plainPaths(of, { from: visor(S), to: visor(A), ...hops }).slice(0, candidatePool(count));
        const measured = transports.filter(({ latencyMs }) => isMeasured(latencyMs));
        const every = new Map(
          [...pool(transports), ...pool(measured)].map((path) => [path.ids.join(), path]),
        );
        const expected = cheapest([...every.values()], count);
        const actual = graph.routes(visor(S), visor(A), { minHops, maxHops, count });
        assert.deepEqual(
          actual.map((path) => path.map(({ transportId }) => transportId)),
          expected.map(({ ids }) => ids),
        );
      },
    ),
    { numRuns: 3_000 },
  );
});

Deno.test("after any changes routes() finds what a fresh graph finds", () => {
  fc.assert(
    fc.property(
      smallNetworks,
      fc.array(fc.nat(30), { maxLength: 20 }),
      smallNetworks,
      (first, removed, second) => {
        const graph = new TransportGraph();
        const left = new Map(first.map((each) => [each.id, each]));
        graph.replaceAll(first);
        for (const n of removed) {
          assert.equal(graph.remove(id(n)), left.delete(id(n)));
        }
        for (const [n, { edges, latencyMs }] of second.entries()) {
          const added = { id: id(100 + n), edges, latencyMs };
          graph.add(added);
          left.set(added.id, added);
        }
        assert.equal(graph.size, left.size);
        const limits = { hopsMin: 1, hopsMax: 7 };
        const every = plainPaths([...left.values()], { from: visor(S), to: visor(A), ...limits });
        const actual = graph.routes(visor(S), visor(A), { count: CANDIDATES_MAX, maxHops: 7 });
        if (every.length > CANDIDATES_MAX) return;
        // Equal costs may stand in another order: a removal moves the last of a list.
        const sorted = (paths: readonly (readonly string[])[]) => paths.map((path) => path.join()).sort();
        assert.deepEqual(
          sorted(actual.map((path) => path.map(({ transportId }) => transportId))),
          sorted(every.map(({ ids }) => ids)),
        );
      },
    ),
    { numRuns: 1_000 },
  );
});

Deno.test("a path is never longer than its bound", () => {
  const line = (hops: number) =>
    graphOf(...Array.from({ length: hops }, (_, n) => [n, n + 1] as const)).routes(visor(0), visor(hops));
  assert.equal(line(HOPS_MAX)[0]!.length, HOPS_MAX);
  assert.deepEqual(line(HOPS_MAX + 1), []);
});
