/** The transports of a route finder of `skyctl svc run` whose transport discovery is another process. */
import assert from "node:assert/strict";
import { transportsElsewhere } from "../../commands/svc/_route_finder.ts";
import { silentLog } from "../../lib/base/mod.ts";
import { ProcessIo } from "../../lib/cli/mod.ts";
import { TransportGraph } from "../../lib/routing/paths/mod.ts";
import { sleep } from "../../lib/runtime/mod.ts";
import { runTransportDiscovery } from "../../lib/services/transport_discovery/mod.ts";
import { BARE_NETWORK } from "../services/dmsg_network_support.ts";
import { withSimulation } from "../support/world.ts";
import { FakeTerminal } from "./_fakes.ts";

Deno.test("svc run route-finder: its list has the life that is set, and tells how old it is", () =>
  withSimulation(47, async (simulation) => {
    const [here, there] = [simulation.node("here"), simulation.node("there")];
    const makeWorld = () => Promise.resolve(here);
    const io = new ProcessIo({ json: true, version: "1.2.3", terminal: new FakeTerminal(), makeWorld });
    await simulation.run(async () => {
      const discovery = await runTransportDiscovery({
        world: there,
        log: silentLog,
        settings: { address: { hostname: "0.0.0.0", port: 9091 }, store: "memory", mode: "http" },
      });
      const source = await transportsElsewhere(io, {
        world: here,
        log: silentLog,
        options: {},
        network: BARE_NETWORK,
        address: { http: "http://there:9091" },
        pollMs: 1_000,
      });
      const feed = source(new TransportGraph(), { entryTimeoutMs: 2_000 });
      assert.equal(feed.list!()!.state, "unread");
      await sleep(here.clock, 10_000);
      assert.equal(feed.list!()!.state, "read");
      await discovery.close();
      await sleep(here.clock, 10_000);
      assert.equal(feed.list!()!.state, "too old");
      await feed[Symbol.asyncDispose]();
    });
  }));
