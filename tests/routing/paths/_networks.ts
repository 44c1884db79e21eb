/** Networks for tests of the path algorithm, and the same algorithm in its plainest form. */
import fc from "fast-check";
import type { PublicKey } from "../../../lib/crypto/mod.ts";
import { type GraphTransport, hopCostMs, TransportGraph } from "../../../lib/routing/paths/mod.ts";
import type { TransportId } from "../../../lib/transport/mod.ts";

/** Looks like the key of visor `n`, and is good enough for a graph, which reads none. */
export function visor(n: number): PublicKey {
  return `02${n.toString(16).padStart(64, "0")}` as PublicKey;
}

/** Looks like the id of transport `n`. */
export function id(n: number): TransportId {
  return `00000000-0000-0000-8000-${n.toString(16).padStart(12, "0")}` as TransportId;
}

/** A transport `n` between two visors by their numbers. */
export function transport(n: number, a: number, b: number, latencyMs?: number): GraphTransport {
  return { id: id(n), edges: [visor(a), visor(b)], latencyMs };
}

/** Transports between visors by their numbers, in this order: `[a, b]` or `[a, b, latency]`. */
export function graphOf(...pairs: readonly (readonly [number, number, number?])[]): TransportGraph {
  const graph = new TransportGraph();
  for (const [n, [a, b, latencyMs]] of pairs.entries()) graph.add(transport(n, a, b, latencyMs));
  return graph;
}

/** A path as the numbers of its visors. */
export function visorsOf(path: readonly { readonly from: PublicKey; readonly to: PublicKey }[]): number[] {
  return path.length === 0
    ? []
    : [path[0]!.from, ...path.map(({ to }) => to)].map((key) => Number(`0x${key.slice(2)}`));
}

export interface PlainPath {
  readonly ids: readonly TransportId[];
  readonly costMs: number;
}

/**
 * Every path of at most `hopsMax` hops between two different visors, breadth first with a queue of paths, over
 * neighbours in the order of their first transport, and transports in theirs.
 */
export function plainPaths(
  transports: readonly GraphTransport[],
  { from, to, hopsMin, hopsMax }: {
    readonly from: PublicKey;
    readonly to: PublicKey;
    readonly hopsMin: number;
    readonly hopsMax: number;
  },
): PlainPath[] {
  const found: PlainPath[] = [];
  const queue: { readonly visors: readonly PublicKey[]; readonly path: PlainPath }[] = [
    { visors: [from], path: { ids: [], costMs: 0 } },
  ];
  for (const { visors, path } of queue) {
    if (visors.at(-1) === to) {
      if (path.ids.length >= hopsMin) found.push(path);
      continue;
    }
    if (path.ids.length === hopsMax) continue;
    const byNeighbour = Map.groupBy(
      transports.filter(({ edges }) => edges.includes(visors.at(-1)!) && edges[0] !== edges[1]),
      ({ edges }) => edges[0] === visors.at(-1) ? edges[1] : edges[0],
    );
    for (const [neighbour, between] of byNeighbour) {
      if (visors.includes(neighbour)) continue;
      for (const { id, latencyMs } of between) {
        queue.push({
          visors: [...visors, neighbour],
          path: { ids: [...path.ids, id], costMs: path.costMs + hopCostMs(latencyMs) },
        });
      }
    }
  }
  return found;
}

/** Small networks: up to six visors, some transports parallel, some from a visor to itself, a third unmeasured. */
export const smallNetworks: fc.Arbitrary<GraphTransport[]> = fc.array(
  fc.tuple(
    fc.nat(5),
    fc.nat(5),
    fc.oneof(fc.constantFrom(undefined, 0, -1, Infinity, NaN), fc.integer({ min: 1, max: 900 })),
    fc.boolean(),
  ),
  { maxLength: 24, size: "max" },
).map((pairs) => pairs.map(([a, b, latencyMs], n) => transport(n, a, b, latencyMs)));
