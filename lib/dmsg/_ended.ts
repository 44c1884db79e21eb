/** The end of background work, to wait for. @module */
import type { Scope } from "../base/mod.ts";

/** Settles once `scope` ends: with the failure that ended it, or undefined after an orderly end. Never rejects. */
export function endOf(scope: Scope): Promise<unknown> {
  const { signal } = scope;
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(scope.failure);
    signal.addEventListener("abort", () => resolve(scope.failure), { once: true });
  });
}
