/**
 * Transports of type sudph: KCP over one UDP port, whose NAT the visors' punches open (protocol: transport, 6.3).
 *
 * @module
 */
import {
  type Conn,
  ConnClosedError,
  ConnResetError,
  describeError,
  Scope,
  TimedOutError,
} from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import type { ResolvedAddress } from "../../directory/mod.ts";
import { KcpSocket } from "../../kcp/mod.ts";
import { sleep, type SocketAddress, withTimeout } from "../../runtime/mod.ts";
import { bindNextFree, SocketLinks } from "../_socket_links.ts";
import { isLoopbackAddress, isPublicAddress, isTellableAddress, parseIpAndPort } from "../addresses.ts";
import type { LinkHandler } from "../carrier.ts";
import { CarrierUnavailableError, PeerAddressUnknownError } from "../errors.ts";
import { type SocketCarrier, type SocketCarrierOptions, socketOptions } from "../stcp.ts";
import { HOLE_PUNCH, isHolePunch } from "./hole_punch.ts";
import { type NatFinding, NatProbe } from "./_nat_probe.ts";
import { ResolverSession } from "./_resolver_session.ts";

// Wire
/** Of a whole dial: every address, every try. */
export const SUDPH_DIAL_TIMEOUT_MS = 30_000;

// Policy
/**
 * After this time without any answer a try is over and the next one begins with the resolver, who tells the callee
 * again: a punch may have been lost.
 */
export const ANSWER_TIMEOUT_MS = 6_000;
/** The same for an address in the local network: there nothing is far. */
export const LOCAL_ANSWER_TIMEOUT_MS = 1_500;
/** Before a dial that came to nothing is tried once more. */
export const REDIAL_PAUSE_MS = 200;
/** Without an answer from where a visor should be, it is looked for where its punches come from. */
export const FOLLOW_PUNCH_MS = 1_000;
/** A dial waits as long for our own binding, without which the callee is not told. */
export const BOUND_WAIT_MS = 5_000;
/** Pauses between the punches of one announcement: one of them may be lost. */
export const PUNCH_PAUSES_MS = [100, 400];
/** Announcements whose punches are not all sent; further ones get one punch. */
export const PUNCHING_MAX = 64;

/** The part of an address resolver's client that sudph needs. */
export interface SudphResolver {
  /** Tells the callee, too. Undefined: not bound. */
  resolve(
    type: "sudph",
    key: PublicKey,
    signal?: AbortSignal,
  ): Promise<ResolvedAddress | undefined>;
}

export interface SudphCarrierOptions extends SocketCarrierOptions {
  readonly resolver: SudphResolver;
  /** Where the resolver's UDP side is; asked before each session with it. Undefined: not known at present. */
  readonly resolverAddress: (signal: AbortSignal) => Promise<SocketAddress | undefined>;
  /** Port 0 takes any free one. A port that is taken is raised until one is free. */
  readonly listen: SocketAddress;
  /** IP addresses of this machine's interfaces. */
  readonly addresses: () => readonly string[];
  /** Loopback and private addresses are dialled, too. Default false. */
  readonly allowLoopback?: boolean;
  /** Asked once which address our NAT gives us. Fewer than two: nobody is asked. */
  readonly stunServers?: readonly SocketAddress[];
}

export function sudphCarrier(options: SudphCarrierOptions): SudphCarrier {
  return new SudphCarrier(options);
}

export class SudphCarrier implements SocketCarrier {
  readonly type = "sudph";
  readonly #options: SudphCarrierOptions;
  readonly #links: SocketLinks;
  readonly #log;
  readonly #scope = new Scope();
  #socket: KcpSocket | undefined;
  #session: ResolverSession | undefined;
  #nat: NatFinding = "unknown";
  readonly #attempts = new Set<Attempt>();
  #punching = 0;

  constructor(options: SudphCarrierOptions) {
    this.#options = options;
    const withDefaults = socketOptions(options, this.type);
    this.#log = withDefaults.log;
    this.#links = new SocketLinks(withDefaults);
  }

  get address(): SocketAddress | undefined {
    return this.#socket?.address;
  }

  /** True while the resolver knows this visor, as far as that is known here. */
  get isBound(): boolean {
    return this.#session?.isBound ?? false;
  }

  /** What STUN servers showed of our NAT; they are asked once, at the start. */
  get nat(): NatFinding {
    return this.#nat;
  }

  async start(onLink: LinkHandler): Promise<void> {
    const { world, listen, addresses, local, resolverAddress, stunServers = [] } = this.#options;
    const datagrams = await bindNextFree(listen, (at) => world.network.datagrams(at));
    const socket = new KcpSocket(datagrams, {
      world,
      log: this.#log,
      admits: () => true,
      onBare: (bytes, from) => {
        if (isHolePunch(bytes)) this.#notePunch(from);
        else probe.take(bytes);
      },
    });
    const probe = new NatProbe(world, (datagram, to) => socket.sendBare(datagram, to));
    this.#links.serve(socket, onLink); // owns it
    this.#socket = socket;
    const session = new ResolverSession({
      world,
      local,
      socket,
      log: this.#log,
      address: resolverAddress,
      binding: () => ({ port: socket.address.port, addresses: addresses().filter(isTellableAddress) }),
      onAnnouncement: ({ at }) => this.#answerPunch(at),
    });
    this.#session = session;
    this.#scope.spawn("bind sudph", async (signal) => {
      this.#nat = await probe.find(stunServers, signal);
      if (this.#nat !== "symmetric") return await session.run(signal);
      this.#log.info("The NAT gives each peer another port: this visor makes no sudph transports");
      session.giveUp();
    });
  }

  async dial(remote: PublicKey, { signal }: { readonly signal: AbortSignal }): Promise<Conn> {
    if (this.#scope.signal.aborted) throw new ConnClosedError(undefined, "The carrier is closed");
    if (this.#socket === undefined) throw new CarrierUnavailableError(this.type, "its port is not open yet");
    const limit = { what: "A sudph dial", afterMs: SUDPH_DIAL_TIMEOUT_MS, signal };
    return await withTimeout(this.#options.world.clock, limit, async (signal) => {
      await this.#waitForBinding(signal);
      if (this.#nat === "symmetric") {
        throw new CarrierUnavailableError(this.type, "the NAT gives each peer another port");
      }
      for (;;) {
        try {
          return await this.#tryOnce(remote, signal);
        } catch (error) {
          signal.throwIfAborted();
          // Reset before anything was proved: the callee had no room, or does not know the session any more.
          if (!(error instanceof UnansweredError || error instanceof ConnResetError)) throw error;
          this.#log.debug("A sudph dial came to nothing, once more", { remote, cause: describeError(error) });
          await sleep(this.#options.world.clock, REDIAL_PAUSE_MS, signal);
        }
      }
    });
  }

  async close(): Promise<void> {
    await this.#scope[Symbol.asyncDispose]();
    await this.#links.close();
  }

  // --- dialling ----------------------------------------------------------------------------------

  /** One question to the resolver, and every address it gives. */
  async #tryOnce(remote: PublicKey, signal: AbortSignal): Promise<Conn> {
    const { resolver, allowLoopback = false } = this.#options;
    const known = await resolver.resolve("sudph", remote, signal);
    if (known === undefined) {
      throw new PeerAddressUnknownError(remote, "resolve PK: no entry for this PK", {
        hint: "use another type: that visor takes no sudph transports, or does not run",
      });
    }
    for (const address of known.isLocal ? known.addresses : []) {
      const at = parseIpAndPort(address, known.port);
      if (at === undefined || (isLoopbackAddress(at.hostname) && !allowLoopback)) continue;
      try {
        return await this.#dialAddress(at, remote, { answerMs: LOCAL_ANSWER_TIMEOUT_MS, signal });
      } catch (error) {
        signal.throwIfAborted();
        this.#log.debug("Cannot dial an address in this network", { cause: describeError(error) });
      }
    }
    const at = parseIpAndPort(known.remoteAddress, known.port);
    if (at === undefined || !(allowLoopback || isPublicAddress(at.hostname))) {
      throw new PeerAddressUnknownError(
        remote,
        `the resolver's address ${known.remoteAddress} is no public one`,
      );
    }
    return await this.#dialAddress(at, remote, { answerMs: ANSWER_TIMEOUT_MS, signal });
  }

  async #dialAddress(
    at: SocketAddress,
    remote: PublicKey,
    { answerMs, signal }: { readonly answerMs: number; readonly signal: AbortSignal },
  ): Promise<Conn> {
    const { clock } = this.#options.world;
    const socket = this.#socket!;
    socket.sendBare(HOLE_PUNCH, at);
    const session = socket.dial(at);
    const attempt: Attempt = { at, punchedFrom: undefined };
    this.#attempts.add(attempt);
    const following = clock.timer(FOLLOW_PUNCH_MS, () => {
      if (attempt.punchedFrom !== undefined) session.moveTo(attempt.punchedFrom);
    });
    const givingUp = clock.timer(answerMs, () => {
      if (!session.hasHeard) session.close(new UnansweredError(remote, answerMs));
    });
    try {
      return await this.#links.open(session, remote, signal);
    } catch (error) {
      if (!session.hasHeard && !signal.aborted) throw new UnansweredError(remote, answerMs, error);
      throw error;
    } finally {
      this.#attempts.delete(attempt);
      following.cancel();
      givingUp.cancel();
    }
  }

  async #waitForBinding(signal: AbortSignal): Promise<void> {
    const session = this.#session!;
    if (session.isBound) return;
    const over = new AbortController();
    const onAbort = () => over.abort();
    signal.addEventListener("abort", onAbort, { once: true });
    session.whenTried.then(onAbort);
    await sleep(this.#options.world.clock, BOUND_WAIT_MS, over.signal).catch(() => {});
    signal.removeEventListener("abort", onAbort);
    signal.throwIfAborted();
  }

  // --- being dialled -----------------------------------------------------------------------------

  /** Somebody is about to dial from `at`: opens our NAT for them. */
  #answerPunch(at: SocketAddress): void {
    if (!(this.#options.allowLoopback || isPublicAddress(at.hostname))) return;
    this.#socket!.sendBare(HOLE_PUNCH, at);
    if (this.#punching >= PUNCHING_MAX) return;
    this.#punching++;
    this.#scope.spawn("punch", async (signal) => {
      try {
        for (const pauseMs of PUNCH_PAUSES_MS) {
          await sleep(this.#options.world.clock, pauseMs, signal);
          this.#socket!.sendBare(HOLE_PUNCH, at);
        }
      } finally {
        this.#punching--;
      }
    });
  }

  /** A punch from a host that is being dialled: its NAT may have another port for us than for the resolver. */
  #notePunch(from: SocketAddress): void {
    for (const attempt of this.#attempts) {
      if (attempt.at.hostname === from.hostname && attempt.at.port !== from.port) attempt.punchedFrom = from;
    }
  }
}

/** A dial that has not been answered. */
interface Attempt {
  readonly at: SocketAddress;
  punchedFrom: SocketAddress | undefined;
}

/** Not one datagram came back. */
class UnansweredError extends TimedOutError {
  constructor(remote: PublicKey, afterMs: number, cause?: unknown) {
    super(`An answer of ${remote} on UDP`, afterMs, { cause });
  }
}
