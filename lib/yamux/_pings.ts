/**
 * Pings of a session: the keep-alive, those that a caller asks for, and answers to the peer's.
 *
 * The keep-alive counts as answered by whatever the peer sends after it: behind a full send buffer on a slow
 * line the answer itself can take longer than the limit while the peer is plainly alive.
 *
 * @module
 */
import type { Clock } from "../runtime/mod.ts";
import { FLAG_ACK, FLAG_SYN } from "./frame.ts";
import type { YamuxLimits } from "./limits.ts";

interface PendingPing {
  readonly sentMs: number;
  readonly resolve: (roundTripMs: number) => void;
  readonly reject: (reason: unknown) => void;
}

export class Pings {
  readonly #clock: Clock;
  readonly #limits: YamuxLimits;
  readonly #send: (flags: number, value: number) => void;
  #pending: Map<number, PendingPing> | undefined;
  #nextValue = 0;
  #nextMs: number;
  #answerDueMs = Infinity; // of the keep-alive

  constructor(clock: Clock, limits: YamuxLimits, send: (flags: number, value: number) => void) {
    this.#clock = clock;
    this.#limits = limits;
    this.#send = send;
    this.#nextMs = clock.monotonicMs() + limits.keepAliveMs;
  }

  /** When {@link check} has something to do. */
  get dueMs(): number {
    return Math.min(this.#nextMs, this.#answerDueMs);
  }

  /** Sends the keep-alive that is due. False when the last one stayed without an answer. */
  check(nowMs: number): boolean {
    if (nowMs >= this.#answerDueMs) return false;
    if (nowMs < this.#nextMs) return true;
    this.#nextMs = nowMs + this.#limits.keepAliveMs;
    this.#answerDueMs = Math.min(this.#answerDueMs, nowMs + this.#limits.writeTimeoutMs);
    this.#send(FLAG_SYN, this.#takeValue());
    return true;
  }

  /** The peer sent something. */
  onHeard(): void {
    this.#answerDueMs = Infinity;
  }

  /** A Ping frame of the peer: its own, or the answer to one of ours. Unknown answers are ignored. */
  onFrame(isRequest: boolean, value: number): void {
    if (isRequest) return this.#send(FLAG_ACK, value);
    const ping = this.#pending?.get(value);
    if (ping === undefined) return;
    this.#pending!.delete(value);
    ping.resolve(this.#clock.monotonicMs() - ping.sentMs);
  }

  /** One ping there and back, in milliseconds. */
  send(signal?: AbortSignal): Promise<number> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const value = this.#takeValue();
    const pending: Map<number, PendingPing> = this.#pending ??= new Map();
    return new Promise<number>((resolve, reject) => {
      const onAbort = () => {
        pending.delete(value);
        reject(signal!.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      const done = () => signal?.removeEventListener("abort", onAbort);
      pending.set(value, {
        sentMs: this.#clock.monotonicMs(),
        resolve: (roundTripMs) => (done(), resolve(roundTripMs)),
        reject: (reason) => (done(), reject(reason)),
      });
      this.#send(FLAG_SYN, value);
    });
  }

  /** The session is over. */
  end(error: Error): void {
    for (const ping of this.#pending?.values() ?? []) ping.reject(error);
    this.#pending = undefined;
  }

  #takeValue(): number {
    const value = this.#nextValue;
    this.#nextValue = (value + 1) >>> 0;
    return value;
  }
}
