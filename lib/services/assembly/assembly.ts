/**
 * Several services of a deployment in one process: started cold in an order in which each finds what it needs,
 * watched, and ended in the opposite one.
 *
 *   dmsg discovery, HTTP   ->  dmsg servers, which register there  ->  the discovery's dmsg side, with those servers
 *   ->  transport discovery, address resolver, route finder, setup node, ...  ->  config bootstrapper
 *   ->  the deployment file by which visors join
 *
 * @module
 */
import { describeError, type Log } from "../../base/mod.ts";
import type { HostedService } from "../../control/mod.ts";
import { keptKeyPair, type KeyPair, type PublicKey } from "../../crypto/mod.ts";
import { type Deployment, readDeployments } from "../../deployment/mod.ts";
import {
  type DmsgNetwork,
  embeddedNetwork,
  type KnownServer,
  seededEntries,
  type ServiceAddress,
} from "../../directory/mod.ts";
import { type DmsgAddress, HTTP_PORT, parseDmsgUrl } from "../../dmsg/mod.ts";
import type { PostQuantumSettings } from "../../noise/mod.ts";
import { renderSocketAddress, sleep, type World } from "../../runtime/mod.ts";
import { isLoopbackAddress } from "../../transport/mod.ts";
import { attachDmsg } from "../dmsg_discovery/mod.ts";
import type { BuildInfo } from "../hosting/mod.ts";
import type { TransportSource } from "../transport_discovery/mod.ts";
import { checkKeys, checkPorts, warnOfShortLives } from "./_checks.ts";
import {
  deploymentText,
  type FormerDeployment,
  nodeKeys,
  othersOf,
  readFormerDeployment,
  retiredServers,
  tellKept,
} from "./_deployment_file.ts";
import { LateSide } from "./_late_side.ts";
import { type Started, startService } from "./_start.ts";
import { checkPlan, type Listening, listeningOf, type PlannedService } from "./plan.ts";
import { SERVICE_KINDS, serviceTypeOf } from "./service_types.ts";
import { httpOf, reachable, type StartedService } from "./started.ts";

export interface AssemblyOptions {
  readonly world: World;
  readonly log: Log;
  readonly services: readonly PlannedService[];
  readonly build: BuildInfo;
  readonly userAgent: string;
  /**
   * The network that the services are in. What runs here takes the place of what it names; its dmsg servers are
   * kept beside those that run here. Default: what runs here, else the embedded production network (DS-4).
   */
  readonly network?: DmsgNetwork;
  /** Who may read logs and profiles of the services, besides those whom the network names. */
  readonly surveyWhitelist?: readonly PublicKey[];
  /** Where the deployment file goes; its folder exists. Default: nowhere. */
  readonly file?: string;
  /**
   * What that file says of services that do not run here stays in it, and fields that are none of a network, where its
   * network is the one that begins here (the dmsg discovery is one of `services`) or `network` was read from it, and
   * `base` does not say what else there is. One that cannot be used is refused. Default: it is written anew.
   */
  readonly keepsOthers?: boolean;
  /** What the deployment is called in it, unless it has a name that is kept. Default `local`. */
  readonly deploymentName?: string;
  /** What else the file shall say: fields of a services object. */
  readonly base?: Readonly<Record<string, unknown>>;
  /** Other listeners that the process will have, which no service may collide with. */
  readonly alsoListening?: readonly Listening[];
  /** What to do where another program has a port. */
  readonly portHint?: string;
  /** The post-quantum hybrid: offered or required. */
  readonly postQuantum?: PostQuantumSettings;
  /** Told of each service as soon as it answers. */
  readonly onStarted?: (service: StartedService) => void;
}

/** How long services may take to end while the discovery and the servers are still there for them. */
export const CLOSE_SERVICES_MS = 1_000;
/** How long all of it may take to end, whatever a store, a discovery or a peer does: Ctrl-C has 2 s. */
export const CLOSE_MAX_MS = 1_750;

export class Assembly implements AsyncDisposable {
  readonly #options: AssemblyOptions;
  readonly #started: Started[] = [];
  readonly #keys = new Map<string, KeyPair>();
  #late: LateSide | undefined;
  #network: DmsgNetwork | undefined;
  #deployment: string | undefined;
  /** What a config bootstrapper tells since everything runs. */
  #toldAll: Deployment | undefined;
  /** What the deployment file said before. */
  #former: FormerDeployment | undefined;
  /** dmsg servers of earlier runs, which are nowhere. */
  #retired: ReadonlySet<PublicKey> = new Set();
  #closing: Promise<void> | undefined;

  private constructor(options: AssemblyOptions) {
    this.#options = options;
  }

  /**
   * Starts all of it; everything answers when this resolves, sessions come by and by. Errors:
   * `InvalidServiceSettingError`, `AddressInUseError`, `KeyFileError`, `ConfigError` for a deployment file, those of the
   * services. Nothing is left
   * open then, and nothing was made when it was the plan.
   */
  static async start(options: AssemblyOptions): Promise<Assembly> {
    const assembly = new Assembly(options);
    try {
      await assembly.#start();
      return assembly;
    } catch (error) {
      await assembly.close();
      throw error;
    }
  }

  /** What a client needs to join. */
  get network(): DmsgNetwork {
    return this.#network!;
  }

  /** The text of the deployment file. */
  get deployment(): string {
    return this.#deployment!;
  }

  /** In the order of their start. */
  get services(): readonly StartedService[] {
    return this.#started;
  }

  /** Settles with the failure of the first plane that dies: half a deployment must not look healthy (DS-7). */
  get failed(): Promise<unknown> {
    return Promise.race(this.#started.map(({ failed }) => failed));
  }

  /** Its parts, as they are now. */
  hosted(): HostedService[] {
    return this.#started.map((service) => ({
      name: service.plan.type,
      publicKey: service.publicKey!,
      address: service.address ?? service.dmsg ?? "",
      udpAddress: service.udpAddress && renderSocketAddress(service.udpAddress),
      ready: service.isReady(),
    }));
  }

  /**
   * Ends it in the order in which nothing is left registered. What has not ended after {@link CLOSE_MAX_MS}, for
   * want of an answer of its store, for one, is named in the log, and goes on by itself. Never rejects.
   */
  close(): Promise<void> {
    this.#closing ??= this.#closeInTime();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #start(): Promise<void> {
    const { world, log, services, alsoListening = [], file, portHint = PORT_HINT } = this.#options;
    checkPlan(services, alsoListening);
    await checkKeys(world, services);
    await checkPorts(world, [...services.flatMap(listeningOf), ...alsoListening], portHint);
    warnOfShortLives(log, services);
    for (const { name, key } of services) {
      if (key === undefined) continue;
      this.#keys.set(
        name,
        "file" in key
          ? await keptKeyPair(world, key.file)
          : { publicKey: key.secretKey.publicKey, secretKey: key.secretKey },
      );
    }
    this.#former = await this.#readFormer();
    if (this.#former !== undefined && this.#options.network === undefined) {
      this.#retired = await retiredServers(world, services);
    }
    let transports: TransportSource | undefined;
    for (const { type } of SERVICE_KINDS) {
      for (const plan of services.filter((service) => service.type === type)) {
        const started = await this.#startOne(plan, transports);
        transports ??= started.transports;
        this.#started.push(started);
        this.#options.onStarted?.(started);
      }
      if (type === "dmsg-server") this.#beginDiscoverySide();
    }
    this.#network = this.#networkOf("outside");
    this.#deployment = this.#deploymentText();
    if (file !== undefined) await world.files.write(file, new TextEncoder().encode(this.#deployment));
    if (this.#former !== undefined) {
      tellKept(log, { file, former: this.#former, started: this.#started, retired: this.#retired });
    }
  }

  /** What the deployment file says of others, where it is of the network that begins here, or that is joined by it. */
  async #readFormer(): Promise<FormerDeployment | undefined> {
    const { world: { files }, services, file, keepsOthers = false, network, base } = this.#options;
    if (file === undefined || !keepsOthers) return;
    const discovery = services.find(({ type }) => type === "dmsg-discovery");
    const own = discovery && this.#keys.get(discovery.name)?.publicKey;
    const isSame = ({ discoveryDmsg, discoveryHttp }: DmsgNetwork) => {
      if (base !== undefined) return false;
      if (network !== undefined) return network.file !== undefined && files.absolute(network.file) === file;
      if (discovery === undefined) return false;
      return discoveryDmsg === undefined
        ? discoveryHttp === httpOf(discovery)
        : discoveryDmsg.publicKey === own;
    };
    return await readFormerDeployment({ files, file, isSame });
  }

  async #startOne(plan: PlannedService, transports: TransportSource | undefined): Promise<Started> {
    const { world, log, build, userAgent, postQuantum } = this.#options;
    const keys = this.#keys.get(plan.name);
    const isDual = plan.type === "dmsg-discovery" && plan.mode !== "http" && keys !== undefined;
    if (isDual) this.#late = new LateSide(`${keys.publicKey}:${HTTP_PORT}`);
    return await startService(plan, keys, {
      world,
      log,
      build,
      userAgent,
      postQuantum,
      network: this.#networkOf("inside"),
      transports,
      told: () => this.#told(plan),
      isDiscoveryHere: this.#find("dmsg-discovery") !== undefined,
      attachDiscovery: this.#late?.attach,
    });
  }

  /** Its servers are known by now. */
  #beginDiscoverySide(): void {
    if (this.#late === undefined) return;
    const { world, log, postQuantum } = this.#options;
    const { plan } = this.#find("dmsg-discovery")!;
    const network = this.#networkOf("inside");
    const servers = seededEntries(network).filter((entry) => entry.server !== undefined);
    const surveyWhitelist = plan.settings.surveyWhitelist ?? network.surveyWhitelist;
    const local = this.#keys.get(plan.name)!;
    this.#late.begin(
      attachDmsg({ world, local, servers, log: log.child(plan.name), surveyWhitelist, postQuantum }),
    );
  }

  /** The network as it is by now: as this process reaches it, or as others do. */
  #networkOf(side: "inside" | "outside"): DmsgNetwork {
    const { deploymentName = "local", file } = this.#options;
    const isOwnFile = this.#former !== undefined;
    const name = this.#former?.name ?? deploymentName;
    const runsNetwork = this.#options.services.some(({ type }) =>
      type === "dmsg-discovery" || type === "dmsg-server"
    );
    const base = this.#withReaders(
      this.#options.network ?? this.#former?.network ?? (runsNetwork ? NOTHING : embeddedNetwork()),
    );
    const own = this.#started.filter(({ plan }) => plan.type === "dmsg-server").map((
      server,
    ): KnownServer => ({
      publicKey: server.publicKey!,
      address: side === "inside" ? renderSocketAddress(reachable(server.bound!)) : server.address!,
    }));
    const servers = [...own, ...othersOf(base.servers, this.#started, this.#retired)];
    const discovery = this.#find("dmsg-discovery");
    if (side === "inside") { // by keys and addresses of the network itself: services are found by their entries
      return {
        ...(runsNetwork ? { name, file, surveyWhitelist: base.surveyWhitelist } : base),
        servers,
        discoveryHttp: discovery === undefined
          ? base.discoveryHttp
          : `http://${renderSocketAddress(reachable(discovery.bound!))}`,
        discoveryDmsg: discovery === undefined ? base.discoveryDmsg : addressOf(discovery),
      };
    }
    const members = this.#started.flatMap((service): [string, ServiceAddress][] => {
      const { member } = serviceTypeOf(service.plan.type);
      return member === undefined ? [] : [[member, { http: service.address, dmsg: addressOf(service) }]];
    });
    return {
      ...base,
      name,
      file,
      servers,
      discoveryHttp: discovery === undefined ? base.discoveryHttp : discovery.address,
      discoveryDmsg: discovery === undefined ? base.discoveryDmsg : addressOf(discovery),
      ...Object.fromEntries(members),
      setupNodes: nodeKeys("setup-node", this.#started, { told: base.setupNodes, isOwnFile }),
      transportSetup: nodeKeys("transport-setup", this.#started, { told: base.transportSetup, isOwnFile }),
      allowLoopbackAddresses: discovery === undefined
        ? base.allowLoopbackAddresses === true
        : isLoopback(discovery.address!),
    };
  }

  #withReaders(network: DmsgNetwork): DmsgNetwork {
    const { surveyWhitelist: further = [] } = this.#options;
    if (further.length === 0) return network;
    return { ...network, surveyWhitelist: [...new Set([...network.surveyWhitelist ?? [], ...further])] };
  }

  /** What a config bootstrapper tells that starts last: of itself, too, as soon as its address is known. */
  #told(plan: PlannedService): Deployment {
    if (this.#toldAll !== undefined) return this.#toldAll;
    const network = this.#networkOf("outside");
    const isUp = this.#started.some((service) => service.plan === plan);
    const keys = this.#keys.get(plan.name);
    const dmsg = keys && plan.mode !== "http" ? { publicKey: keys.publicKey, port: HTTP_PORT } : undefined;
    const text = this.#deploymentText(isUp ? network : { ...network, conf: { http: httpOf(plan), dmsg } });
    const told = readDeployments(JSON.parse(text))[network.name]!;
    if (isUp) this.#toldAll = told;
    return told;
  }

  #deploymentText(network: DmsgNetwork = this.#networkOf("outside")): string {
    return deploymentText(network, this.#options.base ?? this.#former?.fields, this.#former?.beside);
  }

  #find(type: PlannedService["type"]): StartedService | undefined {
    return this.#started.find(({ plan }) => plan.type === type);
  }

  async #closeInTime(): Promise<void> {
    const { log, world: { clock } } = this.#options;
    const ending = new Set<string>();
    const ended = new AbortController();
    await Promise.race([
      this.#close(ending).then(() => ended.abort()),
      sleep(clock, CLOSE_MAX_MS, ended.signal).then(
        () => log.error("Not everything ended in time", { what: [...ending].join(", ") }),
        () => {},
      ),
    ]);
  }

  /** `ending` has what is not over yet. */
  async #close(ending: Set<string>): Promise<void> {
    const { log, world } = this.#options;
    const step = async (what: string, work: PromiseLike<unknown> | undefined) => {
      ending.add(what);
      try {
        await work;
      } catch (error) {
        log.warn("Closing failed", { what, cause: describeError(error) });
      }
      ending.delete(what);
    };
    const close = (services: readonly StartedService[]) =>
      Promise.all(services.map((service) => step(service.plan.name, service.close())));
    const isOf = (...types: string[]) => this.#started.filter(({ plan }) => types.includes(plan.type));
    const network = new Set<StartedService>(isOf("dmsg-discovery", "dmsg-server"));
    const services = close(this.#started.filter((service) => !network.has(service)));
    const late = new AbortController();
    await Promise.race([services, sleep(world.clock, CLOSE_SERVICES_MS, late.signal).catch(() => {})]);
    late.abort();
    await step("dmsg side of the discovery", this.#late?.[Symbol.asyncDispose]());
    await close(isOf("dmsg-server"));
    await close(isOf("dmsg-discovery"));
    await services; // whoever was late lost its connections by now
  }
}

function addressOf({ dmsg }: StartedService): DmsgAddress | undefined {
  return dmsg === undefined ? undefined : parseDmsgUrl(dmsg).address;
}

function isLoopback(url: string): boolean {
  const hostname = URL.parse(url)?.hostname.replace(/^\[|\]$/g, "") ?? "";
  return hostname === "localhost" || isLoopbackAddress(hostname);
}

const PORT_HINT = "stop the other program, or name another port";
/** Of a process that runs its own. */
const NOTHING: DmsgNetwork = {
  name: "local",
  file: undefined,
  servers: [],
  discoveryHttp: undefined,
  discoveryDmsg: undefined,
};
