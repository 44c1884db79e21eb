/** A network for commands of a test, on the machine of the visor's double. @module */
import { silentLog } from "../../lib/base/mod.ts";
import { renderDeploymentFile } from "../../lib/directory/mod.ts";
import type { World } from "../../lib/runtime/mod.ts";
import { LocalNetwork } from "../../lib/visor/local/mod.ts";
import type { Beside } from "./_control_double.ts";

/** A key that nobody has. */
export const NOBODY = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
/** Where the deployment file of the network is. */
export const FILE = "/deployment.json";

/** A whole network on the visor's machine; the ways to it are what a test leaves of them. */
export function network(ways: "both" | "dmsg" | "http" | "none"): (world: World) => Promise<Beside> {
  return async (world) => {
    await world.files.makeDirectory("/network");
    const local = await LocalNetwork.start({ world, log: silentLog, folder: "/network", version: "1" });
    const { transportDiscovery, discoveryHttp, discoveryDmsg, servers } = local.network;
    const without = { http: "http://127.0.0.1:9", dmsg: { publicKey: NOBODY, port: 80 } } as const;
    const [overHttp, overDmsg] = [ways === "both" || ways === "http", ways === "both" || ways === "dmsg"];
    const text = renderDeploymentFile({
      ...local.network,
      discoveryHttp: overHttp ? discoveryHttp : without.http,
      discoveryDmsg: overDmsg ? discoveryDmsg : undefined,
      transportDiscovery: {
        http: overHttp ? transportDiscovery!.http! : without.http,
        ...(overDmsg ? { dmsg: transportDiscovery!.dmsg! } : {}),
      },
      servers: overDmsg ? servers : [],
    });
    await world.files.write(FILE, new TextEncoder().encode(text));
    return { deploymentFile: FILE, [Symbol.asyncDispose]: () => local.close() };
  };
}
