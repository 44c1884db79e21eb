/** A dmsg server as an operator runs it, in virtual time: accepting, registered, healthy, and its end. */
import assert from "node:assert/strict";
import { silentLog } from "../../../lib/base/mod.ts";
import { keyPairFromSeed } from "../../../lib/crypto/mod.ts";
import { tcpHttpClient } from "../../../lib/directory/mod.ts";
import { AddressInUseError, sleep, type World } from "../../../lib/runtime/mod.ts";
import { runDmsgDiscovery } from "../../../lib/services/dmsg_discovery/mod.ts";
import {
  type DmsgServerOverrides,
  parseDmsgServerConfig,
  runDmsgServer,
} from "../../../lib/services/dmsg_server/mod.ts";
import { OPEN_DISCOVERY } from "../../support/own_network.ts";
import { withSimulation } from "../../support/world.ts";

const keys = keyPairFromSeed(new TextEncoder().encode("dmsg server that runs"));
const OPTIONS: DmsgServerOverrides = {
  discovery: "http://host:9090",
  httpRegistration: true,
  listen: "0.0.0.0:8081",
  public: "host:8081",
  health: "127.0.0.1:8082",
};

function start(world: World, overrides: DmsgServerOverrides = {}) {
  const config = parseDmsgServerConfig("{}", "server.json", { ...OPTIONS, ...overrides });
  return runDmsgServer({ world, log: silentLog, keys, version: "1.2.3", config });
}

function startDiscovery(world: World) {
  return runDmsgDiscovery({
    world,
    log: silentLog,
    settings: OPEN_DISCOVERY,
  });
}

async function get(world: World, url: string): Promise<{ status: number; json: Record<string, unknown> }> {
  const client = tcpHttpClient(world, "test/1");
  try {
    const response = await client.send({ url });
    const text = await response.text(1 << 20);
    return { status: response.status, json: text.startsWith("{") ? JSON.parse(text) : {} };
  } finally {
    await client.close();
  }
}

Deno.test("runDmsgServer() accepts and is healthy before any discovery is there, and registers when one is (DS-3)", () =>
  withSimulation(1, async (simulation) => {
    const world = simulation.node("host");
    await simulation.run(async () => {
      const running = await start(world);
      const early = await get(world, "http://127.0.0.1:8082/health");
      assert.deepEqual([early.status, early.json.registered, early.json.public_key], [
        200,
        false,
        keys.publicKey,
      ]);
      assert.equal((await get(world, "http://127.0.0.1:8082/else")).status, 404);
      const discovery = await startDiscovery(world);
      while (running.server.status().entry?.published !== true) await sleep(world.clock, 500);
      assert.equal((await get(world, "http://127.0.0.1:8082/health")).json.registered, true);
      const entry = `http://host:9090/dmsg-discovery/entry/${keys.publicKey}`;
      assert.equal((await get(world, entry)).status, 200);
      await running.close();
      await running.close();
      assert.equal((await get(world, entry)).status, 404); // its end takes the entry along
      await discovery.close();
    });
  }));

Deno.test("runDmsgServer() leaves nothing when a port is taken", () =>
  withSimulation(2, async (simulation) => {
    const world = simulation.node("host");
    await simulation.run(async () => {
      for (const port of [8081, 8082]) {
        const taken = await world.network.listen({ hostname: "0.0.0.0", port });
        await assert.rejects(start(world), AddressInUseError);
        taken.close();
      }
      await (await start(world)).close(); // both are free again
    });
  }));

for (const registration of ["http", "dmsg"] as const) {
  for (const [index, plane] of ["health", "sessions"].entries()) {
    Deno.test(`runDmsgServer(), registering over ${registration}, ends with the failure of its ${plane} plane when that dies first (DS-7)`, () =>
      withSimulation(3, async (simulation) => {
        const world = simulation.node("host");
        const listeners: { close(): void }[] = [];
        const listen = world.network.listen;
        world.network.listen = async (at) => {
          const listener = await listen(at);
          listeners.push(listener);
          return listener;
        };
        await simulation.run(async () => {
          const discovery_dmsg = `dmsg://${keys.publicKey}:80`;
          const running = await start(world, {
            httpRegistration: registration === "http",
            discoveryDmsg: registration === "dmsg" ? discovery_dmsg : undefined,
          });
          let failure: unknown;
          const ended = running.ended.then((cause) => failure = cause);
          await sleep(world.clock, 10_000);
          assert.equal(failure, undefined);
          assert.equal((await get(world, "http://127.0.0.1:8082/health")).status, 200);
          const diedMs = world.clock.monotonicMs();
          listeners[index]!.close();
          await ended;
          assert.equal(world.clock.monotonicMs(), diedMs, "at once");
          const cause = await running.ended as Error;
          if (plane === "sessions") {
            assert.match(String(cause.cause), /The listener of the dmsg server ended by itself/);
            assert.equal((await get(world, "http://127.0.0.1:8082/health")).status, 503);
          } else assert.match(cause.message, /The HTTP server of \/health ended by itself/);
          listeners[1 - index]!.close(); // the other one, later, changes nothing
          await sleep(world.clock, 1_000);
          assert.equal(await running.ended, failure);
          await running.close();
        });
      }));
  }
}

Deno.test("an orderly end of runDmsgServer() is no failure", () =>
  withSimulation(4, async (simulation) => {
    const world = simulation.node("host");
    await simulation.run(async () => {
      const running = await start(world);
      await running.close();
      assert.equal(await running.ended, undefined);
    });
  }));
