/** An address resolver's UDP side in memory, for visors of type sudph on simulated machines. @module */
import type { Conn } from "../../lib/base/mod.ts";
import type { PublicKey } from "../../lib/crypto/mod.ts";
import { type KcpConn, KcpSocket } from "../../lib/kcp/mod.ts";
import type { SocketAddress, World } from "../../lib/runtime/mod.ts";
import { acceptAddressHandshake } from "../../lib/transport/address_handshake.ts";
import type { SudphResolver } from "../../lib/transport/mod.ts";

export const RESOLVER_PORT = 30_178;

interface Bound {
  readonly conn: Conn;
  readonly at: SocketAddress;
  port: number;
  addresses: string[];
}

/** What one test sees of it. */
export class TestResolver {
  readonly bound = new Map<PublicKey, Bound>();
  /** What visors said: handshakes aside, message by message. */
  readonly said: { readonly key: PublicKey; readonly text: string; readonly atMs: number }[] = [];
  /** Questions over HTTP. */
  asked = 0;
  onAsked: () => void = () => {};
  readonly #world: World;
  readonly #socket: KcpSocket;
  #work: Promise<void>[] = [];

  private constructor(world: World, socket: KcpSocket) {
    this.#world = world;
    this.#socket = socket;
    this.#work.push(this.#accept());
  }

  static async start(
    world: World,
    at: SocketAddress = { hostname: "0.0.0.0", port: RESOLVER_PORT },
  ): Promise<TestResolver> {
    const datagrams = await world.network.datagrams(at);
    return new TestResolver(
      world,
      new KcpSocket(datagrams, { world, admits: () => true, acceptedKeepWrites: true }),
    );
  }

  get address(): SocketAddress {
    return this.#socket.address;
  }

  /** What the visor of `asker` gets when it asks over HTTP. */
  client(asker: PublicKey): SudphResolver {
    return {
      resolve: async (_type, key) => {
        this.asked++;
        this.onAsked();
        const callee = this.bound.get(key);
        if (callee === undefined) return undefined;
        const caller = this.bound.get(asker);
        if (caller !== undefined) {
          const { hostname, port } = caller.at;
          const text = JSON.stringify({ PK: asker, Addr: `${hostname}:${port}` });
          callee.conn.write(new TextEncoder().encode(text)).catch(() => {});
        }
        const { at, port, addresses } = callee;
        return {
          remoteAddress: `${at.hostname}:${at.port}`,
          port,
          addresses,
          isLocal: caller?.at.hostname === at.hostname,
        };
      },
    };
  }

  async close(): Promise<void> {
    this.#socket.close(new Error("The resolver ends"));
    await Promise.all([...this.#work, this.#socket.closed]);
  }

  async #accept(): Promise<void> {
    for (;;) {
      const conn = await this.#socket.accept();
      if (conn === null) return;
      this.#work.push(this.#serve(conn).catch(() => {}).finally(() => conn.close()));
    }
  }

  async #serve(session: KcpConn): Promise<void> {
    const accepted = await acceptAddressHandshake(session, {
      world: this.#world,
      isListening: (port) => port === 0,
    });
    const { conn, remote: key } = accepted;
    let text = "";
    for (let view = await conn.read(); view !== null; view = await conn.read()) {
      text += new TextDecoder().decode(view);
      for (let found = FIRST.exec(text); found !== null; found = FIRST.exec(text)) {
        text = text.slice(found[0].length);
        this.said.push({ key, text: found[0], atMs: this.#world.clock.monotonicMs() });
        if (found[0] === "delBind") this.bound.delete(key);
        if (!found[0].startsWith("{")) continue;
        const { port, addresses } = JSON.parse(found[0]);
        this.bound.set(key, { conn, at: session.remote, port: Number(port), addresses });
      }
    }
  }
}

const FIRST = /^(?:\{[^}]*\}|heartbeat|delBind)/;
