/** A visor's first moments on the least configuration: a dmsg client is there, knows servers, and asks nobody twice (DC-12). */
import assert from "node:assert/strict";
import { embeddedNetwork } from "../../lib/directory/mod.ts";
import type { World } from "../../lib/runtime/mod.ts";
import { networkOfConfig, parseVisorConfig } from "../../lib/visor/mod.ts";
import { deployment, inNet, key, known } from "../services/dmsg_server/support.ts";
import { withSimulation } from "../support/world.ts";
import { never, startVisor, statusThat } from "./_nodes.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const embedded = embeddedNetwork();
const discoveryUrl = `dmsg://${embedded.discoveryDmsg!.publicKey}:80`;

/** Each says less than the next, or the same in the way of 2024. */
const MINIMAL: readonly (readonly [title: string, config: unknown])[] = [
  ["no file", undefined],
  ["an empty object", {}],
  ["no dmsg block", { dmsg: null }],
  ["the discovery on dmsg alone", { dmsg: { discovery_dmsg: discoveryUrl } }],
  ["the discovery on dmsg alone, as in 2024", { dmsg: { discovery: discoveryUrl, servers: [] } }],
];

Deno.test("networkOfConfig() takes the servers of the embedded deployment when a configuration names none (DC-12)", () => {
  for (const [title, config] of MINIMAL) {
    const network = networkOfConfig(parseVisorConfig(JSON.stringify(config ?? {}), "visor.json"));
    assert.deepEqual(network.servers, embedded.servers, title);
    assert.deepEqual(network.discoveryDmsg, embedded.discoveryDmsg, title);
    const isOnDmsgAlone = title.includes("alone");
    assert.equal(network.discoveryHttp, isOnDmsgAlone ? undefined : embedded.discoveryHttp, title);
  }
});

/** The world, with its TCP dials as `host:port` in `dials`. */
function watched(world: World, dials: string[]): World {
  const { dial } = world.network;
  world.network.dial = (to, options) => {
    dials.push(`${to.hostname}:${to.port}`);
    return dial.call(world.network, to, options);
  };
  return world;
}

for (const [index, [title, config]] of MINIMAL.entries()) {
  Deno.test(`a visor's first boot with ${title}: its client dials the embedded servers, calmly, though nobody answers (DC-12)`, () =>
    withSimulation(40 + index, async (simulation) => {
      const dials: string[] = [];
      const world = watched(simulation.node("new"), dials);
      await simulation.run(async () => {
        if (config !== undefined) await world.files.write("/visor.json", encode(JSON.stringify(config)));
        const running = await startVisor(world, { local: false, configFile: "/visor.json" });
        const { dmsg } = running.visor;
        assert.equal(dmsg.publicKey, running.visor.publicKey);
        assert.deepEqual([running.visor.status().ready, dmsg.status().sessions], [false, []]);
        await assert.rejects(dmsg.dial({ publicKey: key("somebody"), port: 80 }), { code: "DMSG_202" });
        await statusThat(running, world, ({ uptimeMs }) => uptimeMs >= 300_000);
        const addresses = embedded.servers.map(({ address }) => address);
        assert.deepEqual(addresses.filter((address) => !dials.includes(address)), [], "each server is tried");
        const others = dials.filter((to) => !addresses.includes(to) && !/^(ar|dmsgd|sd|tpd)\./.test(to));
        assert.deepEqual(others, []);
        const most = Math.max(...addresses.map((address) => dials.filter((to) => to === address).length));
        assert.ok(most <= 30, `${most} dials of one server in 5 min`);
        assert.match(
          running.visor.status().dmsg.lastFailure!,
          /Cannot connect|No dmsg server|did not finish/,
        );
        const closedMs = world.clock.monotonicMs();
        await running.close();
        assert.ok(world.clock.monotonicMs() - closedMs < 2_000);
      });
    }));
}

for (const [index, field] of ["discovery_dmsg", "discovery"].entries()) {
  Deno.test(`a visor with nothing but dmsg in its file (${field}) is ready at its first boot, and published over dmsg (DC-12)`, () =>
    inNet(50 + index, async (net) => {
      await using _discovery = await net.discovery("d", ["a"]);
      await using _server = await net.server("a", { dmsg: deployment("d", ["a"]) });
      const world = net.world("new");
      const dmsg = { [field]: `dmsg://${key("d")}:80`, servers: [known("a")] };
      await world.files.write("/visor.json", encode(JSON.stringify({ dmsg })));
      await using running = await startVisor(world, { local: false, configFile: "/visor.json" });
      const startedMs = world.clock.monotonicMs();
      await running.whenReady(never);
      assert.ok(world.clock.monotonicMs() - startedMs < 10_000);
      assert.equal(running.visor.status().ready, true);
      assert.equal(
        net.dials.filter((dial) => dial.startsWith("new ")).length,
        1,
        "one session, and nothing else",
      );
    }));
}
