/** A simulated TCP port. @module */
import type { SocketAddress, SocketConn, SocketListener } from "../world.ts";
import type { SimulatedConn } from "./conn.ts";
import type { Fabric } from "./fabric.ts";
import type { SimulatedNode } from "./node.ts";

/** Connections that wait for their accept; a further one hears nothing and tries again. */
export const BACKLOG_MAX = 128;

export class SimulatedListener implements SocketListener {
  readonly #waiting: SimulatedConn[] = [];
  readonly #release: () => void;
  readonly #withdraw: () => void;
  #pendingAccept: ((conn: SocketConn | null) => void) | undefined;
  #isClosed = false;

  constructor(fabric: Fabric, node: SimulatedNode, readonly address: SocketAddress) {
    const { listeners } = fabric.machine(node)!;
    listeners.set(address.port, this);
    this.#withdraw = () => listeners.delete(address.port);
    this.#release = node.ledger.open("listener");
  }

  get hasRoom(): boolean {
    return this.#waiting.length < BACKLOG_MAX;
  }

  /** A connection came in. */
  offer(conn: SimulatedConn): void {
    if (this.#pendingAccept === undefined) {
      this.#waiting.push(conn);
    } else {
      this.#pendingAccept(conn);
      this.#pendingAccept = undefined;
    }
  }

  accept(): Promise<SocketConn | null> {
    if (this.#pendingAccept !== undefined) {
      return Promise.reject(new TypeError("An accept is already pending"));
    }
    if (this.#isClosed) return Promise.resolve(null);
    const conn = this.#waiting.shift();
    if (conn !== undefined) return Promise.resolve(conn);
    return new Promise((resolve) => this.#pendingAccept = resolve);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#withdraw();
    this.#release();
    for (const conn of this.#waiting.splice(0)) conn.close(new Error("Listener is closed"));
    this.#pendingAccept?.(null);
    this.#pendingAccept = undefined;
  }
}
