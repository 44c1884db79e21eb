/**
 * What a transport can run over: a carrier finds a visor, opens a link and proves who is at its end.
 *
 * @module
 */
import type { Conn } from "../base/mod.ts";
import type { ProvenKey, PublicKey } from "../crypto/mod.ts";
import type { TransportType } from "./types.ts";

/**
 * Takes a link that a visor opened: encrypted, not settled yet. `from` is the IP address that it came from, where the
 * carrier knows one.
 */
export type LinkHandler = (conn: Conn, remote: ProvenKey, from?: string) => void;

/** One type of transport. */
export interface TransportCarrier {
  readonly type: TransportType;
  /**
   * Opens a link to `remote`, encrypted and with the key proved. Errors: why it could not be, the signal's reason.
   */
  dial(remote: PublicKey, options: { readonly signal: AbortSignal }): Promise<Conn>;
  /**
   * Accepts links from now on. Settles when it does, or rejects when it cannot; dialling works either way. A
   * connection that fails on its way never ends the accepting.
   */
  start(onLink: LinkHandler): Promise<void>;
  /** Accepts and dials no more, and joins what it began. Links that were handed over live on. */
  close(): Promise<void>;
}
