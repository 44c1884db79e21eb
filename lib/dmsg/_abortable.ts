/** Two ways in which a wait follows a signal. @module */
import type { Clock, Timer } from "../runtime/mod.ts";

/** `promise`, or the signal's reason when that comes first. The promise itself goes on. */
export function orAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/**
 * Runs `work` with a signal that is aborted `lingerMs` after `signal`: for what is better finished than cut off,
 * because nobody could tell whether it happened. Rejects with what `work` rejects with.
 */
export async function withLinger<T>(
  clock: Clock,
  { lingerMs, signal }: { lingerMs: number; signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let timer: Timer | undefined;
  const onAbort = () => timer = clock.timer(lingerMs, () => controller.abort(signal.reason));
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await work(controller.signal);
  } finally {
    signal.removeEventListener("abort", onAbort);
    timer?.cancel();
  }
}
