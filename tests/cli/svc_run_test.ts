/** runServices(): services until Ctrl-C, or until a plane of any of them dies (DS-7). */
import assert from "node:assert/strict";
import { silentLog } from "../../lib/base/mod.ts";
import { ProcessIo } from "../../lib/cli/mod.ts";
import { AddressInUseError, sleep, type World } from "../../lib/runtime/mod.ts";
import { SERVICE_KINDS, type ServiceTypeName } from "../../lib/services/assembly/mod.ts";
import { InvalidServiceSettingError } from "../../lib/services/hosting/mod.ts";
import { transportsElsewhere } from "../../commands/svc/_route_finder.ts";
import { runServiceCommand, runServices } from "../../commands/svc/_service.ts";
import { runTogether, type TogetherOptions } from "../../commands/svc/_together.ts";
import { runCommand } from "../../commands/svc/run.ts";
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

/** A process on `world`. */
function processOn(world: World) {
  const terminal = new FakeTerminal();
  const makeWorld = () => Promise.resolve(world);
  return { terminal, io: new ProcessIo({ json: true, version: "1.2.3", terminal, makeWorld }) };
}

Deno.test("a port that another program has is told with options that the command has", () =>
  withSimulation(43, async (simulation) => {
    const world = simulation.node("here", { address: HOST });
    const { io, terminal } = processOn(world);
    await simulation.run(async () => {
      const taken = await world.network.listen({ hostname: HOST, port: HTTP });
      const options = { addr: `${HOST}:${HTTP}`, logLevel: "error", pq: undefined } as const;
      const cases: [ServiceTypeName, RegExp][] = [
        ["transport-discovery", /with --addr$/],
        ["address-resolver", /with --addr or --udp-addr$/],
        ["uptime-tracker", /with --addr or --private-addr$/],
      ];
      for (const [type, hint] of cases) {
        await assert.rejects(
          runServiceCommand(io, options as Parameters<typeof runServiceCommand>[1], type),
          (error) => error instanceof AddressInUseError && hint.test(error.hint!),
          type,
        );
      }
      taken.close();
      assert.equal(terminal.stdout, "");
    });
  }));

/** `svc run` of a transport discovery in a process of its own, until it is up. What it says on stderr. */
async function runDiscovery(world: World, options: Partial<TogetherOptions>): Promise<string> {
  const { io, terminal } = processOn(world);
  await world.files.makeDirectory(FOLDER);
  const running = runTogether(io, ["tpd"], {
    ...{ folder: FOLDER, host: HOST, servers: 1, mode: "http", testing: true, redisPoolSize: 1 },
    ...{ proxyHeaders: true, logLevel: "error", pq: undefined },
    ...options,
  } as TogetherOptions);
  const ended = running.then(() => undefined, (error: unknown) => error);
  const isOver = ended.then(() => true);
  let over = false;
  void isOver.then(() => over = true);
  await until(world, () => over || terminal.stdout.includes('"event":"ready"'));
  io.interrupt();
  const error = await ended;
  if (error !== undefined) throw error;
  return terminal.stderr;
}

Deno.test("a public host is told of as without effect where it is given, and nothing listens everywhere", () =>
  withSimulation(45, async (simulation) => {
    const world = simulation.node("here", { address: HOST });
    const passedOver = /^--public-host is passed over/;
    await simulation.run(async () => {
      assert.match(await runDiscovery(world, { publicHost: "net.example" }), passedOver);
      for (
        const options of [
          {},
          { host: "0.0.0.0" },
          { host: "0.0.0.0", publicHost: "net.example" },
        ]
      ) {
        assert.doesNotMatch(await runDiscovery(world, options), passedOver, JSON.stringify(options));
      }
    });
  }));

Deno.test("what to do where a port is taken is what the run has not done", () =>
  withSimulation(46, async (simulation) => {
    const world = simulation.node("here", { address: HOST });
    await simulation.run(async () => {
      await world.files.makeDirectory(FOLDER);
      const config = `${FOLDER}/run.json`;
      const services = [{ type: "tpd", addr: `${HOST}:${HTTP}` }];
      await world.files.write(config, new TextEncoder().encode(JSON.stringify({ services })));
      const metrics = `${HOST}:${METRICS}`;
      const taken = [
        await world.network.listen({ hostname: HOST, port: HTTP }),
        await world.network.listen({ hostname: HOST, port: METRICS }),
      ];
      const cases: [Partial<TogetherOptions>, string][] = [
        [{}, "give --free-ports, or name a port for each service with --config"],
        [{ config }, `give --free-ports, or name another port in ${config}`],
        [{ config, freePorts: true }, `name another port in ${config}`],
        [{ metrics, freePorts: true }, "name another place with --metrics"],
      ];
      for (const [options, hint] of cases) {
        await assert.rejects(
          runDiscovery(world, options),
          { code: "ADDRESS_IN_USE", hint: `stop the other program, or ${hint}` },
        );
      }
      for (const each of taken) each.close();
    });
  }));

Deno.test("metrics at a service's own place are refused before anything is said of them", () =>
  withSimulation(44, async (simulation) => {
    const world = simulation.node("here", { address: HOST });
    const { io, terminal } = processOn(world);
    await simulation.run(async () => {
      const services = planOf(["transport-discovery"], { mode: "http" });
      await assert.rejects(
        runServices(
          io,
          { metrics: `${HOST}:${HTTP}`, logLevel: "error" },
          () => Promise.resolve({ services }),
        ),
        InvalidServiceSettingError,
      );
      assert.equal(terminal.stdout, "");
    });
  }));

Deno.test("a service has its options by each of its names", () => {
  const { io } = processOn({} as World);
  const verbs = runCommand(io).commands.map((verb) => [verb.name(), ...verb.aliases()].sort());
  assert.deepEqual(
    verbs.sort(),
    SERVICE_KINDS.map(({ type, aliases }) => [type, ...aliases].sort()).sort(),
  );
});

Deno.test("a route finder without a transport discovery is told where to name one", () => {
  const world = {} as World;
  const { io } = processOn(world);
  const network = { name: "own", servers: [], discoveryHttp: undefined, discoveryDmsg: undefined };
  const start = (file: string | undefined) =>
    transportsElsewhere(io, {
      world,
      log: silentLog,
      options: {} as Parameters<typeof transportsElsewhere>[1]["options"],
      network: { ...network, file },
      address: undefined,
    });
  for (
    const [file, hint] of [
      [undefined, "run transport-discovery beside the route finder"],
      [
        "net.json",
        "run transport-discovery beside the route finder, or add it to net.json as transport_discovery",
      ],
    ] as const
  ) {
    assert.throws(() => start(file), { code: "NO_SERVICE", hint });
  }
});
