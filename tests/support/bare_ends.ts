/** Two ends of a connection in memory, on a clock that stands until it is moved. @module */
import { type Conn, Ledger, memoryPair } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { assertNothingAlive } from "./world.ts";

export interface BareEnds {
  readonly near: Conn;
  readonly far: Conn;
  readonly clock: VirtualClock;
  /** Closes both, and checks that nothing of them, and no timer, is left. */
  readonly end: () => Promise<void>;
}

export function bareEnds(): BareEnds {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const [near, far] = memoryPair({ ledger });
  const end = async () => {
    near.close();
    far.close();
    await Promise.all([near.closed, far.closed]);
    assertNothingAlive(ledger);
  };
  return { near, far, clock, end };
}
