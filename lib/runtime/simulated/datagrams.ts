/** A simulated UDP port. @module */
import { NetworkError } from "../errors.ts";
import type { DatagramSocket, SocketAddress } from "../world.ts";
import { type DatagramCounts, type Fabric, isLoopback } from "./fabric.ts";
import { NatBox } from "./nat.ts";
import type { SimulatedNode } from "./node.ts";

/** What IPv4 can carry. */
const DATAGRAM_BYTES_MAX = 65_507;
/** Datagrams that wait for their reader; further ones are dropped, as the system does. */
const WAITING_MAX = 256;

interface Datagram {
  readonly bytes: Uint8Array;
  readonly from: SocketAddress;
}

export class SimulatedDatagrams implements DatagramSocket {
  readonly #fabric: Fabric;
  readonly #node: SimulatedNode;
  readonly #waiting: Datagram[] = [];
  readonly #release: () => void;
  readonly #withdraw: () => void;
  #pendingReceive: ((datagram: Datagram | null) => void) | undefined;
  #isClosed = false;

  constructor(fabric: Fabric, node: SimulatedNode, readonly address: SocketAddress) {
    this.#fabric = fabric;
    this.#node = node;
    const { datagrams } = fabric.machine(node)!;
    datagrams.set(address.port, this);
    this.#withdraw = () => datagrams.delete(address.port);
    this.#release = node.ledger.open("datagram-socket");
  }

  async send(bytes: Uint8Array, to: SocketAddress): Promise<void> {
    if (this.#isClosed) return;
    if (bytes.length > DATAGRAM_BYTES_MAX) {
      throw new NetworkError(`Cannot send a datagram of ${bytes.length} bytes`);
    }
    this.#fabric.trace(this.#node, "send", bytes.length);
    this.#fabric.datagrams.sent++;
    const target = this.#fabric.resolve(this.#node, to.hostname);
    if (target === undefined) return this.#drop("unheard", bytes.length);
    const from = this.#sourceFor(target, to);
    if (from === undefined) return this.#drop("refused", bytes.length);
    this.#launch({ bytes: bytes.slice(), from }, target, to);
  }

  receive(): Promise<Datagram | null> {
    if (this.#pendingReceive !== undefined) {
      return Promise.reject(new TypeError("A receive is already pending"));
    }
    if (this.#isClosed) return Promise.resolve(null);
    const datagram = this.#waiting.shift();
    if (datagram !== undefined) return Promise.resolve(datagram);
    return new Promise((resolve) => this.#pendingReceive = resolve);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#withdraw();
    this.#release();
    this.#waiting.length = 0;
    this.#pendingReceive?.(null);
    this.#pendingReceive = undefined;
  }

  /** One came in. */
  arrive(datagram: Datagram): void {
    if (this.#pendingReceive === undefined && this.#waiting.length >= WAITING_MAX) {
      return this.#drop("overflowed", datagram.bytes.length);
    }
    this.#fabric.datagrams.arrived++;
    if (this.#pendingReceive === undefined) {
      this.#waiting.push(datagram);
    } else {
      this.#pendingReceive(datagram);
      this.#pendingReceive = undefined;
    }
  }

  /** What the receiver sees as the source; undefined when a NAT box has no port left for it. */
  #sourceFor(target: SimulatedNode | NatBox, to: SocketAddress): SocketAddress | undefined {
    const hostname = isLoopback(to.hostname) ? "127.0.0.1" : this.#node.address;
    const inside = { hostname, port: this.address.port };
    const nat = target === this.#node ? undefined : this.#fabric.natBetween(this.#node, target);
    if (nat === undefined) return inside;
    const place = { hostname: target.address, port: to.port }; // `to` may name it otherwise
    return nat.outbound(inside, place, this.#fabric.nowMs());
  }

  /** On its way. Whom a NAT box lets in is decided when it gets there: what goes out meanwhile may open it. */
  #launch(datagram: Datagram, target: SimulatedNode | NatBox, to: SocketAddress): void {
    const { bytes } = datagram;
    const expected = target instanceof NatBox ? this.#behind(target, to.port) : target;
    const passage = this.#fabric.links.passage(this.#node, expected, bytes.length);
    if ("dropped" in passage) return this.#drop(DROPS[passage.dropped], bytes.length);
    if (passage.delaysMs.length > 1) this.#fabric.datagrams.duplicated++;
    for (const delayMs of passage.delaysMs) {
      this.#fabric.schedule(delayMs, expected ?? this.#node, "datagram", bytes.length, () => {
        // Each copy is its receiver's own.
        const copy = passage.delaysMs.length > 1 ? { ...datagram, bytes: bytes.slice() } : datagram;
        if (target instanceof NatBox) this.#comeInside(copy, target, to.port);
        else this.#deliver(copy, target, to.port);
      });
    }
  }

  #comeInside(datagram: Datagram, nat: NatBox, port: number): void {
    const isHairpin = this.#node.nat === nat;
    const inside = isHairpin ? undefined : nat.inbound(port, datagram.from, this.#fabric.nowMs());
    const node = inside && this.#fabric.behind(nat, inside.hostname);
    if (inside === undefined || node === undefined) return this.#drop("refused", datagram.bytes.length);
    this.#deliver(datagram, node, inside.port);
  }

  #deliver(datagram: Datagram, target: SimulatedNode, port: number): void {
    if (this.#fabric.isBlocked(this.#node, target)) return this.#drop("cut", datagram.bytes.length);
    const socket = this.#fabric.machine(target)?.datagrams.get(port);
    if (socket === undefined) return this.#drop("unheard", datagram.bytes.length);
    socket.arrive(datagram);
  }

  #behind(nat: NatBox, port: number): SimulatedNode | undefined {
    const inside = nat.insideOf(port, this.#fabric.nowMs());
    return inside && this.#fabric.behind(nat, inside.hostname);
  }

  #drop(why: Exclude<keyof DatagramCounts, "sent" | "arrived" | "duplicated">, bytes: number): void {
    this.#fabric.datagrams[why]++;
    this.#fabric.trace(this.#node, why, bytes);
  }
}

/** How a link's words are counted. */
const DROPS = { size: "tooLarge", queue: "overflowed", loss: "lost" } as const;
