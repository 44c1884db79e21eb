/**
 * Sockets that can send a reset, which Deno's own cannot: closing those is an orderly end for the peer, whatever
 * was lost before. `node:net` can, at about the same speed, so the sockets of proxies are its.
 *
 * @module
 */
import net from "node:net";
import type { SocketAddress } from "../world.ts";
import type { RawSocket } from "./tcp_conn.ts";

/** A socket of `node:net`, which reads at most 64 KiB ahead, with the face of Deno's, and a reset. */
export class ResettingSocket implements RawSocket {
  readonly localAddr: Deno.NetAddr;
  readonly remoteAddr: Deno.NetAddr;
  readonly #socket: net.Socket;
  #rest: Uint8Array | undefined; // of a chunk that was longer than the read's buffer
  #wake: (() => void) | undefined; // the read that waits
  #failure: Error | undefined;
  #hasEnded = false;
  #isClosed = false;

  /** @param socket connected, with `allowHalfOpen` */
  constructor(socket: net.Socket) {
    this.#socket = socket;
    this.localAddr = { transport: "tcp", hostname: socket.localAddress ?? "", port: socket.localPort ?? 0 };
    this.remoteAddr = {
      transport: "tcp",
      hostname: socket.remoteAddress ?? "",
      port: socket.remotePort ?? 0,
    };
    const wake = () => this.#wakeUp();
    socket.on("readable", wake);
    socket.on("end", () => {
      this.#hasEnded = true;
      wake();
    });
    socket.on("error", (error) => {
      this.#failure ??= error;
      wake();
    });
    socket.on("close", () => {
      this.#isClosed = true;
      wake();
    });
  }

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      const chunk = this.#rest ?? (this.#isClosed ? null : this.#socket.read() as Uint8Array | null);
      if (chunk !== null) {
        const count = Math.min(chunk.length, into.length);
        into.set(chunk.subarray(0, count));
        this.#rest = count < chunk.length ? chunk.subarray(count) : undefined;
        return count;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#hasEnded) return null;
      if (this.#isClosed) throw new Deno.errors.BadResource("The socket is closed");
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) =>
      this.#socket.write(bytes, (error) => error ? reject(this.#failure ?? error) : resolve(bytes.length))
    );
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.once(
        "close",
        () => reject(this.#failure ?? new Deno.errors.BadResource("The socket is closed")),
      );
      this.#socket.end(resolve);
    });
  }

  close(): void {
    this.#socket.destroy();
    this.#end();
  }

  reset(): void {
    this.#socket.resetAndDestroy();
    this.#end();
  }

  #end(): void {
    this.#isClosed = true;
    this.#rest = undefined;
    this.#wakeUp();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

/** A connection to `to`. Errors: node's, whose `cause` tells; the signal's reason. */
export function connectResetting(to: SocketAddress, signal: AbortSignal): Promise<ResettingSocket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: to.hostname, port: to.port, allowHalfOpen: true, noDelay: true });
    const onAbort = () => {
      socket.destroy();
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      signal.removeEventListener("abort", onAbort);
      socket.off("error", reject);
      resolve(new ResettingSocket(socket));
    });
  });
}

/** Connections that were accepted and not yet asked for: more are reset. */
const ACCEPTED_MAX = 256;

/** A bound port with the face of Deno's listener, whose connections can be reset. */
export class ResettingListener {
  readonly addr: Deno.NetAddr;
  readonly #server: net.Server;
  readonly #accepted: net.Socket[] = [];
  #waiting: { resolve: (socket: ResettingSocket) => void; reject: (reason: unknown) => void } | undefined;
  #isClosed = false;

  private constructor(server: net.Server) {
    this.#server = server;
    const { address, port } = server.address() as net.AddressInfo;
    this.addr = { transport: "tcp", hostname: address, port };
    server.on("connection", (socket) => this.#take(socket));
  }

  /** Errors: node's, with its `code`. */
  static open(at: SocketAddress): Promise<ResettingListener> {
    return new Promise((resolve, reject) => {
      const server = net.createServer({ allowHalfOpen: true, noDelay: true });
      server.once("error", reject);
      server.listen({ host: at.hostname, port: at.port }, () => {
        server.off("error", reject);
        server.on("error", () => {}); // one peer that gave up before it was accepted
        resolve(new ResettingListener(server));
      });
    });
  }

  accept(): Promise<ResettingSocket> {
    if (this.#isClosed) return Promise.reject(new Deno.errors.BadResource("The listener is closed"));
    const socket = this.#accepted.shift();
    if (socket !== undefined) return Promise.resolve(new ResettingSocket(socket));
    return new Promise((resolve, reject) => this.#waiting = { resolve, reject });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#server.close();
    for (const socket of this.#accepted.splice(0)) socket.destroy();
    this.#waiting?.reject(new Deno.errors.BadResource("The listener is closed"));
  }

  #take(socket: net.Socket): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) return waiting.resolve(new ResettingSocket(socket));
    if (this.#accepted.length >= ACCEPTED_MAX || this.#isClosed) return void socket.resetAndDestroy();
    socket.on("error", () => {}); // is found again when it is read
    this.#accepted.push(socket);
  }
}
