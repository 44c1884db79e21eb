/**
 * `conf pull`: the discovery's own list of dmsg servers into a deployment file, fetched over dmsg (CL-3; protocol:
 * operations 6).
 *
 * @module
 */
import type { Log } from "../../base/mod.ts";
import { generateKeyPair } from "../../crypto/mod.ts";
import { isHostPort, LIST_MAX } from "../../deployment/mod.ts";
import {
  countServerArrays,
  editFile,
  type ListedServer,
  NoServerArrayError,
  NoServersListedError,
  readForEdits,
  renderDiff,
  serverArrayEdits,
} from "../../deployment/edit/mod.ts";
import type { PostQuantumSettings } from "../../noise/mod.ts";
import { withTimeout, type World } from "../../runtime/mod.ts";
import type { DmsgNetwork } from "../dmsg_network.ts";
import { connectToAny } from "../first_session.ts";
import { joinNetwork } from "../join_network.ts";
import { DirectClientError, NoBootstrapError, ServerListError } from "./errors.ts";

/** For the session and the answer together (operations 6). */
export const PULL_TIMEOUT_MS = 45_000;

export interface PullServersOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger" | "network" | "outside">;
  /** Its servers are where the client starts, its discovery over dmsg is what is asked. */
  readonly network: DmsgNetwork;
  readonly log: Log;
  readonly userAgent: string;
  readonly postQuantum?: PostQuantumSettings;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * The servers that the discovery has, asked over dmsg and in no other way, by key. The client has a key of its own,
 * publishes nothing, and is gone when this settles. A server without an address that can be dialled is left out.
 * Errors: `NoBootstrapError`, `DirectClientError`, `ServerListError`, `NoServersListedError`, the signal's reason.
 */
export async function pullServers(
  { world, network, log, userAgent, postQuantum, timeoutMs = PULL_TIMEOUT_MS, signal }: PullServersOptions,
): Promise<ListedServer[]> {
  const { servers, discoveryDmsg, name } = network;
  if (servers.length === 0) throw new NoBootstrapError("servers");
  if (discoveryDmsg === undefined) throw new NoBootstrapError("discovery");
  await using client = joinNetwork({
    world,
    local: generateKeyPair(world.random),
    network: { name, file: undefined, servers, discoveryHttp: undefined, discoveryDmsg },
    log,
    userAgent,
    sessionsMin: 1,
    publish: false,
    postQuantum,
  });
  const untilMs = world.clock.monotonicMs() + timeoutMs;
  const step = async <T>(
    what: string,
    Failure: new (cause: unknown) => Error,
    work: (ended: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    const afterMs = Math.max(0, untilMs - world.clock.monotonicMs());
    try {
      return await withTimeout(world.clock, { what, afterMs, signal }, work);
    } catch (cause) {
      signal?.throwIfAborted();
      throw new Failure(cause);
    }
  };
  await step("Connecting to a dmsg server", DirectClientError, (ended) => connectToAny(client.dmsg, ended));
  const listed = await step(
    "Asking the discovery",
    ServerListError,
    (ended) => client.dmsg.discovery.allServers(ended),
  );
  const addresses = new Map(listed.map(({ static: key, server }) => [key, server?.address ?? ""]));
  const usable = [...addresses].filter(([, address]) => isHostPort(address));
  if (usable.length === 0) throw new NoServersListedError();
  if (usable.length > LIST_MAX) {
    throw new ServerListError(new Error(`${usable.length} servers are more than a deployment may list`));
  }
  return usable.sort(([a], [b]) => a < b ? -1 : 1).map(([publicKey, address]) => ({ publicKey, address }));
}

/** What a pull did, or with `dryRun` would do. */
export interface Pulled {
  readonly file: string;
  /** Lists in the file. */
  readonly arrays: number;
  readonly servers: readonly ListedServer[];
  /** False: the file said the same already, to the byte. */
  readonly changed: boolean;
  /** `diff -u`; empty where nothing changes. */
  readonly diff: string;
}

/**
 * Pulls the servers into every `dmsg_servers` list of a file. Whatever fails, the file keeps its bytes; one without a
 * list is refused before anything is asked. Errors: of {@link pullServers}, `NoServerArrayError`, `ConfigError`,
 * `FileBusyError`, of the files.
 */
export async function confPull(
  { file, dryRun = false, ...options }: PullServersOptions & {
    readonly world: Pick<World, "files">;
    readonly file: string;
    readonly dryRun?: boolean;
  },
): Promise<Pulled> {
  const { files } = options.world;
  const text = await readForEdits(files, file);
  if (countServerArrays(text, file) === 0) throw new NoServerArrayError(file);
  const servers = await pullServers(options);
  // Of the text that the file has by then: somebody else's change since we looked stays.
  const change = (text: string) => {
    const edits = serverArrayEdits(text, servers, file);
    return { edits, diff: renderDiff(text, edits, file) };
  };
  const { edits, diff, changed } = dryRun
    ? { ...change(text), changed: change(text).diff !== "" }
    : await editFile(options.world, file, change, { signal: options.signal });
  return { file, arrays: edits.length, servers, changed, diff };
}
