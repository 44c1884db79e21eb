/**
 * The path algorithm on networks of 1,000, 10,000 and 100,000 transports: some visors are hubs, as the public ones
 * are, most have a few transports; two thirds are measured. Both directions of a pair are one query, as a visor asks.
 */
import type { BenchRow } from "../../scripts/bench.ts";
import type { PublicKey } from "../../lib/crypto/mod.ts";
import { type GraphTransport, TransportGraph } from "../../lib/routing/paths/mod.ts";
import type { TransportId } from "../../lib/transport/mod.ts";

const SIZES = [1_000, 10_000, 100_000];
/** Transports for each visor; each ends in two. */
const TRANSPORTS_PER_VISOR = 3;
/** One visor in so many is a hub, and every second transport leads to one. */
const VISORS_PER_HUB = 50;
const QUERIES: Readonly<Record<number, number>> = { 1_000: 2_000, 10_000: 500, 100_000: 50 };
const CHANGES = 20_000;
const RUNS = 3;
/** The Go original on this kind of machine, ms a query. */
const GO: Readonly<Record<number, number>> = { 1_000: 200, 10_000: 4_400 };

export default function routeFinderBench(): Promise<BenchRow[]> {
  return Promise.resolve(SIZES.flatMap(benchSize));
}

function benchSize(size: number): BenchRow[] {
  const draw = drawing(size);
  const visors = Math.round(size / TRANSPORTS_PER_VISOR);
  const transports = Array.from({ length: size }, (_, n) => transportOf(n, visors, draw));
  const graph = new TransportGraph();
  const beganMs = performance.now();
  graph.replaceAll(transports);
  const loadMs = performance.now() - beganMs;

  const queries = QUERIES[size]!;
  let best: { meanMs: number; p99Ms: number } | undefined;
  for (let run = 0; run < RUNS; run++) {
    const times: number[] = [];
    for (let n = 0; n < queries; n++) {
      const from = visor(draw(visors));
      const to = visor(draw(visors));
      const startedMs = performance.now();
      graph.routes(from, to, { maxHops: 50, count: 5 });
      graph.routes(to, from, { maxHops: 50, count: 5 });
      times.push(performance.now() - startedMs);
    }
    const meanMs = times.reduce((sum, ms) => sum + ms, 0) / queries;
    const p99Ms = times.sort((a, b) => a - b)[Math.floor(queries * 0.99)]!;
    if (best === undefined || meanMs < best.meanMs) best = { meanMs, p99Ms };
  }

  const changedMs = performance.now();
  for (let n = 0; n < CHANGES; n++) {
    const transport = transports[draw(size)]!;
    graph.remove(transport.id);
    graph.add(transport);
  }
  const changeUs = 1_000 * (performance.now() - changedMs) / (2 * CHANGES);
  const name = `route finder: ${size.toLocaleString("en")} transports`;
  const reference = GO[size];
  const { meanMs, p99Ms } = best!;
  return [
    {
      name,
      value: 1_000 / meanMs,
      unit: "queries/s",
      ...(reference === undefined ? {} : { reference: 1_000 / reference }),
    },
    { name: `${name}, a query`, value: meanMs, unit: "ms", lessIsBetter: true, reference },
    { name: `${name}, 99 of 100`, value: p99Ms, unit: "ms", lessIsBetter: true },
    { name: `${name}, one change`, value: changeUs, unit: "us", lessIsBetter: true },
    { name: `${name}, first load`, value: loadMs, unit: "ms", lessIsBetter: true },
  ];
}

function transportOf(n: number, visors: number, draw: (below: number) => number): GraphTransport {
  const hubs = Math.max(1, Math.floor(visors / VISORS_PER_HUB));
  const a = draw(visors);
  let b = draw(2) === 0 ? draw(hubs) : draw(visors);
  if (a === b) b = (b + 1) % visors;
  const latencyMs = draw(3) === 0 ? undefined : 5 + draw(300);
  return { id: id(n), edges: [visor(a), visor(b)], latencyMs };
}

/** Looks like a key. */
function visor(n: number): PublicKey {
  return `02${n.toString(16).padStart(64, "0")}` as PublicKey;
}

/** Looks like an id. */
function id(n: number): TransportId {
  return `00000000-0000-0000-8000-${n.toString(16).padStart(12, "0")}` as TransportId;
}

/** The same draws in every run. */
function drawing(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}
