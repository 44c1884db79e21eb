/** A whole network, twice from one seed, the second time with idle turns between the events: the same trace. */
import assert from "node:assert/strict";
import { withSimulation } from "../support/world.ts";
import { never, startVisor, statusThat, textOf } from "./_nodes.ts";

async function runOnce(seed: number, extraTurns: number): Promise<{ hash: string; log: string }> {
  let log = "";
  let hash = "";
  await withSimulation(seed, async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      const host = await startVisor(world);
      await host.whenReady(never);
      const guest = await startVisor(world, {
        home: "/guest",
        local: false,
        deploymentFile: "/home/local/deployment.json",
      });
      await guest.whenReady(never);
      await statusThat(guest, world, ({ dmsg }) => dmsg.sessions.length === 2);
      const response = await guest.visor.http.send({ url: `http://${host.visor.publicKey}:80/health` });
      assert.equal(JSON.parse(await response.text(10_000)).ready, true);
      await guest.close();
      await host.close();
      log = await textOf(world, "/home/log/skywire.log");
    });
    hash = simulation.hash;
  }, { extraTurns });
  return { hash, log };
}

for (const seed of [101, 102, 103]) {
  Deno.test(`a local network and its visors do the same for the same seed (seed ${seed})`, async () => {
    const [once, again] = [await runOnce(seed, 0), await runOnce(seed, 5)];
    assert.equal(again.hash, once.hash);
    assert.equal(again.log, once.log);
    assert(once.log.split("\n").length > 5);
    assert.notEqual((await runOnce(seed + 1_000, 0)).hash, once.hash);
  });
}
