/**
 * What lies between simulated nodes: who has which address, what runs on whose machine, who is cut off.
 *
 * @module
 */
import { BadAddressError } from "../errors.ts";
import type { SimulatedConn } from "./conn.ts";
import type { SimulatedDatagrams } from "./datagrams.ts";
import { type LinkProfile, Links } from "./links.ts";
import type { SimulatedListener } from "./listener.ts";
import { NatBox, type NatBoxOptions } from "./nat.ts";
import type { Schedule, SimulatedNode } from "./node.ts";
import type { SeededRandom } from "./seeded.ts";

export interface FabricOptions {
  readonly random: SeededRandom;
  readonly link: Partial<LinkProfile>;
  readonly nowMs: () => number;
  readonly schedule: Schedule;
  readonly trace: (node: SimulatedNode, event: string, length: number) => void;
}

/** What became of all datagrams so far. What goes to a halted node is in `sent` alone. */
export interface DatagramCounts {
  sent: number;
  /** Given to a socket; more than were sent where links duplicate. */
  arrived: number;
  duplicated: number;
  /** By a link. */
  lost: number;
  /** Larger than the link's packets. */
  tooLarge: number;
  /** Before a slow link, or before a slow reader. */
  overflowed: number;
  /** By a partition or a machine that is silent. */
  cut: number;
  /** By a NAT box. */
  refused: number;
  /** Nobody has the address, or the port. */
  unheard: number;
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

/** A node by its name, as it may be started again; or a NAT box. */
type Owner = string | NatBox;

const EPHEMERAL_PORT_MIN = 49_152;

export class Fabric {
  readonly random: SeededRandom;
  readonly nowMs: () => number;
  readonly schedule: Schedule;
  readonly trace: FabricOptions["trace"];
  readonly links: Links;
  readonly datagrams: DatagramCounts = {
    sent: 0,
    arrived: 0,
    duplicated: 0,
    lost: 0,
    tooLarge: 0,
    overflowed: 0,
    cut: 0,
    refused: 0,
    unheard: 0,
  };
  readonly #machines = new Map<string, Machine>(); // by node name: the running incarnation
  readonly #nats = new Map<string, NatBox>(); // by its name
  readonly #outside = new Map<string, Owner>(); // address or host name, as all know it
  readonly #inside = new Map<NatBox, Map<string, Owner>>(); // the same behind a NAT box

  constructor({ random, link, nowMs, schedule, trace }: FabricOptions) {
    this.random = random;
    this.nowMs = nowMs;
    this.schedule = schedule;
    this.trace = trace;
    this.links = new Links({ random, nowMs, link });
  }

  attach(node: SimulatedNode, hostnames: readonly string[]): void {
    claim(this.#realm(node), [node.name, node.address, ...hostnames], node.name);
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

  attachNat(options: NatBoxOptions): void {
    if (this.#nats.has(options.name)) {
      throw new BadAddressError(`A NAT box is called ${options.name} already`);
    }
    const nat = new NatBox(options);
    claim(this.#outside, [nat.name, nat.address], nat);
    this.#nats.set(nat.name, nat);
    this.#inside.set(nat, new Map());
  }

  nat(name: string): NatBox {
    const nat = this.#nats.get(name);
    if (nat === undefined) throw new BadAddressError(`No simulated NAT box is called ${name}`);
    return nat;
  }

  /** Whose address or name it is, as seen by `from`: a node, or a NAT box, behind which nobody is seen. */
  resolve(from: SimulatedNode, hostname: string): SimulatedNode | NatBox | undefined {
    if (isLoopback(hostname)) return from;
    const owner = this.#realm(from).get(hostname) ?? this.#outside.get(hostname);
    return typeof owner === "string" ? this.#machines.get(owner)!.node : owner;
  }

  /** The node that has an address behind a NAT box. */
  behind(nat: NatBox, hostname: string): SimulatedNode | undefined {
    const owner = this.#inside.get(nat)!.get(hostname);
    return typeof owner === "string" ? this.#machines.get(owner)!.node : undefined;
  }

  /** The NAT box that what `from` sends to `to` goes through. */
  natBetween(from: SimulatedNode, to: SimulatedNode | NatBox): NatBox | undefined {
    return from.nat !== undefined && !(to instanceof NatBox) && to.nat === from.nat ? undefined : from.nat;
  }

  /** A NAT box loses its memory: mappings are gone, and connections through it break. */
  restartNat(nat: NatBox): void {
    nat.forget();
    for (const { node, conns } of this.#machines.values()) {
      if (node.nat !== nat) continue;
      for (const conn of [...conns]) if (conn.peerNode.nat !== nat) conn.resetBoth();
    }
  }

  #realm(node: SimulatedNode): Map<string, Owner> {
    return node.nat === undefined ? this.#outside : this.#inside.get(node.nat)!;
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

  /** True when nothing arrives this way at present. */
  isBlocked(from: SimulatedNode, to: SimulatedNode): boolean {
    return this.links.isBlocked(from, to) || this.#isSilent(from) || this.#isSilent(to);
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

  /** Machines whose readers are slow, or read nothing. */
  get slowReaders(): number {
    let count = 0;
    for (const { readBytesPerSecond } of this.#machines.values()) if (readBytesPerSecond < Infinity) count++;
    return count;
  }
}

export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" || hostname.startsWith("127.");
}

function claim(realm: Map<string, Owner>, names: readonly string[], owner: Owner): void {
  for (const name of names) {
    const other = realm.get(name);
    if (other !== undefined && other !== owner) {
      throw new BadAddressError(`${name} belongs to ${typeof other === "string" ? other : other.name}`);
    }
    realm.set(name, owner);
  }
}
