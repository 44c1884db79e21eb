/** What targets that need a world share. @module */
import { Ledger } from "../../lib/base/mod.ts";
import type { VirtualClock } from "../../lib/runtime/simulated/mod.ts";

/** Beyond every limit of a connection. */
const ENOUGH_MS = 20 * 60_000;

/** Runs `work` with a ledger, and holds that nothing is alive afterwards, however it ends. */
export async function alone<T>(work: (ledger: Ledger) => Promise<T>): Promise<T> {
  const ledger = new Ledger();
  const [outcome] = await Promise.allSettled([work(ledger)]);
  const left = Object.entries(ledger.live()).map(([kind, count]) => `${kind} ${count}`).join(", ");
  if (left !== "") throw new Error(`Alive at the end: ${left}`, { cause: outcome });
  if (outcome.status === "rejected") throw outcome.reason;
  return outcome.value;
}

/** The outcome of `work`, for which virtual time passes as far as is needed; one that never ends is a finding. */
export async function ended<T>(clock: VirtualClock, work: Promise<T>): Promise<T> {
  let isEnded = false;
  work.catch(() => {}).finally(() => isEnded = true);
  for (const ms of [0, 1_000, 30_000, ENOUGH_MS]) {
    if (!isEnded) await clock.advance(ms);
  }
  if (!isEnded) throw new Error(`Has not ended after ${ENOUGH_MS / 60_000} virtual minutes`);
  return await work;
}
