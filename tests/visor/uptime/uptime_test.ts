/** The visor looks at itself: at its interval, at what is true then; and keeps it through restarts and bad disks. */
import assert from "node:assert/strict";
import { logTo, silentLog } from "../../../lib/base/mod.ts";
import { sleep, type World } from "../../../lib/runtime/mod.ts";
import { FILE_BYTES_MAX, Uptime, WRITE_INTERVAL_MS } from "../../../lib/visor/uptime/mod.ts";
import { withSimulation } from "../../support/world.ts";

const MINUTE = 60_000;
const PATH = "/uptime.json";

function startUptime(
  world: World,
  look: () => { dmsg: boolean; skynet: boolean },
  sampleIntervalMs = MINUTE,
  log = silentLog,
) {
  return new Uptime({ world, path: PATH, sampleIntervalMs, look, log });
}

Deno.test("a sample is what is true at that moment, never what was true once (VI-4)", () =>
  withSimulation(1, async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(async () => {
      const now = { dmsg: true, skynet: true };
      const uptime = startUptime(world, () => ({ ...now }));
      await sleep(world.clock, 3 * MINUTE + 1);
      now.dmsg = false;
      await sleep(world.clock, 2 * MINUTE);
      now.skynet = false;
      await sleep(world.clock, MINUTE);
      const { panel, now: seen, sampleIntervalMs, retained } = uptime.report();
      assert.deepEqual(seen, { dmsg: false, skynet: false });
      assert.equal(sampleIntervalMs, MINUTE);
      const { fromMs, toMs, ...times } = panel;
      assert.equal(toMs, world.clock.wallMs());
      assert(toMs - fromMs > 23 * 60 * MINUTE && toMs - fromMs <= 24 * 60 * MINUTE);
      assert.deepEqual(times, {
        runningMs: 6 * MINUTE,
        dmsgMs: 3 * MINUTE,
        skynetMs: 5 * MINUTE,
        skynetWithoutDmsgMs: 2 * MINUTE,
      });
      assert.deepEqual(retained, times);
      await uptime.close();
    });
  }));

Deno.test("samples survive a restart, and a crash costs at most five minutes (VI-4)", () =>
  withSimulation(2, async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(async () => {
      const first = startUptime(world, () => ({ dmsg: true, skynet: false }));
      await sleep(world.clock, 2 * MINUTE + 1);
      await first.close();
      assert.equal((await world.files.info(PATH))?.mode, 0o600);
      startUptime(world, () => ({ dmsg: true, skynet: false })); // is killed
      await sleep(world.clock, WRITE_INTERVAL_MS + MINUTE + 1);
    });
    simulation.halt("visor");
    const again = simulation.node("visor");
    await simulation.run(async () => {
      await using third = startUptime(again, () => ({ dmsg: false, skynet: false }));
      await sleep(again.clock, MINUTE + 1);
      const { runningMs, dmsgMs } = third.report().retained;
      assert.deepEqual([runningMs, dmsgMs], [2 * MINUTE + WRITE_INTERVAL_MS + MINUTE, 7 * MINUTE]);
    });
  }));

Deno.test("a clock that is set back while it runs, and at the next start, ends nothing that was counted (VI-4)", () =>
  withSimulation(6, async (simulation) => {
    const world = simulation.node("visor");
    const start = () => startUptime(world, () => ({ dmsg: true, skynet: true }));
    await simulation.run(async () => {
      const first = start();
      await sleep(world.clock, 20 * MINUTE + 1);
      simulation.setSkew("visor", -400 * 24 * 60 * MINUTE);
      await sleep(world.clock, 2 * MINUTE);
      assert.equal(first.report().retained.dmsgMs, 2 * MINUTE, "hours to come are not shown");
      await first.close();
      const second = start();
      await sleep(world.clock, MINUTE + 1);
      simulation.setSkew("visor", 0);
      await sleep(world.clock, MINUTE);
      assert.equal(second.report().retained.dmsgMs, 21 * MINUTE);
      await second.close();
    });
  }));

Deno.test("a machine that slept was not up meanwhile (VI-4)", () =>
  withSimulation(7, async (simulation) => {
    const world = simulation.node("visor");
    let sleptMs = 0;
    const clock = {
      ...world.clock,
      wallMs: () => world.clock.wallMs() + sleptMs,
      monotonicMs: () => world.clock.monotonicMs() + sleptMs, // as it is where it goes on through a sleep
    };
    await simulation.run(async () => {
      await using uptime = startUptime({ ...world, clock }, () => ({ dmsg: true, skynet: true }));
      await sleep(world.clock, MINUTE + 1);
      sleptMs = 5 * 60 * MINUTE; // no timer fires in it
      await sleep(world.clock, MINUTE);
      assert.equal(uptime.report().retained.runningMs, 2 * MINUTE);
    });
  }));

Deno.test("a file that is broken or far too large costs the history, never the visor", () =>
  withSimulation(3, async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(async () => {
      const large = '{"version":1,"hours":[]}' + " ".repeat(FILE_BYTES_MAX);
      for (const text of [large, "{"]) {
        await world.files.write(PATH, new TextEncoder().encode(text));
        const said: string[] = [];
        const uptime = startUptime(
          world,
          () => ({ dmsg: true, skynet: true }),
          MINUTE,
          logTo(({ message, fields }) => said.push(`${message}: ${fields.cause}`), () => 0),
        );
        await sleep(world.clock, MINUTE + 1);
        assert.equal(said.length, 1);
        assert.match(said[0]!, /^Uptime begins anew: Cannot use the kept uptime: it is (too large|no JSON)/);
        assert.equal(uptime.report().retained.runningMs, MINUTE);
        await uptime.close();
        assert((await world.files.info(PATH))!.bytes < 1_000);
      }
    });
  }));

Deno.test("a disk that fails is told, and the samples stay in memory", () =>
  withSimulation(4, async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(async () => {
      const uptime = startUptime(world, () => ({ dmsg: true, skynet: true }));
      await sleep(world.clock, MINUTE);
      await world.files.makeDirectory(PATH);
      await sleep(world.clock, WRITE_INTERVAL_MS + 1);
      assert.match(uptime.report().failure ?? "", /uptime\.json/);
      assert.equal(uptime.report().panel.dmsgMs, 6 * MINUTE);
      await uptime.close();
    });
  }));

Deno.test("a visor that is told not to sample does not, and writes nothing", () =>
  withSimulation(5, async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(async () => {
      const uptime = startUptime(world, () => ({ dmsg: true, skynet: true }), 0);
      await sleep(world.clock, 60 * MINUTE);
      const { now, hours, sampleIntervalMs } = uptime.report();
      assert.deepEqual([now, hours, sampleIntervalMs], [{ dmsg: true, skynet: true }, [], 0]);
      await uptime.close();
      assert.equal(await world.files.info(PATH), undefined);
    });
  }));
