/**
 * `skyctl visor run`, without the terminal: home, configuration, log, local network, visor, and their end.
 *
 * @module
 */
import type { LogLevel, LogRecord } from "../base/mod.ts";
import { generateKeyPair, type KeyPair } from "../crypto/mod.ts";
import { type DmsgNetwork, parseAuthority, readNetworkFile } from "../directory/mod.ts";
import type { PostQuantumSettings } from "../noise/mod.ts";
import { FileNotFoundError, renderSocketAddress, type SocketAddress, type World } from "../runtime/mod.ts";
import {
  type AppConfig,
  APPS_DEFAULT,
  CONTROL_ADDRESS_DEFAULT,
  generateConfig,
  parseVisorConfig,
  renderConfig,
  type VisorConfig,
} from "./config/mod.ts";
import { refuseSecondVisor } from "./_one_visor.ts";
import { networkOfConfig } from "./deployment.ts";
import { ControlNotLocalError } from "./errors.ts";
import type { LocalNetwork } from "./local/mod.ts";
import { LogFile } from "./log_file.ts";
import { Visor } from "./visor.ts";

export interface RunVisorOptions {
  readonly world: World;
  readonly version: string;
  /** Folder of everything that the visor writes; made when it is missing, for its owner alone. */
  readonly home: string;
  /** A network of its own in this process. */
  readonly local: boolean;
  /** With `local`: so many visors, each with a home below this one's. Default 1. */
  readonly visors?: number;
  /** Join the network of this file instead of the configured one. */
  readonly deploymentFile?: string;
  /** Default `<home>/visor.json`; made when it is missing. */
  readonly configFile?: string;
  /** Overrides `cli_addr`. */
  readonly controlAddress?: string;
  readonly logLevel?: LogLevel;
  /** The post-quantum hybrid of the visor, and of the local network: offered or required. */
  readonly postQuantum?: PostQuantumSettings;
  readonly pid?: number;
  /** Told of each log line, also while starting. */
  readonly onRecord?: (record: LogRecord) => void;
  /** Called whenever a session comes or goes, or the entry is published. */
  readonly onChange?: () => void;
  /** Told of each step while starting. */
  readonly onStep: (step: string) => void;
}

/** A visor that runs, with all that was started for it. */
export interface RunningVisor extends AsyncDisposable {
  readonly visor: Visor;
  /** Further visors of a local network, each with its home. */
  readonly others: readonly { readonly visor: Visor; readonly home: string }[];
  readonly network: DmsgNetwork;
  /** From the root on. */
  readonly home: string;
  readonly configFile: string;
  readonly control: SocketAddress;
  /** Resolves when the visor is ready: a session is live and its entry is published. */
  whenReady(signal: AbortSignal): Promise<void>;
  /** Settles when a part dies that must live, with its failure, or undefined when a stop was asked for. */
  readonly ended: Promise<unknown>;
  close(): Promise<void>;
}

/** Visors of one local network: each is a whole one, and they share a processor or two. */
export const LOCAL_VISORS_MAX = 64;

/** Starts. Errors: `ConfigError` and others with field and remedy, before anything is written. */
export async function runVisor(options: RunVisorOptions): Promise<RunningVisor> {
  const { world, local, version, postQuantum, onStep } = options;
  const { files } = world;
  const home = files.absolute(options.home); // commands in other folders read these paths from the control file
  const configFile = options.configFile ?? `${home}/visor.json`;
  const config = await readConfig(world, configFile);
  const fileNetwork = await readDeployment(options, world);
  const control = controlSetting(options.controlAddress, config);
  await refuseSecondVisor(world, home); // before this one's local network takes the other's files for its own
  await files.makeDirectory(home, { mode: 0o700 });
  const logFile = await openLog(options, home, config);
  const open: AsyncDisposable[] = [logFile];
  const closeAll = async () => {
    for (const part of open.splice(0).reverse()) await part[Symbol.asyncDispose]();
  };
  try {
    let localNetwork: LocalNetwork | undefined;
    if (local) {
      const folder = `${home}/local`;
      await files.makeDirectory(folder, { mode: 0o700 });
      // A visor of another network does not pay for the services of its own.
      const { LocalNetwork } = await world.outside(() => import("./local/mod.ts"));
      localNetwork = await LocalNetwork.start({ world, log: logFile.log, folder, version, postQuantum });
      open.push(localNetwork);
      for (const { name, publicKey, address, udpAddress } of localNetwork.services()) {
        onStep(
          `${name} ${publicKey} on ${address}${udpAddress === undefined ? "" : `, udp://${udpAddress}`}`,
        );
      }
      onStep(`deployment file ${localNetwork.network.file}`);
    }
    const network = localNetwork?.network ?? fileNetwork ?? (config && networkOfConfig(config)) ??
      networkOfConfig(EMPTY_CONFIG);
    const { keys, keep } = keysOf({ world, config, configFile, network });
    if (config !== undefined && config.secretKey === undefined) {
      onStep(`no secret key in ${configFile}: a new one for this run`);
    }
    const visor = await Visor.start({
      world,
      keys,
      network,
      home,
      logFile,
      version,
      control,
      sessionsMin: config?.dmsg.sessionsCount ?? 2,
      serversType: config?.dmsg.serversType,
      node: (config ?? EMPTY_CONFIG).node,
      apps: appsOf(config, local),
      configFile: options.configFile === undefined ? undefined : files.absolute(configFile),
      uptimeSampleMs: (config ?? EMPTY_CONFIG).uptimeSampleMs,
      whitelist: [...config?.surveyWhitelist ?? [], ...config?.hypervisors ?? []],
      rewardAddress: config?.rewardAddress,
      hosted: localNetwork,
      postQuantum,
      onChange: options.onChange,
      pid: options.pid,
    });
    open.push(visor);
    await keep();
    if (config === undefined) {
      onStep(`configuration made: ${configFile}`);
      const { file } = network;
      if (!local && file !== undefined) {
        onStep(
          `it names production: give --deployment at each start, or make this network its own: ` +
            `skyctl conf gen -r -S ${file} -o ${configFile}`,
        );
      }
    }
    const others: (Awaited<ReturnType<typeof startOther>>)[] = [];
    for (let index = 2; index <= (local ? options.visors ?? 1 : 1); index++) {
      const other = await startOther(options, { home: `${home}/local/visor-${index}`, network });
      open.push(other);
      others.push(other);
      onStep(`visor ${index} ${other.visor.publicKey}, home ${other.home}`);
    }
    const whenReady = async (signal: AbortSignal) => {
      await Promise.all(
        [visor, ...others.map((other) => other.visor)].map(({ dmsg }) => dmsg.whenPublished(signal)),
      );
    };
    return {
      visor,
      others,
      network,
      home,
      configFile,
      control: visor.controlAddress,
      whenReady,
      ended: Promise.race([
        visor.stopAsked.then(() => undefined),
        visor.failed,
        ...others.map((other) => other.visor.failed),
        ...(localNetwork === undefined ? [] : [localNetwork.failed]),
      ]),
      close: closeAll,
      [Symbol.asyncDispose]: closeAll,
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** A further visor of a local network, with keys, configuration, log and control API of its own. */
async function startOther(
  options: RunVisorOptions,
  { home, network }: { readonly home: string; readonly network: DmsgNetwork },
): Promise<{ readonly visor: Visor; readonly home: string } & AsyncDisposable> {
  const { world, version, postQuantum } = options;
  const configFile = `${home}/visor.json`;
  const config = await readConfig(world, configFile);
  await refuseSecondVisor(world, home);
  await world.files.makeDirectory(home, { mode: 0o700 });
  const logFile = await openLog({ ...options, onRecord: undefined }, home, config);
  const { keys, keep } = keysOf({ world, config, configFile, network });
  try {
    const visor = await Visor.start({
      world,
      keys,
      network,
      home,
      logFile,
      version,
      control: { address: { hostname: "127.0.0.1", port: 0 }, orAnyPort: true },
      sessionsMin: config?.dmsg.sessionsCount ?? 2,
      node: (config ?? EMPTY_CONFIG).node,
      apps: appsOf(config, true),
      uptimeSampleMs: (config ?? EMPTY_CONFIG).uptimeSampleMs,
      whitelist: [...config?.surveyWhitelist ?? [], ...config?.hypervisors ?? []],
      rewardAddress: config?.rewardAddress,
      postQuantum,
      onChange: options.onChange,
      pid: options.pid,
    });
    try {
      await keep();
    } catch (error) {
      await visor.close();
      throw error;
    }
    return {
      visor,
      home,
      async [Symbol.asyncDispose]() {
        await visor.close();
        await logFile[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await logFile[Symbol.asyncDispose]();
    throw error;
  }
}

/** On a network of its own a visor serves as a proxy: nobody else is there. */
function appsOf(config: VisorConfig | undefined, local: boolean): readonly AppConfig[] {
  const apps = config?.apps ?? APPS_DEFAULT;
  if (!local) return apps;
  const known = apps.some(({ name }) => name === "skysocks") ? apps : [...apps, ...APPS_DEFAULT.slice(0, 1)];
  return known.map((app) => app.name === "skysocks" ? { ...app, autoStart: true } : app);
}

const EMPTY_CONFIG = parseVisorConfig("{}", "the empty configuration");

async function readConfig({ files }: World, path: string): Promise<VisorConfig | undefined> {
  try {
    return parseVisorConfig(new TextDecoder().decode(await files.read(path)), path);
  } catch (error) {
    if (error instanceof FileNotFoundError) return undefined;
    throw error;
  }
}

async function readDeployment(
  { deploymentFile }: RunVisorOptions,
  { files }: World,
): Promise<DmsgNetwork | undefined> {
  if (deploymentFile === undefined) return undefined;
  return await readNetworkFile(files, files.absolute(deploymentFile));
}

/** Where the control API is asked to be; a default port that another program has is given up for a free one. */
function controlSetting(
  given: string | undefined,
  config: VisorConfig | undefined,
): { address: SocketAddress; orAnyPort: boolean } {
  const asked = given === undefined
    ? config?.controlAddress ?? parseAuthority(CONTROL_ADDRESS_DEFAULT, 0)
    : parseAuthority(given.replace(/^:/, "127.0.0.1:"), 0);
  const address = { ...asked, hostname: asked.hostname === "localhost" ? "127.0.0.1" : asked.hostname };
  if (!isLoopback(address.hostname)) throw new ControlNotLocalError(renderSocketAddress(address));
  const isDefault = renderSocketAddress(address) === CONTROL_ADDRESS_DEFAULT;
  return { address, orAnyPort: given === undefined && isDefault };
}

/** Only on this machine: the token travels in clear. */
function isLoopback(hostname: string): boolean {
  return hostname === "::1" || /^127(?:\.[0-9]{1,3}){3}$/.test(hostname);
}

async function openLog(
  { world, logLevel, onRecord }: RunVisorOptions,
  home: string,
  config: VisorConfig | undefined,
): Promise<LogFile> {
  await world.files.makeDirectory(`${home}/log`, { mode: 0o700 });
  return new LogFile({
    world,
    level: logLevel ?? config?.logLevel ?? "info",
    path: `${home}/log/skywire.log`,
    onRecord,
  });
}

/** The configured keys; a file without any gets none written into it but runs with fresh ones. */
function keysOf(
  { world, config, configFile, network }: {
    world: World;
    config: VisorConfig | undefined;
    configFile: string;
    network: DmsgNetwork;
  },
): { readonly keys: KeyPair; readonly keep: () => Promise<void> } {
  if (config?.secretKey !== undefined) {
    return {
      keys: { publicKey: config.secretKey.publicKey, secretKey: config.secretKey },
      keep: () => Promise.resolve(),
    };
  }
  const keys = generateKeyPair(world.random);
  if (config !== undefined) return { keys, keep: () => Promise.resolve() };
  // What --local and --deployment override at each start is not made the visor's own.
  const own = network.name === "production" ? network : networkOfConfig(EMPTY_CONFIG);
  const { discoveryHttp, discoveryDmsg, servers } = own;
  const made = generateConfig(keys.secretKey, {
    "dmsg.discovery": discoveryHttp ?? "",
    "dmsg.discovery_dmsg": discoveryDmsg && `dmsg://${discoveryDmsg.publicKey}:${discoveryDmsg.port}`,
    "dmsg.servers": servers.map(({ publicKey, address }) => ({ static: publicKey, server: { address } })),
    survey_whitelist: [],
  });
  const bytes = new TextEncoder().encode(renderConfig(made));
  return { keys, keep: () => world.files.write(configFile, bytes, { mode: 0o600 }) };
}
