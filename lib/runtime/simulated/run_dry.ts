/**
 * Letting the event loop run dry: every promise that can settle by itself has settled, and its callbacks ran.
 *
 * One turn was enough wherever it was measured; the second is margin. What waits outside of the loop
 * (WebCrypto, files) is not waited for: that goes through `World.outside`.
 *
 * @module
 */
import { setImmediate } from "node:timers";

/** Macrotask turns that let the loop run dry. */
export const DRY_TURNS = 2;

/** Resolves after `turns` macrotask turns. */
export function runDry(turns: number = DRY_TURNS): Promise<void> {
  return new Promise((resolve) => {
    let left = turns;
    const turn = () => (--left > 0 ? void setImmediate(turn) : resolve());
    setImmediate(turn);
  });
}
