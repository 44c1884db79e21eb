/**
 * What lies between simulated nodes: who has which address, what a link does to what passes, who is cut off.
 *
 * @module
 */
import { BadAddressError } from "../errors.ts";
import type { SimulatedConn } from "./conn.ts";
import type { SimulatedDatagrams } from "./datagrams.ts";
import type { SimulatedListener } from "./listener.ts";
import type { Schedule, SimulatedNode } from "./node.ts";
import type { SeededRandom } from "./seeded.ts";

/** What a link does, one way. */
export interface LinkProfile {
  readonly latencyMs: number;
  /** Added to the latency, between 0 and this, evenly. Datagrams overtake each other by it. */
  readonly jitterMs: number;
  /** Packets lost in 100: a delay on TCP, which sends again, and silence on UDP. */
  readonly lossPct: number;
  readonly bytesPerSecond: number;
  /** Reads in 100 that give less than is there, as a real socket may. */
  readonly splitPct: number;
}

const LINK_DEFAULT: LinkProfile = {
  latencyMs: 20,
  jitterMs: 2,
  lossPct: 0,
  bytesPerSecond: Infinity,
  splitPct: 10,
};
const LOOPBACK: Partial<LinkProfile> = { latencyMs: 0, jitterMs: 0, lossPct: 0, bytesPerSecond: Infinity };

/** TCP's first wait before it sends again; doubled each time. Linux: 200 ms. */
export const RETRY_MS = 200;
const RETRY_MS_MAX = 120_000;

export interface FabricOptions {
  readonly random: SeededRandom;
  readonly link: Partial<LinkProfile>;
  readonly nowMs: () => number;
  readonly schedule: Schedule;
  readonly trace: (node: SimulatedNode, event: string, length: number) => void;
}

/** The ports and connections of one node's machine. */
interface Machine {
  readonly node: SimulatedNode;
  readonly listeners: Map<number, SimulatedListener>;
  readonly datagrams: Map<number, SimulatedDatagrams>;
  readonly conns: Set<SimulatedConn>;
  nextPort: number;
  readBytesPerSecond: number;
  isSilent: boolean;
}

const EPHEMERAL_PORT_MIN = 49_152;

export class Fabric {
  readonly random: SeededRandom;
  readonly nowMs: () => number;
  readonly schedule: Schedule;
  readonly trace: FabricOptions["trace"];
  readonly #defaults: LinkProfile;
  readonly #machines = new Map<string, Machine>(); // by node name: the running incarnation
  readonly #names = new Map<string, string>(); // address or host name to node name
  readonly #links = new Map<string, LinkProfile>();
  readonly #busyUntilMs = new Map<string, number>();
  readonly #blocked = new Set<string>();

  constructor({ random, link, nowMs, schedule, trace }: FabricOptions) {
    this.random = random;
    this.nowMs = nowMs;
    this.schedule = schedule;
    this.trace = trace;
    this.#defaults = { ...LINK_DEFAULT, ...link };
  }

  attach(node: SimulatedNode, hostnames: readonly string[]): void {
    for (const name of [node.name, node.address, ...hostnames]) {
      const owner = this.#names.get(name);
      if (owner !== undefined && owner !== node.name) {
        throw new BadAddressError(`${name} belongs to ${owner}`);
      }
      this.#names.set(name, node.name);
    }
    this.#machines.set(node.name, {
      node,
      listeners: new Map(),
      datagrams: new Map(),
      conns: new Set(),
      nextPort: EPHEMERAL_PORT_MIN,
      readBytesPerSecond: Infinity,
      isSilent: false,
    });
  }

  /** Whose address or name it is, as seen by `from`. */
  resolve(from: SimulatedNode, hostname: string): SimulatedNode | undefined {
    if (isLoopback(hostname)) return from;
    const name = this.#names.get(hostname);
    return name === undefined ? undefined : this.#machines.get(name)!.node;
  }

  /** The machine as it runs now, or undefined when this incarnation of the node is history. */
  machine(node: SimulatedNode): Machine | undefined {
    const machine = this.#machines.get(node.name)!;
    return machine.node === node ? machine : undefined;
  }

  /** A port that nothing uses: the wanted one, or, for 0, the next free one. Undefined when it is taken. */
  freePort(node: SimulatedNode, wanted: number, kind: "listeners" | "datagrams"): number | undefined {
    const machine = this.machine(node)!;
    const isFree = (port: number) => !machine[kind].has(port);
    if (wanted !== 0) return isFree(wanted) ? wanted : undefined;
    for (;;) {
      const port = machine.nextPort++;
      if (machine.nextPort > 65_535) machine.nextPort = EPHEMERAL_PORT_MIN;
      if (isFree(port)) return port;
    }
  }

  // --- links -------------------------------------------------------------------------------------

  setLink(from: SimulatedNode, to: SimulatedNode, profile: Partial<LinkProfile>): void {
    this.#links.set(way(from, to), { ...this.profile(from, to), ...profile });
  }

  profile(from: SimulatedNode, to: SimulatedNode): LinkProfile {
    const own = this.#links.get(way(from, to));
    if (own !== undefined) return own;
    return from.name === to.name ? { ...this.#defaults, ...LOOPBACK } : this.#defaults;
  }

  /** How long a packet takes that is not lost, behind all that was sent the same way before. */
  delayMs(from: SimulatedNode, to: SimulatedNode, bytes: number): number {
    const { latencyMs, jitterMs, bytesPerSecond } = this.profile(from, to);
    let sendMs = 0;
    if (bytesPerSecond !== Infinity) {
      const key = way(from, to);
      const startMs = Math.max(this.nowMs(), this.#busyUntilMs.get(key) ?? 0);
      const endMs = startMs + (bytes / bytesPerSecond) * 1000;
      this.#busyUntilMs.set(key, endMs);
      sendMs = endMs - this.nowMs();
    }
    return sendMs + latencyMs + (jitterMs > 0 ? this.random.fraction() * jitterMs : 0);
  }

  /** What TCP adds to the delay because packets were lost. */
  lossDelayMs(from: SimulatedNode, to: SimulatedNode): number {
    const { lossPct } = this.profile(from, to);
    let sumMs = 0;
    for (let attempt = 0; attempt < 8 && this.random.chance(lossPct); attempt++) sumMs += retryMs(attempt);
    return sumMs;
  }

  block(from: SimulatedNode, to: SimulatedNode): void {
    this.#blocked.add(way(from, to));
  }

  unblock(from: SimulatedNode, to: SimulatedNode): void {
    this.#blocked.delete(way(from, to));
  }

  /** True when nothing arrives this way at present. */
  isBlocked(from: SimulatedNode, to: SimulatedNode): boolean {
    return this.#blocked.has(way(from, to)) || this.#isSilent(from) || this.#isSilent(to);
  }

  #isSilent(node: SimulatedNode): boolean {
    return this.machine(node)?.isSilent ?? false;
  }

  // --- nodes -------------------------------------------------------------------------------------

  halt(node: SimulatedNode, how: "reset" | "silent"): void {
    const machine = this.machine(node)!;
    machine.isSilent = how === "silent";
    machine.listeners.clear();
    machine.datagrams.clear();
    for (const conn of [...machine.conns]) conn.die(how === "reset");
    machine.conns.clear();
  }

  resetBetween(a: SimulatedNode, b: SimulatedNode): void {
    for (const conn of [...this.machine(a)!.conns]) {
      if (conn.peerNode === b) conn.resetBoth();
    }
  }

  readRate(node: SimulatedNode): number {
    return this.machine(node)?.readBytesPerSecond ?? Infinity;
  }

  setReadRate(node: SimulatedNode, bytesPerSecond: number): void {
    const machine = this.machine(node)!;
    machine.readBytesPerSecond = bytesPerSecond;
    for (const conn of [...machine.conns]) conn.wakeReader();
  }
}

/** How long TCP waits before attempt number `attempt`, from 0. */
export function retryMs(attempt: number): number {
  return Math.min(RETRY_MS * 2 ** attempt, RETRY_MS_MAX);
}

export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" || hostname.startsWith("127.");
}

function way(from: SimulatedNode, to: SimulatedNode): string {
  return `${from.name}>${to.name}`;
}
