/**
 * Transports of type stcp: TCP to addresses that a table in the configuration gives (protocol: transport, 6.1).
 *
 * @module
 */
import { type Conn, silentLog } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import type { SocketAddress } from "../runtime/mod.ts";
import { SocketLinks, type SocketLinksOptions } from "./_socket_links.ts";
import type { LinkHandler, TransportCarrier } from "./carrier.ts";
import { RefusalCounters } from "./counters.ts";
import { PeerAddressUnknownError } from "./errors.ts";

/** What carriers over sockets share; log and counters have defaults. */
export type SocketCarrierOptions =
  & Omit<SocketLinksOptions, "log" | "refusals">
  & Partial<Pick<SocketLinksOptions, "log" | "refusals">>;

export interface StcpCarrierOptions extends SocketCarrierOptions {
  /** Where visors listen. Looked up at each dial. */
  readonly table: ReadonlyMap<PublicKey, SocketAddress>;
  /** Undefined: dials only. A port that is taken is raised until one is free. */
  readonly listen?: SocketAddress;
}

/** A carrier that knows where it listens. */
export interface SocketCarrier extends TransportCarrier {
  readonly address: SocketAddress | undefined;
}

export function stcpCarrier({ table, listen, ...options }: StcpCarrierOptions): SocketCarrier {
  const links = new SocketLinks(socketOptions(options, "stcp"));
  return {
    type: "stcp",
    get address() {
      return links.address;
    },
    async dial(remote: PublicKey, { signal }): Promise<Conn> {
      const at = table.get(remote);
      if (at === undefined) {
        const hint = `add ${remote} to stcp.pk_table of the configuration`;
        throw new PeerAddressUnknownError(remote, "entry not found in PK table", { hint });
      }
      return await links.dial(at, remote, signal);
    },
    async start(onLink: LinkHandler): Promise<void> {
      if (listen !== undefined) await links.listen(listen, onLink);
    },
    close: () => links.close(),
  };
}

/** With the defaults of a carrier over sockets. */
export function socketOptions(options: SocketCarrierOptions, type: string): SocketLinksOptions {
  const { log = silentLog, refusals = new RefusalCounters() } = options;
  return { ...options, log: log.child(type), refusals };
}
