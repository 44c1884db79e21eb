/** TCP and UDP of the machine. @module */
import type { Ledger } from "../../base/mod.ts";
import type { Clock, DialOptions, Network, SocketAddress, SocketConn, SocketListener } from "../world.ts";
import { SystemDatagrams } from "./datagrams.ts";
import { dialFailure, isCancelled, listenFailure, socketFailure } from "./failures.ts";
import { type RawSocket, socketAddress, TcpConn, type TcpConnOptions } from "./tcp_conn.ts";

export function systemNetwork(parts: { clock: Clock; ledger: Ledger }): Network {
  return {
    dial: (to, options) => dial(withoutBrackets(to), options ?? {}, parts),
    async listen(at, { canReset = false } = {}) {
      const { hostname, port } = withoutBrackets(at);
      try {
        if (canReset) {
          return new SystemListener(
            await (await resetting()).ResettingListener.open({ hostname, port }),
            parts,
          );
        }
        return new SystemListener(Deno.listen({ hostname, port }), parts);
      } catch (error) {
        throw listenFailure(error, at);
      }
    },
    async datagrams(at) {
      const { hostname, port } = withoutBrackets(at);
      try {
        return new SystemDatagrams(Deno.listenDatagram({ transport: "udp", hostname, port }), parts.ledger);
      } catch (error) {
        throw listenFailure(error, at);
      }
    },
    addresses: () => Deno.networkInterfaces().map(({ address }) => address),
  };
}

/**
 * The signal ends the wait at once; what Deno still does by then is undone when it comes, and is counted as
 * a `dial` until it does.
 */
async function dial(
  to: SocketAddress,
  { signal, tls = false, canReset = false }: DialOptions,
  parts: TcpConnOptions,
): Promise<SocketConn> {
  if (signal?.aborted) throw signal.reason;
  const release = parts.ledger.open("dial");
  const deno = new AbortController(); // of the dial alone: a later abort must not reach the socket
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => {
    deno.abort(signal!.reason);
    aborted.reject(signal!.reason);
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  const connecting = connect(to, tls, canReset, deno.signal).finally(release);
  try {
    const socket = await (signal === undefined ? connecting : Promise.race([connecting, aborted.promise]));
    return new TcpConn(socket, { ...parts, halfClose: !tls });
  } catch (error) {
    if (!signal?.aborted) throw dialFailure(error, to);
    connecting.then((socket) => socket.close(), () => {}); // its failure is the abort that is thrown here
    throw signal.reason;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Loaded by who needs it: `node:net` is much of a start. */
const resetting = () => import("./resetting_socket.ts");

async function connect(
  to: SocketAddress,
  tls: boolean,
  canReset: boolean,
  signal: AbortSignal,
): Promise<RawSocket> {
  if (canReset && !tls) return (await resetting()).connectResetting(to, signal);
  const socket = await Deno.connect({ hostname: to.hostname, port: to.port, signal });
  withoutDelay(socket);
  return tls ? await secure(socket, to.hostname, signal) : socket;
}

/**
 * TLS over a connected socket, which is closed when that fails. Of a handshake that is cut short Deno keeps the
 * socket until its peer ends it: a dial of TLS that was aborted is over for us, and a little later for the system.
 */
async function secure(socket: Deno.TcpConn, hostname: string, signal: AbortSignal): Promise<Deno.Conn> {
  const secured = await Deno.startTls(socket, { hostname }); // takes the socket over; waits for nothing
  const onAbort = () => secured.close(); // wakes the handshake, whose failure closes it
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await secured.handshake();
    return secured;
  } catch (error) {
    if (!signal.aborted) secured.close();
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** A peer that is gone already makes the option fail; its first read says so better. */
function withoutDelay(socket: { setNoDelay?: (noDelay: boolean) => void }): void {
  try {
    socket.setNoDelay?.(true);
  } catch { /* see above */ }
}

/** What a `SystemListener` needs: Deno's listeners have it. */
interface RawListener {
  readonly addr: Deno.Addr;
  accept(): Promise<RawSocket & { setNoDelay?: (noDelay: boolean) => void }>;
  close(): void;
}

class SystemListener implements SocketListener {
  readonly address: SocketAddress;
  readonly #listener: RawListener;
  readonly #parts: { clock: Clock; ledger: Ledger };
  readonly #release: () => void;
  #isClosed = false;
  #isAccepting = false;

  constructor(listener: RawListener, parts: { clock: Clock; ledger: Ledger }) {
    this.#listener = listener;
    this.#parts = parts;
    this.address = socketAddress(listener.addr);
    this.#release = parts.ledger.open("listener");
  }

  async accept(): Promise<SocketConn | null> {
    if (this.#isAccepting) throw new TypeError("An accept is already pending");
    this.#isAccepting = true;
    try {
      while (!this.#isClosed) {
        const socket = await this.#listener.accept().catch((error) => this.#survive(error));
        if (socket === undefined) continue;
        withoutDelay(socket);
        return new TcpConn(socket, this.#parts);
      }
      return null;
    } finally {
      this.#isAccepting = false;
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#listener.close();
    this.#release();
  }

  /** One peer that gave up before it was accepted must not end the loop that accepts. */
  #survive(error: unknown): undefined {
    const { NotConnected, ConnectionAborted, ConnectionReset } = Deno.errors;
    if (this.#isClosed && isCancelled(error)) return;
    if (
      error instanceof NotConnected || error instanceof ConnectionAborted || error instanceof ConnectionReset
    ) return;
    throw socketFailure(error, "Cannot accept a connection");
  }
}

/** `[::1]` as people write it, `::1` as the system wants it. */
function withoutBrackets(address: SocketAddress): SocketAddress {
  const { hostname, port } = address;
  return hostname.startsWith("[") && hostname.endsWith("]")
    ? { hostname: hostname.slice(1, -1), port }
    : address;
}
