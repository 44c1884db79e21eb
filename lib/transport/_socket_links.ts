/**
 * Links over sockets: address handshake and noise on connections that are dialled or accepted, for every type of
 * transport that runs over a byte stream between machines.
 *
 * @module
 */
import { type Conn, ConnClosedError, describeError, type Log, Scope } from "../base/mod.ts";
import type { KeyPair, ProvenKey, PublicKey } from "../crypto/mod.ts";
import { kkAccept, kkConnect, noiseConn, PostQuantum } from "../noise/mod.ts";
import {
  AddressInUseError,
  renderSocketAddress,
  sleep,
  type SocketAddress,
  type SocketConn,
  type SocketListener,
  type World,
} from "../runtime/mod.ts";
import { EphemeralPorts } from "./_ephemeral_ports.ts";
import { acceptAddressHandshake, openAddressHandshake, SilentProbeError } from "./address_handshake.ts";
import type { LinkHandler } from "./carrier.ts";
import type { RefusalCounters } from "./counters.ts";

/** Handshakes of accepted connections at once; one more ends the oldest, which had the longest time. */
export const HANDSHAKES_MAX = 64;
/** Ports that are tried, from the wanted one upwards. */
export const PORTS_TRIED_MAX = 100;
/** After a failing accept: first and longest pause. */
export const ACCEPT_RETRY_MS = 5;
export const ACCEPT_RETRY_MAX_MS = 1_000;

export interface SocketLinksOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger" | "network">;
  readonly local: KeyPair;
  readonly log: Log;
  readonly refusals: RefusalCounters;
  /** Of the key `local`. Default: one for these links alone, which offers. */
  readonly postQuantum?: PostQuantum;
}

/** What links are made over. */
export interface LinkConn extends SocketConn {
  /** Over datagrams: false while nothing shows that the peer gets what is sent to its address. */
  readonly isAnswered?: boolean;
}

export class SocketLinks {
  readonly #options: SocketLinksOptions;
  readonly #postQuantum: PostQuantum;
  readonly #ports = new EphemeralPorts();
  readonly #scope = new Scope();
  readonly #handshakes = new Set<LinkConn>(); // accepted connections, the oldest first
  #listener: SocketListener | undefined;

  constructor(options: SocketLinksOptions) {
    this.#options = options;
    this.#postQuantum = options.postQuantum ??
      new PostQuantum({ random: options.world.random, log: options.log });
  }

  /** Where it listens, if it does. */
  get address(): SocketAddress | undefined {
    return this.#listener?.address;
  }

  /** A link to `remote`, who should be at `to`. */
  async dial(to: SocketAddress, remote: PublicKey, signal: AbortSignal): Promise<Conn> {
    return await this.open(await this.#options.world.network.dial(to, { signal }), remote, signal);
  }

  /** A link over a connection that should be to `remote`. Owns it. */
  async open(socket: SocketConn, remote: PublicKey, signal: AbortSignal): Promise<Conn> {
    const { world, local } = this.#options;
    let localPort: number;
    try {
      localPort = this.#ports.take();
    } catch (error) {
      socket.close(error);
      throw error;
    }
    socket.closed.then(() => this.#ports.free(localPort));
    const plain = await openAddressHandshake(socket, { world, signal, local, localPort, remote });
    using hybrid = this.#postQuantum.begin("initiator");
    const { clock, random, ledger } = world;
    const { conn, result } = await kkConnect(plain, {
      local,
      remote,
      clock,
      random,
      signal,
      extension: hybrid,
    });
    return noiseConn(conn, result.keys, { ledger });
  }

  /**
   * Listens at `at`, or at the next port that is free, and gives links to `onLink`. Errors: `AddressInUseError`,
   * `NotPermittedError`, `BadAddressError`.
   */
  async listen(at: SocketAddress, onLink: LinkHandler): Promise<SocketAddress> {
    const listener = await bindNextFree(at, (at) => this.#options.world.network.listen(at));
    this.serve(listener, onLink);
    return listener.address;
  }

  /** Gives links that come in over `listener` to `onLink`. Owns it. Errors: `ConnClosedError` after a close. */
  serve(listener: SocketListener, onLink: LinkHandler): void {
    if (this.#scope.signal.aborted) {
      listener.close();
      throw new ConnClosedError(this.#scope.signal.reason, "The carrier is closed");
    }
    this.#listener = listener;
    this.#scope.spawn("accept transports", (signal) => this.#accept(listener, onLink, signal));
  }

  async close(): Promise<void> {
    this.#scope.end();
    this.#listener?.close();
    for (const conn of this.#handshakes) conn.close(this.#scope.signal.reason);
    await this.#scope[Symbol.asyncDispose]();
  }

  async #accept(listener: SocketListener, onLink: LinkHandler, signal: AbortSignal): Promise<void> {
    const { world, log } = this.#options;
    for (let pauseMs = ACCEPT_RETRY_MS; !signal.aborted;) {
      let socket: LinkConn | null;
      try {
        socket = await listener.accept();
        pauseMs = ACCEPT_RETRY_MS;
      } catch (error) {
        log.warn("Cannot accept a transport", { cause: describeError(error) });
        await sleep(world.clock, pauseMs, signal);
        pauseMs = Math.min(pauseMs * 2, ACCEPT_RETRY_MAX_MS);
        continue;
      }
      if (socket === null) return;
      const conn = socket;
      this.#scope.spawn("accept a transport", () => this.#shakeHands(conn, onLink));
    }
  }

  /** One accepted connection. Never rejects: its failure is its own. */
  async #shakeHands(socket: LinkConn, onLink: LinkHandler): Promise<void> {
    const { log, refusals } = this.#options;
    if (this.#handshakes.size >= HANDSHAKES_MAX) {
      const out = this.#leastWorth();
      refusals.add("busy");
      out.close(new ConnClosedError(undefined, "Room was needed for another handshake"));
      this.#handshakes.delete(out);
    }
    this.#handshakes.add(socket);
    let step: "handshake" | "noise" = "handshake";
    try {
      const { conn, remote } = await this.#prove(socket, () => step = "noise");
      if (this.#scope.signal.aborted) return conn.close(this.#scope.signal.reason);
      onLink(conn, remote, socket.remote.hostname);
    } catch (error) {
      socket.close(error);
      if (!this.#handshakes.has(socket)) return; // counted when it had to make room
      const fields = { from: renderSocketAddress(socket.remote), cause: describeError(error) };
      if (error instanceof SilentProbeError) {
        refusals.add("probe");
        log.debug("A connection said nothing", fields);
      } else {
        refusals.add(step);
        log.info("Refused a connection for a transport", fields);
      }
    } finally {
      this.#handshakes.delete(socket);
    }
  }

  /**
   * The oldest; or, where links can tell, any of those whose sender's address may be forged: in a flood of them
   * the one that is honest has a chance, which the oldest has not.
   */
  #leastWorth(): LinkConn {
    const doubtful = [...this.#handshakes].filter(({ isAnswered }) => isAnswered === false);
    const [any] = this.#options.world.random.bytes(1);
    return doubtful[any! % doubtful.length] ?? [...this.#handshakes][0]!;
  }

  async #prove(socket: SocketConn, onNoise: () => void): Promise<{ conn: Conn; remote: ProvenKey }> {
    const { world, local } = this.#options;
    const { clock, random, ledger } = world;
    const { conn: plain, remote } = await acceptAddressHandshake(socket, { world });
    onNoise();
    using hybrid = this.#postQuantum.begin("responder");
    const { conn, result } = await kkAccept(plain, { local, remote, clock, random, extension: hybrid });
    return { conn: noiseConn(conn, result.keys, { ledger }), remote: result.remote };
  }
}

/** What `bind` makes of `at`, or of the next port that is free. Errors: those of `bind`. */
export async function bindNextFree<T>(
  at: SocketAddress,
  bind: (at: SocketAddress) => Promise<T>,
): Promise<T> {
  for (let port = at.port;; port++) {
    try {
      return await bind({ ...at, port });
    } catch (error) {
      const isLast = port >= at.port + PORTS_TRIED_MAX || port >= 0xffff;
      if (!(error instanceof AddressInUseError) || isLast) throw error;
    }
  }
}
