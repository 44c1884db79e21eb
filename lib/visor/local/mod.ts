/**
 * A whole network in one process, on loopback: only who runs one pays for its services.
 *
 * ```ts
 * import { silentLog } from "../../base/mod.ts";
 * import { systemWorld } from "../../runtime/mod.ts";
 * import { LocalNetwork } from "./mod.ts";
 *
 * const folder = Deno.makeTempDirSync();
 * await using local = await LocalNetwork.start({ world: systemWorld(), log: silentLog, folder, version: "0.1.0" });
 * console.log(local.network.discoveryHttp);
 * ```
 *
 * @module
 */
export * from "./local_network.ts";
