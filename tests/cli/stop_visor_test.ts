import assert from "node:assert/strict";
import { stopVisor } from "../../commands/_visor.ts";
import { ProcessIo } from "../../lib/cli/mod.ts";
import { withSimulation } from "../support/world.ts";
import { startVisor } from "../visor/_nodes.ts";
import { FakeTerminal } from "./_fakes.ts";

Deno.test("stopVisor() comes back once the visor is gone, not before", () =>
  withSimulation(1, async (simulation) => {
    const world = simulation.node("alice");
    const io = new ProcessIo({
      json: false,
      version: "1.2.3",
      terminal: new FakeTerminal(),
      makeWorld: () => Promise.resolve(world),
    });
    await simulation.run(async () => {
      const running = await startVisor(world);
      const { publicKey } = running.visor;
      let isClosed = false;
      const closing = running.ended.then(() => running.close()).then(() => isClosed = true);
      assert.deepEqual(await stopVisor(io, "/home"), { stopped: true, publicKey });
      assert.equal(await world.files.info("/home/control.json"), undefined);
      await closing;
      assert(isClosed);
      await assert.rejects(stopVisor(io, "/home"), { code: "NO_VISOR" });
    });
  }));

Deno.test("stopVisor() gives up on a visor that does not go", () =>
  withSimulation(2, async (simulation) => {
    const world = simulation.node("alice");
    const makeWorld = () => Promise.resolve(world);
    const io = new ProcessIo({ json: false, version: "1.2.3", terminal: new FakeTerminal(), makeWorld });
    await simulation.run(async () => {
      const running = await startVisor(world); // nobody heeds its `ended`
      await assert.rejects(stopVisor(io, "/home"), { code: "TIMED_OUT" });
      await running.close();
    });
  }));
