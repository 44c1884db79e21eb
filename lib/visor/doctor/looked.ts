/** One look at a service, within its bound. @module */
import { describeError } from "../../base/mod.ts";
import { type Clock, withTimeout } from "../../runtime/mod.ts";

/** A look at one service; together they are over before who asked gives up. */
export const LOOK_TIMEOUT_MS = 10_000;

/** What was looked up: its value, or why there is none. */
export type Looked<T> = { readonly value: T } | { readonly failure: string };

/** One look, within its bound; a failure is told, never thrown. */
export async function looked<T>(
  what: string,
  clock: Clock,
  signal: AbortSignal,
  look: (signal: AbortSignal) => Promise<T>,
): Promise<Looked<T>> {
  try {
    return { value: await withTimeout(clock, { what, afterMs: LOOK_TIMEOUT_MS, signal }, look) };
  } catch (error) {
    signal.throwIfAborted();
    return { failure: describeError(error) };
  }
}
