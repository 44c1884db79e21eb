/** The first plane that dies is the end of the whole, with its name, whichever service it is of (SV-1, DS-7). */
import assert from "node:assert/strict";
import { describeError, type LogRecord, logTo } from "../../../lib/base/mod.ts";
import { type DmsgNetwork, networkOfFile } from "../../../lib/directory/mod.ts";
import { sleep, type World } from "../../../lib/runtime/mod.ts";
import {
  ALL_TYPES,
  type Assembly,
  type PlannedService,
  type ServiceTypeName,
  serviceTypeOf,
} from "../../../lib/services/assembly/mod.ts";
import { toldTransports } from "../../../lib/services/route_finder/mod.ts";
import { withSimulation } from "../../support/world.ts";
import { Breakable, FOLDER, HOST, keptConnection, planOf, startAssembly, until } from "./support.ts";

/** A client that has its sessions looks every 15 s whether it misses any. */
const UNTIL_ITS_CLIENT_LOOKS_MS = 30_000;
const MORE = "198.51.100.2";

/** What an assembly ends with. */
async function failureOf(world: World, assembly: Assembly, withinMs = 1_000): Promise<string> {
  const sinceMs = world.clock.monotonicMs();
  const failure = await assembly.failed;
  const tookMs = world.clock.monotonicMs() - sinceMs;
  assert.ok(tookMs <= withinMs, `${tookMs} ms until it was told`);
  assert.ok(failure instanceof Error);
  return describeError(failure);
}

/** Runs `test` on a machine of its own beside a discovery and two servers. */
function besideANetwork(
  seed: number,
  test: (breakable: () => Breakable, network: DmsgNetwork) => Promise<void>,
): Promise<void> {
  return withSimulation(seed, async (simulation) => {
    const core = simulation.node("core", { address: HOST });
    const more = simulation.node("more", { address: MORE });
    await simulation.run(async () => {
      await using first = await startAssembly(core, planOf(["dmsg-discovery", "dmsg-server"]));
      await test(() => new Breakable(more), networkOfFile(first.deployment, `${FOLDER}/deployment.json`));
    });
  });
}

function planOn(type: ServiceTypeName, more: Partial<PlannedService> = {}): PlannedService {
  const [plan] = planOf([type], { hostname: MORE });
  const noTransports = { entries: () => [], onChange: () => () => {} };
  const transports = type === "route-finder"
    ? { transports: () => Promise.resolve(toldTransports(noTransports)) }
    : {};
  return { ...plan!, ...more, settings: { ...plan!.settings, ...transports, ...more.settings } };
}

const OVER_HTTP = ALL_TYPES.filter((type) => type !== "dmsg-server");
const OVER_DMSG = ALL_TYPES.filter((type) => type !== "dmsg-server" && type !== "dmsg-discovery");

Deno.test("the HTTP side of each service: its end is the end of all, with its name", () =>
  besideANetwork(31, async (breakable, network) => {
    for (const type of OVER_HTTP) {
      const machine = breakable();
      const hostname = type === "transport-setup" ? "127.0.0.1" : MORE;
      const address = { hostname, port: 9_000 };
      const plan = planOn(type, { address, ...(type === "setup-node" ? { mode: "dual" } : {}) });
      await using assembly = await startAssembly(machine.world, [plan], { network });
      await using _kept = await keptConnection(machine.world, address); // it may stay for as long as it likes
      machine.close(address.port);
      const { title } = serviceTypeOf(type);
      assert.equal(
        await failureOf(machine.world, assembly),
        `The HTTP side of the ${title} (${type}) ended by itself`,
      );
    }
  }));

Deno.test("the dmsg side of each service: what ends its client ends all, with its name", () =>
  besideANetwork(32, async (breakable, network) => {
    for (const type of OVER_DMSG) {
      const machine = breakable();
      await using assembly = await startAssembly(machine.world, [planOn(type)], { network });
      await until(machine.world, () => assembly.services[0]!.isReady());
      machine.isRandomBroken = true; // its client cannot go on
      const { title } = serviceTypeOf(type);
      assert.equal(
        await failureOf(machine.world, assembly, UNTIL_ITS_CLIENT_LOOKS_MS),
        `The dmsg side of the ${title} (${type}) ended by itself`,
      );
    }
  }));

Deno.test("the dmsg side of a discovery, and of a server that registers over dmsg", () =>
  besideANetwork(33, async (breakable, network) => {
    for (
      const [types, expected] of [
        [
          ["dmsg-discovery", "dmsg-server"],
          "The dmsg side of the dmsg discovery (dmsg-discovery) ended by itself",
        ],
        [
          ["dmsg-server"],
          "The dmsg server (dmsg-server-1) ended by itself: The dmsg side ended by itself",
        ],
      ] as const
    ) {
      const machine = breakable();
      const services = planOf(types, { hostname: MORE });
      const joined = types.length === 1 ? { network: { ...network, discoveryHttp: undefined } } : {};
      await using assembly = await startAssembly(machine.world, services, joined);
      await until(machine.world, () => assembly.services.every((service) => service.isReady()), 60_000);
      machine.isRandomBroken = true;
      assert.match(
        await failureOf(machine.world, assembly, UNTIL_ITS_CLIENT_LOOKS_MS),
        new RegExp(`^${RegExp.escape(expected)}`),
      );
    }
  }));

Deno.test("the UDP side of an address resolver, the operator's side of an uptime tracker, /health of a server", () =>
  besideANetwork(34, async (breakable, network) => {
    const at = { hostname: MORE, port: 9_500 };
    for (
      const [type, settings, expected] of [
        ["address-resolver", { udpAddress: at }, "The UDP side of the address resolver (address-resolver)"],
        [
          "uptime-tracker",
          { privateAddress: at },
          "The operator's HTTP side of the uptime tracker (uptime-tracker)",
        ],
        [
          "dmsg-server",
          { server: { health: at } },
          "The dmsg server (dmsg-server-1) ended by itself: The HTTP server of /health",
        ],
      ] as const
    ) {
      const machine = breakable();
      const address = { hostname: MORE, port: 9_000 };
      await using assembly = await startAssembly(machine.world, [planOn(type, { address, settings })], {
        network,
      });
      await using _kept = type === "address-resolver" ? undefined : await keptConnection(machine.world, at);
      machine.close(at.port);
      assert.match(
        await failureOf(machine.world, assembly),
        new RegExp(`^${RegExp.escape(expected)} ended by itself`),
      );
    }
  }));

Deno.test("a close is no death of any plane", () =>
  besideANetwork(35, async (breakable, network) => {
    const { world } = breakable();
    const services = planOf(ALL_TYPES.slice(1), { hostname: MORE }).map((plan) =>
      plan.type === "uptime-tracker"
        ? { ...plan, settings: { ...plan.settings, privateAddress: { hostname: MORE, port: 9_086 } } }
        : plan
    );
    const assembly = await startAssembly(world, services, { network });
    await until(world, () => assembly.services.every((service) => service.isReady()), 60_000);
    let hasFailed = false;
    void assembly.failed.then(() => hasFailed = true);
    await assembly.close();
    assert.equal(hasFailed, false);
  }));

Deno.test("a service that does not end holds the others' end up for 2 s at most, and is named", () =>
  besideANetwork(36, async (breakable, network) => {
    const { world } = breakable();
    const records: LogRecord[] = [];
    const log = logTo((record) => records.push(record), () => 0);
    const lateMs = 30_000; // as long as a store may leave it without an answer
    const hung = planOn("uptime-tracker", {
      settings: {
        locations: () => ({
          locate: () => Promise.resolve(undefined),
          [Symbol.asyncDispose]: () => sleep(world.clock, lateMs),
        }),
      },
    });
    const assembly = await startAssembly(world, [hung, planOn("transport-discovery")], { network, log });
    await until(world, () => assembly.services.every((service) => service.isReady()), 60_000);
    const startedMs = world.clock.monotonicMs();
    await assembly.close();
    const tookMs = world.clock.monotonicMs() - startedMs;
    assert.ok(tookMs <= 2_000, `${tookMs} ms`);
    const late = records.filter(({ message }) => message === "Not everything ended in time");
    assert.deepEqual(late.map(({ fields }) => fields.what), ["uptime-tracker"]);
    await sleep(world.clock, lateMs); // and ended by itself
  }));
