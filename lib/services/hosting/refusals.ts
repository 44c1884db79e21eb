/** What a service refused, by reason: for `/health`, and for whoever looks for a cause. @module */
import type { Answer } from "./answers.ts";

/**
 * `nonce`: a number that is not the key's next, a repeated request for one. `authentication`: no key, or one that
 * is not proved. `forbidden`: a key that may not. `full`: a maximum is reached. `invalid`: what no entry, id or
 * list is. `too_large`: a body. `rate_limit`: too often. `failed`: the store.
 */
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

export const REFUSAL_REASONS = [
  "nonce",
  "authentication",
  "forbidden",
  "full",
  "invalid",
  "too_large",
  "rate_limit",
  "failed",
] as const;

/** How often so far; reasons of which there was none are left out. */
export type RefusalCounts = Readonly<Partial<Record<RefusalReason, number>>>;

export class Refusals {
  readonly #counts = new Map<RefusalReason, number>();

  /** Takes every answer; one that refuses nothing changes nothing. */
  count(answer: Answer): void {
    const reason = reasonOf(answer);
    if (reason !== undefined) this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  counts(): RefusalCounts {
    return Object.fromEntries(REFUSAL_REASONS.flatMap((reason) => {
      const count = this.#counts.get(reason);
      return count === undefined ? [] : [[reason, count]];
    }));
  }
}

/** Undefined for a success, and for what is simply not there: that is an answer. */
function reasonOf({ status, refused }: Answer): RefusalReason | undefined {
  if (refused !== undefined) return refused;
  if (status >= 500) return "failed";
  return BY_STATUS.get(status);
}

const BY_STATUS: ReadonlyMap<number, RefusalReason> = new Map([
  [400, "invalid"],
  [401, "authentication"],
  [403, "forbidden"],
  [409, "invalid"],
  [413, "too_large"],
  [422, "invalid"],
  [429, "rate_limit"],
]);
