/**
 * The look-up chain of commands (CL-4): the running visor, else a quiet client of its own, which asks over dmsg
 * first and plain HTTP then.
 *
 * @module
 */
import { homeOf, type Io } from "../lib/cli/mod.ts";
import {
  ControlClient,
  type ControlInput,
  type ControlName,
  type ControlOutput,
  NoVisorError,
  readControlFile,
} from "../lib/control/mod.ts";
import { generateKeyPair, type KeyPair } from "../lib/crypto/mod.ts";
import { type DmsgNetwork, joinNetwork, type NetworkClient, networkOfFile } from "../lib/directory/mod.ts";
import type { DmsgClient } from "../lib/dmsg/mod.ts";
import { describeError, type Log, logTo, renderLogRecord, silentLog, WorldError } from "../lib/base/mod.ts";
import { type Clock, FileNotFoundError, withTimeout, type World } from "../lib/runtime/mod.ts";
import { networkOfConfig, parseVisorConfig } from "../lib/visor/mod.ts";
import { postQuantumOf } from "./_post_quantum.ts";
import type { PostQuantumOptions } from "./post_quantum_option.ts";

export interface NetworkOptions extends PostQuantumOptions {
  readonly home?: string | undefined;
  readonly deployment?: string | undefined;
  readonly verbose?: boolean | undefined;
}

type Call = <Name extends ControlName>(name: Name, input: ControlInput<Name>) => Promise<ControlOutput<Name>>;

/** One question, asked of the visor when one runs and no other network is meant, else of a client of our own. */
export async function lookUp<T>(
  io: Io,
  options: NetworkOptions,
  ways: {
    readonly visor: (call: Call) => Promise<T>;
    readonly client: (client: DmsgClient, signal: AbortSignal) => Promise<T>;
  },
  signal: AbortSignal = io.signal,
): Promise<T> {
  const world = await io.world();
  if (options.deployment === undefined) {
    try {
      await using control = await ControlClient.open(homeOf(io, options), world);
      return await ways.visor((name, input) => control.call(name, input, signal));
    } catch (error) {
      if (!(error instanceof NoVisorError)) throw error;
    }
  }
  return await withClient(io, options, {}, async ({ dmsg }) => {
    await awaitSession(dmsg, world.clock, signal);
    return await ways.client(dmsg, signal);
  });
}

/** Waits for a session, so that what follows can ask over dmsg first; without one in time it asks by plain HTTP. */
export async function awaitSession(dmsg: DmsgClient, clock: Clock, signal: AbortSignal): Promise<void> {
  const limit = { what: "Connecting to a dmsg server", afterMs: FIRST_SESSION_TIMEOUT_MS, signal };
  await withTimeout(clock, limit, (ended) => connectToAny(dmsg, ended)).catch(() => signal.throwIfAborted());
}

/** A look-up that could be made over dmsg waits so long for a session. */
const FIRST_SESSION_TIMEOUT_MS = 5_000;

/** No dmsg server of the network could be reached. */
export class NoServerError extends WorldError {
  readonly code = "NO_SERVER";
}

/** Resolves when the client has a session with any server. Errors: `NoServerError` once each one has failed. */
export async function connectToAny(dmsg: DmsgClient, signal: AbortSignal): Promise<void> {
  let servers = dmsg.discovery.seededServers();
  if (servers.length === 0) servers = await dmsg.discovery.availableServers(signal);
  const reasons: string[] = [];
  for (const { static: server, server: about } of servers) {
    if (dmsg.isReady) return;
    try {
      await dmsg.connect(server, signal); // the client's own dial to it, if one is under way
      return;
    } catch (error) {
      signal.throwIfAborted();
      reasons.push(`${about?.address}: ${describeError(error)}`);
    }
  }
  if (dmsg.isReady) return;
  throw new NoServerError(
    servers.length === 0
      ? "The network has no dmsg server"
      : `Cannot reach any of the ${servers.length} dmsg servers of the network`,
    {
      cause: reasons.length === 0 ? undefined : new Error(reasons.join("; ")),
      hint: "check this machine's network, and which network is meant: --deployment FILE",
    },
  );
}

/** A client of our own for as long as `work` runs: an ephemeral key, nothing published. */
export async function withClient<T>(
  io: Io,
  options: NetworkOptions,
  { keys, publish = false, sessionsMin = 1 }: {
    readonly keys?: KeyPair;
    readonly publish?: boolean;
    readonly sessionsMin?: number;
  },
  work: (client: NetworkClient) => Promise<T>,
): Promise<T> {
  void io.signal; // Ctrl-C ends `work`, and then the client in order
  const world = await io.world();
  const network = await chosenNetworkOf(io, options);
  const client = joinNetwork({
    world,
    local: keys ?? generateKeyPair(world.random),
    network,
    log: logOf(io, options, world),
    userAgent: `skyctl/${io.version}`,
    sessionsMin,
    publish,
    postQuantum: postQuantumOf(io, world, options),
  });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

/** The network that a command's options mean, see {@link chosenNetwork}. */
export async function chosenNetworkOf(io: Io, options: NetworkOptions): Promise<DmsgNetwork> {
  return await chosenNetwork(await io.world(), { ...options, home: homeOf(io, options) });
}

/** `--deployment`, else the running visor's, else the configuration's, else the embedded production one. */
export async function chosenNetwork(
  world: World,
  { home, deployment }: NetworkOptions & { readonly home: string },
): Promise<DmsgNetwork> {
  const { files } = world;
  const text = async (path: string) => new TextDecoder().decode(await files.read(path));
  if (deployment !== undefined) return networkOfFile(await text(deployment), deployment);
  const running = await readControlFile(files, home).catch((error) => {
    if (error instanceof NoVisorError) return undefined;
    throw error;
  });
  if (running?.deploymentFile !== undefined) {
    return networkOfFile(await text(running.deploymentFile), running.deploymentFile);
  }
  const file = running?.configFile ?? `${home}/visor.json`;
  try {
    return networkOfConfig(parseVisorConfig(await text(file), file));
  } catch (error) {
    if (!(error instanceof FileNotFoundError)) throw error;
    return networkOfConfig(parseVisorConfig("{}", "the empty configuration"));
  }
}

function logOf(io: Io, { verbose }: NetworkOptions, { clock }: World): Log {
  return verbose ? logTo((record) => io.note(renderLogRecord(record)), () => clock.wallMs()) : silentLog;
}
