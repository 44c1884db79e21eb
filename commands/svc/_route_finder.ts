/** Where the route finder of `skyctl svc run` has its transports from. @module */
import type { Log } from "../../lib/base/mod.ts";
import type { Io } from "../../lib/cli/mod.ts";
import { generateKeyPair } from "../../lib/crypto/mod.ts";
import {
  awaitSession,
  type DmsgNetwork,
  HttpServices,
  joinNetwork,
  NoServiceError,
  SERVICE_NAMES,
  type ServiceAddress,
  TransportDiscoveryClient,
} from "../../lib/directory/mod.ts";
import type { AskService } from "../../lib/dmsg/mod.ts";
import type { World } from "../../lib/runtime/mod.ts";
import { type GraphSource, polledTransports } from "../../lib/services/route_finder/mod.ts";
import { parseServiceUrl } from "../_ask_service.ts";
import { postQuantumOf } from "../_post_quantum.ts";
import type { PostQuantumOptions } from "../post_quantum_option.ts";
import { networkOf } from "./_service.ts";

export interface DiscoveryElsewhereOptions extends PostQuantumOptions {
  readonly deployment?: string | undefined;
  readonly transportDiscovery?: string | undefined;
  readonly poll: number;
}

/**
 * Reads the list of a transport discovery by a client with a key of its own, since reading needs none.
 * Errors: `NoServiceError`, those of the options.
 */
export async function discoveryElsewhere(
  io: Io,
  { world, log, options }: {
    readonly world: World;
    readonly log: Log;
    readonly options: DiscoveryElsewhereOptions;
  },
): Promise<GraphSource> {
  const { deployment, transportDiscovery: url, poll: pollMs } = options;
  const network = await networkOf(world, deployment);
  const address = url === undefined ? network.transportDiscovery : parseServiceUrl(url);
  const hint = `name it with --transport-discovery http://host:port${addedTo(network)}`;
  return await transportsElsewhere(io, { world, log, options, network, address, pollMs, hint });
}

/** The same for any network. Errors: `NoServiceError`, `InvalidServiceSettingError`. */
export function transportsElsewhere(
  io: Io,
  { world, log, options, network, address, pollMs, hint }: {
    readonly world: World;
    readonly log: Log;
    readonly options: PostQuantumOptions;
    readonly network: DmsgNetwork;
    readonly address: ServiceAddress | undefined;
    readonly pollMs?: number | undefined;
    /** What to do where there is no address. Default: for services of one process. */
    readonly hint?: string | undefined;
  },
): Promise<GraphSource> {
  if (address === undefined) {
    throw new NoServiceError("transportDiscovery", network, {
      hint: hint ?? `run transport-discovery beside the route finder${addedTo(network)}`,
    });
  }
  const userAgent = `skyctl/${io.version}`;
  const postQuantum = postQuantumOf(io, world, options);

  function reach(): Reached {
    if (address!.dmsg === undefined) { // no dmsg server needs to know of us
      const services = new HttpServices({ world, userAgent, log });
      const ask = services.askService(SERVICE_NAMES.transportDiscovery, address!.http!);
      return { ask, ready: () => Promise.resolve(), close: () => services.close() };
    }
    const local = generateKeyPair(world.random);
    const transports = log.child("transports");
    const client = joinNetwork({
      world,
      local,
      network,
      log: transports,
      userAgent,
      sessionsMin: 1,
      publish: false,
      postQuantum,
    });
    const ready = (signal: AbortSignal) => awaitSession(client.dmsg, world.clock, signal);
    return {
      ask: client.askService(SERVICE_NAMES.transportDiscovery, address!),
      ready,
      close: () => client.close(),
    };
  }

  let reached: Reached;
  const list = async (signal: AbortSignal) => {
    await reached.ready(signal);
    return await new TransportDiscoveryClient(reached.ask).all(signal);
  };
  const polled = polledTransports({ list, clock: world.clock, log, everyMs: pollMs });
  return Promise.resolve((graph, lives) => {
    reached = reach();
    const following = polled(graph, lives);
    return {
      list: () => following.list?.(),
      async [Symbol.asyncDispose]() {
        await following[Symbol.asyncDispose]();
        await reached.close();
      },
    };
  });
}

/** The next step of somebody whose deployment file does not have it yet. */
function addedTo({ file }: DmsgNetwork): string {
  return file === undefined ? "" : `, or add it to ${file} as transport_discovery`;
}

/** The way to the discovery, as long as it is needed. */
interface Reached {
  readonly ask: AskService;
  /** Resolves when the first of the ways can be tried, or has had its time. */
  readonly ready: (signal: AbortSignal) => Promise<void>;
  readonly close: () => Promise<void>;
}
