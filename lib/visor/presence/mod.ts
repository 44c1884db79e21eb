/**
 * How a visor makes itself known, and finds others that did: services that it offers, heartbeats, and transports to
 * public visors.
 *
 * ```ts
 * import { silentLog } from "../../base/mod.ts";
 * import { systemWorld } from "../../runtime/mod.ts";
 * import { Heartbeats } from "./mod.ts";
 *
 * const { clock } = systemWorld();
 * const beat = () => Promise.resolve(true);
 * const beats = new Heartbeats({ clock, service: "uptime tracker", beat, log: silentLog });
 * console.log(beats.state().lastMs); // undefined
 * await beats.close();
 * ```
 *
 * @module
 */
export { ROUND_RETRY_MS } from "./_rounds.ts";
export * from "./autoconnect.ts";
export * from "./heartbeats.ts";
export * from "./presence.ts";
export * from "./service_registration.ts";
