/** What `skyctl svc run` does: services in one process until Ctrl-C, or until a part of them dies. @module */
import { ConnClosedError, type Log, type LogLevel } from "../../lib/base/mod.ts";
import type { Io } from "../../lib/cli/mod.ts";
import { parsePublicKey, SecretKey } from "../../lib/crypto/mod.ts";
import { ConfigError } from "../../lib/deployment/mod.ts";
import {
  type DmsgNetwork,
  embeddedNetwork,
  parseAuthority,
  readNetworkFile,
} from "../../lib/directory/mod.ts";
import {
  processFigures,
  renderSocketAddress,
  sleep,
  type SocketAddress,
  type World,
} from "../../lib/runtime/mod.ts";
import {
  Assembly,
  type AssemblyOptions,
  CLOSE_MAX_MS,
  type KeySource,
  type PlannedService,
  serveMetrics,
  type ServiceSettings,
  type ServiceTypeName,
  serviceTypeOf,
  type StartedService,
} from "../../lib/services/assembly/mod.ts";
import {
  type Locations,
  locationsAt,
  parseServiceMode,
  type ServiceMode,
} from "../../lib/services/hosting/mod.ts";
import { postQuantumOf } from "../_post_quantum.ts";
import type { PostQuantumOptions } from "../post_quantum_option.ts";
import { logToTerminal, untilInterrupt } from "../_until_interrupt.ts";

/** What the common options give. Those of what a service keeps are absent where it keeps nothing. */
export interface ServiceOptions extends PostQuantumOptions {
  readonly addr?: string | undefined;
  readonly store?: string;
  readonly redis?: string | undefined;
  readonly redisPoolSize?: number;
  readonly mode?: string | undefined;
  readonly keyfile?: string | undefined;
  readonly sk?: string | undefined;
  readonly deployment?: string | undefined;
  readonly whitelistKeys?: readonly string[] | undefined;
  readonly entryTimeout?: number;
  readonly metrics?: string | undefined;
  readonly logLevel: LogLevel;
}

/** The process that services run in. */
export interface ServiceStart {
  readonly world: World;
  readonly log: Log;
}

/** What a service adds to the common options. */
export interface ServiceChoice {
  readonly settings?: ServiceSettings;
  /** Where it listens; in place of `--addr`. */
  readonly address?: SocketAddress | undefined;
  readonly mode?: ServiceMode;
  /** Where the options name none. */
  readonly key?: KeySource | undefined;
  readonly network?: DmsgNetwork | undefined;
}

/** Runs one service. `choose` reads what is its own; errors of it come before anything is made. */
export async function runServiceCommand(
  io: Io,
  options: ServiceOptions,
  type: ServiceTypeName,
  choose: (start: ServiceStart, common: { readonly address: SocketAddress | undefined }) =>
    | ServiceChoice
    | Promise<ServiceChoice> = () => ({}),
): Promise<void> {
  await runServices(io, options, async (start) => {
    const { port } = serviceTypeOf(type);
    const given = keyOf(options);
    const forced = forcedMode(io);
    const asked = options.mode === undefined ? undefined : parseServiceMode(options.mode);
    const address = options.addr === undefined ? undefined : parseListenAddress(options.addr, port ?? 0);
    const whitelistKeys = options.whitelistKeys?.map(parsePublicKey);
    const choice = await choose(start, { address });
    const key = given ?? choice.key;
    const service: PlannedService = {
      type,
      name: type,
      key,
      mode: choice.mode ?? forced ?? asked ?? (key === undefined ? "http" : "dual"),
      address: choice.address ?? address,
      settings: {
        store: options.redis ?? options.store ?? "memory",
        ...(options.redisPoolSize === undefined ? {} : { redisPoolSize: options.redisPoolSize }),
        ...(options.entryTimeout === undefined ? {} : { entryTimeoutMs: options.entryTimeout }),
        whitelistKeys,
        ...choice.settings,
      },
    };
    return {
      services: [service],
      network: choice.network ?? await networkOf(start.world, options.deployment),
      portHint: `stop the other program, or name another place with ${placesOf(type).join(" or ")}`,
    };
  });
}

/** The options by which a service gets another place. */
function placesOf(type: ServiceTypeName): string[] {
  const more = type === "address-resolver"
    ? ["--udp-addr"]
    : type === "uptime-tracker"
    ? ["--private-addr"]
    : [];
  return ["--addr", ...more];
}

/** What a run of services is told of besides the plan. */
export interface RunOptions extends PostQuantumOptions {
  readonly metrics?: string | undefined;
  readonly logLevel: LogLevel;
}

/** The plan, and where metrics are asked for when the options do not say. */
export type PlannedRun =
  & Pick<
    AssemblyOptions,
    | "services"
    | "network"
    | "file"
    | "keepsOthers"
    | "deploymentName"
    | "base"
    | "surveyWhitelist"
    | "portHint"
  >
  & { readonly metricsAddress?: SocketAddress | undefined };

/**
 * Runs services until Ctrl-C. What dies by itself is thrown with its name. Metrics come last: where their place cannot
 * be theirs, nothing is said of them.
 */
export async function runServices(
  io: Io,
  options: RunOptions,
  plan: (start: ServiceStart) => Promise<PlannedRun>,
): Promise<void> {
  void io.signal; // from here on Ctrl-C ends in order
  const world = await io.world();
  const log = logToTerminal(io, world, options.logLevel);
  const { metricsAddress, ...planned } = await plan({ world, log });
  const address = options.metrics === undefined
    ? metricsAddress
    : parseListenAddress(options.metrics, METRICS_PORT, "127.0.0.1");
  await using running = new AsyncDisposableStack();
  let metricsLost: Promise<unknown> = new Promise(() => {});
  let isUp = false;
  running.defer(() => {
    if (isUp) io.emitEach({ event: "stopped" }, () => "stopped");
  });
  const starting = Assembly.start({
    ...planned,
    world,
    log,
    build: { version: io.version, commit: "unknown", date: "unknown" },
    userAgent: `skyctl/${io.version}`,
    alsoListening: address === undefined
      ? []
      : [{ who: "metrics", protocol: "TCP", address, hint: METRICS_HINT }],
    postQuantum: postQuantumOf(io, world, options),
    onStarted: (service) => tell(io, service),
  });
  const assembly = await startedInTime(io, world, starting);
  if (assembly === undefined) return;
  running.use(assembly);
  if (address !== undefined) {
    const metrics = await serveMetrics({
      world,
      address,
      services: () => assembly.services,
      process: processFigures,
      log,
    });
    running.defer(() => metrics.server.close());
    metricsLost = metrics.ended.then(() =>
      new ConnClosedError(undefined, "The listener for metrics ended by itself")
    );
    const url = `http://${renderSocketAddress(metrics.address)}/metrics`;
    io.emitEach({ event: "metrics", address: url }, () => `metrics on ${url}`);
  }
  isUp = true;
  const { file } = planned;
  if (file !== undefined) {
    const name = assembly.network.name;
    io.emitEach(
      { event: "ready", deployment: name, deploymentFile: file },
      () => `ready: skyctl visor run --deployment ${file} (Ctrl-C stops it)`,
    );
  }
  running.defer(() => io.note("stopping..."));
  await untilInterrupt(io, Promise.race([assembly.failed, metricsLost]));
}

/**
 * What `starting` gives; undefined where Ctrl-C came first, and it took as long after it as an end may: a store that
 * does not answer holds nobody.
 */
async function startedInTime(
  { signal }: Io,
  { clock }: Pick<World, "clock">,
  starting: Promise<Assembly>,
): Promise<Assembly | undefined> {
  const over = new AbortController();
  const late = new Promise<undefined>((resolve) => {
    const wait = () => void sleep(clock, CLOSE_MAX_MS, over.signal).then(() => resolve(undefined), () => {}); // it has started
    if (signal.aborted) wait();
    else signal.addEventListener("abort", wait, { once: true, signal: over.signal });
  });
  try {
    const assembly = await Promise.race([starting, late]);
    if (assembly === undefined) void starting.then((tooLate) => tooLate.close(), () => {});
    return assembly;
  } finally {
    over.abort();
  }
}

function tell(io: Io, service: StartedService): void {
  const { plan: { type, name, mode }, bound, udpAddress, health, publicKey, dmsg } = service;
  const { title } = serviceTypeOf(type);
  const isServer = type === "dmsg-server";
  const http = bound && (isServer ? renderSocketAddress(bound) : `http://${renderSocketAddress(bound)}`);
  const udp = udpAddress && `udp://${renderSocketAddress(udpAddress)}`;
  const stats = type === "setup-node" && http !== undefined ? `${http}/stats` : undefined;
  io.emitEach({
    event: "listening",
    address: http,
    udpAddress: udp,
    publicKey,
    mode: isServer ? undefined : mode,
    service: name,
    dmsg,
    stats,
    health: health && `http://${renderSocketAddress(health)}/health`,
  }, () => {
    if (isServer) return `${title} ${publicKey} accepts sessions on ${http}`;
    return `${title} on ${[stats ?? http, udp, dmsg].filter((place) => place !== undefined).join(", ")}`;
  });
}

/** `host:port`; `:port` is every address of the machine, or `everywhere`. Errors: `BadUrlError`. */
export function parseListenAddress(text: string, portDefault: number, everywhere = "0.0.0.0"): SocketAddress {
  return parseAuthority(text.startsWith(":") ? `${everywhere}${text}` : text, portDefault);
}

/** Who is asked where addresses are, by `--geoip`. Errors: `InvalidServiceSettingError`. */
export function locationsOf(
  io: Io,
  { world, log }: ServiceStart,
  url: string | undefined,
): (() => Locations) | undefined {
  if (url === undefined) return undefined;
  const locations = () =>
    locationsAt(url, { world, log: log.child("locations"), userAgent: `skyctl/${io.version}` });
  void locations()[Symbol.asyncDispose](); // told now when it cannot be one
  return locations;
}

/** Where `--sk` or `--keyfile` say that the key is; undefined where neither is given. Errors: `InvalidKeyError`. */
export function keyOf({ sk, keyfile }: Pick<ServiceOptions, "sk" | "keyfile">): KeySource | undefined {
  if (sk !== undefined) return { secretKey: SecretKey.parse(sk) };
  return keyfile === undefined ? undefined : { file: keyfile };
}

/** The key of a service that has one in its configuration. Errors: `ConfigError`, when nothing names one. */
export function configuredKey(
  file: string | undefined,
  config: { readonly secretKey: SecretKey | undefined } | undefined,
  options: ServiceOptions,
): KeySource | undefined {
  const own = config?.secretKey && { secretKey: config.secretKey };
  if (file !== undefined && own === undefined && keyOf(options) === undefined) {
    throw new ConfigError(file, "secret_key", "it is missing", {
      hint: "give --keyfile, or put the key there",
    });
  }
  return own;
}

/** What the environment says: it beats options and files (services.md 13.1). Errors: `InvalidServiceSettingError`. */
export function forcedMode(io: Pick<Io, "env">): ServiceMode | undefined {
  const text = io.env(MODE_VARIABLE);
  return text ? parseServiceMode(text) : undefined;
}

/** The network of `--deployment`, else the embedded one. */
export async function networkOf({ files }: Pick<World, "files">, deployment: string | undefined) {
  if (deployment === undefined) return embeddedNetwork();
  return await readNetworkFile(files, deployment);
}

const METRICS_HINT = "stop the other program, or name another place with --metrics";
const MODE_VARIABLE = "SKYWIRE_SVC_MODE";
/** As uptime trackers of 2024 have it (services.md 1.4). */
const METRICS_PORT = 2121;
