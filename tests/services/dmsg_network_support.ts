/** A dmsg discovery and one dmsg server on simulated machines, for services and visors that meet there. */
import { silentLog } from "../../lib/base/mod.ts";
import type { KeyPair } from "../../lib/crypto/mod.ts";
import { askOver, type DmsgNetwork, joinNetwork, tcpHttpClient } from "../../lib/directory/mod.ts";
import { DmsgServer, HttpDiscovery } from "../../lib/dmsg/mod.ts";
import { sleep, type World } from "../../lib/runtime/mod.ts";
import type { Simulation } from "../../lib/runtime/simulated/mod.ts";
import { runDmsgDiscovery } from "../../lib/services/dmsg_discovery/mod.ts";
import { pair } from "./service_support.ts";

const server = pair("server");

/** Where both are: on the machines `discovery` and `server`. */
export const BARE_NETWORK: DmsgNetwork = {
  name: "local",
  file: undefined,
  servers: [{ publicKey: server.publicKey, address: "server:8080" }],
  discoveryHttp: "http://discovery:9090",
  discoveryDmsg: undefined,
};

/** Runs `scenario` while both are there. */
export async function withDmsgNetwork(simulation: Simulation, scenario: () => Promise<void>): Promise<void> {
  const log = silentLog;
  await using _discovery = await runDmsgDiscovery({
    world: simulation.node("discovery"),
    log,
    settings: { address: { hostname: "0.0.0.0", port: 9090 }, store: "memory", mode: "http" },
  });
  const world = simulation.node("server");
  const http = tcpHttpClient(world, "test/1");
  const ways = [{ name: "http", origin: BARE_NETWORK.discoveryHttp!, client: http, isReady: () => true }];
  const dmsgServer = new DmsgServer({
    world,
    local: server,
    log,
    discovery: new HttpDiscovery(askOver("dmsg discovery", ways, world.clock, log)),
    publicAddress: "server:8080",
  });
  await dmsgServer.listen({ hostname: "0.0.0.0", port: 8080 });
  await scenario();
  await dmsgServer.close();
  await http.close();
}

/** Joins as a visor, and waits until it has a session. */
export async function joinAs(local: KeyPair, world: World, network: DmsgNetwork) {
  const joined = joinNetwork({ world, local, network, log: silentLog, userAgent: "test/1" });
  while (!joined.dmsg.isConnected) await sleep(world.clock, 100);
  return joined;
}
