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
 * const request = new Request("http://localhost/dmsg-discovery/entries");
 * const answer = await discovery.fetch(request, { remote: "127.0.0.1:1", target: "/dmsg-discovery/entries" });
 * console.log(await answer.text()); // []
 * ```
 *
 * @module
 */
export { createDmsgDiscovery, type DmsgDiscovery, type DmsgDiscoveryOptions } from "./api.ts";
export { attachDmsg, type DmsgSideOptions } from "./dmsg_side.ts";
export type { DmsgStatus } from "./_health.ts";
export * from "./run.ts";
export * from "./settings.ts";
