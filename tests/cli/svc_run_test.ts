/** runServices(): services until Ctrl-C, or until a plane of any of them dies (DS-7). */
import assert from "node:assert/strict";
import { ProcessIo } from "../../lib/cli/mod.ts";
import { sleep } from "../../lib/runtime/mod.ts";
import { runServices } from "../../commands/svc/_service.ts";
import { Breakable, FOLDER, HOST, keptConnection, planOf, until } from "../services/assembly/support.ts";
import { withSimulation } from "../support/world.ts";
import { FakeTerminal } from "./_fakes.ts";

const METRICS = 2_121;
const HTTP = 9_091;

for (
  const [port, expected] of [
    [METRICS, /^The listener for metrics ended by itself$/],
    [HTTP, /^The HTTP side of the transport discovery \(transport-discovery\) ended by itself$/],
    [undefined, undefined],
  ] as const
) {
  const what = port === undefined
    ? "Ctrl-C"
    : port === METRICS
    ? "the end of its metrics"
    : "the end of a plane";
  Deno.test(`svc run ends by ${what}, with everything`, () =>
    withSimulation(41, async (simulation) => {
      const machine = new Breakable(simulation.node("here", { address: HOST }));
      const terminal = new FakeTerminal();
      const io = new ProcessIo({
        json: true,
        version: "1.2.3",
        terminal,
        makeWorld: () => Promise.resolve(machine.world),
      });
      await simulation.run(async () => {
        await machine.world.files.makeDirectory(FOLDER);
        const running = runServices(
          io,
          { metrics: `${HOST}:${METRICS}`, logLevel: "error", pq: undefined } as Parameters<
            typeof runServices
          >[1],
          () => Promise.resolve({ services: planOf(["transport-discovery"], { mode: "http" }) }),
        );
        const ended = running.then(() => undefined, (error: unknown) => error);
        await until(machine.world, () => terminal.stdout.includes(`:${HTTP}`));
        await using _kept = await keptConnection(machine.world, { hostname: HOST, port: METRICS });
        await sleep(machine.world.clock, 1_000);
        if (port === undefined) io.interrupt();
        else machine.close(port);
        const sinceMs = machine.world.clock.monotonicMs();
        const error = await ended;
        assert.ok(machine.world.clock.monotonicMs() - sinceMs < 2_000);
        if (expected === undefined) assert.equal(error, undefined);
        else assert.match((error as Error).message, expected);
        assert.match(terminal.stdout, /"event":"stopped"/);
      });
    }));
}

Deno.test("Ctrl-C ends a start that a part of it holds up, in 2 s", () =>
  withSimulation(42, async (simulation) => {
    const world = simulation.node("here", { address: HOST });
    const terminal = new FakeTerminal();
    const makeWorld = () => Promise.resolve(world);
    const io = new ProcessIo({ json: true, version: "1.2.3", terminal, makeWorld });
    await simulation.run(async () => {
      await world.files.makeDirectory(FOLDER);
      const heldMs = 30_000;
      const transports = async () => {
        await sleep(world.clock, heldMs);
        return Promise.reject(new Error("nobody answered"));
      };
      const services = planOf(["transport-discovery", "route-finder"], { mode: "http" })
        .filter(({ type }) => type === "route-finder")
        .map((plan) => ({ ...plan, settings: { transports } }));
      const running = runServices(io, { logLevel: "error" }, () => Promise.resolve({ services }));
      await sleep(world.clock, 1_000);
      const sinceMs = world.clock.monotonicMs();
      io.interrupt();
      await running;
      const tookMs = world.clock.monotonicMs() - sinceMs;
      assert.ok(tookMs <= 2_000, `${tookMs} ms`);
      assert.equal(terminal.stdout, "");
      await sleep(world.clock, heldMs);
    });
  }));
