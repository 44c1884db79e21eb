/** A UDP port of the machine. @module */
import type { Ledger } from "../../base/mod.ts";
import type { DatagramSocket, SocketAddress } from "../world.ts";
import { isCancelled, socketFailure } from "./failures.ts";
import { socketAddress } from "./tcp_conn.ts";

/** The largest datagram that IPv4 can carry, rounded up. */
const DATAGRAM_BYTES_MAX = 64 * 1024;

/**
 * `Deno.listenDatagram` and not `node:dgram`: half the round-trip time, and several times the rate before
 * datagrams are lost. It has no setting for the system's buffer.
 */
export class SystemDatagrams implements DatagramSocket {
  readonly address: SocketAddress;
  readonly #socket: Deno.DatagramConn;
  readonly #release: () => void;
  readonly #buffer = new Uint8Array(DATAGRAM_BYTES_MAX);
  #isClosed = false;
  #isReceiving = false;

  constructor(socket: Deno.DatagramConn, ledger: Ledger) {
    this.#socket = socket;
    this.address = socketAddress(socket.addr);
    this.#release = ledger.open("datagram-socket");
  }

  async send(bytes: Uint8Array, to: SocketAddress): Promise<void> {
    try {
      await this.#socket.send(bytes, { transport: "udp", ...to });
    } catch (error) {
      // Closed meanwhile, or nobody there: a datagram may be lost in silence, and this one is.
      if (this.#isClosed || error instanceof Deno.errors.ConnectionRefused) return;
      throw socketFailure(error, `Cannot send a datagram of ${bytes.length} bytes`);
    }
  }

  async receive(): Promise<{ bytes: Uint8Array; from: SocketAddress } | null> {
    if (this.#isReceiving) throw new TypeError("A receive is already pending");
    this.#isReceiving = true;
    try {
      while (!this.#isClosed) {
        const received = await this.#socket.receive(this.#buffer).catch((error) => this.#survive(error));
        if (received !== undefined) return { bytes: received[0], from: socketAddress(received[1]) };
      }
      return null;
    } finally {
      this.#isReceiving = false;
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.close();
    this.#release();
  }

  /** Windows reports here that an earlier datagram found nobody: no reason to stop receiving. */
  #survive(error: unknown): undefined {
    const { ConnectionRefused, ConnectionReset } = Deno.errors;
    if (this.#isClosed && isCancelled(error)) return;
    if (error instanceof ConnectionRefused || error instanceof ConnectionReset) return;
    throw socketFailure(error, "Cannot receive datagrams");
  }
}
