/**
 * A transport setup node that runs: HTTP for its operator, its health on dmsg port 48, a client of its own.
 *
 * @module
 */
import type { Log } from "../../base/mod.ts";
import type { KeyPair, PublicKey } from "../../crypto/mod.ts";
import { type DmsgNetwork, joinNetwork, type NetworkClient } from "../../directory/mod.ts";
import { TRANSPORT_SETUP_PORT, TRANSPORT_SETUP_SERVICE_PORT } from "../../dmsg/mod.ts";
import type { PostQuantumSettings } from "../../noise/mod.ts";
import type { SocketAddress, World } from "../../runtime/mod.ts";
import { isLoopbackAddress } from "../../transport/mod.ts";
import {
  type BuildInfo,
  handlerOf,
  InvalidServiceSettingError,
  type RunningService,
  runService,
  serveOverDmsg,
} from "../hosting/mod.ts";
import { setupNodeNetwork } from "../setup_node/mod.ts";
import { createTransportSetup } from "./api.ts";

export interface RunTransportSetupOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger" | "network" | "diagnostics">;
  /** Visors know the node by them, and do what it says. */
  readonly keys: KeyPair;
  readonly network: DmsgNetwork;
  readonly log: Log;
  readonly userAgent: string;
  readonly settings: {
    /** Of this machine: whoever reaches it may make visors do things. Port 0 takes any free one. */
    readonly address: SocketAddress;
    readonly build?: BuildInfo;
  };
  /** The post-quantum hybrid: offered or required. */
  readonly postQuantum?: PostQuantumSettings;
}

export interface RunningTransportSetup extends RunningService {
  readonly publicKey: PublicKey;
  readonly dmsg: NetworkClient["dmsg"];
}

/**
 * Starts a transport setup node; sessions come by and by. Errors: `InvalidServiceSettingError` for an address that
 * others can reach, those of `Network.listen`. Nothing is left open then.
 */
export async function runTransportSetup(options: RunTransportSetupOptions): Promise<RunningTransportSetup> {
  const { world, keys, network, log, userAgent, settings: { address, build }, postQuantum } = options;
  if (address.hostname !== "localhost" && !isLoopbackAddress(address.hostname)) {
    throw new InvalidServiceSettingError(`The transport setup node cannot listen on ${address.hostname}`, {
      hint: "it does what anybody asks: use 127.0.0.1, and a tunnel from elsewhere",
    });
  }
  const client = joinNetwork({
    world,
    local: keys,
    network: setupNodeNetwork(network),
    log,
    userAgent,
    sessionsMin: 0, // with every server: no visor is reached by a detour
    postQuantum,
  });
  const { dmsg } = client;
  const dial = (publicKey: PublicKey, { signal }: { readonly signal: AbortSignal }) =>
    dmsg.dial({ publicKey, port: TRANSPORT_SETUP_PORT }, { signal });
  let setup: ReturnType<typeof createTransportSetup>;
  const service = await runService({
    world,
    log,
    name: "transport setup node",
    mode: "dual",
    address,
    api: (dmsgStatus, refused) => {
      setup = createTransportSetup({ world, dial, build, dmsgStatus, refused, log });
      return setup.operator;
    },
    dmsg: () => { // strangers get the health, and nothing else
      const handler = handlerOf(setup.health, { log, clock: world.clock });
      const { surveyWhitelist } = network;
      const port = TRANSPORT_SETUP_SERVICE_PORT;
      return serveOverDmsg({ client: dmsg, world, handler, log, surveyWhitelist, port });
    },
    holds: client,
  });
  return Object.assign(service, { publicKey: keys.publicKey, dmsg });
}
