/**
 * A Conn as a Node socket, for the edges only: libraries that want a `net.Socket`, and tests against other
 * implementations of HTTP.
 *
 * @module
 */
import { Duplex } from "node:stream";
import type { Conn } from "../base/mod.ts";
import type { Clock, Timer } from "../runtime/mod.ts";

export interface ConnToNodeDuplexOptions {
  /** For `setTimeout()`, which `node:http` calls for each request. */
  readonly clock: Clock;
  readonly remoteAddress?: string;
  readonly remotePort?: number;
}

/** `conn` as a Duplex with the methods of a socket. It owns the Conn: `destroy()` closes it. Chunks are copies. */
export function connToNodeDuplex(conn: Conn, options: ConnToNodeDuplexOptions): ConnSocket {
  return new ConnSocket(conn, options);
}

/** Looks enough like a `net.Socket` for `node:http`, which calls all of these. */
export class ConnSocket extends Duplex {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly #conn: Conn;
  readonly #clock: Clock;
  #idleMs = 0; // 0: no time-out
  #heardMs = 0;
  #timer: Timer | undefined;

  constructor(conn: Conn, { clock, remoteAddress, remotePort }: ConnToNodeDuplexOptions) {
    super({ allowHalfOpen: conn.halfClose });
    this.#conn = conn;
    this.#clock = clock;
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
  }

  setNoDelay(): this {
    return this; // no Conn waits to send more at once
  }

  setKeepAlive(): this {
    return this; // the layers below look after themselves
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  /** Emits `timeout` when no byte went either way for `idleMs`; 0 ends that. It is for the listener to destroy. */
  readonly setTimeout = (idleMs: number, listener?: () => void): this => {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#idleMs = idleMs;
    if (listener !== undefined) {
      if (idleMs > 0) this.once("timeout", listener);
      else this.removeListener("timeout", listener);
    }
    if (idleMs > 0 && !this.destroyed) {
      this.#heard();
      this.#timer = this.#clock.timer(idleMs, this.#onTimer);
    }
    return this;
  };

  override _read(): void {
    this.#conn.read().then((view) => {
      this.#heard();
      this.push(view === null ? null : view.slice()); // the view ends with the next read, the chunk does not
    }, (error) => this.destroy(error));
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.#conn.write(chunk).then(() => {
      this.#heard();
      done();
    }, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#conn.closeWrite().then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#timer?.cancel();
    this.#conn.close(error ?? undefined);
    this.#conn.closed.then(() => done(error));
  }

  #heard(): void {
    if (this.#idleMs > 0) this.#heardMs = this.#clock.monotonicMs();
  }

  readonly #onTimer = () => {
    const leftMs = this.#heardMs + this.#idleMs - this.#clock.monotonicMs();
    this.#timer = leftMs > 0 ? this.#clock.timer(leftMs, this.#onTimer) : undefined;
    if (leftMs <= 0) this.emit("timeout");
  };
}
