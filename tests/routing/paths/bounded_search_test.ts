/** A search ends in bounded time and memory, whatever the network. */
import assert from "node:assert/strict";
import { type RouteLimits, TransportGraph } from "../../../lib/routing/paths/mod.ts";
import { transport, visor, visorsOf } from "./_networks.ts";

/** Each takes some milliseconds; a search that is not bounded takes hours. */
const SEARCH_MS_MAX = 3_000;

function graphOfPairs(pairs: Iterable<readonly [number, number]>): TransportGraph {
  const graph = new TransportGraph();
  let n = 0;
  for (const [a, b] of pairs) graph.add(transport(n++, a, b));
  return graph;
}

function* complete(visors: number): Iterable<readonly [number, number]> {
  for (let a = 0; a < visors; a++) for (let b = 0; b < a; b++) yield [a, b];
}

function* star(leaves: number): Iterable<readonly [number, number]> {
  for (let leaf = 1; leaf <= leaves; leaf++) yield [0, leaf];
}

function routesOf(graph: TransportGraph, from: number, to: number, limits: RouteLimits): number[][] {
  const beganMs = performance.now();
  const routes = graph.routes(visor(from), visor(to), limits).map(visorsOf);
  const tookMs = performance.now() - beganMs;
  assert(tookMs < SEARCH_MS_MAX, `${Math.round(tookMs)} ms`);
  for (const path of routes) {
    assert.deepEqual([path[0], path.at(-1)], [from, to]);
    assert.equal(new Set(path).size, path.length, `each visor once: ${path}`);
  }
  return routes;
}

Deno.test("in a dense network routes() gives the shortest, or as long ones as are asked for", () => {
  const graph = graphOfPairs(complete(150));
  assert.deepEqual(routesOf(graph, 3, 9, { count: 2048 }).length, 2048);
  assert.deepEqual(routesOf(graph, 3, 9, { count: 3 })[0], [3, 9]);
  assert.equal(routesOf(graph, 3, 9, { minHops: 40, count: 3 })[2]!.length, 41);
});

Deno.test("in a star of 10,000 leaves there is one route, and no search for others", () => {
  const graph = graphOfPairs(star(10_000));
  assert.deepEqual(routesOf(graph, 7, 9_999, { count: 20 }), [[7, 0, 9_999]]);
  assert.deepEqual(routesOf(graph, 0, 9_999, { count: 20 }), [[0, 9_999]]);
  assert.deepEqual(routesOf(graph, 9_999, 0, { minHops: 2, count: 20 }), []);
  assert.equal(graph.routes(visor(0), visor(0), { count: 20 }).length, 20);
});

Deno.test("leaves with a second transport do not make a star harder", () => {
  const graph = graphOfPairs(star(10_000));
  for (let leaf = 1; leaf < 10_000; leaf++) graph.add(transport(100_000 + leaf, leaf, leaf + 1));
  assert.deepEqual(routesOf(graph, 7, 5_000, { count: 2 })[0], [7, 0, 5_000]);
  assert.equal(routesOf(graph, 7, 5_000, { minHops: 12, count: 3 }).length, 3);
});

Deno.test("a search in which nearly every step is wrong ends with what it has", () => {
  // Whoever goes from 50 into the dense part must come back over 50: each of its countless paths is in vain.
  const graph = graphOfPairs(complete(30));
  const others = [[50, 0], [50, 60], [70, 50], [70, 80], [80, 50]] as const;
  for (const [n, [a, b]] of others.entries()) graph.add(transport(1_000 + n, a, b));
  assert.deepEqual(routesOf(graph, 70, 60, { count: 20 }), [[70, 50, 60], [70, 80, 50, 60]]);
  assert.deepEqual(routesOf(graph, 70, 60, { minHops: 4, count: 20 }), []);
  assert.deepEqual(routesOf(graph, 70, 60, { minHops: 14, count: 20 }), []);
  assert.deepEqual(
    routesOf(graph, 60, 70, { count: 20 }),
    [[60, 50, 70], [60, 50, 80, 70]],
    "no such part here",
  );
});

Deno.test("transports by the thousand between two visors are as many routes at most as the pool has", () => {
  const graph = graphOfPairs(Array.from({ length: 5_000 }, (_, n) => [n % 2, 1 - n % 2] as const));
  assert.equal(routesOf(graph, 0, 1, { count: 5_000 }).length, 2_048);
  for (let n = 0; n < 5_000; n++) graph.add(transport(10_000 + n, 1, 2));
  assert.equal(routesOf(graph, 0, 2, { count: 5_000 }).length, 2_048);
});

Deno.test("a network that grows under a graph that has searched is searched whole", () => {
  const graph = graphOfPairs([[0, 1]]);
  for (let n = 1; n < 300; n++) {
    graph.add(transport(n, n, n + 1));
    assert.equal(routesOf(graph, Math.max(0, n - 60), n + 1, {}).length, 1);
  }
});
