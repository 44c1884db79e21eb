/** UDP in memory, as good or bad as a test wants it. @module */
import type { Ledger } from "../../lib/base/mod.ts";
import { KcpConn, KcpSocket, type KcpSocketOptions } from "../../lib/kcp/mod.ts";
import type { Clock, DatagramSocket, Random, SocketAddress } from "../../lib/runtime/mod.ts";
import { SeededRandom } from "../../lib/runtime/simulated/mod.ts";

/** What happens to datagrams on their way. */
export interface PathOptions {
  readonly seed?: number;
  /** One way. 0: in the same turn. */
  readonly latencyMs?: number;
  /** On top, evenly: datagrams overtake each other by it. */
  readonly jitterMs?: number;
  /**
   * On top of all, how long a busy machine lets whatever came wait: each stall begins with a datagram, lasts up to
   * so long, and all that arrives during it does so at its end; then there is none for as long as it lasted.
   */
  readonly stallMsMax?: number;
  readonly lossPct?: number;
  readonly doubledPct?: number;
  /** What the narrowest part lets through, all together, each way. Default: everything. */
  readonly bytesPerSecond?: number;
  /** What waits in front of it at most; more is lost. Default 64 KiB. */
  readonly queueBytesMax?: number;
}

interface Datagram {
  readonly bytes: Uint8Array;
  readonly from: SocketAddress;
}

/** Ports that reach each other. */
export class MemoryNet {
  readonly sockets = new Map<string, MemoryDatagrams>();
  readonly random: SeededRandom;
  sent = 0;
  /** Datagrams that found the queue full. */
  overflowed = 0;
  readonly #freeAtMs = new Map<string, number>(); // by direction
  /** Sees each datagram before it may be lost; false takes it away. */
  watch: (bytes: Uint8Array, from: SocketAddress, to: SocketAddress) => boolean = () => true;
  readonly #stalls = new Map<number, { readonly endMs: number; readonly lengthMs: number }>(); // by port
  #nextPort = 50_000;

  constructor(
    readonly world: { readonly clock: Clock; readonly ledger: Ledger },
    public path: PathOptions = {},
  ) {
    this.random = new SeededRandom(path.seed ?? 1);
  }

  open(hostname = "192.0.2.1", port = this.#nextPort++): MemoryDatagrams {
    return new MemoryDatagrams(this, { hostname, port });
  }

  send(bytes: Uint8Array, from: SocketAddress, to: SocketAddress): void {
    this.sent++;
    const copy = bytes.slice();
    if (!this.watch(copy, from, to)) return;
    const { latencyMs = 0, jitterMs = 0, lossPct = 0, doubledPct = 0 } = this.path;
    if (this.random.chance(lossPct)) return;
    const queuedMs = this.#queue(copy.length, from, to);
    if (queuedMs === undefined) return;
    const copies = this.random.chance(doubledPct) ? 2 : 1;
    for (let count = 0; count < copies; count++) {
      const delayMs = queuedMs + latencyMs + (jitterMs > 0 ? this.random.fraction() * jitterMs : 0);
      const dueMs = this.#stalled(this.world.clock.monotonicMs() + delayMs, to) -
        this.world.clock.monotonicMs();
      const arrive = () => this.sockets.get(`${to.hostname}:${to.port}`)?.arrive({ bytes: copy, from });
      if (dueMs === 0) queueMicrotask(arrive);
      else this.world.clock.timer(dueMs, arrive);
    }
  }

  /** When a datagram is taken that arrives at `atMs`. */
  #stalled(atMs: number, { port }: SocketAddress): number {
    const { stallMsMax = 0 } = this.path;
    if (stallMsMax === 0) return atMs;
    let stall = this.#stalls.get(port);
    if (stall === undefined || atMs >= stall.endMs + stall.lengthMs) {
      const lengthMs = this.random.fraction() * stallMsMax;
      this.#stalls.set(port, stall = { endMs: atMs + lengthMs, lengthMs });
    }
    return Math.max(atMs, stall.endMs);
  }

  /** How long a datagram takes to leave the narrowest part; undefined: there was no room. */
  #queue(bytes: number, from: SocketAddress, to: SocketAddress): number | undefined {
    const { bytesPerSecond, queueBytesMax = 64 * 1024 } = this.path;
    if (bytesPerSecond === undefined) return 0;
    const way = from.hostname < to.hostname || (from.hostname === to.hostname && from.port < to.port)
      ? ">"
      : "<";
    const nowMs = this.world.clock.monotonicMs();
    const freeAtMs = Math.max(nowMs, this.#freeAtMs.get(way) ?? 0);
    if ((freeAtMs - nowMs) / 1_000 * bytesPerSecond > queueBytesMax) {
      this.overflowed++;
      return undefined;
    }
    const endMs = freeAtMs + bytes / bytesPerSecond * 1_000;
    this.#freeAtMs.set(way, endMs);
    return endMs - nowMs;
  }
}

export class MemoryDatagrams implements DatagramSocket {
  readonly #waiting: Datagram[] = [];
  readonly #release: () => void;
  #pending: ((datagram: Datagram | null) => void) | undefined;
  #isClosed = false;

  constructor(readonly net: MemoryNet, readonly address: SocketAddress) {
    net.sockets.set(`${address.hostname}:${address.port}`, this);
    this.#release = net.world.ledger.open("datagram-socket");
  }

  async send(bytes: Uint8Array, to: SocketAddress): Promise<void> {
    if (!this.#isClosed) this.net.send(bytes, this.address, to);
  }

  receive(): Promise<Datagram | null> {
    if (this.#isClosed) return Promise.resolve(null);
    const datagram = this.#waiting.shift();
    if (datagram !== undefined) return Promise.resolve(datagram);
    return new Promise((resolve) => this.#pending = resolve);
  }

  arrive(datagram: Datagram): void {
    if (this.#pending === undefined) return void this.#waiting.push(datagram);
    this.#pending(datagram);
    this.#pending = undefined;
  }

  close(): void {
    this.#isClosed = true;
    this.net.sockets.delete(`${this.address.hostname}:${this.address.port}`);
    this.#release();
    this.#pending?.(null);
  }
}

export interface KcpPair {
  readonly net: MemoryNet;
  readonly near: KcpConn;
  readonly far: KcpConn;
  readonly client: KcpSocket;
  readonly server: KcpSocket;
  /** Frees both ports, with whatever still uses them. */
  dispose(): Promise<void>;
}

/** Two ports, and a session between them that was begun with one byte already. */
export async function kcpPair(
  world: { readonly clock: Clock; readonly ledger: Ledger; readonly random?: Random },
  path: PathOptions = {},
  options: Partial<KcpSocketOptions> & { readonly settle?: () => Promise<void> } = {},
): Promise<KcpPair> {
  const net = new MemoryNet(world, path);
  const withRandom = { random: new SeededRandom(path.seed ?? 1).fork("kcp"), ...world };
  const client = new KcpSocket(net.open(), { world: withRandom });
  const server = new KcpSocket(net.open(), { world: withRandom, admits: () => true, ...options });
  const near = client.dial(server.address);
  await near.write(Uint8Array.of(1));
  const accepted = server.accept();
  const settle = options.settle ?? (() => new Promise((resolve) => setImmediate(resolve)));
  const far = await settled(accepted, settle);
  await settled(far!.read(), settle);
  return {
    net,
    near,
    far: far!,
    client,
    server,
    async dispose() {
      client.close(new Error("The test is over"));
      server.close(new Error("The test is over"));
      await settled(Promise.all([client.closed, server.closed]), settle);
    },
  };
}

/** What `promise` gives, with `settle` called until it does. */
export async function settled<T>(promise: Promise<T>, settle: () => Promise<unknown>): Promise<T> {
  let isPending = true;
  promise.then(() => isPending = false, () => isPending = false);
  for (let turns = 0; turns < 20_000 && isPending; turns++) await settle();
  if (isPending) throw new Error("It did not settle");
  return await promise;
}
