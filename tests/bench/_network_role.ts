/** What routes need besides visors, in one process: discoveries, two dmsg servers, route finder, setup node. @module */
import { silentLog } from "../../lib/base/mod.ts";
import { webCryptoKem } from "../../lib/crypto/mod.ts";
import { systemWorld } from "../../lib/runtime/mod.ts";
import { LocalNetwork } from "../../lib/visor/local/mod.ts";
import { serveCommands } from "./_child.ts";

const world = systemWorld();

await serveCommands({
  /** Starts it in a folder that is there, on loopback or at another address; the deployment file. */
  async start({ folder, hostname }: { folder: string; hostname?: string }): Promise<string> {
    const postQuantum = { kem: webCryptoKem((work) => world.outside(work)) };
    const local = await LocalNetwork.start({
      world,
      log: silentLog,
      folder,
      hostname,
      version: "0.0.0-bench",
      postQuantum,
    });
    return local.network.file!;
  },
});
