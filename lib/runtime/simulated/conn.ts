/** `SimulatedConn`: one end of a simulated TCP connection, under the whole Conn contract. @module */
import { ConnClosedError, ConnResetError, READ_BYTES_MAX } from "../../base/mod.ts";
import { LINGER_MS, PEER_END_MS } from "../linger.ts";
import type { SocketAddress, SocketConn } from "../world.ts";
import type { Fabric } from "./fabric.ts";
import type { SimulatedNode } from "./node.ts";
import { Pipe } from "./pipe.ts";

/** A slow reader gets its bytes in so many portions a second. */
const PORTIONS_PER_SECOND = 10;

interface End {
  readonly node: SimulatedNode;
  readonly address: SocketAddress;
  /** What the other end sees in its place, behind a NAT box. */
  readonly seenAs?: SocketAddress;
}

/** Joins two ends; the order is that of the dial. */
export function simulatedPair(fabric: Fabric, near: End, far: End): [SimulatedConn, SimulatedConn] {
  const there: Pipe = new Pipe(fabric, ends(near.node, far.node, () => a, () => b));
  const back: Pipe = new Pipe(fabric, ends(far.node, near.node, () => b, () => a));
  const a: SimulatedConn = new SimulatedConn(fabric, near, far, { in: back, out: there, peer: () => b });
  const b: SimulatedConn = new SimulatedConn(fabric, far, near, { in: there, out: back, peer: () => a });
  return [a, b];
}

function ends(
  from: SimulatedNode,
  to: SimulatedNode,
  sender: () => SimulatedConn,
  receiver: () => SimulatedConn,
) {
  return {
    from,
    to,
    arrived: () => receiver().wakeReader(),
    refused: () => sender().fail(new ConnResetError()),
    gaveUp: (error: Error) => sender().fail(error),
    drained: () => sender().drained(),
  };
}

export class SimulatedConn implements SocketConn {
  readonly halfClose = true;
  readonly closed: Promise<void>;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly peerNode: SimulatedNode;
  readonly #node: SimulatedNode;
  readonly #fabric: Fabric;
  readonly #in: Pipe;
  readonly #out: Pipe;
  readonly #peer: () => SimulatedConn;
  #pendingRead: PromiseWithResolvers<Uint8Array | null> | undefined;
  #hasPortionComing = false;
  #state: "open" | "lingering" | "closed" = "open";
  #reason: ConnClosedError | undefined;
  #failure: Error | undefined;
  #acceptsUntilMs = Infinity; // a closed socket takes, and drops, what comes for a while
  #stopLinger: (() => void) | undefined;
  #settleClosed!: () => void;

  constructor(
    fabric: Fabric,
    near: End,
    far: End,
    pipes: { in: Pipe; out: Pipe; peer: () => SimulatedConn },
  ) {
    this.#fabric = fabric;
    this.#node = near.node;
    this.local = near.address;
    this.remote = far.seenAs ?? far.address;
    this.peerNode = far.node;
    this.#in = pipes.in;
    this.#out = pipes.out;
    this.#peer = pipes.peer;
    const conns = fabric.machine(near.node)!.conns;
    conns.add(this);
    const release = near.node.ledger.open("socket");
    this.closed = new Promise((resolve) =>
      this.#settleClosed = () => {
        conns.delete(this);
        release();
        resolve();
      }
    );
  }

  read(): Promise<Uint8Array | null> {
    const refused = this.#reason ?? this.#failure;
    if (refused !== undefined) return Promise.reject(refused);
    if (this.#pendingRead !== undefined) return Promise.reject(new TypeError("A read is already pending"));
    const { promise } = this.#pendingRead = Promise.withResolvers<Uint8Array | null>();
    this.wakeReader();
    return promise;
  }

  write(bytes: Uint8Array): Promise<void> {
    const refused = this.#reason ?? this.#failure;
    if (refused !== undefined) return Promise.reject(refused);
    if (this.#out.isEnding) return Promise.reject(new ConnClosedError(undefined, "Write half is closed"));
    if (bytes.length === 0) return Promise.resolve();
    this.#fabric.trace(this.#node, "write", bytes.length);
    return this.#out.write(bytes);
  }

  closeWrite(): Promise<void> {
    const refused = this.#reason ?? this.#failure;
    return refused !== undefined ? Promise.reject(refused) : this.#out.end();
  }

  /** As on a real socket, writes under way when `close()` comes settle by their true result. */
  close(reason?: unknown): void {
    this.#reason ??= new ConnClosedError(reason ?? this.#failure);
    if (this.#state === "closed" || (this.#state === "lingering" && reason === undefined)) return;
    this.#pendingRead?.reject(this.#reason);
    this.#pendingRead = undefined;
    this.#in.arrived.clear();
    if (reason !== undefined) {
      this.#sendReset();
      return this.#finish();
    }
    this.#state = "lingering";
    this.#acceptsUntilMs = this.#fabric.nowMs() + LINGER_MS + PEER_END_MS;
    this.#out.end();
    if (!this.#out.hasQueuedWrites) return this.#finish();
    this.#stopLinger = this.#fabric.schedule(LINGER_MS, this.#node, "linger", 0, () => {
      this.#sendReset();
      this.#finish();
    });
  }

  // --- called by the pipes and the fabric --------------------------------------------------------

  /** Gives the reader what is there. False when nobody will ever read here. */
  wakeReader(): boolean {
    if (this.#state !== "open") {
      this.#in.hasRead(this.#in.arrived.size);
      this.#in.arrived.clear();
      return this.#failure === undefined && this.#fabric.nowMs() <= this.#acceptsUntilMs;
    }
    const size = this.#in.arrived.size;
    if (this.#pendingRead === undefined) return true;
    if (size === 0) {
      if (this.#in.hasEnded) this.#give(null);
      return true;
    }
    const bytesPerSecond = this.#fabric.readRate(this.#node);
    if (bytesPerSecond === Infinity) this.#give(this.#take(size));
    else if (bytesPerSecond > 0) this.#giveSlowly(bytesPerSecond);
    return true;
  }

  /** All writes are under way: a closed socket has nothing left to do. */
  drained(): void {
    if (this.#state === "lingering") this.#finish();
  }

  /** The connection broke: both halves fail alike. */
  fail(error: Error): void {
    if (this.#state === "closed") return;
    this.#failure = error;
    this.#finish();
  }

  /** Both ends see a reset, now. */
  resetBoth(): void {
    const peer = this.#peer();
    this.fail(new ConnResetError());
    peer.fail(new ConnResetError());
  }

  /** The process is gone: nobody here is told. Its machine may still reset the peer. */
  die(tellsPeer: boolean): void {
    if (tellsPeer) this.#sendReset();
    this.#state = "closed";
    this.#acceptsUntilMs = -1;
    this.#out.stopSending(new ConnClosedError()); // heard by nobody
    this.#stopLinger?.();
  }

  // --- within ------------------------------------------------------------------------------------

  #take(size: number): Uint8Array {
    const { splitPct } = this.#fabric.links.profile(this.peerNode, this.#node);
    const random = this.#fabric.random;
    const limit = size > 1 && random.chance(splitPct) ? random.integer(1, size - 1) : size;
    const view = this.#in.arrived.take(Math.min(limit, READ_BYTES_MAX));
    this.#in.hasRead(view.length);
    return view;
  }

  #give(view: Uint8Array | null): void {
    const { resolve } = this.#pendingRead!;
    this.#pendingRead = undefined;
    resolve(view);
  }

  #giveSlowly(bytesPerSecond: number): void {
    if (this.#hasPortionComing) return;
    this.#hasPortionComing = true;
    const portion = Math.max(1, Math.floor(bytesPerSecond / PORTIONS_PER_SECOND));
    const bytes = Math.min(this.#in.arrived.size, portion);
    this.#fabric.schedule((bytes / bytesPerSecond) * 1000, this.#node, "portion", bytes, () => {
      this.#hasPortionComing = false;
      if (this.#pendingRead !== undefined) this.#give(this.#take(bytes));
    });
  }

  /** One packet, sent once: when it is lost, the peer learns it from its own next one. */
  #sendReset(): void {
    const peer = this.#peer();
    this.#fabric.schedule(this.#out.arrivalDelayMs(), this.peerNode, "reset", 0, () => {
      if (!this.#fabric.isBlocked(this.#node, this.peerNode)) peer.fail(new ConnResetError());
    });
    this.#acceptsUntilMs = -1;
  }

  #finish(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#stopLinger?.();
    const reason = this.#reason ?? this.#failure;
    this.#pendingRead?.reject(reason);
    this.#pendingRead = undefined;
    this.#in.arrived.clear();
    if (this.#out.hasQueuedWrites || this.#failure !== undefined || this.#acceptsUntilMs < 0) {
      this.#out.stopSending(reason);
    }
    this.#settleClosed();
  }
}
