/**
 * The look-up chain of commands (CL-4): the running visor, which asks over dmsg first; else a quiet client of their
 * own, which does the same; else plain HTTP.
 *
 * @module
 */
import { homeOf, type Io } from "../lib/cli/mod.ts";
import {
  ControlAnswerError,
  ControlClient,
  ControlError,
  type ControlInput,
  type ControlName,
  type ControlOutput,
  doctorHint,
  NoVisorError,
  readControlFile,
} from "../lib/control/mod.ts";
import { generateKeyPair, type KeyPair } from "../lib/crypto/mod.ts";
import {
  awaitSession,
  type DmsgNetwork,
  joinNetwork,
  type NetworkClient,
  readNetworkFile,
} from "../lib/directory/mod.ts";
import type { DmsgClient } from "../lib/dmsg/mod.ts";
import { type Log, logTo, renderLogRecord, silentLog, TimedOutError } from "../lib/base/mod.ts";
import { FileNotFoundError, withTimeout, type World } from "../lib/runtime/mod.ts";
import { networkOfConfig, parseVisorConfig } from "../lib/visor/mod.ts";
import { postQuantumOf } from "./_post_quantum.ts";
import type { PostQuantumOptions } from "./post_quantum_option.ts";

export interface NetworkOptions extends PostQuantumOptions {
  readonly home?: string | undefined;
  readonly deployment?: string | undefined;
  /** In place of `deployment`: a network that is known already. */
  readonly network?: DmsgNetwork | undefined;
  readonly verbose?: boolean | undefined;
}

type Call = <Name extends ControlName>(name: Name, input: ControlInput<Name>) => Promise<ControlOutput<Name>>;

/** The visor may try dmsg and then HTTP; a slower one must leave time to try without it. */
const VISOR_LOOK_UP_MS = 6_000;

/**
 * What a service says, asked through the visor when one runs and no other network is meant, else, or when it cannot
 * reach the service, by a client of our own.
 */
export async function lookUp<T>(
  io: Io,
  options: NetworkOptions,
  ways: {
    readonly visor: (call: Call) => Promise<T>;
    readonly client: (client: DmsgClient, signal: AbortSignal) => Promise<T>;
  },
  signal: AbortSignal = io.signal,
): Promise<T> {
  const answer = await throughVisor(io, options, async (call) => ({ found: await ways.visor(call) }), signal);
  if (answer !== undefined) return answer.found;
  return await withSession(io, options, ways.client, signal);
}

/**
 * As `lookUp`, for what is done and not only read, in its time: a visor that fails at it has failed, whatever the reason.
 * Errors: `TimedOutError`, those of the way that is taken.
 */
export async function visorOrClient<T>(
  io: Io,
  options: Omit<NetworkOptions, "network">,
  ways: Parameters<typeof lookUp<T>>[2],
  { what, afterMs }: { readonly what: string; readonly afterMs: number },
): Promise<T> {
  const { clock } = await io.world();
  const limit = { what, afterMs, signal: io.signal };
  if (options.deployment === undefined) {
    const hint = doctorHint(homeOf(io, options));
    try {
      return await withTimeout(
        clock,
        { ...limit, hint },
        (ended) => withVisor(io, options, ways.visor, ended),
      );
    } catch (error) {
      if (!(error instanceof NoVisorError)) throw error;
    }
  }
  return await withTimeout(clock, limit, (ended) => withSession(io, options, ways.client, ended));
}

/** A client of our own that has a session, if one can be had in time. */
async function withSession<T>(
  io: Io,
  options: NetworkOptions,
  work: (client: DmsgClient, signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const { clock } = await io.world();
  return await withClient(io, options, {}, async ({ dmsg }) => {
    await awaitSession(dmsg, clock, signal);
    return await work(dmsg, signal);
  });
}

/**
 * What `work` learns through the running visor. Undefined where the next way must be tried: none runs, another network
 * is meant, it is too old or another program, or it reached nobody itself. What a service refused stays refused.
 */
export async function throughVisor<T>(
  io: Io,
  options: NetworkOptions,
  work: (call: Call) => Promise<T>,
  signal: AbortSignal,
  afterMs = VISOR_LOOK_UP_MS,
): Promise<T | undefined> {
  if (options.deployment !== undefined || options.network !== undefined) return undefined;
  const { clock } = await io.world();
  const limit = { what: "Asking the visor", afterMs, signal };
  try {
    return await withTimeout(clock, limit, (ended) => withVisor(io, options, work, ended));
  } catch (error) {
    signal.throwIfAborted();
    if (!isNextWayWorthATry(error)) throw error;
    return undefined;
  }
}

function isNextWayWorthATry(error: unknown): boolean {
  if (error instanceof ControlError) {
    return error.fault === "world" || ["CONTROL_CALL", "CONTROL_TOKEN", "NO_SERVICE"].includes(error.code);
  }
  return error instanceof NoVisorError || error instanceof ControlAnswerError ||
    error instanceof TimedOutError;
}

async function withVisor<T>(
  io: Io,
  options: NetworkOptions,
  work: (call: Call) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  await using control = await ControlClient.open(homeOf(io, options), await io.world());
  return await work((name, input) => control.call(name, input, signal));
}

export interface ClientOptions {
  /** Default: made for this client alone. */
  readonly keys?: KeyPair;
  readonly publish?: boolean;
  readonly sessionsMin?: number;
}

/** A client of our own: a key for this once, nothing published unless asked for. The caller closes it. */
export async function openClient(
  io: Io,
  options: NetworkOptions,
  { keys, publish = false, sessionsMin = 1 }: ClientOptions = {},
): Promise<NetworkClient> {
  void io.signal; // Ctrl-C ends what is asked, and then the client in order
  const world = await io.world();
  const network = await chosenNetworkOf(io, options);
  return joinNetwork({
    world,
    local: keys ?? generateKeyPair(world.random),
    network,
    log: logOf(io, options, world),
    userAgent: `skyctl/${io.version}`,
    sessionsMin,
    publish,
    postQuantum: postQuantumOf(io, world, options),
  });
}

/** The same for as long as `work` runs. */
export async function withClient<T>(
  io: Io,
  options: NetworkOptions,
  client: ClientOptions,
  work: (client: NetworkClient) => Promise<T>,
): Promise<T> {
  const opened = await openClient(io, options, client);
  try {
    return await work(opened);
  } finally {
    await opened.close();
  }
}

/** The network that a command's options mean, see {@link chosenNetwork}. */
export async function chosenNetworkOf(io: Io, options: NetworkOptions): Promise<DmsgNetwork> {
  return await chosenNetwork(await io.world(), { ...options, home: homeOf(io, options) });
}

/** The network that is known already, else that of `--deployment`, else the running visor's, else the configuration's, else the embedded production one. */
export async function chosenNetwork(
  world: World,
  { home, deployment, network }: NetworkOptions & { readonly home: string },
): Promise<DmsgNetwork> {
  const { files } = world;
  if (network !== undefined) return network;
  if (deployment !== undefined) return await readNetworkFile(files, deployment);
  const running = await readControlFile(files, home).catch((error) => {
    if (error instanceof NoVisorError) return undefined;
    throw error;
  });
  if (running?.deploymentFile !== undefined) return await readNetworkFile(files, running.deploymentFile);
  const file = running?.configFile ?? `${home}/visor.json`;
  try {
    return networkOfConfig(parseVisorConfig(new TextDecoder().decode(await files.read(file)), file));
  } catch (error) {
    if (!(error instanceof FileNotFoundError)) throw error;
    return networkOfConfig(parseVisorConfig("{}", "the empty configuration"));
  }
}

/** Quiet, unless it was asked to tell. */
export function logOf(io: Io, { verbose }: NetworkOptions, { clock }: World): Log {
  return verbose ? logTo((record) => io.note(renderLogRecord(record)), () => clock.wallMs()) : silentLog;
}
