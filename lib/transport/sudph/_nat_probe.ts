/**
 * Whether the NAT in front of us gives every peer another port. Then no hole that we punch leads to us, and a visor
 * of this network takes no sudph transports (protocol: transport, section 6.3).
 *
 * More is not found: to tell a full cone from a restricted one takes a server with two addresses, and decides nothing.
 *
 * @module
 */
import { type Random, sleep, type SocketAddress, type World } from "../../runtime/mod.ts";
import { answeredTransaction, encodeBindingRequest, mappedAddress, STUN_TRANSACTION_BYTES } from "./stun.ts";

/** Servers that are asked, of a longer list the first ones. */
export const STUN_SERVERS_MAX = 4;
/** Pauses after each question: a datagram may be lost. */
export const STUN_PAUSES_MS = [300, 700, 1_500];

/**
 * `symmetric`: two servers see us at different addresses. `steady`: at the same one, without a NAT or with one of
 * another kind. `unknown`: fewer than two answered, as far as is known now.
 */
export type NatFinding = "symmetric" | "steady" | "unknown";

export class NatProbe {
  readonly #clock: World["clock"];
  readonly #random: Random;
  readonly #send: (datagram: Uint8Array, to: SocketAddress) => void;
  readonly #asked = new Map<string, SocketAddress | undefined>(); // what was answered, by transaction
  #onAnswer: () => void = () => {};

  constructor(
    { clock, random }: Pick<World, "clock" | "random">,
    send: (datagram: Uint8Array, to: SocketAddress) => void,
  ) {
    this.#clock = clock;
    this.#random = random;
    this.#send = send;
  }

  /** A datagram that may be an answer; true when it is one of ours. */
  take(datagram: Uint8Array): boolean {
    const transaction = answeredTransaction(datagram)?.toString();
    if (transaction === undefined || !this.#asked.has(transaction)) return false;
    this.#asked.set(transaction, mappedAddress(datagram));
    this.#onAnswer();
    return true;
  }

  /** Rejects with the reason of `signal` alone. */
  async find(servers: readonly SocketAddress[], signal: AbortSignal): Promise<NatFinding> {
    const asked = servers.slice(0, STUN_SERVERS_MAX);
    if (asked.length < 2) return "unknown";
    const enough = new AbortController();
    const stop = () => enough.abort();
    signal.addEventListener("abort", stop, { once: true });
    const requests = asked.map((server) => {
      const transaction = this.#random.bytes(STUN_TRANSACTION_BYTES);
      this.#asked.set(transaction.toString(), undefined);
      return { server, datagram: encodeBindingRequest(transaction) };
    });
    const seen = () => [...this.#asked.values()].filter((address) => address !== undefined);
    this.#onAnswer = () => seen().length >= 2 && stop();
    for (const pauseMs of STUN_PAUSES_MS) {
      if (enough.signal.aborted) break;
      for (const { server, datagram } of requests) this.#send(datagram, server);
      await sleep(this.#clock, pauseMs, enough.signal).catch(() => {});
    }
    signal.removeEventListener("abort", stop);
    signal.throwIfAborted();
    const [first, second] = seen();
    this.#asked.clear();
    if (first === undefined || second === undefined) return "unknown";
    const isSame = first.hostname === second.hostname && first.port === second.port;
    return isSame ? "steady" : "symmetric";
  }
}
