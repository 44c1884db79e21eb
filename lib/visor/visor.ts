/**
 * The visor: a node on the network. Its parts start in an order in which nothing waits for the network before
 * the control API answers, and end in the reverse one.
 *
 * @module
 */
import { describeError, Scope } from "../base/mod.ts";
import { makeToken, removeControlFile, writeControlFile } from "../control/file/mod.ts";
import type { HostedService, StreamInput, StreamLine, VisorStatus } from "../control/mod.ts";
import type { KeyPair, PublicKey } from "../crypto/mod.ts";
import {
  type DmsgNetwork,
  healthOf,
  joinNetwork,
  type NetworkClient,
  type NetworkService,
  NoServiceError,
  SERVICE_NAMES,
  serviceOfNetwork,
} from "../directory/mod.ts";
import { type AskService, dmsgHttpClient, serveControl, serveDmsgHttp } from "../dmsg/mod.ts";
import { type HttpServer, serveHttp } from "../http/mod.ts";
import type { PostQuantumSettings } from "../noise/mod.ts";
import { AddressInUseError, type SocketAddress, type SocketListener, type World } from "../runtime/mod.ts";
import { controlActions } from "./_control_actions.ts";
import { CONTROL_BODY_BYTES_MAX, controlWhenCalled } from "./_control_when_called.ts";
import type { AppConfig } from "./config/mod.ts";
import type { LogFile } from "./log_file.ts";
import { type NodeSettings, VisorNode } from "./node.ts";
import type { Finding } from "./doctor/mod.ts";
import { tellLog } from "./_log_stream.ts";
import { Survey } from "./_survey.ts";
import { refuseSecondVisor } from "./_one_visor.ts";
import { ServedFolders } from "./_served_folders.ts";
import { withoutServer } from "./dmsg_tools.ts";
import { healthPage, visorStatus } from "./_visor_status.ts";
import { logServer } from "./log_server.ts";
import { tiersNow, Uptime, type UptimeReport } from "./uptime/mod.ts";

export interface VisorOptions {
  readonly world: World;
  readonly keys: KeyPair;
  readonly network: DmsgNetwork;
  /** Folder of this visor's files: control file, log. It exists. */
  readonly home: string;
  /** Absolute; told to other commands of this home. Undefined: `visor.json` in the home. */
  readonly configFile?: string;
  readonly logFile: LogFile;
  readonly version: string;
  readonly control: {
    readonly address: SocketAddress;
    /** When the port is taken: take any free one (a default address), or fail (one that was asked for). */
    readonly orAnyPort: boolean;
  };
  readonly sessionsMin: number;
  /** Transports and routes. */
  readonly node: NodeSettings;
  /** Of the launcher. */
  readonly apps: readonly AppConfig[];
  readonly serversType?: "all" | "official" | "community";
  /** The post-quantum hybrid: offered or required. */
  readonly postQuantum?: PostQuantumSettings;
  /** How often the visor notes whether it is up; 0: never. */
  readonly uptimeSampleMs: number;
  /** Keys that may read log and survey besides the own one. */
  readonly whitelist: readonly PublicKey[];
  /** Who gets the rewards: in the survey. Default: nobody, and the survey is empty. */
  readonly rewardAddress?: string | undefined;
  /** Services in the same process: shown by `status`, and ended with the visor before its control file goes. */
  readonly hosted?: AsyncDisposable & { services(): HostedService[] };
  /** Called whenever a session comes or goes, or the entry is published. */
  readonly onChange?: () => void;
  readonly pid?: number;
}

/** For each question about a service's health, unless told otherwise. */
const HEALTH_TIMEOUT_MS = 5_000;

/** Callers of the control API have so long to end when the visor stops. */
const CONTROL_CLOSE_MS = 500;
/** So long those who follow its log are told what it says while it stops: they end in order before the above. */
export const LAST_LINES_MS = 300;

/** Below the home: what the visor noted of its own uptime. */
export const UPTIME_FILE = "uptime.json";

export class Visor implements AsyncDisposable {
  readonly #options: VisorOptions;
  readonly #scope = new Scope();
  readonly #network: NetworkClient;
  /** Transports, routes and apps. */
  readonly node: VisorNode;
  readonly #uptime: Uptime;
  readonly #token: string;
  readonly #startedMs: number;
  readonly #folders: ServedFolders;
  readonly #stopping = new AbortController();
  /** Nothing is waited for any more: the end of the log, for those who follow it. */
  readonly #stopped = new AbortController();
  readonly #stopAsked = Promise.withResolvers<void>();
  #controlServer: HttpServer | undefined;
  #controlAddress: SocketAddress | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: VisorOptions) {
    const { world, keys, network, logFile, version, sessionsMin, serversType, postQuantum, onChange } =
      options;
    this.#options = options;
    this.#token = makeToken(world.random);
    this.#startedMs = world.clock.monotonicMs();
    this.#network = joinNetwork({
      world,
      local: keys,
      network,
      log: logFile.log,
      userAgent: `skyctl/${version}`,
      sessionsMin,
      serversType,
      clientType: "visor",
      postQuantum,
      onChange,
    });
    this.#folders = new ServedFolders({
      world,
      dmsg: this.#network.dmsg,
      scope: this.#scope,
      log: logFile.log.child("serve"),
    });
    this.node = new VisorNode({
      world,
      keys,
      network,
      client: this.#network,
      settings: options.node,
      apps: options.apps,
      log: logFile.log,
      version,
      postQuantum,
    });
    this.#uptime = new Uptime({
      world,
      path: `${options.home}/${UPTIME_FILE}`,
      sampleIntervalMs: options.uptimeSampleMs,
      look: () => tiersNow({ dmsg: this.dmsg.isConnected, transports: this.node.transports.transports() }),
      log: logFile.log.child("uptime"),
    });
  }

  /**
   * Starts a visor. Resolves when the control API answers; sessions come in the background. Errors:
   * `VisorRunningError`, `AddressInUseError`, those of the files. Nothing is left of one that failed.
   */
  static async start(options: VisorOptions): Promise<Visor> {
    const listener = await bindControl(options);
    const visor = new Visor(options);
    try {
      await visor.#boot(listener);
      return visor;
    } catch (error) {
      listener.close();
      await visor.close();
      throw error;
    }
  }

  get publicKey(): PublicKey {
    return this.#options.keys.publicKey;
  }

  get dmsg(): NetworkClient["dmsg"] {
    return this.#network.dmsg;
  }

  /** HTTP over dmsg, with this visor's key. */
  get http(): NetworkClient["http"] {
    return this.#network.http;
  }

  /** How a service of the deployment is asked, over dmsg first. Errors: `NoServiceError`. */
  askService(service: NetworkService): AskService {
    const { network } = this.#options;
    const address = serviceOfNetwork(network, service);
    if (address === undefined) throw new NoServiceError(service, network);
    return this.#network.askService(SERVICE_NAMES[service], address);
  }

  /**
   * How every service is, asked by this visor: no session is made for it, so servers without one are named instead.
   * Errors: `NoServerError` while there is no session at all, for that says nothing of the services.
   */
  async serviceHealth(
    { timeoutMs = HEALTH_TIMEOUT_MS, signal }: { timeoutMs: number | undefined; signal: AbortSignal },
  ) {
    const { world, network } = this.#options;
    if (!this.dmsg.isConnected) throw withoutServer();
    const live = new Set(this.dmsg.sessions().map(({ remote }) => remote));
    const servers = network.servers.filter(({ publicKey }) => live.has(publicKey));
    const rows = await healthOf(this.#network, { world, network, servers, timeoutMs, signal });
    return { rows, withoutSession: network.servers.filter(({ publicKey }) => !live.has(publicKey)) };
  }

  /** Where the control API listens. */
  get controlAddress(): SocketAddress {
    return this.#controlAddress!;
  }

  /** Settles when somebody asked for the end over the control API. */
  get stopAsked(): Promise<void> {
    return this.#stopAsked.promise;
  }

  /** Settles with the failure of a part that must not fail, if one does. */
  get failed(): Promise<unknown> {
    const { signal } = this.#scope;
    return new Promise((resolve) => {
      const look = () => this.#scope.failure !== undefined && resolve(this.#scope.failure);
      look();
      signal.addEventListener("abort", look, { once: true });
    });
  }

  /** What is true now. */
  status(): VisorStatus {
    return visorStatus(this, {
      ...this.#options,
      startedMs: this.#startedMs,
      serving: this.#folders.list(),
      discoveryAheadMs: this.#network.discoveryAheadMs,
    });
  }

  /** Looks at itself, and at what the services have of it: what is wrong, why, and what to do next. */
  async examine(signal: AbortSignal): Promise<Finding[]> {
    const { world, home, configFile = `${home}/visor.json`, sessionsMin } = this.#options;
    // Whoever never asks does not load it.
    const { examineHome, gatherFacts, inOrder, judge } = await world.outside(() => import("./doctor/mod.ts"));
    const facts = await gatherFacts(this, {
      world,
      configFile: world.files.absolute(configFile),
      sessionsWanted: Math.max(1, sessionsMin),
      clocks: this.#network.clocks,
      signal,
    });
    return inOrder([...judge(facts), ...await examineHome(world, { home, configFile })]);
  }

  /** Its log, or another one's that trusts this visor, for the control API. */
  async tellLog(
    input: StreamInput<"log">,
    tell: (line: StreamLine<"log">) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { world, logFile, version } = this.#options;
    const [stopping, stopped] = [this.#stopping.signal, this.#stopped.signal];
    // Who waits for another visor to be back dials again and again: what failed before says nothing of now.
    await using http = dmsgHttpClient(this.dmsg, world, `skyctl/${version}`, { bypassCaches: true });
    await tellLog(input, { world, logFile, own: this.publicKey, http, stopping, stopped }, tell, signal);
  }

  /** How long it was up, as it saw itself. */
  uptime(): UptimeReport {
    return this.#uptime.report();
  }

  /**
   * Serves a folder on a dmsg port, on 80 beside the visor's own pages. The result takes it off again. Errors:
   * `NotAFolderError`; `DmsgPortTakenError`; `DmsgError` 200 when the visor closes.
   */
  mount(wanted: { folder: string; port: number }): Promise<() => void> {
    return this.#folders.add(wanted);
  }

  /** Ends everything, in order. Never rejects; calling it again waits for the same end. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #boot(listener: SocketListener): Promise<void> {
    const { world, home, logFile, network, pid } = this.#options;
    const log = logFile.log;
    this.#controlAddress = listener.address;
    const handler = controlWhenCalled(world, {
      token: this.#token,
      ...controlActions(this, { onStop: () => this.#stopAsked.resolve(), clock: world.clock }),
      stopping: this.#stopping.signal,
      log: log.child("control"),
      every: (intervalMs, tick) => repeat(world, intervalMs, tick),
    });
    this.#controlServer = serveHttp(listener, handler, {
      world,
      log: log.child("control"),
      closeMs: CONTROL_CLOSE_MS,
      limits: { bodyBytesMax: CONTROL_BODY_BYTES_MAX },
    });
    await writeControlFile(world.files, home, {
      address: listener.address,
      token: this.#token,
      pid,
      publicKey: this.publicKey,
      deploymentFile: network.file,
      configFile: this.#options.configFile,
    });
    serveControl(this.dmsg, this.#scope, log.child("dmsgctrl"));
    serveDmsgHttp({
      client: this.dmsg,
      world,
      scope: this.#scope,
      log: log.child("http"),
      handler: {
        raw: logServer({
          world,
          own: this.publicKey,
          whitelist: new Set(this.#options.whitelist),
          log,
          health: () => healthPage(this.publicKey, this.status()),
          uptime: () => this.uptime(),
          survey: new Survey({
            world,
            publicKey: this.publicKey,
            rewardAddress: this.#options.rewardAddress,
            version: this.#options.version,
            network,
            dmsgServers: () => this.status().dmsg.sessions.map(({ server }) => server),
          }),
          ring: logFile.ring,
          onLine: (listener) => logFile.onLine(listener),
          logPath: logFile.path,
          mounted: () => this.#folders.besideOwnPages(),
        }),
      },
    });
    this.node.startApps();
    log.info("Visor started", { key: this.publicKey, deployment: network.name });
  }

  /** Routes and transports say goodbye over dmsg, while the discovery is told that this visor goes. */
  async #closeNetwork(): Promise<void> {
    await Promise.all([this.node.close(), this.dmsg.withdraw()]);
    await this.#network.close();
    this.#stopped.abort();
  }

  async #close(): Promise<void> {
    const { world, home, logFile, hosted } = this.#options;
    logFile.log.info("Visor stops", { key: this.publicKey });
    this.#stopping.abort(new DOMException("The visor stops", "AbortError"));
    this.#folders.close();
    const lastLines = world.clock.timer(LAST_LINES_MS, () => this.#stopped.abort());
    // Together: each may have to wait for a peer that is silent, and Ctrl-C has 2 s for everything.
    await Promise.all([this.#controlServer?.close(), this.#closeNetwork(), this.#uptime.close()]);
    lastLines.cancel();
    await this.#scope[Symbol.asyncDispose]();
    await hosted?.[Symbol.asyncDispose]();
    // Last: whoever waits for this visor's end looks for it.
    await removeControlFile(world.files, home, this.#token).catch((error) =>
      logFile.log.warn("Control file not removed", { cause: describeError(error) })
    );
  }
}

/** Binds the control API before anything else exists. One visor for each home. */
async function bindControl({ world, home, control }: VisorOptions): Promise<SocketListener> {
  await refuseSecondVisor(world, home);
  try {
    return await world.network.listen(control.address);
  } catch (error) {
    if (!(error instanceof AddressInUseError) || !control.orAnyPort) throw error;
    return await world.network.listen({ ...control.address, port: 0 });
  }
}

function repeat({ clock }: World, intervalMs: number, tick: () => void): () => void {
  let timer = clock.timer(intervalMs, function again() {
    timer = clock.timer(intervalMs, again);
    tick();
  });
  return () => timer.cancel();
}
