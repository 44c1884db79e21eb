/** Connections in memory for tests of sessions: cut as wished, addressed as sockets, and read by hand. @module */
import { type Conn, type Ledger, memoryPair } from "../../lib/base/mod.ts";
import type { SocketAddress, SocketConn, SocketListener } from "../../lib/runtime/mod.ts";
import { concat } from "./_recording.ts";

/** `conn` whose reads give at most `bytesMax` bytes at a time. */
export function recut(conn: Conn, bytesMax: number): Conn {
  let view = new Uint8Array(0);
  return {
    halfClose: conn.halfClose,
    closed: conn.closed,
    async read() {
      if (view.length === 0) {
        const next = await conn.read();
        if (next === null) return null;
        view = next.slice();
      }
      const piece = view.subarray(0, bytesMax);
      view = view.subarray(piece.length);
      return piece;
    },
    write: (bytes) => conn.write(bytes),
    closeWrite: () => conn.closeWrite(),
    close: (reason) => conn.close(reason),
  };
}

/** A pair that holds a whole recording without anybody reading. */
export function widePair(ledger: Ledger): [Conn, Conn] {
  return memoryPair({ ledger, bytesMax: 1 << 20 });
}

/** A Conn as if it were a socket. */
export function asSocket(conn: Conn, remote: SocketAddress): SocketConn {
  return {
    halfClose: conn.halfClose,
    closed: conn.closed,
    local: { hostname: "127.0.0.1", port: 8081 },
    remote,
    read: () => conn.read(),
    write: (bytes) => conn.write(bytes),
    closeWrite: () => conn.closeWrite(),
    close: (reason) => conn.close(reason),
  };
}

/** A bound port to which connections are handed by hand. */
export class HandListener implements SocketListener {
  readonly address = { hostname: "127.0.0.1", port: 8081 };
  readonly #waiting: SocketConn[] = [];
  #accept: ((conn: SocketConn | null) => void) | undefined;
  #isClosed = false;

  give(conn: SocketConn): void {
    if (this.#accept === undefined) this.#waiting.push(conn);
    else this.#accept(conn);
    this.#accept = undefined;
  }
  accept(): Promise<SocketConn | null> {
    const next = this.#waiting.shift();
    if (next !== undefined) return Promise.resolve(next);
    if (this.#isClosed) return Promise.resolve(null);
    return new Promise((resolve) => this.#accept = resolve);
  }
  close(): void {
    this.#isClosed = true;
    this.#accept?.(null);
  }
}

/** The other end of a connection, played by hand: what came so far, and bytes to send. */
export class Played {
  readonly conn: Conn;
  readonly #pieces: Uint8Array[] = [];
  isEnded = false;

  constructor(conn: Conn) {
    this.conn = conn;
    void this.#read();
  }

  /** Everything that came, from the start. */
  get received(): Uint8Array {
    return concat(this.#pieces);
  }

  send(bytes: Uint8Array): void {
    this.conn.write(bytes).catch(() => {}); // an end of the other side shows elsewhere
  }

  async #read(): Promise<void> {
    try {
      for (let view = await this.conn.read(); view !== null; view = await this.conn.read()) {
        this.#pieces.push(view.slice());
      }
    } catch {
      // A reset: the same end.
    }
    this.isEnded = true;
  }
}
