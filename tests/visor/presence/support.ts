/** A clock of its own for parts of a visor's presence, and what they logged. */
import { type Log, type LogRecord, logTo } from "../../../lib/base/mod.ts";
import { keyPairFromSeed, type PublicKey } from "../../../lib/crypto/mod.ts";
import { sleep, type World } from "../../../lib/runtime/mod.ts";
import { withSimulation } from "../../support/world.ts";

export interface Bench {
  readonly world: World;
  readonly log: Log;
  readonly records: LogRecord[];
  readonly nowMs: () => number;
  readonly wait: (ms: number) => Promise<void>;
}

/** Runs `test` in virtual time; nothing may be alive at its end. */
export function onBench(test: (bench: Bench) => Promise<void>): Promise<void> {
  return withSimulation(7, async (simulation) => {
    const world = simulation.node("here");
    const records: LogRecord[] = [];
    const { clock } = world;
    const startMs = clock.monotonicMs();
    const nowMs = () => Math.round(clock.monotonicMs() - startMs);
    await simulation.run(() =>
      test({
        world,
        records,
        log: logTo((record) => records.push(record), () => nowMs()),
        nowMs,
        wait: (ms) => sleep(clock, ms),
      })
    );
  });
}

/** Keys by a number. */
export function keyAt(index: number): PublicKey {
  return keyPairFromSeed(new TextEncoder().encode(`presence ${index}`)).publicKey;
}

/** What was logged at least at `info`, as `level message`. */
export function told(records: readonly LogRecord[]): string[] {
  return records.filter(({ level }) => level !== "debug").map(({ level, message }) => `${level} ${message}`);
}
