/** Services outlive their network: servers and a discovery that are deployed anew find them again (SV-1, DS-4, DS-7). */
import assert from "node:assert/strict";
import { silentLog } from "../../../lib/base/mod.ts";
import { keptKeyPair, type PublicKey } from "../../../lib/crypto/mod.ts";
import {
  checkHealth,
  type DmsgNetwork,
  type KnownServer,
  networkOfFile,
} from "../../../lib/directory/mod.ts";
import { sleep, type World } from "../../../lib/runtime/mod.ts";
import type { Simulation } from "../../../lib/runtime/simulated/mod.ts";
import { ALL_TYPES, type Assembly, type PlannedService } from "../../../lib/services/assembly/mod.ts";
import { withSimulation } from "../../support/world.ts";
import { FOLDER, get, HOST, planOf, startAssembly, until } from "./support.ts";

const MORE = "198.51.100.2";
const file = `${FOLDER}/deployment.json`;
const THE_REST = ALL_TYPES.slice(2);

/** Ways over dmsg that are down, asked by a stranger who knows the network by its file alone. */
async function down(there: World, network: DmsgNetwork): Promise<string[]> {
  const rows = await checkHealth({
    world: there,
    network,
    log: silentLog,
    userAgent: "test/1",
    timeoutMs: 20_000,
  });
  return rows.filter(({ way, isUp }) => way === "dmsg" && !isUp).map(({ service, failure }) =>
    `${service}: ${failure}`
  );
}

/** Until every service is found over dmsg; in ms. */
async function foundAgain(there: World, network: DmsgNetwork, withinMs: number): Promise<number> {
  const sinceMs = there.clock.monotonicMs();
  for (;;) {
    const missing = await down(there, network);
    const tookMs = there.clock.monotonicMs() - sinceMs;
    if (missing.length === 0) return tookMs;
    assert.ok(tookMs < withinMs, `after ${tookMs} ms: ${missing.join("; ")}`);
    await sleep(there.clock, 1_000);
  }
}

interface Deployed {
  readonly core: Assembly;
  readonly rest: Assembly;
  readonly machine: World;
  readonly there: World;
  readonly network: DmsgNetwork;
}

/** A discovery and two servers on one machine, everything else on another; `test` ends the core itself. */
function deployed(
  seed: number,
  plan: readonly PlannedService[],
  test: (deployed: Deployed, simulation: Simulation) => Promise<void>,
): Promise<void> {
  return withSimulation(seed, async (simulation) => {
    const [machine, more] = [
      simulation.node("core", { address: HOST }),
      simulation.node("more", { address: MORE }),
    ];
    const there = simulation.node("there");
    await simulation.run(async () => {
      const core = await startAssembly(machine, plan);
      const joined = networkOfFile(core.deployment, file);
      await using rest = await startAssembly(more, planOf(THE_REST, { hostname: MORE }), { network: joined });
      let hasFailed = false;
      void rest.failed.then(() => hasFailed = true);
      const network = networkOfFile(rest.deployment, file);
      await foundAgain(there, network, 60_000);
      await test({ core, rest, machine, there, network }, simulation);
      assert.equal(hasFailed, false, "a network that is away is no dead plane");
    });
  });
}

const NOTHING: DmsgNetwork = {
  name: "local",
  file: undefined,
  servers: [],
  discoveryHttp: undefined,
  discoveryDmsg: undefined,
};

/** The key that a server on this machine will have. */
async function keyOf(world: World): Promise<PublicKey> {
  await world.files.makeDirectory(FOLDER);
  return (await keptKeyPair(world, `${FOLDER}/dmsg-server-1.key`)).publicKey;
}

/** The server of an assembly that has nothing else. */
function knownOf({ services: [server] }: Assembly): KnownServer {
  return { publicKey: server!.publicKey!, address: server!.address! };
}

const CORE = planOf(["dmsg-discovery", "dmsg-server"]);

Deno.test("a discovery and its servers end in order, and begin again with an empty store", () =>
  deployed(51, CORE, async ({ core, rest, machine, there, network }) => {
    await core.close();
    await until(there, () => rest.services.every((service) => !service.isReady()), 180_000);
    assert.ok((await down(there, network)).length > 0);
    await sleep(there.clock, 60_000);
    await using _again = await startAssembly(machine, CORE);
    const tookMs = await foundAgain(there, network, 120_000);
    assert.ok(rest.services.every((service) => service.isReady()), `${tookMs} ms`);
  }));

Deno.test("a discovery that forgot everything has the entry of every service again, though no session ended", () =>
  withSimulation(52, async (simulation) => {
    const [disc, servers, more] = [
      simulation.node("disc", { address: HOST }),
      simulation.node("servers", { address: "198.51.100.3" }),
      simulation.node("more", { address: MORE }),
    ];
    const there = simulation.node("there");
    const plan = planOf(["dmsg-discovery"], { mode: "http" });
    const known = async () =>
      new Set(JSON.parse((await get(there, `http://${HOST}:9090/dmsg-discovery/entries`)).text));
    await simulation.run(async () => {
      const first = await startAssembly(disc, plan);
      await using second = await startAssembly(
        servers,
        planOf(["dmsg-server"], { hostname: "198.51.100.3" }),
        {
          network: first.network,
        },
      );
      await using rest = await startAssembly(more, planOf(THE_REST, { hostname: MORE }), {
        network: second.network,
      });
      const isKnown = async () => {
        const keys = await known();
        return rest.services.every(({ publicKey }) => keys.has(publicKey));
      };
      while (!await isKnown()) await sleep(there.clock, 1_000);
      await first.close();
      await using _again = await startAssembly(disc, plan); // in memory: nobody is known to it
      assert.equal((await known()).size, 0);
      const sinceMs = there.clock.monotonicMs();
      while (!await isKnown()) {
        assert.ok(there.clock.monotonicMs() - sinceMs < 60_000);
        await sleep(there.clock, 1_000);
      }
      assert.ok(rest.services.every((service) => service.isReady()), "no session ended");
    });
  }));

Deno.test("servers of other keys, one after the other: every service moves to them, setup nodes without HTTP (SV-6)", () =>
  withSimulation(53, async (simulation) => {
    const [disc, more, there] = [
      simulation.node("disc", { address: HOST }),
      simulation.node("more", { address: MORE }),
      simulation.node("there"),
    ];
    const machines = [11, 12, 13, 14].map((at) => ({
      hostname: `198.51.100.${at}`,
      world: simulation.node(`server ${at}`, { address: `198.51.100.${at}` }),
    }));
    await simulation.run(async () => {
      const serverOf = (hostname: string) => planOf(["dmsg-server"], { hostname }).slice(0, 1);
      const start = (at: number, network: DmsgNetwork) => {
        const { hostname, world } = machines[at]!;
        return startAssembly(world, serverOf(hostname), { network });
      };
      const discovery = planOf(["dmsg-discovery"]);
      // The discovery knows where its first servers will be: they register strictly over dmsg.
      const keys = await Promise.all(machines.slice(0, 2).map(({ world }) => keyOf(world)));
      const servers = keys.map((publicKey, at) => ({ publicKey, address: `${machines[at]!.hostname}:8081` }));
      await using core = await startAssembly(disc, discovery, { network: { ...NOTHING, servers } });
      const running = [await start(0, core.network), await start(1, core.network)];
      await using rest = await startAssembly(more, planOf(THE_REST, { hostname: MORE }), {
        network: core.network,
      });
      const sessions = () => rest.services.map((service) => service.dmsgSessions());
      await until(there, () => sessions().every((count) => count === 2), 120_000);
      for (const at of [2, 3]) {
        await running[at - 2]!.close();
        await until(there, () => sessions().every((count) => count === 1));
        // It registers over dmsg: its file names a server that is there.
        running.push(await start(at, { ...core.network, servers: [knownOf(running[at - 1]!)] }));
        await until(there, () => sessions().every((count) => count === 2), 240_000);
      }
      const network = networkOfFile(rest.deployment, file);
      const now = running.slice(2).map(knownOf);
      assert.deepEqual(await down(there, { ...network, discoveryHttp: undefined, servers: now }), []);
      for (const server of running) await server.close();
    });
  }));

Deno.test("a server that dies leaves every service at the other one, and has them again when it is back", () =>
  withSimulation(54, async (simulation) => {
    const [one, two, more] = [
      simulation.node("one", { address: HOST }),
      simulation.node("two", { address: "198.51.100.3" }),
      simulation.node("more", { address: MORE }),
    ];
    const there = simulation.node("there");
    const serverOf = (hostname: string) => planOf(["dmsg-server"], { hostname }).slice(0, 1);
    await simulation.run(async () => {
      await using core = await startAssembly(one, [...planOf(["dmsg-discovery"]), ...serverOf(HOST)]);
      const second = await startAssembly(two, serverOf("198.51.100.3"), { network: core.network });
      await using rest = await startAssembly(more, planOf(THE_REST, { hostname: MORE }), {
        network: second.network,
      });
      const sessions = () => rest.services.map((service) => service.dmsgSessions());
      const network = networkOfFile(rest.deployment, file);
      await until(there, () => sessions().every((count) => count === 2), 120_000);
      await second.close();
      await until(there, () => sessions().every((count) => count === 1), 10_000);
      const isOfIt = (line: string) => line.startsWith("dmsg-server");
      assert.deepEqual((await down(there, network)).filter((line) => !isOfIt(line)), []);
      await using _again = await startAssembly(two, serverOf("198.51.100.3"), { network: core.network });
      await until(there, () => sessions().every((count) => count === 2), 120_000);
      assert.deepEqual(await down(there, network), []);
    });
  }));
