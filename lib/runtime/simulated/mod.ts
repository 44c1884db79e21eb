/**
 * The simulated twin of the system's world: virtual time, a seed, faults on request.
 *
 * ```ts
 * import { Simulation } from "./mod.ts";
 * const simulation = new Simulation({ seed: 1 });
 * const [alice, bob] = [simulation.node("alice"), simulation.node("bob")];
 * await simulation.run(async () => {
 *   const listener = await bob.network.listen({ hostname: "0.0.0.0", port: 80 });
 *   const conn = await alice.network.dial({ hostname: "bob", port: 80 });
 *   conn.close();
 *   listener.close();
 * });
 * ```
 *
 * @module
 */
export * from "./errors.ts";
export type { DatagramCounts } from "./fabric.ts";
export type { LinkProfile } from "./links.ts";
export { BACKLOG_MAX } from "./listener.ts";
export { NAT_KINDS, NAT_MAPPING_MS, type NatKind } from "./nat.ts";
export { WINDOW_BYTES } from "./pipe.ts";
export { SeededRandom } from "./seeded.ts";
export * from "./simulation.ts";
export * from "./virtual_clock.ts";
