/** A simulated UDP port. @module */
import { NetworkError } from "../errors.ts";
import type { DatagramSocket, SocketAddress } from "../world.ts";
import type { Fabric } from "./fabric.ts";
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
    const target = this.#fabric.resolve(this.#node, to.hostname);
    if (target === undefined) return;
    const { lossPct } = this.#fabric.profile(this.#node, target);
    if (this.#fabric.random.chance(lossPct)) return;
    const from = {
      hostname: target === this.#node ? "127.0.0.1" : this.#node.address,
      port: this.address.port,
    };
    const copy = bytes.slice();
    const delayMs = this.#fabric.delayMs(this.#node, target, bytes.length);
    this.#fabric.schedule(delayMs, target, "datagram", bytes.length, () => {
      if (this.#fabric.isBlocked(this.#node, target)) return;
      this.#fabric.machine(target)?.datagrams.get(to.port)?.arrive({ bytes: copy, from });
    });
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
    if (this.#pendingReceive !== undefined) {
      this.#pendingReceive(datagram);
      this.#pendingReceive = undefined;
    } else if (this.#waiting.length < WAITING_MAX) {
      this.#waiting.push(datagram);
    }
  }
}
