/** One step of a link's making: in time, and with a closed connection when it fails. @module */
import type { Conn } from "../base/mod.ts";
import { type Clock, withTimeout } from "../runtime/mod.ts";

/** A failure that the peer was told of: what was written for it still goes out. */
export class Told {
  constructor(readonly failure: unknown) {}
}

/**
 * Runs `work` on `conn`. Owns it: closes it when the time is over, the signal is aborted, or `work` fails. A
 * {@link Told} that `work` throws closes it gently, and is given to the caller as what is in it.
 */
export async function within<T>(
  conn: Conn,
  { clock, ...limit }: {
    readonly clock: Clock;
    readonly what: string;
    readonly afterMs: number;
    readonly signal?: AbortSignal;
  },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await withTimeout(clock, limit, async (signal) => {
      signal.addEventListener("abort", () => conn.close(signal.reason), { once: true });
      const done = await work();
      signal.throwIfAborted(); // too late by a hair: the connection is closed already
      return done;
    });
  } catch (error) {
    if (error instanceof Told) {
      conn.close();
      throw error.failure;
    }
    conn.close(error);
    throw error;
  }
}
