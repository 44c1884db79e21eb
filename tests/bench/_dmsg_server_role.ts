/** The role S of the dmsg benches: a server on a free loopback port. @module */
import { generateKeyPair, webCryptoKem } from "../../lib/crypto/mod.ts";
import { DmsgServer } from "../../lib/dmsg/mod.ts";
import { systemWorld } from "../../lib/runtime/mod.ts";
import { serveCommands } from "./_child.ts";
import type { ServerAddress } from "./_dmsg_network.ts";

const world = systemWorld();
const server = new DmsgServer({
  world,
  local: generateKeyPair(world.random),
  sessionsMax: 4_096,
  postQuantum: { kem: webCryptoKem((work) => world.outside(work)) }, // as the program's own commands have it
});

await serveCommands({
  async listen(): Promise<ServerAddress> {
    const { hostname, port } = await server.listen({ hostname: "127.0.0.1", port: 0 });
    return { publicKey: server.publicKey, address: `${hostname}:${port}` };
  },
  sessions: () => server.status().sessions,
});
