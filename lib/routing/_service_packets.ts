/**
 * The packets of a route group that are not data: handshake answers, pings and pongs, keep-alives. They share one
 * small queue and never wait for anybody: a peer that asks faster than the transport takes answers loses answers.
 *
 * @module
 */

/** Service packets that wait for the transport; further ones are left out. */
const SERVICE_QUEUE_MAX = 16;

export interface ServicePacketsOptions {
  /** Writes whole packets, as one unit. */
  readonly send: (packets: Uint8Array) => Promise<void>;
  /** A write failed: the transport is gone. */
  readonly onFailed: (error: Error) => void;
}

export class ServicePackets {
  readonly #options: ServicePacketsOptions;
  #waiting: Uint8Array[] = [];
  #isSending = false;
  #isClosed = false;

  constructor(options: ServicePacketsOptions) {
    this.#options = options;
  }

  /** A further packet is to be left out. */
  get isFull(): boolean {
    return this.#waiting.length >= SERVICE_QUEUE_MAX;
  }

  /** Sends a packet, behind those that wait. */
  push(packet: Uint8Array): void {
    this.#waiting.push(packet);
    if (!this.#isSending) void this.#send();
  }

  /** Drops what waits; nothing is sent any more. */
  close(): void {
    this.#isClosed = true;
    this.#waiting = [];
  }

  async #send(): Promise<void> {
    this.#isSending = true;
    try {
      while (this.#waiting.length > 0 && !this.#isClosed) {
        const [first, ...others] = this.#waiting;
        this.#waiting = [];
        await this.#options.send(others.length === 0 ? first! : joined([first!, ...others]));
      }
    } catch (error) {
      this.#options.onFailed(error as Error);
    } finally {
      this.#isSending = false;
    }
  }
}

function joined(packets: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(packets.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const packet of packets) {
    all.set(packet, at);
    at += packet.length;
  }
  return all;
}
