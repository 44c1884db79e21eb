/**
 * What the transport discovery knows of our transports (protocol: transport, section 10).
 *
 *     opened ── 5 s ──▶ register all        and again every 90 s, an empty list too
 *        └─ after quiet, at once as well: a route over the first transport need not wait
 *     closed ── 5 s ──▶ remove a batch      what is left goes out at the end, within a bound
 *
 * @module
 */
import { describeError, type Log, Scope } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { type Clock, sleep, withTimeout } from "../runtime/mod.ts";
import type { TransportId } from "./id.ts";

export const REGISTER_INTERVAL_MS = 90_000;
/** A burst of new transports is registered by one call, one of ended ones removed by one; the quiet before a first. */
export const DEBOUNCE_MS = 5_000;
/** After a call that failed. */
export const REGISTER_RETRY_MS = 15_000;
/** Of one call. */
export const REGISTRAR_TIMEOUT_MS = 30_000;
/** At the end: whoever stops a visor waits for it, and entries expire by themselves. */
export const FLUSH_TIMEOUT_MS = 500;

/** An open transport, with round trips in microseconds once they are measured. */
export interface RegisteredTransport {
  readonly id: TransportId;
  readonly edges: readonly [PublicKey, PublicKey];
  readonly type: string;
  readonly label: string;
  readonly latency?: { readonly min: number; readonly max: number; readonly avg: number };
}

/** The part of a transport discovery's client that this needs. */
export interface TransportRegistrar {
  register(transports: readonly RegisteredTransport[], signal?: AbortSignal): Promise<void>;
  remove(ids: readonly TransportId[], signal?: AbortSignal): Promise<unknown>;
  /**
   * The transport has ended, and what is known of its registration with it: the peer may have removed it. One that
   * is there again before it was removed is registered anew.
   */
  forget?(id: TransportId): void;
}

export interface RegistrationOptions {
  readonly clock: Clock;
  readonly registrar: TransportRegistrar;
  readonly log: Log;
  /** Every transport to be registered, now. */
  readonly transports: () => readonly RegisteredTransport[];
}

export class Registration {
  readonly #options: RegistrationOptions;
  readonly #scope = new Scope();
  readonly #removed = new Set<TransportId>();
  #dueMs: number; // of the next registration, on the monotonic clock
  #toldMs = -Infinity; // when the last one began that a new transport was the reason of
  #isTelling = false; // the next one will have such a reason
  #isFirst = false; // a transport opened after quiet: it is registered now, and again with those that follow it
  #removeDueMs = Infinity;
  #wake = () => {};

  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#dueMs = options.clock.monotonicMs() + DEBOUNCE_MS;
    this.#scope.spawn("register transports", (signal) => this.#run(signal));
  }

  onOpened(id: TransportId): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#removed.delete(id);
    this.#dueMs = Math.min(this.#dueMs, nowMs + DEBOUNCE_MS);
    this.#isTelling = true;
    if (nowMs - this.#toldMs >= DEBOUNCE_MS) this.#isFirst = true;
    this.#wake();
  }

  onClosed(id: TransportId): void {
    this.#options.registrar.forget?.(id);
    this.#removed.add(id);
    this.#removeDueMs = Math.min(this.#removeDueMs, this.#options.clock.monotonicMs() + DEBOUNCE_MS);
    this.#wake();
  }

  /** Ends the loop and removes what is not removed yet, within {@link FLUSH_TIMEOUT_MS}. Never rejects. */
  async close(): Promise<void> {
    await this.#scope[Symbol.asyncDispose]();
    await this.#remove(FLUSH_TIMEOUT_MS);
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      const nowMs = clock.monotonicMs();
      const dueMs = this.#isFirst ? nowMs : Math.min(this.#dueMs, this.#removeDueMs);
      if (dueMs > nowMs) await this.#wait(dueMs - nowMs, signal);
      else if (this.#removeDueMs <= nowMs) await this.#remove(REGISTRAR_TIMEOUT_MS, signal);
      else await this.#register(signal);
    }
  }

  /** Until the time is over, or something is due earlier. */
  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const onAbort = () => woken.abort();
    this.#wake = onAbort;
    signal.addEventListener("abort", onAbort, { once: true });
    await sleep(this.#options.clock, ms, woken.signal).catch(() => {});
    signal.removeEventListener("abort", onAbort);
    this.#wake = () => {};
  }

  async #register(signal: AbortSignal): Promise<void> {
    const { clock, registrar, transports, log } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#isTelling) this.#toldMs = nowMs;
    this.#isTelling = this.#isFirst;
    // What opens from here on asks for a call of its own; after a first there is one anyway, with what pings measured.
    this.#dueMs = this.#isFirst ? nowMs + DEBOUNCE_MS : Infinity;
    this.#isFirst = false;
    const limit = { what: "Registering transports", afterMs: REGISTRAR_TIMEOUT_MS, signal };
    let pauseMs = REGISTER_INTERVAL_MS;
    try {
      await withTimeout(clock, limit, (ended) => registrar.register(transports(), ended));
    } catch (error) {
      if (signal.aborted) return;
      log.warn("Cannot register transports", { cause: describeError(error) });
      pauseMs = REGISTER_RETRY_MS;
    }
    this.#dueMs = Math.min(this.#dueMs, clock.monotonicMs() + pauseMs);
  }

  async #remove(afterMs: number, signal?: AbortSignal): Promise<void> {
    const { clock, registrar, log } = this.#options;
    const ids = [...this.#removed];
    this.#removed.clear();
    this.#removeDueMs = Infinity;
    if (ids.length === 0) return;
    try {
      const limit = { what: "Removing transports", afterMs, signal };
      await withTimeout(clock, limit, (ended) => registrar.remove(ids, ended));
    } catch (error) {
      if (signal?.aborted) { // the end: close() asks again
        for (const id of ids) this.#removed.add(id);
        return;
      }
      log.info("Cannot remove transports: their entries expire", { cause: describeError(error) });
    }
  }
}
