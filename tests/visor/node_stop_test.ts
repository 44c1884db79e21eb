/** The whole node, started and stopped, in any state that its routes are in (VI-1). */
import assert from "node:assert/strict";
import type { RunningVisor } from "../../lib/visor/mod.ts";
import { SeededRandom } from "../../lib/runtime/simulated/mod.ts";
import { sleep, type World } from "../../lib/runtime/mod.ts";
import { withSimulation } from "../support/world.ts";
import { echoed, echoServer, type Fleet, keyOf, proxyArgs, withFleet } from "./_fleet.ts";
import { never, startVisor, withControl } from "./_nodes.ts";

const bytes = new SeededRandom("stop").bytes(50_000);

/** A proxy over A-B-C of one local network, by control calls alone. */
async function proxyOfThree(world: World, { visor, others, home }: RunningVisor): Promise<void> {
  const [b, c] = others as [typeof others[number], typeof others[number]];
  await withControl(world, async (client) => {
    await client.call("transportAdd", { key: b.visor.publicKey, type: "stcpr" });
  }, home);
  await withControl(world, (client) => client.call("transportAdd", { key: c.visor.publicKey }), b.home);
  await sleep(world.clock, 7_000); // both are registered, and the route finder knows them
  const args = ["--srv", c.visor.publicKey, "--addr", "127.0.0.1:1080", "--min-hops", "2"];
  await withControl(world, (client) => client.call("appStart", { name: "skysocks-client", args }), home);
  for (
    let waitedMs = 0;
    visor.node.launcher.app("skysocks-client")?.proxy?.connected !== true;
    waitedMs += 100
  ) {
    assert(waitedMs < 30_000, "the proxy is connected");
    await sleep(world.clock, 100);
  }
  assert.equal(b.visor.node.router.rules().length, 2);
}

Deno.test("VI-1: --local --visors 3 with transports, a route over all three and a proxy: six starts and stops leave nothing", () =>
  withSimulation(330, async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      for (let round = 0; round < 6; round++) {
        const running = await startVisor(world, { visors: 3 });
        await running.whenReady(never);
        await proxyOfThree(world, running);
        const startedMs = world.clock.monotonicMs();
        await running.close();
        assert(
          world.clock.monotonicMs() - startedMs < 6_000,
          "three visors and their network, one after the other",
        );
        assert.deepEqual(world.ledger.live(), {}, `round ${round}`);
      }
    }, { untilMs: 3_600_000 });
  }));

Deno.test("VI-1: a visor that is stopped right after its start, or while it dials, leaves nothing", () =>
  withFleet(331, ["B"], async (fleet) => {
    for (const afterMs of [0, 1, 20, 100, 300, 1_000, 5_001]) {
      await fleet.start("A", {
        config: {
          persistent_transports: [{ pk: keyOf("B"), type: "stcpr" }],
          launcher: {
            apps: [{ name: "skysocks-client", auto_start: true, args: proxyArgs("B", "--direct") }],
          },
        },
      });
      const adding = fleet.node("A").transports.dial(keyOf("B"), "dmsg").catch(() => {});
      await fleet.sleep(afterMs);
      const startedMs = fleet.nowMs;
      await fleet.stop("A");
      assert(fleet.nowMs - startedMs < 2_000, `${fleet.nowMs - startedMs} ms`);
      await adding;
      assert.deepEqual(fleet.world("A").ledger.live(), {}, `stopped after ${afterMs} ms`);
    }
  }, { configs: { B: { launcher: { apps: [{ name: "skysocks", auto_start: true }] } } } }));

/** A, B, C with a proxy from A to C over B, and a program's connection over it. */
async function busyRoute(fleet: Fleet) {
  await fleet.link("A", "B");
  await fleet.link("B", "C");
  await fleet.sleep(6_000);
  await fleet.call("A", "appStart", { name: "skysocks-client", args: proxyArgs("C", "--min-hops", "2") });
  await fleet.until(
    "the proxy is connected",
    () => fleet.node("A").launcher.app("skysocks-client")?.proxy?.connected === true,
  );
  const web = await echoServer(fleet);
  const conn = await fleet.browse("A", web.address);
  await echoed(conn, bytes);
  return { web, conn };
}

const C = { launcher: { apps: [{ name: "skysocks", auto_start: true }] } };

for (const [index, who] of ["A", "B", "C"].entries()) {
  Deno.test(`VI-1: ${who} stops within 1 s with routes open while its network is silent, and leaves nothing`, () =>
    withFleet(332 + index, ["A", "B", "C"], async (fleet) => {
      const { web, conn } = await busyRoute(fleet);
      const held = await fleet.node("A").dialer.dial({ publicKey: keyOf("C"), port: 58 }, { minHops: 2 });
      const world = fleet.world(who);
      fleet.simulation.partition(who);
      await fleet.sleep(1_000);
      const startedMs = fleet.nowMs;
      await fleet.stop(who);
      assert(fleet.nowMs - startedMs < 1_000, `${fleet.nowMs - startedMs} ms`);
      assert.deepEqual(world.ledger.live(), {});
      await assert.rejects(echoed(conn, bytes));
      fleet.simulation.heal(who);
      held.close(); // not before: who stops must not need it
      for (const name of ["A", "B", "C"].filter((each) => each !== who)) {
        if (name === "A") await fleet.call("A", "appStop", { name: "skysocks-client" });
        await fleet.until(
          `nothing of the route at ${name}`,
          () => fleet.node(name).router.groups().length === 0,
          300_000,
        );
      }
      await web.close();
    }, { configs: { C } }));
}

Deno.test("VI-1: an orderly stop tells the far end of a route at once", () =>
  withFleet(335, ["A", "B", "C"], async (fleet) => {
    const { web, conn } = await busyRoute(fleet);
    const startedMs = fleet.nowMs;
    await fleet.stop("C");
    await assert.rejects(echoed(conn, bytes));
    assert(fleet.nowMs - startedMs < 2_000);
    await fleet.until("no rule at B", () => fleet.node("B").router.rules().length === 0, 5_000);
    await web.close();
  }, { configs: { C } }));
