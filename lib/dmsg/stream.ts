/**
 * A dmsg stream: an end-to-end encrypted Conn between two keys, relayed by a server that cannot read it.
 *
 * Half-close does not survive the relay (dmsg.md 5.7): when one direction ends, the server ends both.
 *
 * @module
 */
import type { Conn } from "../base/mod.ts";
import type { ProvenKey, PublicKey } from "../crypto/mod.ts";
import type { DmsgAddress } from "./address.ts";

/** The Conn of an application, with both addresses and the server that carries it. */
export class DmsgStream implements Conn {
  readonly halfClose = false;
  readonly #conn: Conn;

  constructor(
    conn: Conn,
    readonly local: DmsgAddress,
    readonly remote: DmsgAddress & { readonly publicKey: ProvenKey },
    /** The server whose session carries the stream. */
    readonly server: PublicKey,
    /** The handshake between both keys was the post-quantum hybrid. */
    readonly postQuantum: boolean = false,
  ) {
    this.#conn = conn;
  }

  get closed(): Promise<void> {
    return this.#conn.closed;
  }
  read(): Promise<Uint8Array | null> {
    return this.#conn.read();
  }
  write(bytes: Uint8Array): Promise<void> {
    return this.#conn.write(bytes);
  }
  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }
  close(reason?: unknown): void {
    this.#conn.close(reason);
  }
}
