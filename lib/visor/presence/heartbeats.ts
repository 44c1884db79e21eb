/**
 * The visor's heartbeats (protocol: services, section 7; visor, section 10): every 5 min, the first after 5 min, at
 * the uptime tracker, or at the transport discovery where the network has no tracker any more.
 *
 * @module
 */
import { describeError, type Log } from "../../base/mod.ts";
import type { Clock } from "../../runtime/mod.ts";
import { Rounds } from "./_rounds.ts";

/** What one heartbeat stands for. */
export const HEARTBEAT_MS = 5 * 60_000;
/** Of one, over dmsg and then over HTTP. */
export const HEARTBEAT_TIMEOUT_MS = 30_000;

export interface HeartbeatsOptions {
  readonly clock: Clock;
  /** Who is told, as people call it. */
  readonly service: string;
  /** False: the service counts nobody. */
  readonly beat: (signal: AbortSignal) => Promise<boolean>;
  readonly log: Log;
}

export interface HeartbeatState {
  readonly service: string;
  /** On the monotonic clock; undefined: none was taken yet. */
  readonly lastMs: number | undefined;
  /** Why the last one came to nothing. */
  readonly failure: string | undefined;
}

export class Heartbeats {
  readonly #options: HeartbeatsOptions;
  readonly #rounds: Rounds;
  #lastMs: number | undefined;
  #failure: string | undefined;

  constructor(options: HeartbeatsOptions) {
    this.#options = options;
    this.#rounds = new Rounds({
      clock: options.clock,
      log: options.log,
      name: `Heartbeat to the ${options.service}`,
      firstMs: HEARTBEAT_MS,
      intervalMs: HEARTBEAT_MS,
      timeoutMs: HEARTBEAT_TIMEOUT_MS,
      work: (signal) => this.#beat(signal),
    });
  }

  state(): HeartbeatState {
    return { service: this.#options.service, lastMs: this.#lastMs, failure: this.#failure };
  }

  /** Never rejects. */
  async close(): Promise<void> {
    await this.#rounds.close();
  }

  async #beat(signal: AbortSignal): Promise<void> {
    const { clock, beat } = this.#options;
    try {
      const isTaken = await beat(signal);
      this.#failure = isTaken ? undefined : NOT_OFFERED; // one of before: it is asked again, and nothing is wrong
      if (isTaken) this.#lastMs = clock.monotonicMs();
    } catch (error) {
      this.#failure = describeError(error);
      throw error;
    }
  }
}

const NOT_OFFERED = "it counts nobody";
