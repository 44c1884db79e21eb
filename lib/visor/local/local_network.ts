/**
 * A whole network in one process, on loopback: a dmsg discovery, dmsg servers and what makes routes, with the real
 * protocols over real sockets. What `skyctl visor run --local` holds beside its visor.
 *
 * @module
 */
import type { Log } from "../../base/mod.ts";
import type { HostedService } from "../../control/mod.ts";
import type { DmsgNetwork } from "../../directory/mod.ts";
import type { PostQuantumSettings } from "../../noise/mod.ts";
import type { World } from "../../runtime/mod.ts";
import {
  Assembly,
  planned,
  type PlannedService,
  SERVERS_DEFAULT,
  type ServiceSettings,
} from "../../services/assembly/mod.ts";

const LOOPBACK = "127.0.0.1";

export interface LocalNetworkOptions {
  readonly world: World;
  readonly log: Log;
  /** Folder for its keys and the deployment file. It exists. */
  readonly folder: string;
  /** The address of this machine on which all of it listens. Default: loopback. */
  readonly hostname?: string;
  readonly version: string;
  readonly servers?: number;
  /** The post-quantum hybrid: offered or required. */
  readonly postQuantum?: PostQuantumSettings;
}

export class LocalNetwork implements AsyncDisposable {
  readonly #assembly: Assembly;

  private constructor(assembly: Assembly) {
    this.#assembly = assembly;
  }

  /** Starts it. Resolves when everything accepts connections. Nothing is left of one that failed. */
  static async start(options: LocalNetworkOptions): Promise<LocalNetwork> {
    const { world, log, folder, version, postQuantum } = options;
    return new LocalNetwork(
      await Assembly.start({
        world,
        log,
        services: servicesOf(options),
        build: { version, commit: "unknown", date: "unknown" },
        userAgent: `skyctl/${version}`,
        file: `${folder}/deployment.json`,
        postQuantum,
      }),
    );
  }

  /** What a client needs to join. */
  get network(): DmsgNetwork {
    return this.#assembly.network;
  }

  /** Settles with the failure of a part, if one dies: a dead data plane must not look healthy. */
  get failed(): Promise<unknown> {
    return this.#assembly.failed;
  }

  /** Its parts, as they are now. */
  services(): HostedService[] {
    return this.#assembly.hosted();
  }

  /** Ends it in the order in which nothing is left registered. Never rejects. */
  close(): Promise<void> {
    return this.#assembly.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Each on a port of its own that is free, with its entries in memory. */
function servicesOf(
  { folder, hostname = LOOPBACK, servers = SERVERS_DEFAULT }: LocalNetworkOptions,
): PlannedService[] {
  const place = { folder, hostname, port: 0 };
  const loopback: ServiceSettings = { allowLoopbackAddresses: true }; // a network on loopback cannot be without it
  const names = Array.from({ length: servers }, (_, index) => `dmsg-server-${index + 1}`);
  return [
    planned("dmsg-discovery", { ...place, settings: loopback }),
    ...names.map((name) => planned("dmsg-server", { ...place, name })),
    // Whoever tries things out asks often.
    planned("transport-discovery", { ...place, settings: { requestsPerMinute: 0 } }),
    planned("address-resolver", { ...place, settings: { ...loopback, udpAddress: { hostname, port: 0 } } }),
    planned("route-finder", place),
    planned("service-discovery", { ...place, settings: loopback }),
    planned("uptime-tracker", { ...place, settings: { listsPerMinute: 0 } }),
    planned("setup-node", { ...place, mode: "dmsg" }),
  ];
}
