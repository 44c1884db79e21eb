/** Routers joined by transports in memory, and routes through them, made as a setup node would. @module */
import { giveBuffer, silentLog, takeBuffer } from "../../lib/base/mod.ts";
import { type KeyPair, keyPairFromSeed, type PublicKey } from "../../lib/crypto/mod.ts";
import { PostQuantum } from "../../lib/noise/mod.ts";
import {
  type EdgeRules,
  type ForwardRule,
  invertDescriptor,
  type RouteDescriptor,
  Router,
  type RouterSettings,
} from "../../lib/routing/mod.ts";
import type { RouteTransport } from "../../lib/routing/_group_wire.ts";
import type { World } from "../../lib/runtime/mod.ts";
import { type TransportId, transportId } from "../../lib/transport/mod.ts";

export const encode = (text: string) => new TextEncoder().encode(text);
export const decode = (bytes: Uint8Array | null) => bytes === null ? null : new TextDecoder().decode(bytes);

export function keysOf(name: string): KeyPair {
  return keyPairFromSeed(encode(name));
}

type Sink = (packets: Uint8Array, from: { readonly id: TransportId }) => void | Promise<void>;

/** What one read of a transport gives at most. */
const BATCH_BYTES_MAX = 256 * 1024;
const GARBAGE = 0xee;
/** Turns of microtasks that bytes take from end to end. */
const LATENCY_TURNS = 12;
/** And that a writer waits: it hears before anything that the far router says to its bytes comes back. */
const TAKEN_TURNS = 18;

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await undefined;
}

/** One end of a transport: what is written is taken in while the far router is ready for it. */
export class MemoryTransport implements RouteTransport {
  peer!: MemoryTransport;
  isLive = true;
  sink: Sink = () => {};
  /** Everything that was written, when a test wants to see it. */
  written: Uint8Array[] | undefined;
  writes = 0;
  readonly #queue: { bytes: Uint8Array; resolve: () => void; reject: (reason: unknown) => void }[] = [];
  #isPumping = false;
  /** A stalled network takes nothing. */
  isStalled = false;

  constructor(readonly id: TransportId) {}

  write(bytes: Uint8Array): Promise<void> {
    if (!this.isLive) return Promise.reject(new Error("Transport is closed"));
    this.writes++;
    this.written?.push(bytes.slice());
    return new Promise((resolve, reject) => {
      this.#queue.push({ bytes, resolve, reject });
      if (!this.#isPumping) void this.#pump();
    });
  }

  /** Both ends are gone. */
  cut(): void {
    for (const end of [this, this.peer]) {
      end.isLive = false;
      for (const { reject } of end.#queue.splice(0)) reject(new Error("Transport is closed"));
    }
  }

  resume(): void {
    this.isStalled = false;
    if (!this.#isPumping) void this.#pump();
  }

  async #pump(): Promise<void> {
    this.#isPumping = true;
    while (this.#queue.length > 0 && !this.isStalled) {
      const buffer = takeBuffer(BATCH_BYTES_MAX);
      let length = 0;
      const taken: (() => void)[] = [];
      while (this.#queue.length > 0 && length + this.#queue[0]!.bytes.length <= BATCH_BYTES_MAX) {
        const { bytes, resolve } = this.#queue.shift()!;
        buffer.set(bytes, length);
        length += bytes.length;
        taken.push(resolve);
      }
      void turns(TAKEN_TURNS).then(() => taken.forEach((resolve) => resolve()));
      await turns(LATENCY_TURNS);
      const waiting = this.peer.sink(buffer.subarray(0, length), this.peer);
      if (waiting !== undefined) await waiting;
      buffer.fill(GARBAGE, 0, Math.min(length, 64)); // whoever kept a view sees it
      giveBuffer(buffer);
    }
    this.#isPumping = false;
  }
}

/** A router with its transports. */
export class Node {
  readonly keys: KeyPair;
  readonly transports = new Map<TransportId, MemoryTransport>();
  readonly router: Router;

  constructor(
    readonly name: string,
    world: Pick<World, "clock" | "ledger" | "random">,
    { settings, mode = "off" }: { settings?: RouterSettings; mode?: "off" | "offer" | "require" } = {},
  ) {
    this.keys = keysOf(name);
    this.router = new Router({
      world,
      local: this.keys,
      transports: {
        find: (id) => {
          const transport = this.transports.get(id);
          return transport?.isLive ? transport : undefined;
        },
      },
      log: silentLog,
      postQuantum: new PostQuantum({ random: world.random, mode }),
      settings: { countsRouteIds: true, ...settings }, // so that tests can name them
    });
  }

  get key(): PublicKey {
    return this.keys.publicKey;
  }
}

/** Joins two nodes; gives the end of the first. */
export function link(a: Node, b: Node, type = "stcpr"): MemoryTransport {
  const id = transportId(a.key, b.key, type);
  const [near, far] = [new MemoryTransport(id), new MemoryTransport(id)];
  near.peer = far;
  far.peer = near;
  near.sink = a.router.handlePackets;
  far.sink = b.router.handlePackets;
  a.transports.set(id, near);
  b.transports.set(id, far);
  return near;
}

/** What packets between two nodes come over. */
export function over(a: Node, b: Node, type = "stcpr"): { readonly id: TransportId } {
  return { id: transportId(a.key, b.key, type) };
}

/** Cuts a link and tells both routers, as their managers would. */
export function unlink(transport: MemoryTransport, ...nodes: Node[]): void {
  transport.cut();
  for (const node of nodes) node.router.transportClosed(transport);
}

export const KEEP_ALIVE_NS = 600_000_000_000n;

export interface RouteOptions {
  readonly keepAliveNs?: bigint;
  readonly port?: number;
  readonly from?: number;
  readonly type?: string;
}

/** The rules of a route there and back along `path`; relays have theirs, the ends' are given. */
export function layRoute(
  path: readonly Node[],
  { keepAliveNs = KEEP_ALIVE_NS, port = 3, from, type = "stcpr" }: RouteOptions = {},
): { source: EdgeRules; destination: EdgeRules; descriptor: RouteDescriptor } {
  const [first, last] = [path[0]!, path.at(-1)!];
  const descriptor: RouteDescriptor = {
    source: { publicKey: first.key, port: from ?? first.router.ephemeralPort() },
    destination: { publicKey: last.key, port },
  };
  const there = layDirection(path, descriptor, keepAliveNs, type);
  const back = layDirection(path.toReversed(), invertDescriptor(descriptor), keepAliveNs, type);
  path.slice(1, -1).forEach(({ router }, at) =>
    // both ways in one call, as setup nodes do
    router.addIntermediaryRules([there.relays[at]!, back.relays.at(-1 - at)!])
  );
  return {
    descriptor,
    source: { descriptor: invertDescriptor(descriptor), forward: there.forward, reverse: back.reverse },
    destination: { descriptor, forward: back.forward, reverse: there.reverse },
  };
}

function layDirection(path: readonly Node[], descriptor: RouteDescriptor, keepAliveNs: bigint, type: string) {
  const ids = path.map(({ router }) => router.reserveIds(1)[0]!);
  const next = (index: number) => ({
    keepAliveNs,
    routeId: ids[index]!,
    nextRouteId: ids[index + 1]!,
    nextTransportId: transportId(path[index]!.key, path[index + 1]!.key, type),
  });
  const forward: ForwardRule = { kind: "forward", descriptor, ...next(0) };
  return {
    forward,
    relays: path.slice(1, -1).map((_, at) => ({ kind: "intermediary" as const, ...next(at + 1) })),
    reverse: { kind: "consume" as const, descriptor, keepAliveNs, routeId: ids.at(-1)! },
  };
}

/** A route along `path`, up: both groups. A listener must be on the port. */
export async function openRoute(path: readonly Node[], options: RouteOptions = {}) {
  const { source, destination } = layRoute(path, options);
  path.at(-1)!.router.addEdgeRules(destination);
  return await path[0]!.router.open(source);
}
