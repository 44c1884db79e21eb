/** The Network of a simulated node. TLS is taken for granted: nobody listens in here. @module */
import { AddressInUseError, BadAddressError, renderSocketAddress, UnreachableError } from "../errors.ts";
import type { DialOptions, Network, SocketAddress, SocketConn } from "../world.ts";
import { type SimulatedConn, simulatedPair } from "./conn.ts";
import { SimulatedDatagrams } from "./datagrams.ts";
import { type Fabric, isLoopback } from "./fabric.ts";
import { SimulatedListener } from "./listener.ts";
import { NatBox } from "./nat.ts";
import type { SimulatedNode } from "./node.ts";

/** TCP's first wait for an answer to a dial; doubled each time. */
const DIAL_RETRY_MS = 1_000;
/** Linux dials seven times, and gives up after 127 s. */
const DIAL_ATTEMPTS_MAX = 7;

export function nodeNetwork(node: SimulatedNode, fabric: Fabric): Network {
  return {
    dial: (to, options) => new Dial(fabric, node, to, options ?? {}).promise,
    async listen(at) {
      return new SimulatedListener(fabric, node, claim(fabric, node, at, "listeners"));
    },
    async datagrams(at) {
      return new SimulatedDatagrams(fabric, node, claim(fabric, node, at, "datagrams"));
    },
    addresses: () => ["127.0.0.1", node.address],
  };
}

/** The address to listen on, with a port that nothing else has. */
function claim(
  fabric: Fabric,
  node: SimulatedNode,
  at: SocketAddress,
  kind: "listeners" | "datagrams",
): SocketAddress {
  const hostname = at.hostname.replace(/^\[(.*)\]$/, "$1");
  const isAny = hostname === "0.0.0.0" || hostname === "::";
  const isOurs = isAny || isLoopback(hostname) || hostname === node.address;
  if (!isOurs || !isPort(at.port)) {
    throw new BadAddressError(`Cannot use the address ${renderSocketAddress(at)}`);
  }
  const port = fabric.freePort(node, at.port, kind);
  if (port === undefined) throw new AddressInUseError(at);
  return { hostname, port };
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 0 && port <= 65_535;
}

/** One dial: asked again and again until there is an answer, or it is too late, or nobody wants it any more. */
class Dial {
  readonly promise: Promise<SocketConn>;
  readonly #fabric: Fabric;
  readonly #node: SimulatedNode;
  readonly #to: SocketAddress;
  readonly #signal: AbortSignal | undefined;
  readonly #release: () => void;
  #settle!: { resolve: (conn: SocketConn) => void; reject: (reason: unknown) => void };
  #unschedule: (() => void) | undefined;
  #conn: SimulatedConn | undefined;

  constructor(fabric: Fabric, node: SimulatedNode, to: SocketAddress, { signal }: DialOptions) {
    this.#fabric = fabric;
    this.#node = node;
    this.#to = to;
    this.#signal = signal;
    this.#release = node.ledger.open("dial");
    this.promise = new Promise((resolve, reject) => this.#settle = { resolve, reject });
    if (signal?.aborted) {
      this.#end(signal.reason);
    } else if (to.hostname === "" || !isPort(to.port) || to.port === 0) {
      this.#end(new BadAddressError(`Cannot use the address ${renderSocketAddress(to)}`));
    } else {
      signal?.addEventListener("abort", this.#onAbort, { once: true });
      fabric.trace(node, "dial", to.port);
      this.#ask(0);
    }
  }

  readonly #onAbort = () => {
    this.#conn?.close(this.#signal!.reason);
    this.#end(this.#signal!.reason);
  };

  #end(failure: unknown): void {
    this.#unschedule?.();
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#release();
    this.#settle.reject(failure);
  }

  #ask(attempt: number): void {
    const hostname = this.#to.hostname.replace(/^\[(.*)\]$/, "$1");
    const found = this.#fabric.resolve(this.#node, hostname);
    // A NAT box forwards nothing to those behind it, and says nothing.
    const target = found instanceof NatBox ? undefined : found;
    if (found === undefined && !isAddress(hostname)) {
      return this.#end(new UnreachableError(this.#to, { cause: new Error("No such name") }));
    }
    if (attempt >= DIAL_ATTEMPTS_MAX) {
      return this.#end(new UnreachableError(this.#to, { cause: new Error("No answer") }));
    }
    const retryMs = DIAL_RETRY_MS * 2 ** attempt;
    const delayMs = target === undefined ? 0 : this.#fabric.links.delayMs(this.#node, target, 0);
    this.#unschedule = this.#fabric.schedule(delayMs, this.#node, "knock", this.#to.port, () => {
      if (target === undefined || !this.#isHeard(target)) {
        this.#unschedule = this.#fabric.schedule(
          retryMs,
          this.#node,
          "redial",
          attempt,
          () => this.#ask(attempt + 1),
        );
      } else {
        this.#answer(target, isLoopback(hostname) ? "127.0.0.1" : target.address);
      }
    });
  }

  /** False when the packet or its answer is lost, or a full backlog drops it. */
  #isHeard(target: SimulatedNode): boolean {
    if (this.#fabric.isBlocked(this.#node, target) || this.#fabric.isBlocked(target, this.#node)) {
      return false;
    }
    if (this.#fabric.links.isLost(this.#node, target)) return false;
    return this.#listener(target)?.hasRoom ?? true;
  }

  #listener(target: SimulatedNode): SimulatedListener | undefined {
    return this.#fabric.machine(target)?.listeners.get(this.#to.port);
  }

  #answer(target: SimulatedNode, hostname: string): void {
    const delayMs = this.#fabric.links.delayMs(target, this.#node, 0);
    const listener = this.#listener(target);
    if (listener === undefined) {
      this.#unschedule = this.#fabric.schedule(delayMs, this.#node, "refused", this.#to.port, () => {
        this.#end(new UnreachableError(this.#to, { cause: new Error("Connection refused") }));
      });
      return;
    }
    const own = target === this.#node ? hostname : this.#node.address;
    const [near, far] = simulatedPair(
      this.#fabric,
      {
        node: this.#node,
        address: { hostname: own, port: this.#fabric.freePort(this.#node, 0, "listeners")! },
        seenAs: this.#fabric.natBetween(this.#node, target)?.tcpSource(),
      },
      { node: target, address: { hostname, port: this.#to.port } },
    );
    this.#conn = near;
    listener.offer(far);
    this.#unschedule = this.#fabric.schedule(delayMs, this.#node, "connected", this.#to.port, () => {
      this.#signal?.removeEventListener("abort", this.#onAbort);
      this.#release();
      this.#settle.resolve(near);
    });
  }
}

function isAddress(hostname: string): boolean {
  return /^\d+\.\d+\.\d+\.\d+$/.test(hostname) || hostname.includes(":");
}
