/**
 * A whole network in one process, on loopback: a dmsg discovery, dmsg servers and what makes routes, with the real
 * protocols over real sockets. What `skyctl visor run --local` holds beside its visor.
 *
 * @module
 */
import { ConnClosedError, describeError, type Log } from "../../base/mod.ts";
import type { HostedService } from "../../control/mod.ts";
import { type LocalServices, readLocalServiceKeys, startLocalServices } from "./_services.ts";
import { keptKeyPair, type KeyPair, readKeyPair } from "../kept_keys.ts";
import {
  askOver,
  type DmsgNetwork,
  type KnownServer,
  renderDeploymentFile,
  seededEntries,
  tcpHttpClient,
} from "../../directory/mod.ts";
import { DmsgServer, HTTP_PORT, HttpDiscovery } from "../../dmsg/mod.ts";
import type { HttpClient } from "../../http/mod.ts";
import type { PostQuantumSettings } from "../../noise/mod.ts";
import type { World } from "../../runtime/mod.ts";
import {
  type AttachDmsg,
  attachDmsg,
  runDmsgDiscovery,
  type RunningDmsgDiscovery,
} from "../../services/dmsg_discovery/mod.ts";
import type { ServiceDmsgSide } from "../../services/hosting/mod.ts";

/** dmsg servers of a local network: two, so that a client can lose one and go on. */
export const LOCAL_SERVERS = 2;
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
  readonly #options: LocalNetworkOptions;
  readonly #servers: DmsgServer[] = [];
  #discovery: RunningDmsgDiscovery | undefined;
  #discoveryKeys: KeyPair | undefined;
  #dmsgSide: ServiceDmsgSide | undefined;
  #registering: HttpClient | undefined;
  #network: DmsgNetwork | undefined;
  #services: LocalServices | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: LocalNetworkOptions) {
    this.#options = options;
  }

  get #hostname(): string {
    return this.#options.hostname ?? LOOPBACK;
  }

  /** Starts it. Resolves when everything accepts connections. Nothing is left of one that failed. */
  static async start(options: LocalNetworkOptions): Promise<LocalNetwork> {
    const local = new LocalNetwork(options);
    try {
      await local.#start();
      return local;
    } catch (error) {
      await local.close();
      throw error;
    }
  }

  /** What a client needs to join. */
  get network(): DmsgNetwork {
    return this.#network!;
  }

  /** Settles with the failure of a part, if one dies: a dead data plane must not look healthy. */
  get failed(): Promise<unknown> {
    const discovery = this.#discovery!.closed.then(() =>
      this.#closing === undefined
        ? new ConnClosedError(undefined, "The dmsg discovery ended by itself")
        : new Promise<never>(() => {})
    );
    return Promise.race([
      discovery,
      this.#services!.ended.then((name) => new ConnClosedError(undefined, `The ${name} ended by itself`)),
      ...this.#servers.map(({ ended }) => ended.then((failure) => failure ?? new Promise<never>(() => {}))),
    ]);
  }

  /** Its parts, as they are now. */
  services(): HostedService[] {
    const discovery = this.#discovery === undefined ? [] : [{
      name: "dmsg-discovery",
      publicKey: this.#discoveryKeys!.publicKey,
      address: `http://${this.#hostname}:${this.#discovery.address.port}`,
      ready: (this.#dmsgSide?.status().servers.length ?? 0) > 0,
    }];
    const servers = this.#servers.map((server) => {
      const { publicKey, address = "", ready, entry } = server.status();
      return { name: "dmsg-server", publicKey, address, ready: ready && entry?.published === true };
    });
    return [...discovery, ...servers, ...this.#services?.services() ?? []];
  }

  /** Ends it in the order in which nothing is left registered. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #start(): Promise<void> {
    const { world, log, folder, version, postQuantum, servers = LOCAL_SERVERS } = this.#options;
    // Every key file is read before the first is made: a broken one leaves everything as it was.
    for (let index = 1; index <= servers; index++) await readKeyPair(world, serverKeyFile(folder, index));
    await readLocalServiceKeys(world, folder);
    const keys = this.#discoveryKeys = await keptKeyPair(world, `${folder}/dmsg-discovery.key`);
    const { promise: dmsgEnded, resolve: onDmsgEnded } = Promise.withResolvers<void>();
    let attaching: Parameters<AttachDmsg>[0] | undefined;
    this.#discovery = await runDmsgDiscovery({
      world,
      log: log.child("dmsg-discovery"),
      settings: {
        address: { hostname: this.#hostname, port: 0 },
        store: "memory",
        mode: "dual",
        allowLoopbackAddresses: true, // a network on loopback cannot be without it
        publicKey: keys.publicKey,
        build: { version, commit: "unknown", date: "unknown" },
      },
      // Its servers are started below, as they need its address.
      dmsg: (options) => {
        attaching = options;
        return {
          status: () =>
            this.#dmsgSide?.status() ?? { address: `${keys.publicKey}:${HTTP_PORT}`, servers: [] },
          closed: dmsgEnded,
          [Symbol.asyncDispose]: async () => await this.#dmsgSide?.[Symbol.asyncDispose](),
        };
      },
    });
    const discoveryHttp = `http://${this.#hostname}:${this.#discovery.address.port}`;
    const network: DmsgNetwork = {
      name: "local",
      file: `${folder}/deployment.json`,
      servers: await this.#startServers(discoveryHttp),
      discoveryHttp,
      discoveryDmsg: { publicKey: keys.publicKey, port: HTTP_PORT },
    };
    const seeded = seededEntries(network).filter((entry) => entry.server !== undefined);
    const attach = attachDmsg({
      world,
      local: keys,
      servers: seeded,
      log: log.child("dmsg-discovery"),
      postQuantum,
    });
    this.#dmsgSide = attach(attaching!);
    // Our own close ends it before the discovery: no plane is lost then.
    void this.#dmsgSide.closed.then(() => this.#closing === undefined && onDmsgEnded());
    this.#services = await startLocalServices({
      world,
      log,
      folder,
      hostname: this.#hostname,
      version,
      network,
      postQuantum,
    });
    this.#network = { ...network, ...this.#services.network };
    await world.files.write(network.file!, new TextEncoder().encode(renderDeploymentFile(this.#network)));
  }

  async #startServers(discoveryHttp: string): Promise<KnownServer[]> {
    const { world, log, folder, version, postQuantum, servers = LOCAL_SERVERS } = this.#options;
    const client = this.#registering = tcpHttpClient(world, `skyctl/${version}`);
    const ways = [{ name: "http", origin: discoveryHttp, client, isReady: () => true }];
    const known: KnownServer[] = [];
    for (let index = 1; index <= servers; index++) {
      const local = await keptKeyPair(world, serverKeyFile(folder, index));
      const server = new DmsgServer({
        world,
        local,
        log: log.child(`dmsg-server-${index}`),
        postQuantum,
        discovery: new HttpDiscovery(askOver("dmsg discovery", ways, world.clock, log)),
      });
      this.#servers.push(server);
      const bound = await server.listen({ hostname: this.#hostname, port: 0 });
      known.push({ publicKey: local.publicKey, address: `${this.#hostname}:${bound.port}` });
    }
    return known;
  }

  async #close(): Promise<void> {
    const { log } = this.#options;
    const step = (what: string, work: PromiseLike<unknown> | undefined) =>
      Promise.resolve(work).catch((error) =>
        log.warn("Closing failed", { what, cause: describeError(error) })
      );
    await step("services", this.#services?.close());
    await step("dmsg side of the discovery", this.#dmsgSide?.[Symbol.asyncDispose]());
    await Promise.all(this.#servers.map((server) => step("dmsg server", server.close())));
    await step("HTTP client", this.#registering?.close());
    await step("dmsg discovery", this.#discovery?.close());
  }
}

function serverKeyFile(folder: string, index: number): string {
  return `${folder}/dmsg-server-${index}.key`;
}
