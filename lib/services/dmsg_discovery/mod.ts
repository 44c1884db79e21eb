/**
 * The dmsg discovery: who is in the network, and through which servers each can be reached.
 *
 * ```ts
 * import { silentLog } from "../../base/mod.ts";
 * import { systemWorld } from "../../runtime/mod.ts";
 * import { openEntryStore } from "../store/mod.ts";
 * import { createDmsgDiscovery } from "./mod.ts";
 * const world = systemWorld();
 * await using store = await openEntryStore("memory", world);
 * const discovery = createDmsgDiscovery({ store, world, log: silentLog });
 * const answer = await discovery({
 *   method: "GET",
 *   path: "/dmsg-discovery/entries",
 *   query: "",
 *   header: () => undefined,
 *   bytes: () => Promise.resolve(new Uint8Array(0)),
 *   remote: "127.0.0.1:1",
 * });
 * console.log(answer.body); // []
 * ```
 *
 * @module
 */
export { createDmsgDiscovery, type DmsgDiscoveryOptions } from "./api.ts";
export { attachDmsg, type DmsgSideOptions } from "./dmsg_side.ts";
export * from "./run.ts";
export * from "./settings.ts";
