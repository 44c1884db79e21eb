/**
 * The dmsg side of a discovery: a client that keeps a session with every server, and answers on port 80.
 *
 * A discovery that waited for servers to register before it dialled them would wait for ever: they register
 * over dmsg. So the configured ones are dialled at once, whatever the store holds (DD-2).
 *
 * @module
 */
import { type Log, MalformedError } from "../../base/mod.ts";
import type { KeyPair, PublicKey } from "../../crypto/mod.ts";
import { type Discovery, DmsgClient, type Entry, parseEntry } from "../../dmsg/mod.ts";
import type { PostQuantumSettings } from "../../noise/mod.ts";
import type { World } from "../../runtime/mod.ts";
import { serveOverDmsg } from "../hosting/mod.ts";
import { type EntryStore, StoreError } from "../store/mod.ts";
import type { AttachDmsg } from "./run.ts";

export interface DmsgSideOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger" | "network" | "diagnostics">;
  /** The discovery's own keys. */
  readonly local: KeyPair;
  /** Servers of the deployment: dialled from the start on. */
  readonly servers: readonly Entry[];
  readonly log: Log;
  /** Who may use the debug endpoints besides the discovery itself. Default: nobody. */
  readonly surveyWhitelist?: readonly PublicKey[];
  /** The post-quantum hybrid: offered or required. */
  readonly postQuantum?: PostQuantumSettings;
}

/** What `runDmsgDiscovery` takes for mode `dual`. */
export function attachDmsg(
  { world, local, servers, log, surveyWhitelist, postQuantum }: DmsgSideOptions,
): AttachDmsg {
  return ({ handler, store }) => {
    const client = new DmsgClient({
      world,
      local,
      log: log.child("dmsg"),
      discovery: new OwnEntries(store, servers),
      configured: servers.map((entry) => entry.static), // before whatever strangers post
      sessionsMin: 0, // with every server: others reach the discovery through whichever they are at
      sessionRetry: DIAL_RETRY,
      postQuantum,
      publish: false, // others know it from their deployment (dmsg.md 11, direct client)
    });
    return serveOverDmsg({ client, world, handler, log, surveyWhitelist, owned: client });
  };
}

/** Until every server is connected; then the client looks again on its own ticker. */
const DIAL_RETRY = { firstMs: 1_000, growth: 2, maxMs: 30_000 };

/** The discovery as its own client sees it: its store without HTTP, and the configured servers besides. */
class OwnEntries implements Discovery {
  readonly #store: EntryStore;
  readonly #servers: readonly Entry[];

  constructor(store: EntryStore, servers: readonly Entry[]) {
    this.#store = store;
    this.#servers = servers;
  }

  async entry(key: PublicKey): Promise<Entry | undefined> {
    const text = await this.#store.get(key);
    return text === undefined ? undefined : parseEntry(text);
  }

  availableServers(): Promise<Entry[]> {
    return this.#withConfigured(this.#store.availableServers());
  }

  allServers(): Promise<Entry[]> {
    return this.#withConfigured(this.#store.allServers());
  }

  /** A registered server's own word about its address wins over the configuration's. */
  async #withConfigured(registering: Promise<string[]>): Promise<Entry[]> {
    const registered = await registering.then((texts) => texts.flatMap(readable), configuredOnly);
    const known = new Set(registered.map((entry) => entry.static));
    return [...registered, ...this.#servers.filter((entry) => !known.has(entry.static))];
  }

  /** It never authors entries (peer-announce.md 7). */
  post(): Promise<void> {
    return Promise.resolve();
  }
  remove(): Promise<void> {
    return Promise.resolve();
  }
}

/** None of what others left in a shared data base and is no entry. */
function readable(text: string): Entry[] {
  try {
    return [parseEntry(text)];
  } catch (error) {
    if (error instanceof MalformedError) return [];
    throw error;
  }
}

/** A store that cannot be asked now, which its callers are told, must not cost the sessions too. */
function configuredOnly(error: unknown): Entry[] {
  if (error instanceof StoreError) return [];
  throw error;
}
