/** Waiting for an end that is told by a signal. @module */

/** Settles when `signal` is aborted, at once when it is. Never rejects. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
