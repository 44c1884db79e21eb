/** What a visor's boot waits for, which is nothing; and how long it waits for dmsg before it asks without (TP-4). */
import assert from "node:assert/strict";
import { ControlClient } from "../../lib/control/mod.ts";
import type { World } from "../../lib/runtime/mod.ts";
import { DMSG_WAIT_MS } from "../../lib/visor/_node_services.ts";
import { type Fleet, keyOf, proxyArgs, withFleet } from "./_fleet.ts";

/** No dmsg server can be reached from that machine, and none says so; everything else can. */
function withoutDmsg(fleet: Fleet): (world: World) => void {
  const servers = new Set(fleet.network.network.servers.map(({ address }) => address));
  return ({ network }) => {
    const { dial } = network;
    network.dial = (to, options) => {
      const isServer = servers.has(`${to.hostname}:${to.port}`);
      return dial.call(network, isServer ? { hostname: "198.51.100.99", port: 1 } : to, options);
    };
  };
}

/** When a machine dialled `port`, in virtual time. */
function dialsOf(world: World, port: number): number[] {
  const times: number[] = [];
  const { dial } = world.network;
  world.network.dial = (to, options) => {
    if (to.port === port) times.push(world.clock.monotonicMs());
    return dial.call(world.network, to, options);
  };
  return times;
}

function portOf(fleet: Fleet, service: "transportDiscovery" | "addressResolver"): number {
  return Number(new URL(fleet.network.network[service]!.http!).port);
}

Deno.test("TP-4: dmsg is never there: boot waits for nothing, the discovery is asked over HTTP after 60 s, transports work", () =>
  withFleet(310, [], async (fleet) => {
    const startedMs = fleet.nowMs;
    for (const name of ["A", "B"]) await fleet.start(name, { onWorld: withoutDmsg(fleet) });
    assert.equal(fleet.nowMs, startedMs, "no virtual time passes until the control API answers");
    const dials = dialsOf(fleet.world("A"), portOf(fleet, "transportDiscovery"));
    const status = await fleet.call("A", "status", {});
    assert.deepEqual([status.ready, status.dmsg.ready], [false, false]);

    // The resolver is not the discovery: it is asked over HTTP at once, and the transport is up long before.
    await fleet.until("B is bound", async () => {
      const { addressResolver } = fleet.node("A").services;
      return await addressResolver!.resolve("stcpr", keyOf("B")) !== undefined;
    }, 15_000);
    await fleet.link("A", "B");
    assert.deepEqual(dials, []);
    assert(fleet.nowMs - startedMs < 20_000);

    await fleet.until("the first question", () => dials.length > 0, 2 * DMSG_WAIT_MS);
    assert(
      dials[0]! - startedMs >= 55_000 && dials[0]! - startedMs <= DMSG_WAIT_MS + 100,
      `${dials[0]! - startedMs} ms`,
    );
    await fleet.until("it is registered", async () => (await fleet.registered("A")).length === 1, 20_000);
    assert.equal(fleet.node("A").transports.transports().length, 1);
  }));

Deno.test("TP-4: dmsg comes late: the discovery is asked then, and not a minute later", () =>
  withFleet(311, [], async (fleet) => {
    await fleet.start("A");
    await fleet.stop("A");
    fleet.simulation.partition("A", "net");
    await fleet.start("A");
    const { services } = fleet.node("A");
    let answeredMs: number | undefined;
    const asking = services.transportDiscovery!.byEdge(keyOf("A")).then(() => answeredMs = fleet.nowMs);
    await fleet.sleep(20_000);
    assert.equal(answeredMs, undefined);
    fleet.simulation.heal("A", "net");
    const healedMs = fleet.nowMs;
    await asking;
    assert(answeredMs! - healedMs < 30_000, `${answeredMs! - healedMs} ms`);
  }));

Deno.test("TP-4, VI-1: a network that swallows everything: the control API answers, calls fail in their time, Ctrl-C takes 1 s", () =>
  withFleet(312, ["A", "B"], async (fleet) => {
    await fleet.link("A", "B");
    await fleet.stop("A");
    fleet.simulation.partition("A");
    const startedMs = fleet.nowMs;
    await fleet.start("A", {
      config: {
        pk: keyOf("A"),
        persistent_transports: [{ pk: keyOf("B"), type: "stcpr" }, { pk: keyOf("B"), type: "dmsg" }],
        launcher: {
          apps: [
            { name: "skysocks", auto_start: true },
            { name: "skysocks-client", auto_start: true, args: proxyArgs("B") },
          ],
        },
      },
    });
    assert.equal(fleet.nowMs, startedMs);
    await fleet.sleep(90_000);
    const client = await ControlClient.open("/home", fleet.world("A"));
    const askedMs = fleet.nowMs;
    await assert.rejects(client.call("transportAdd", { key: keyOf("B"), timeoutMs: 5_000 }));
    assert(fleet.nowMs - askedMs < 5_100);
    await assert.rejects(client.call("visorPing", { key: keyOf("B") }));
    const apps = await client.call("apps", {});
    assert.deepEqual(apps.map(({ status }) => status), ["running", "starting"]);
    await client.close();
    const endsMs = fleet.nowMs;
    await fleet.stop("A");
    assert(fleet.nowMs - endsMs < 1_000, `${fleet.nowMs - endsMs} ms`);
    assert.deepEqual(fleet.world("A").ledger.live(), {});
  }));
