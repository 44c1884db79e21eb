/** The role of the server: what runs, and what is alive in it. @module */
import { generateKeyPair, webCryptoKem } from "../../lib/crypto/mod.ts";
import { DmsgServer } from "../../lib/dmsg/mod.ts";
import { systemWorld } from "../../lib/runtime/mod.ts";
import { serveCommands } from "../bench/_child.ts";
import type { ServerAddress } from "../bench/_dmsg_network.ts";

const world = systemWorld();
const server = new DmsgServer({
  world,
  local: generateKeyPair(world.random),
  postQuantum: { kem: webCryptoKem((work) => world.outside(work)) }, // as the program's own commands have it
});

await serveCommands({
  async listen(): Promise<ServerAddress> {
    const { hostname, port } = await server.listen({ hostname: "127.0.0.1", port: 0 });
    return { publicKey: server.publicKey, address: `${hostname}:${port}` };
  },
  /** Sessions, and everything that the ledger counts, by kind. */
  live: () => ({ sessions: server.status().sessions, ledger: world.ledger.live() }),
});
