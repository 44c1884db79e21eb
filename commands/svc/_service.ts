/** What `skyctl svc run` does for a service with the common modes (services.md 13.1). @module */
import { ConnClosedError, type Log, type LogLevel } from "../../lib/base/mod.ts";
import type { Io } from "../../lib/cli/mod.ts";
import { type KeyPair, parsePublicKey, type PublicKey, SecretKey } from "../../lib/crypto/mod.ts";
import { embeddedNetwork, networkOfFile, parseAuthority } from "../../lib/directory/mod.ts";
import { renderSocketAddress, type SocketAddress, type World } from "../../lib/runtime/mod.ts";
import {
  type AttachService,
  attachService,
  type BuildInfo,
  type Locations,
  locationsAt,
  parseServiceMode,
  type RunningService,
  type ServiceMode,
} from "../../lib/services/hosting/mod.ts";
import { keptKeyPair } from "../../lib/visor/mod.ts";
import { postQuantumOf } from "../_post_quantum.ts";
import type { PostQuantumOptions } from "../post_quantum_option.ts";
import { logToTerminal, untilInterrupt } from "../_until_interrupt.ts";

/** What the common options give. Those of what a service keeps are absent where it keeps nothing. */
export interface ServiceOptions extends PostQuantumOptions {
  readonly addr: string;
  readonly store?: string;
  readonly redis?: string | undefined;
  readonly redisPoolSize?: number;
  readonly mode?: string | undefined;
  readonly keyfile?: string | undefined;
  readonly sk?: string | undefined;
  readonly deployment?: string | undefined;
  readonly whitelistKeys?: readonly string[] | undefined;
  readonly entryTimeout?: number;
  readonly logLevel: LogLevel;
}

/** What the options come to, for the one service that is started. */
export interface ServiceStart {
  readonly world: World;
  readonly log: Log;
  readonly settings: {
    readonly address: SocketAddress;
    readonly store: string;
    readonly redisPoolSize?: number;
    readonly mode: ServiceMode;
    readonly whitelistKeys?: readonly PublicKey[];
    readonly entryTimeoutMs: number;
    readonly build: BuildInfo;
  };
  readonly dmsg?: AttachService;
}

/** Runs a service until Ctrl-C. `name` as people say it: "transport discovery". */
export async function runServiceCommand<Running extends RunningService>(
  io: Io,
  options: ServiceOptions,
  { name, portDefault, start, udpAddress = () => undefined }: {
    readonly name: string;
    readonly portDefault: number;
    readonly start: (given: ServiceStart) => Promise<Running>;
    /** Where it listens besides. */
    readonly udpAddress?: (running: Running) => SocketAddress | undefined;
  },
): Promise<void> {
  void io.signal; // from here on Ctrl-C ends in order
  const world = await io.world();
  const log = logToTerminal(io, world, options.logLevel);
  const hasKey = options.keyfile !== undefined || options.sk !== undefined;
  const mode = parseServiceMode(io.env(MODE_VARIABLE) || (options.mode ?? (hasKey ? "dual" : "http")));
  const address = parseListenAddress(options.addr, portDefault);
  const whitelistKeys = options.whitelistKeys?.map(parsePublicKey);
  const keys = await keysOf(world, options);
  const dmsg = keys && mode !== "http"
    ? attachService({
      world,
      local: keys,
      network: await networkOf(world, options.deployment),
      log,
      userAgent: `skyctl/${io.version}`,
      postQuantum: postQuantumOf(io, world, options),
    })
    : undefined;
  const build = { version: io.version, commit: "unknown", date: "unknown" };
  const { redis, redisPoolSize, entryTimeout: entryTimeoutMs = 0 } = options;
  const store = redis ?? options.store ?? "memory";
  const settings = { address, store, redisPoolSize, mode, whitelistKeys, entryTimeoutMs, build };
  const running = await start({ world, log, settings, dmsg });
  const bound = running.address && `http://${renderSocketAddress(running.address)}`;
  const udp = udpAddress(running);
  const boundUdp = udp && `udp://${renderSocketAddress(udp)}`;
  const overDmsg = dmsg && `dmsg://${keys!.publicKey}:80`;
  try {
    io.emitEach(
      { event: "listening", address: bound, udpAddress: boundUdp, publicKey: keys?.publicKey, mode },
      () => `${name} on ${[bound, boundUdp, overDmsg].filter((place) => place !== undefined).join(", ")}`,
    );
    await untilInterrupt(
      io,
      running.closed.then(() => new ConnClosedError(undefined, `The ${name} ended by itself`)),
    );
  } finally {
    io.note("stopping...");
    await running.close();
    io.emitEach({ event: "stopped" }, () => "stopped");
  }
}

/** `host:port`; `:port` is every address of the machine, or `everywhere`. Errors: `BadUrlError`. */
export function parseListenAddress(text: string, portDefault: number, everywhere = "0.0.0.0"): SocketAddress {
  return parseAuthority(text.startsWith(":") ? `${everywhere}${text}` : text, portDefault);
}

/** Who is asked where addresses are, by `--geoip`. Errors: `InvalidServiceSettingError`. */
export function locationsOf(
  io: Io,
  { world, log }: Pick<ServiceStart, "world" | "log">,
  url: string | undefined,
): Locations | undefined {
  if (url === undefined) return undefined;
  return locationsAt(url, { world, log: log.child("locations"), userAgent: `skyctl/${io.version}` });
}

/** The pair of `--sk` or `--keyfile`; undefined where neither is given. A file that is missing is made. */
export async function keysOf(
  world: World,
  { sk, keyfile }: Pick<ServiceOptions, "sk" | "keyfile">,
): Promise<KeyPair | undefined> {
  if (sk !== undefined) {
    const secretKey = SecretKey.parse(sk);
    return { publicKey: secretKey.publicKey, secretKey };
  }
  return keyfile === undefined ? undefined : await keptKeyPair(world, keyfile);
}

/** The network of `--deployment`, else the embedded one. */
export async function networkOf({ files }: World, deployment: string | undefined) {
  if (deployment === undefined) return embeddedNetwork();
  return networkOfFile(new TextDecoder().decode(await files.read(deployment)), deployment);
}

/** Beats the option (services.md 13.1). */
const MODE_VARIABLE = "SKYWIRE_SVC_MODE";
