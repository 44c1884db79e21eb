/**
 * Transports over UDP: KCP sessions through holes in NATs, found by an address resolver.
 *
 * ```ts
 * import { parseAnnouncement, renderBinding } from "./mod.ts";
 *
 * console.log(renderBinding({ port: 30178, addresses: ["192.0.2.7"] }));
 * const key = "02" + "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
 * console.log(parseAnnouncement(`{"PK":"${key}","Addr":"203.0.113.9:41234"}`).at.port);
 * ```
 *
 * @module
 */
export { SudphCarrier, sudphCarrier, type SudphCarrierOptions, type SudphResolver } from "./carrier.ts";
export * from "./hole_punch.ts";
export type { NatFinding } from "./_nat_probe.ts";
export * from "./messages.ts";
export * from "./stun.ts";
