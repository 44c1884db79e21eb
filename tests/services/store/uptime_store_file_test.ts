/** Uptimes of several kinds in one SQLite file, and how many there are after a restart. */
import assert from "node:assert/strict";
import { Ledger } from "../../../lib/base/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { openUptimeStore } from "../../../lib/services/store/mod.ts";

const world = () => ({ clock: new VirtualClock({ wallMs: 1_795_245_178_000 }), ledger: new Ledger() });

Deno.test("a restart counts the visors that are there", async () => {
  const folder = await Deno.makeTempDir();
  const { clock, ledger } = world();
  const beat = { atMs: clock.wallMs(), intervalMs: 1, visorsMax: 1 };
  for (const result of ["counted", "full"]) {
    await using store = await openUptimeStore<string>(`${folder}/store.db`, { clock, ledger });
    assert.equal(await store.beat({ ...beat, key: result }), result);
  }
  assert.deepEqual(ledger.live(), {});
  await Deno.remove(folder, { recursive: true });
});

Deno.test("uptimes of trackers, visors and transports share a file, and nothing else", async () => {
  const folder = await Deno.makeTempDir();
  const { clock, ledger } = world();
  for (const kind of ["uptime", "visor_uptime", "transport_uptime", "service_uptime"] as const) {
    await using store = await openUptimeStore<string>(`${folder}/store.db`, { clock, ledger }, { of: kind });
    assert.deepEqual(await store.visors(), []);
    assert.equal(
      await store.beat({ key: "a", atMs: clock.wallMs(), intervalMs: 1_000, version: kind }),
      "counted",
    );
    assert.deepEqual((await store.visors()).map(({ version }) => version), [kind]);
  }
  assert.deepEqual(ledger.live(), {});
  await Deno.remove(folder, { recursive: true });
});
