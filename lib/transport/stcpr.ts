/**
 * Transports of type stcpr: TCP to addresses that an address resolver knows (protocol: transport, section 6.2).
 *
 * A visor with a public address listens and is bound at the resolver, again every 90 s. Without one it only
 * dials: nobody could reach it. `allowLoopback` is for networks on one machine or in one house.
 *
 * @module
 */
import { type Conn, describeError, Scope } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import type { ResolvedAddress } from "../directory/mod.ts";
import { sleep, type SocketAddress, withTimeout } from "../runtime/mod.ts";
import { SocketLinks } from "./_socket_links.ts";
import { isLoopbackAddress, isPublicAddress, isTellableAddress, parseIpAndPort } from "./addresses.ts";
import type { LinkHandler } from "./carrier.ts";
import { PeerAddressUnknownError } from "./errors.ts";
import { type SocketCarrier, type SocketCarrierOptions, socketOptions } from "./stcp.ts";

/** Entries of a resolver live for 5 min: three tries fit. */
export const REBIND_MS = 90_000;
/** After a bind that failed. */
export const BIND_RETRY_MS = 10_000;
/** Of one bind or unbind. */
export const BIND_TIMEOUT_MS = 30_000;
/** At the end nobody waits long for a resolver: its entry expires by itself. */
export const UNBIND_TIMEOUT_MS = 500;
/** Of each address in the local network, before the next one. */
export const LOCAL_DIAL_TIMEOUT_MS = 3_000;

const LOOPBACK_SETTING = '"allow_loopback_addresses": true';

/** The part of an address resolver's client that stcpr needs. */
export interface StcprResolver {
  bindStcpr(
    binding: { readonly port: number; readonly addresses: readonly string[] },
    signal?: AbortSignal,
  ): Promise<void>;
  unbindStcpr(signal?: AbortSignal): Promise<void>;
  /** Undefined: not bound. */
  resolve(
    type: "stcpr",
    key: PublicKey,
    signal?: AbortSignal,
  ): Promise<ResolvedAddress | undefined>;
}

export interface StcprCarrierOptions extends SocketCarrierOptions {
  readonly resolver: StcprResolver;
  /** Port 0 takes any free one. Undefined: dials only. */
  readonly listen?: SocketAddress;
  /** IP addresses of this machine's interfaces. */
  readonly addresses: () => readonly string[];
  /** Loopback and private addresses are bound and dialled, too. Default false. */
  readonly allowLoopback?: boolean;
}

export function stcprCarrier(options: StcprCarrierOptions): SocketCarrier {
  return new StcprCarrier(options);
}

class StcprCarrier implements SocketCarrier {
  readonly type = "stcpr";
  readonly #options: StcprCarrierOptions;
  readonly #links: SocketLinks;
  readonly #log;
  readonly #scope = new Scope();
  #isBound = false;

  constructor(options: StcprCarrierOptions) {
    this.#options = options;
    const withDefaults = socketOptions(options, this.type);
    this.#log = withDefaults.log;
    this.#links = new SocketLinks(withDefaults);
  }

  get address(): SocketAddress | undefined {
    return this.#links.address;
  }

  async dial(remote: PublicKey, { signal }: { readonly signal: AbortSignal }): Promise<Conn> {
    const { resolver, allowLoopback = false, world } = this.#options;
    const known = await resolver.resolve("stcpr", remote, signal);
    if (known === undefined) {
      throw new PeerAddressUnknownError(remote, "resolve PK: no entry for this PK", {
        hint:
          "use another type: that visor has no public address, or does not run. In a network on one machine, " +
          `${LOOPBACK_SETTING} in the deployment file of both`,
      });
    }
    const failures: unknown[] = [];
    for (const address of known.isLocal ? known.addresses : []) {
      const at = parseIpAndPort(address, known.port);
      if (at === undefined || (isLoopbackAddress(at.hostname) && !allowLoopback)) continue;
      const limit = { what: "Dialling a visor in this network", afterMs: LOCAL_DIAL_TIMEOUT_MS, signal };
      try {
        return await withTimeout(world.clock, limit, (ended) => this.#links.dial(at, remote, ended));
      } catch (error) {
        signal.throwIfAborted();
        failures.push(error);
      }
    }
    const at = parseIpAndPort(known.remoteAddress, known.port);
    if (at === undefined || !(allowLoopback || isPublicAddress(at.hostname))) {
      throw new PeerAddressUnknownError(
        remote,
        `the resolver's address ${known.remoteAddress} is no public one`,
        {
          cause: failures.length > 0
            ? new AggregateError(failures, "nor an address in this network")
            : undefined,
          hint:
            `in a network on one machine or in one house, put ${LOOPBACK_SETTING} into the deployment file`,
        },
      );
    }
    return await this.#links.dial(at, remote, signal);
  }

  async start(onLink: LinkHandler): Promise<void> {
    const { listen, addresses, allowLoopback = false } = this.#options;
    if (listen === undefined) return;
    if (!allowLoopback && !addresses().some(isPublicIpv4)) {
      return this.#log.info("No public IPv4 address: this visor dials stcpr transports, and accepts none");
    }
    const { port } = await this.#links.listen(listen, onLink);
    this.#scope.spawn("bind stcpr", (signal) => this.#keepBound(port, signal));
  }

  async close(): Promise<void> {
    await this.#scope[Symbol.asyncDispose]();
    const unbound = this.#isBound ? this.#unbind() : undefined;
    await this.#links.close();
    await unbound;
  }

  async #keepBound(port: number, signal: AbortSignal): Promise<void> {
    const { resolver, addresses, world } = this.#options;
    for (;;) {
      const limit = { what: "Binding stcpr", afterMs: BIND_TIMEOUT_MS, signal };
      let isDone = false;
      try {
        const told = addresses().filter(isTellableAddress);
        this.#isBound = true; // as far as anybody knows: a bind may have arrived though its answer did not
        await withTimeout(
          world.clock,
          limit,
          (ended) => resolver.bindStcpr({ port, addresses: told }, ended),
        );
        isDone = true;
      } catch (error) {
        signal.throwIfAborted();
        this.#log.warn("Cannot bind stcpr at the address resolver", { cause: describeError(error) });
      }
      await sleep(world.clock, isDone ? REBIND_MS : BIND_RETRY_MS, signal);
    }
  }

  async #unbind(): Promise<void> {
    const { resolver, world } = this.#options;
    const limit = { what: "Unbinding stcpr", afterMs: UNBIND_TIMEOUT_MS };
    try {
      await withTimeout(world.clock, limit, (ended) => resolver.unbindStcpr(ended));
    } catch (error) {
      this.#log.debug("Cannot unbind stcpr: the entry expires", { cause: describeError(error) });
    }
  }
}

function isPublicIpv4(address: string): boolean {
  return !address.includes(":") && isPublicAddress(address);
}
