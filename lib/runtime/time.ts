/** Waiting on a Clock: sleep and deadlines, for every world. @module */
import { TimedOutError } from "../base/mod.ts";
import type { Clock } from "./world.ts";

/** Resolves after `delayMs`; rejects with the signal's reason when that is aborted first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      timer.cancel();
      reject(signal!.reason);
    };
    const timer = clock.timer(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * Runs `work` with a signal that is aborted after `afterMs` or with `signal`. Rejects with a `TimedOutError`
 * that names `what`, and has `hint`, when the time ran out. `work` must end when its signal is aborted: it is waited for, so
 * that nothing of it outlives the call.
 */
export async function withTimeout<T>(
  clock: Clock,
  { what, afterMs, signal, hint }: { what: string; afterMs: number; signal?: AbortSignal; hint?: string },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (signal?.aborted) throw signal.reason;
  const controller = new AbortController();
  const onAbort = () => controller.abort(signal!.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  const timer = clock.timer(afterMs, () => controller.abort(new TimedOutError(what, afterMs, { hint })));
  try {
    return await work(controller.signal);
  } catch (error) {
    if (controller.signal.aborted) throw controller.signal.reason;
    throw error;
  } finally {
    timer.cancel();
    signal?.removeEventListener("abort", onAbort);
  }
}
