/**
 * The dmsg side of a discovery whose servers start after it, as they register with it: until then it is there,
 * with no session.
 *
 * @module
 */
import type { AttachDmsg } from "../dmsg_discovery/mod.ts";
import type { DmsgStatus, ServiceDmsgSide } from "../hosting/mod.ts";

export class LateSide implements AsyncDisposable {
  readonly #address: string;
  readonly #closed = Promise.withResolvers<void>();
  #attaching: Parameters<AttachDmsg>[0] | undefined;
  #side: ServiceDmsgSide | undefined;
  #ending: Promise<void> | undefined;

  /** `<key>:<port>` that it will be served on. */
  constructor(address: string) {
    this.#address = address;
  }

  /** What `runDmsgDiscovery` takes. */
  readonly attach: AttachDmsg = (options) => {
    this.#attaching = options;
    return {
      status: () => this.#status(),
      closed: this.#closed.promise,
      [Symbol.asyncDispose]: () => this[Symbol.asyncDispose](),
    };
  };

  /** The servers are known: `attach` serves from now on. The discovery runs by now. */
  begin(attach: AttachDmsg): void {
    this.#side = attach(this.#attaching!);
    // Our own end comes before the discovery's, and is no plane that was lost.
    void this.#side.closed.then(() => this.#ending === undefined && this.#closed.resolve());
  }

  /** May come before the discovery's own end, while servers still need that. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#ending ??= Promise.resolve(this.#side?.[Symbol.asyncDispose]());
    return this.#ending;
  }

  #status(): DmsgStatus {
    return this.#side?.status() ?? { address: this.#address, servers: [] };
  }
}
