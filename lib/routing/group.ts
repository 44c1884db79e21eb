/**
 * A route group: the encrypted connection between two apps over one route (protocol: routing, section 6).
 *
 * Half-close does not exist on a route: a close packet ends both directions.
 *
 * @module
 */
import { type Conn, type Ledger } from "../base/mod.ts";
import type { ProvenKey } from "../crypto/mod.ts";
import { GapError, type HandshakeResult, noiseConn } from "../noise/mod.ts";
import { type Clock, sleep } from "../runtime/mod.ts";
import type { TransportId } from "../transport/mod.ts";
import type { GroupWire } from "./_group_wire.ts";
import { PING_INTERVAL_MS } from "./_route_pings.ts";
import type { RouteAddress, RouteDescriptor } from "./descriptor.ts";
import { RouteBrokenError } from "./errors.ts";

/**
 * Frames of one write: as packets they are 61,545 bytes, which the noise of a transport below takes as 16 frames,
 * one batch and one buffer of 64 KiB at every layer. One frame more would be two writes of the socket.
 */
export const GROUP_BATCH_FRAMES_MAX = 15;

/** What a group is doing, for `route ls`. */
export interface RouteGroupStatus {
  readonly descriptor: RouteDescriptor;
  readonly local: RouteAddress;
  readonly remote: RouteAddress;
  readonly isInitiator: boolean;
  /** False while its handshakes are under way. */
  readonly isReady: boolean;
  /** The transport that it sends on, and the route id of its packets there. */
  readonly transportId: TransportId;
  readonly nextRouteId: number;
  /** The id that the peer's packets come with. */
  readonly routeId: number;
  readonly ageMs: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Of the last ping. */
  readonly latencyMs: number | undefined;
  readonly postQuantum: boolean;
}

export interface RoutePingOptions {
  /** How many, 100 ms apart. Default 1. */
  readonly count?: number;
  readonly signal?: AbortSignal;
}

/** Made by `Router.open` and `RouteListener.accept`. */
export class RouteGroup implements Conn {
  readonly halfClose = false;
  readonly #conn: Conn;
  readonly #wire: GroupWire;
  readonly #clock: Clock;
  /** The visor at the other end, proved by its handshake. */
  readonly remoteKey: ProvenKey;

  constructor(
    wire: GroupWire,
    { conn, result, postQuantum, clock, ledger }: {
      conn: Conn;
      result: HandshakeResult;
      postQuantum: boolean;
      clock: Clock;
      ledger: Ledger;
    },
  ) {
    this.#wire = wire;
    this.#clock = clock;
    this.#conn = noiseConn(conn, result.keys, {
      ledger,
      batchFramesMax: GROUP_BATCH_FRAMES_MAX,
      strict: true, // a relay that lost packets: never a hole in the stream
    });
    this.remoteKey = result.remote;
    this.postQuantum = postQuantum;
  }

  /** The handshake was the post-quantum hybrid. */
  readonly postQuantum: boolean;

  get descriptor(): RouteDescriptor {
    return this.#wire.descriptor;
  }
  get local(): RouteAddress {
    return this.#wire.local;
  }
  get remote(): RouteAddress & { readonly publicKey: ProvenKey } {
    return { publicKey: this.remoteKey, port: this.#wire.remote.port };
  }
  get isInitiator(): boolean {
    return this.#wire.isInitiator;
  }
  /** Why the peer closed, in its own words, if it said. */
  get closeErrorText(): string | undefined {
    return this.#wire.conn.closeErrorText;
  }
  get closed(): Promise<void> {
    return this.#conn.closed;
  }

  read(): Promise<Uint8Array | null> {
    return this.#conn.read().catch(asRouteFailure);
  }
  write(bytes: Uint8Array): Promise<void> {
    return this.#conn.write(bytes);
  }
  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }
  close(reason?: unknown): void {
    this.#conn.close(reason);
  }

  /** Ends the group and tells the peer why. */
  closeWithText(text: string): void {
    this.#wire.conn.closeWithText(text);
    this.#conn.close();
  }

  /** Round trips to the other end, in ms. Errors: `TimedOutError` for a pong that stays out 5 s. */
  async ping({ count = 1, signal }: RoutePingOptions = {}): Promise<number[]> {
    const measured: number[] = [];
    for (let index = 0; index < count; index++) {
      if (index > 0) await sleep(this.#clock, PING_INTERVAL_MS, signal);
      measured.push(await this.#wire.ping(signal));
    }
    return measured;
  }

  status(): RouteGroupStatus {
    return groupStatus(this.#wire, this.#clock.monotonicMs(), this.postQuantum);
  }
}

/** What the noise found missing is told as what it means here; an app need not know of noise. */
function asRouteFailure(error: unknown): never {
  throw error instanceof GapError ? new RouteBrokenError(error) : error;
}

/** Also of a group that is not ready. */
export function groupStatus(wire: GroupWire, nowMs: number, postQuantum: boolean): RouteGroupStatus {
  return {
    descriptor: wire.descriptor,
    local: wire.local,
    remote: wire.remote,
    isInitiator: wire.isInitiator,
    isReady: wire.isReady,
    transportId: wire.transportId,
    nextRouteId: wire.nextRouteId,
    routeId: wire.reverse.rule.routeId,
    ageMs: nowMs - wire.createdMs,
    bytesSent: wire.bytesSent,
    bytesReceived: wire.bytesReceived,
    latencyMs: wire.latencyMs,
    postQuantum,
  };
}
