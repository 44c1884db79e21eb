/** A dmsg network of simulated nodes, and a discovery that can be watched, held up and broken. */
import { type LogRecord, logTo } from "../../lib/base/mod.ts";
import { type KeyPair, keyPairFromSeed, type PublicKey } from "../../lib/crypto/mod.ts";
import { DmsgClient, type DmsgClientOptions } from "../../lib/dmsg/client.ts";
import { type Discovery, MemoryDiscovery } from "../../lib/dmsg/discovery.ts";
import { clientEntry, type Entry, serverEntry } from "../../lib/dmsg/entry.ts";
import { EntryRefusedError } from "../../lib/dmsg/http_discovery.ts";
import { DmsgServer, type DmsgServerOptions } from "../../lib/dmsg/server.ts";
import { acceptSession, type Session } from "../../lib/dmsg/session.ts";
import { sleep, type World } from "../../lib/runtime/mod.ts";
import type { Simulation } from "../../lib/runtime/simulated/mod.ts";
import type { YamuxStream } from "../../lib/yamux/mod.ts";
import { withSimulation } from "../support/world.ts";

export const SERVER_PORT = 8080;

/** The same pair for the same name. */
export function pair(name: string): KeyPair {
  return keyPairFromSeed(new TextEncoder().encode(name));
}

/** The key of that pair. */
export function key(name: string): PublicKey {
  return pair(name).publicKey;
}

/** An unsigned entry of a server on the node of its name. */
export function seedOf(name: string, free = 1): Entry {
  const server = { address: `${name}:${SERVER_PORT}`, availableSessions: free };
  return serverEntry({ publicKey: key(name), server, timestamp: 0n });
}

/** An unsigned entry of a client that is said to be at these servers. */
export function clientAt(name: string, servers: readonly string[]): Entry {
  return clientEntry({ publicKey: key(name), delegatedServers: servers.map(key), timestamp: 0n });
}

export interface Call {
  readonly what: "entry" | "available" | "all" | "post" | "remove";
  readonly key: PublicKey | undefined;
  readonly entry: Entry | undefined;
  readonly atMs: number;
}

/**
 * Keeps the sequence rule of every discovery, records each call, and freezes every entry, so that whoever
 * changes one in place throws.
 */
export class WatchedDiscovery implements Discovery {
  readonly calls: Call[] = [];
  readonly #stored = new MemoryDiscovery();
  readonly #nowMs: () => number;
  /** Runs before a call is answered: may wait, or throw. */
  before: (call: Call, signal: AbortSignal | undefined) => Promise<void> | void = () => {};
  /** Runs after it took effect, before the answer. */
  after: (call: Call, signal: AbortSignal | undefined) => Promise<void> | void = () => {};

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Puts an entry there without a call. */
  put(...entries: Entry[]): void {
    for (const entry of entries) void this.#stored.post(frozen(entry));
  }
  stored(name: string): Promise<Entry | undefined> {
    return this.#stored.entry(key(name));
  }
  /** The calls of a kind, by whom they were about if a name is given. */
  of(what: Call["what"], name?: string): Call[] {
    return this.calls.filter((call) =>
      call.what === what && (name === undefined || (call.key ?? call.entry?.static) === key(name))
    );
  }
  entry(of: PublicKey, signal?: AbortSignal): Promise<Entry | undefined> {
    return this.#answer("entry", signal, { key: of }, () => this.#stored.entry(of));
  }
  availableServers(signal?: AbortSignal): Promise<Entry[]> {
    return this.#answer("available", signal, {}, () => this.#stored.availableServers());
  }
  allServers(signal?: AbortSignal): Promise<Entry[]> {
    return this.#answer("all", signal, {}, () => this.#stored.allServers());
  }
  post(entry: Entry, signal?: AbortSignal): Promise<void> {
    return this.#answer("post", signal, { entry: frozen(entry) }, async () => {
      const stored = await this.#stored.entry(entry.static);
      if (stored !== undefined && entry.sequence <= stored.sequence) throw sequenceRefusal();
      await this.#stored.post(entry);
    });
  }
  remove(entry: Entry, signal?: AbortSignal): Promise<void> {
    return this.#answer("remove", signal, { entry: frozen(entry) }, () => this.#stored.remove(entry));
  }

  async #answer<T>(
    what: Call["what"],
    signal: AbortSignal | undefined,
    about: { key?: PublicKey; entry?: Entry },
    work: () => Promise<T>,
  ): Promise<T> {
    const call = { what, key: about.key, entry: about.entry, atMs: this.#nowMs() };
    this.calls.push(call);
    await this.before(call, signal);
    signal?.throwIfAborted();
    const answer = await work();
    await this.after(call, signal);
    signal?.throwIfAborted();
    return answer;
  }
}

/** What a discovery answers to a sequence that is not above the stored one (dmsg.md 8.3, row 9). */
export function sequenceRefusal(): EntryRefusedError {
  return new EntryRefusedError(
    422,
    "entry validation error: sequence field of new entry is not sequence of old entry + 1",
  );
}

function frozen(entry: Entry): Entry {
  for (const part of [entry.client?.delegatedServers, entry.client, entry.server, entry]) Object.freeze(part);
  return entry;
}

/** Waits until aborted: a discovery that never answers. */
export function hang(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** A network whose nodes are named; a name's node, key and address belong together. */
export class DmsgNetworkUnderTest {
  readonly discovery: WatchedDiscovery;
  readonly logged: LogRecord[] = [];
  /** TCP dials by `<from> <to>`. */
  readonly dials: { from: string; to: string; atMs: number }[] = [];
  readonly #worlds = new Map<string, World>();

  constructor(readonly simulation: Simulation) {
    this.discovery = new WatchedDiscovery(() => simulation.nowMs);
  }

  /** The world of a node, made at its first mention; its TCP dials are recorded. */
  world(name: string, options: { skewMs?: number } = {}): World {
    const known = this.#worlds.get(name);
    if (known !== undefined) return known;
    const node = this.simulation.node(name, options);
    const { network } = node;
    const world: World = {
      clock: node.clock,
      random: node.random,
      files: node.files,
      signals: node.signals,
      diagnostics: node.diagnostics,
      ledger: node.ledger,
      outside: (work) => node.outside(work),
      network: {
        dial: (to, options) => {
          this.dials.push({ from: name, to: to.hostname, atMs: this.simulation.nowMs });
          return network.dial(to, options);
        },
        listen: (at) => network.listen(at),
        datagrams: (at) => network.datagrams(at),
        addresses: () => network.addresses(),
      },
    };
    this.#worlds.set(name, world);
    return world;
  }

  log(name: string) {
    return logTo((record) => this.logged.push(record), () => this.simulation.nowMs, name);
  }

  /** A server on its own node, registered in the discovery. */
  async server(name: string, options: Partial<DmsgServerOptions> = {}): Promise<DmsgServer> {
    const server = new DmsgServer({
      world: this.world(name),
      local: pair(name),
      log: this.log(name),
      discovery: this.discovery,
      publicAddress: `${name}:${SERVER_PORT}`,
      ...options,
    });
    await server.listen({ hostname: "0.0.0.0", port: SERVER_PORT });
    return server;
  }

  /** A client of the key `name` on the node `at`. */
  client(
    name: string,
    { at = name, ...options }: Partial<DmsgClientOptions> & { at?: string } = {},
  ): DmsgClient {
    return new DmsgClient({
      world: this.world(at),
      local: pair(name),
      log: this.log(at),
      discovery: this.discovery,
      sessionsMin: 1,
      ...options,
    });
  }

  /** A client that is only at `server`, published, and listens on port 1000, where it answers what it gets. */
  async echo(name: string, server: string): Promise<DmsgClient> {
    const client = this.client(name, { discovery: pinned(this.discovery, server) });
    const listener = client.listen(1000);
    void (async () => {
      for (let stream = await listener.accept(); stream !== null; stream = await listener.accept()) {
        void echo(stream);
      }
    })();
    await client.whenPublished();
    return client;
  }

  async sleep(ms: number): Promise<void> {
    await sleep(this.world("observer").clock, ms);
  }

  messages(text: string): LogRecord[] {
    return this.logged.filter(({ message }) => message.includes(text));
  }
}

async function echo(
  stream: { read(): Promise<Uint8Array | null>; write(bytes: Uint8Array): Promise<void>; close(): void },
) {
  try {
    for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read()) {
      await stream.write(bytes.slice());
    }
  } catch {
    // The test's business was done: its end of the stream is gone.
  } finally {
    stream.close();
  }
}

/** Says something over a stream and reads it back; fails when another text returns. */
export async function said(
  stream: { read(): Promise<Uint8Array | null>; write(bytes: Uint8Array): Promise<void> },
  text = "hello",
): Promise<string> {
  await stream.write(new TextEncoder().encode(text));
  let back = "";
  while (back.length < text.length) {
    back += new TextDecoder().decode((await stream.read()) ?? undefined) || "\0";
  }
  return back;
}

/** A discovery whose lists of servers name one only. */
export function pinned(discovery: Discovery, server: string): Discovery {
  const only = async (signal?: AbortSignal) => {
    const entry = await discovery.entry(key(server), signal);
    return [entry ?? seedOf(server)];
  };
  return {
    entry: (of, signal) => discovery.entry(of, signal),
    post: (entry, signal) => discovery.post(entry, signal),
    remove: (entry, signal) => discovery.remove(entry, signal),
    availableServers: only,
    allServers: only,
  };
}

/** Accepts sessions on the node `name` and gives each mux stream to `onStream`. Returns what ends it. */
export async function bareServer(
  network: DmsgNetworkUnderTest,
  name: string,
  onStream: (stream: YamuxStream, session: Session) => void,
): Promise<{ sessions: Session[]; close: () => Promise<void> }> {
  const world = network.world(name);
  const listener = await world.network.listen({ hostname: "0.0.0.0", port: SERVER_PORT });
  const sessions: Session[] = [];
  const accepting = (async () => {
    for (let conn = await listener.accept(); conn !== null; conn = await listener.accept()) {
      const { remote } = conn;
      sessions.push(
        await acceptSession(conn, remote, { world, local: pair(name), log: network.log(name), onStream }),
      );
    }
  })();
  return {
    sessions,
    async close() {
      listener.close();
      await accepting;
      for (const session of sessions) session.close();
      await Promise.all(sessions.map((session) => session.closed));
    },
  };
}

/** Runs a scenario in virtual time. Nothing may be alive at its end. */
export function inNetwork(
  seed: number,
  scenario: (network: DmsgNetworkUnderTest) => Promise<void>,
  options: { untilMs?: number } = {},
): Promise<void> {
  return withSimulation(
    seed,
    (simulation) => simulation.run(() => scenario(new DmsgNetworkUnderTest(simulation)), options),
  );
}
