/**
 * Round trips over a route group, measured by pings of ours that are under way side by side (protocol: routing,
 * section 6.5).
 *
 * @module
 */
import { LimitError, TimedOutError } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import type { Clock } from "../runtime/mod.ts";
import { encodePing, parsePing } from "./payloads.ts";

/** Between the pings of one measurement. */
export const PING_INTERVAL_MS = 100;
/** Waiting for a pong. */
export const PONG_WAIT_MS = 5_000;
/** Pings of ours that are under way. */
const PINGS_MAX = 64;

export interface RoutePingsOptions {
  readonly clock: Clock;
  readonly remote: PublicKey;
  /** Sends the payload of a ping. Errors: why the group is gone. */
  readonly send: (payload: Uint8Array) => void;
}

export class RoutePings {
  readonly #options: RoutePingsOptions;
  readonly #waiting = new Map<
    bigint,
    { resolve: (atMs: number) => void; reject: (reason: unknown) => void }
  >();
  #last = 0n;
  /** Of the last ping that was answered. */
  latencyMs: number | undefined;

  constructor(options: RoutePingsOptions) {
    this.#options = options;
  }

  /** Measures the round trip once, in ms. Errors: `LimitError`, `TimedOutError` after 5 s, the signal's reason. */
  async ping(signal?: AbortSignal): Promise<number> {
    const { clock, remote, send } = this.#options;
    if (this.#waiting.size >= PINGS_MAX) {
      throw new LimitError(`${PINGS_MAX} pings are under way on this route`);
    }
    const now = BigInt(Math.trunc(clock.wallMs()));
    const timestampMs = now > this.#last ? now : this.#last + 1n; // one time, one ping
    this.#last = timestampMs;
    const sentMs = clock.monotonicMs();
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const timeout = clock.timer(
      PONG_WAIT_MS,
      () => reject(new TimedOutError(`A ping over the route to ${remote}`, PONG_WAIT_MS)),
    );
    const onAbort = () => reject(signal!.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#waiting.set(timestampMs, { resolve, reject });
    try {
      if (signal?.aborted) throw signal.reason;
      send(encodePing({ timestampMs }));
      this.latencyMs = await promise - sentMs;
      return this.latencyMs;
    } finally {
      promise.catch(() => {});
      this.#waiting.delete(timestampMs);
      timeout.cancel();
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Takes the payload of a pong; one that nobody waits for is left. Throws for one that is too short. */
  pong(payload: Uint8Array): void {
    const { timestampMs } = parsePing(payload);
    this.#waiting.get(timestampMs)?.resolve(this.#options.clock.monotonicMs());
  }

  /** The group is gone: no pong will come. */
  end(reason: unknown): void {
    for (const { reject } of this.#waiting.values()) reject(reason);
  }
}
