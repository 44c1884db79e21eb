/**
 * The dmsg side of a service: a client with a session at every server, its entry announced, port 80 served.
 *
 * @module
 */
import { type Log, Scope } from "../../base/mod.ts";
import type { KeyPair } from "../../crypto/mod.ts";
import { type DmsgNetwork, joinNetwork } from "../../directory/mod.ts";
import { HTTP_PORT, serveDmsgHttp } from "../../dmsg/mod.ts";
import type { PostQuantumSettings } from "../../noise/mod.ts";
import type { World } from "../../runtime/mod.ts";
import type { AttachService } from "./run.ts";

export interface ServiceDmsgSideOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger" | "network">;
  /** The service's own keys. */
  readonly local: KeyPair;
  readonly network: DmsgNetwork;
  readonly log: Log;
  readonly userAgent: string;
  /** The post-quantum hybrid: offered or required. */
  readonly postQuantum?: PostQuantumSettings;
}

/** What `runService` takes for modes `dmsg` and `dual`. */
export function attachService(options: ServiceDmsgSideOptions): AttachService {
  const { world, local, network, log, userAgent, postQuantum } = options;
  return (handler) => {
    const scope = new Scope();
    const client = joinNetwork({
      world,
      local,
      network,
      log,
      userAgent,
      sessionsMin: 0, // with every server: clients take the service for a client of all (dmsg.md 11)
      postQuantum,
      publish: true,
    });
    serveDmsgHttp({ client: client.dmsg, world, handler: { raw: handler }, scope, log });
    return {
      status: () => ({
        address: `${local.publicKey}:${HTTP_PORT}`,
        servers: client.dmsg.sessions().map((session) => session.remote),
      }),
      async [Symbol.asyncDispose]() {
        await Promise.all([scope[Symbol.asyncDispose](), client.close()]);
      },
    };
  };
}
