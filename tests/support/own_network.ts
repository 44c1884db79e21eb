/** A dmsg discovery and a dmsg server on the machine "host", for visors on other machines. @module */
import { type Log, silentLog } from "../../lib/base/mod.ts";
import type { KeyPair } from "../../lib/crypto/mod.ts";
import type { PostQuantumSettings } from "../../lib/noise/mod.ts";
import type { World } from "../../lib/runtime/mod.ts";
import { parseDmsgServerConfig, runDmsgServer } from "../../lib/services/dmsg_server/mod.ts";
import type { RunDmsgDiscoverySettings } from "../../lib/services/dmsg_discovery/mod.ts";

/** A discovery that others reach, in memory; loopback servers may register. */
export const OPEN_DISCOVERY: RunDmsgDiscoverySettings = {
  address: { hostname: "0.0.0.0", port: 9090 },
  store: "memory",
  mode: "http",
  allowLoopbackAddresses: true,
  build: { version: "1", commit: "unknown", date: "unknown" },
};

/** A server with `keys` that registers there. */
export function startServerOfHost(
  world: World,
  keys: KeyPair,
  { log = silentLog, postQuantum }: {
    readonly log?: Log;
    readonly postQuantum?: PostQuantumSettings;
  } = {},
) {
  return runDmsgServer({
    world,
    log,
    keys,
    version: "1.2.3",
    postQuantum,
    config: parseDmsgServerConfig("{}", "server.json", {
      discovery: "http://host:9090",
      httpRegistration: true,
      listen: "0.0.0.0:8081",
      public: "host:8081",
      health: "none",
    }),
  });
}

/** The deployment file of both, for a visor's configuration. */
export function ownDeployment({ publicKey }: KeyPair): string {
  const dmsg_servers = [{ static: publicKey, server: { address: "host:8081" } }];
  return JSON.stringify({ own: { dmsg_discovery: "http://host:9090", dmsg_servers } });
}
