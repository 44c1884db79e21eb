/**
 * The path algorithm: what the route finder's service, `route calc` and a visor share.
 *
 * ```ts
 * import { parsePublicKey } from "../../crypto/mod.ts";
 * import { transportId } from "../../transport/mod.ts";
 * import { TransportGraph } from "./mod.ts";
 *
 * const a = parsePublicKey("0348e1adcfb395c6db81ea52dac21b5e68a1db7edce880f1b3dd3bc29cc7d1c1f6");
 * const b = parsePublicKey("037eef22f244c1d1c3087d7c5a042120f4f9aefe746eb610496495edb5f466ef37");
 * const graph = new TransportGraph();
 * graph.add({ id: transportId(a, b, "stcpr"), edges: [a, b], latencyMs: 40 });
 * console.log(graph.routes(a, b, { maxHops: 3 }).length); // 1
 * ```
 *
 * @module
 */
export type { Hop } from "../hop.ts";
export * from "./rank.ts";
export * from "./transport_graph.ts";
