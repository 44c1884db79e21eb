/** A store as a compliance suite gets it, and the suite run on SQLite in memory and in a file. */
import assert from "node:assert/strict";
import { Ledger } from "../../../lib/base/mod.ts";
import type { World } from "../../../lib/runtime/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import type { NonceStore } from "../../../lib/services/store/mod.ts";

/** An empty store of any kind. */
export interface StoreUnderTest<S> {
  readonly store: S;
  /** Another handle on the same data; `store` itself where there can be no other. */
  readonly other: S;
  /** Lets time pass. */
  elapse(ms: number): Promise<void>;
}

/** Cases by their claims. */
export type Compliance<S> = Readonly<Record<string, (under: StoreUnderTest<S>) => Promise<void>>>;

/** Runs every case on each kind of SQLite, each on a store of its own; nothing is left open. */
export function onSqlite<S extends AsyncDisposable>(
  what: string,
  open: (name: string, world: Pick<World, "clock" | "ledger">) => Promise<S>,
  compliance: Compliance<S>,
): void {
  for (const kind of ["memory", "a file"]) {
    for (const [claim, test] of Object.entries(compliance)) {
      Deno.test(`${what} in ${kind}: ${claim}`, async () => {
        const folder = kind === "memory" ? undefined : await Deno.makeTempDir();
        const clock = new VirtualClock({ wallMs: 1_795_245_178_000 });
        const ledger = new Ledger();
        {
          await using store = await open(folder === undefined ? "memory" : `${folder}/store.db`, {
            clock,
            ledger,
          });
          await test({ store, other: store, elapse: (ms) => clock.advance(ms) });
        }
        assert.deepEqual(ledger.live(), {});
        if (folder !== undefined) await Deno.remove(folder, { recursive: true });
      });
    }
  }
}

/** What the numbers of every service's store do. */
export const nonceCompliance: Compliance<{ readonly nonces: NonceStore }> = {
  "numbers are raised from the next one only, by key": async ({ store, other }) => {
    const [one, two] = [`02${"1".repeat(64)}`, `02${"2".repeat(64)}`] as never[] as [never, never];
    assert.equal(await store.nonces.next(one), 0);
    assert.equal(await store.nonces.raise(one, 1), false);
    assert.equal(await store.nonces.raise(one, 0), true);
    assert.equal(await other.nonces.raise(one, 0), false);
    assert.equal(await other.nonces.raise(one, 1), true);
    assert.deepEqual([await store.nonces.next(one), await store.nonces.next(two)], [2, 0]);
  },

  "of 40 that raise the same number exactly one does": async ({ store, other }) => {
    const key = `02${"3".repeat(64)}` as never;
    for (let number = 0; number < 5; number++) {
      const raised = await Promise.all(
        Array.from({ length: 40 }, (_, index) => (index % 2 ? store : other).nonces.raise(key, number)),
      );
      assert.equal(raised.filter((did) => did).length, 1);
    }
    assert.equal(await store.nonces.next(key), 5);
  },
};
