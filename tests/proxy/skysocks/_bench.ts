/** A whole proxy in one node: program, client, server, targets; the Conn between is the test's to break. @module */
import assert from "node:assert/strict";
import { type Conn, memoryPair, silentLog } from "../../../lib/base/mod.ts";
import { keyPairFromSeed, type PublicKey } from "../../../lib/crypto/mod.ts";
import {
  connectSocks,
  SkysocksClient,
  type SkysocksConn,
  type SkysocksListener,
  SkysocksServer,
  skysocksServer,
  type SkysocksServerOptions,
} from "../../../lib/proxy/mod.ts";
import type { SocketAddress, SocketConn, World } from "../../../lib/runtime/mod.ts";

export const LOOPBACK = "127.0.0.1";
export const utf8 = (text: string) => new TextEncoder().encode(text);

export function keyOf(name: string): PublicKey {
  return keyPairFromSeed(utf8(name)).publicKey;
}

/** Conns handed to a server by hand. */
export class Offers implements SkysocksListener {
  readonly #queue: SkysocksConn[] = [];
  #waiter: ((conn: SkysocksConn | null) => void) | undefined;
  #isClosed = false;
  /** The next accepts reject with these. */
  readonly failures: unknown[] = [];

  offer(conn: Conn, publicKey: PublicKey = keyOf("client")): void {
    const offered = asRemote(conn, publicKey);
    if (this.#isClosed) return offered.close(new Error("No listener"));
    if (this.#waiter === undefined) {
      this.#queue.push(offered);
      return;
    }
    this.#waiter(offered);
    this.#waiter = undefined;
  }

  accept(): Promise<SkysocksConn | null> {
    if (this.failures.length > 0) return Promise.reject(this.failures.shift());
    const next = this.#queue.shift();
    if (next !== undefined || this.#isClosed) return Promise.resolve(next ?? null);
    return new Promise((resolve) => this.#waiter = resolve);
  }

  close(): void {
    this.#isClosed = true;
    this.#waiter?.(null);
    for (const conn of this.#queue.splice(0)) conn.close(new Error("No listener"));
  }
}

/** `conn` with the key that a handshake would have proved. */
export function asRemote(conn: Conn, publicKey: PublicKey): SkysocksConn {
  return {
    remote: { publicKey },
    halfClose: conn.halfClose,
    closed: conn.closed,
    read: () => conn.read(),
    write: (bytes) => conn.write(bytes),
    closeWrite: () => conn.closeWrite(),
    close: (reason) => conn.close(reason),
  };
}

/** A server that reads and answers: one TCP connection to `serve` each. */
export async function target(
  world: World,
  serve: (conn: SocketConn) => Promise<void>,
): Promise<{ address: SocketAddress; close: () => Promise<void> }> {
  const listener = await world.network.listen({ hostname: LOOPBACK, port: 0 });
  const tasks = new Set<Promise<void>>();
  const loop = (async () => {
    for (let conn = await listener.accept(); conn !== null; conn = await listener.accept()) {
      const one = conn;
      const task = serve(one).catch((error) => one.close(error)).then(async () => {
        one.close();
        await one.closed;
      }).finally(() => tasks.delete(task));
      tasks.add(task);
    }
  })();
  const address = { hostname: LOOPBACK, port: listener.address.port };
  return {
    address,
    close: async () => {
      listener.close();
      await loop;
      await Promise.all(tasks);
    },
  };
}

/** Sends everything back, and ends when its peer does. */
export async function echo(conn: Conn): Promise<void> {
  for (let view = await conn.read(); view !== null; view = await conn.read()) await conn.write(view);
  await conn.closeWrite();
}

export interface Proxy {
  readonly client: SkysocksClient;
  readonly server: () => SkysocksServer;
  readonly offers: () => Offers;
  /** The client's ends of the Conns dialled so far. */
  readonly conns: Conn[];
  /** Dials fail while this is set. */
  broken: Error | undefined;
  startServer(options?: Partial<SkysocksServerOptions>): void;
  stopServer(): Promise<void>;
  /** A connection of a program through the proxy. */
  connect(to: SocketAddress, options?: { passcode?: string }): Promise<Conn>;
  /** A bare connection to the proxy's port. */
  program(): Promise<SocketConn>;
}

/** Runs `test` with a client and a server over memory Conns; joins everything at the end. */
export async function withProxy(
  world: World,
  test: (proxy: Proxy) => Promise<void>,
  { wrap = (conn) => conn, ...serverOptions }:
    & Partial<SkysocksServerOptions>
    & { wrap?: (conn: Conn) => Conn } = {},
): Promise<void> {
  let server: SkysocksServer, offers: Offers;
  const conns: Conn[] = [];
  const proxy: Proxy = {
    client: undefined!,
    server: () => server,
    offers: () => offers,
    conns,
    broken: undefined,
    startServer: (options = {}) => {
      offers = new Offers();
      const dialTcp = world.network.dial.bind(world.network);
      server = skysocksServer({
        world,
        listener: offers,
        dialTcp,
        log: silentLog,
        ...serverOptions,
        ...options,
      });
    },
    stopServer: () => server.close(),
    program: () => world.network.dial(proxy.client.listen),
    connect: async (to, { passcode } = {}) => {
      const conn = await proxy.program();
      return (await connectSocks(conn, to, { clock: world.clock, passcode })).conn;
    },
  };
  proxy.startServer();
  const client = await SkysocksClient.start({
    world,
    listen: { hostname: LOOPBACK, port: 0 },
    log: silentLog,
    dial: () => {
      if (proxy.broken !== undefined) return Promise.reject(proxy.broken);
      const [near, far] = memoryPair({ ledger: world.ledger });
      conns.push(near);
      offers.offer(far);
      return Promise.resolve(wrap(near));
    },
  });
  (proxy as { client: SkysocksClient }).client = client;
  try {
    await test(proxy);
  } finally {
    await client.close();
    await server!.close();
  }
}

/** Everything up to the end. */
export async function readAll(conn: Conn): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for (let view = await conn.read(); view !== null; view = await conn.read()) {
    text += decoder.decode(view, { stream: true });
  }
  return text;
}

/** The next `length` bytes, as text. */
export async function readText(conn: Conn, length: number): Promise<string> {
  let text = "";
  while (text.length < length) {
    const view = await conn.read();
    assert(view !== null, `ended after ${JSON.stringify(text)}`);
    text += new TextDecoder("latin1").decode(view);
  }
  return text;
}
