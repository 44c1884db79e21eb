/** Which way a whole visor goes: given hops, found ones, direct ones; without a setup node, without a route finder. */
import assert from "node:assert/strict";
import { silentLog } from "../../lib/base/mod.ts";
import type { DmsgNetwork } from "../../lib/directory/mod.ts";
import { renderDeploymentFile } from "../../lib/directory/mod.ts";
import { HANDSHAKE_WAIT_MS } from "../../lib/routing/_group_wire.ts";
import { type RunningSetupNode, runSetupNode } from "../../lib/services/setup_node/mod.ts";
import { type Fleet, keyOf, pairOf, withFleet } from "./_fleet.ts";

/** A path of transports that the route finder knows. */
async function chain(fleet: Fleet, ...names: string[]): Promise<string[]> {
  const ids: string[] = [];
  for (let at = 1; at < names.length; at++) ids.push(await fleet.link(names[at - 1]!, names[at]!));
  await fleet.sleep(6_000);
  return ids;
}

function assertNoRoutes(fleet: Fleet, ...names: string[]): Promise<unknown> {
  return Promise.all(names.map((name) =>
    fleet.until(`nothing of a route at ${name}`, () => {
      const { router } = fleet.node(name);
      return router.rules().length === 0 && router.groups().length === 0;
    }, 15_000)
  ));
}

/** The network of a fleet with some services others. */
function deploymentWith(fleet: Fleet, other: Partial<DmsgNetwork>): string {
  return renderDeploymentFile({ ...fleet.network.network, ...other });
}

Deno.test("RT-10: a dial without any options is safe: with a transport, over a found route, and with no way at all", () =>
  withFleet(350, ["A", "B", "C"], async (fleet) => {
    const { dialer } = fleet.node("A");
    await assert.rejects(dialer.dial({ publicKey: keyOf("A"), port: 58 }), { code: "NO_ROUTE" });
    await chain(fleet, "A", "B", "C");
    for (const [name, hops] of [["B", 1], ["C", 1]] as const) {
      const group = await dialer.dial({ publicKey: keyOf(name), port: 58 });
      assert.equal(
        dialer.routeOf(group as never)?.forward.length,
        hops,
        "C is reached by a transport made for it",
      );
      group.close();
      await group.closed;
    }
    const none = {
      minHops: undefined,
      maxHops: undefined,
      forward: undefined,
      reverse: undefined,
      direct: undefined,
    };
    const group = await dialer.dial({ publicKey: keyOf("B"), port: 58 }, { ...none, signal: undefined });
    group.close();
    await group.closed;
    const unknown = pairOf("nobody").publicKey;
    await assert.rejects(
      dialer.dial({ publicKey: unknown, port: 58 }),
      (error: { code?: string }) => typeof error.code === "string",
    );
    await assert.rejects(fleet.call("A", "visorPing", { key: unknown }), { name: "ControlError" });
    await assertNoRoutes(fleet, "A", "B", "C");
  }));

Deno.test("RT-9: what fails on an open transport is told; a longer route is not taken in silence", () =>
  withFleet(351, ["A", "B", "C"], async (fleet) => {
    await chain(fleet, "A", "B", "C");
    await fleet.link("A", "C");
    fleet.simulation.partition("A", "C"); // half-open: both still hold it for live
    const startedMs = fleet.nowMs;
    await assert.rejects(fleet.node("A").dialer.dial({ publicKey: keyOf("C"), port: 58 }), {
      code: "ROUTE_HANDSHAKE_TIMEOUT",
    });
    const tookMs = fleet.nowMs - startedMs;
    assert(tookMs >= HANDSHAKE_WAIT_MS && tookMs < HANDSHAKE_WAIT_MS + 2_000, `${tookMs} ms`);
    assert.equal(fleet.node("B").router.counters().packetsForwarded, 0);
    assert.deepEqual(fleet.node("B").router.rules(), []);
    fleet.simulation.heal("A", "C");
    await assertNoRoutes(fleet, "A", "C");
  }));

Deno.test("RT-7, RT-11: a route whose far end stays silent is given up after 6 s, and the next one goes around it", () =>
  withFleet(352, ["A", "B", "C", "D"], async (fleet) => {
    await chain(fleet, "A", "B", "C");
    fleet.simulation.partition("B", "C"); // dmsg still leads to both: the rules are installed
    await fleet.sleep(1_000);
    const first = fleet.node("A").dialer.dial({ publicKey: keyOf("C"), port: 58 }, { minHops: 2 });
    first.catch(() => {});
    await fleet.sleep(3_000);
    assert.equal(fleet.node("B").router.rules().length, 2);
    await assert.rejects(first); // there is no other way
    await fleet.link("A", "D");
    await fleet.link("D", "C");
    await fleet.sleep(6_000);

    const startedMs = fleet.nowMs;
    const group = await fleet.node("A").dialer.dial({ publicKey: keyOf("C"), port: 58 }, { minHops: 2 });
    const tookMs = fleet.nowMs - startedMs;
    assert(tookMs < 2 * HANDSHAKE_WAIT_MS, `${tookMs} ms`);
    assert.equal(fleet.node("D").router.rules().length, 2);
    group.close();
    await group.closed;
    fleet.simulation.heal("B", "C");
    await assertNoRoutes(fleet, "A", "C", "D");
    // Two tries went by B. A's close took the rule of its own way; that of the way back, never used, times out.
    assert(fleet.node("B").router.rules().length <= 2);
    await fleet.sleep(620_000);
    assert.deepEqual(fleet.node("B").router.rules(), []);
  }));

Deno.test("hops that are given: by transport and by key, there and back by different ways, and refused when they lead nowhere", () =>
  withFleet(353, ["A", "B", "C", "D"], async (fleet) => {
    const [ab, bc] = await chain(fleet, "A", "B", "C");
    const [ad, dc] = await chain(fleet, "A", "D", "C");
    const forward = [ab!, bc!];
    const reverse = [dc!, ad!];
    const there = await fleet.call("A", "visorPing", { key: keyOf("C"), forward, reverse, count: 2 });
    assert.deepEqual(there.forward.map(({ transport }) => transport), forward);
    assert.deepEqual(there.reverse.map(({ transport }) => transport), reverse);
    assert.equal(there.roundTripsMs.length, 2);
    assert(
      there.forward.every(({ latencyMs }) => latencyMs !== null && latencyMs > 0),
      "each hop's own latency",
    );
    const byKeys = await fleet.call("A", "visorPing", {
      key: keyOf("C"),
      forward: [keyOf("D"), keyOf("C")],
      count: 1,
    });
    assert.deepEqual(byKeys.forward.map(({ transport }) => transport), [ad, dc]);
    assert.deepEqual(byKeys.reverse.map(({ transport }) => transport), [dc, ad], "the way there, mirrored");
    for (
      const wrong of [[ab!, ad!], [bc!, ab!], ["a0a0a0a0-0000-0000-0000-000000000000"], ["nonsense"]]
    ) {
      await assert.rejects(fleet.call("A", "visorPing", { key: keyOf("C"), forward: wrong }), {
        name: "ControlError",
      });
    }
    await assertNoRoutes(fleet, "A", "B", "C", "D");
  }));

Deno.test("without setup node and route finder: one hop is set up with the visor itself, more hops say what is missing", () =>
  withFleet(354, [], async (fleet) => {
    const deployment = deploymentWith(fleet, { setupNodes: [], routeFinder: undefined });
    for (const name of ["A", "B", "C"]) await fleet.start(name, { deployment });
    await fleet.sleep(5_000);
    const [ab, bc] = await chain(fleet, "A", "B", "C");
    const ping = await fleet.call("A", "visorPing", { key: keyOf("B"), count: 3 });
    assert.deepEqual(ping.forward.map(({ transport }) => transport), [ab]);
    assert.equal(ping.roundTripsMs.length, 3);
    const { dialer } = fleet.node("A");
    const to = { publicKey: keyOf("C"), port: 58 };
    await assert.rejects(dialer.dial(to, { minHops: 2 }), { code: "NO_ROUTE", message: /no route finder/ });
    const forward = [{ transportId: ab as never }, { transportId: bc as never }];
    await assert.rejects(dialer.dial(to, { forward }), { code: "NO_SETUP_NODE" });
    await assertNoRoutes(fleet, "A", "B", "C");
  }));

Deno.test("the route finder is down: routes over open transports and given hops work, others fail in their time", () =>
  withFleet(355, [], async (fleet) => {
    const deployment = deploymentWith(fleet, { routeFinder: { http: "http://198.51.100.99:9092" } });
    const config = { routing: { route_finder_timeout: "1s" } };
    for (const name of ["A", "B", "C"]) await fleet.start(name, { deployment, config });
    await fleet.sleep(5_000);
    const [ab, bc] = await chain(fleet, "A", "B", "C");
    await fleet.call("A", "visorPing", { key: keyOf("B"), count: 1 });
    const two = await fleet.call("A", "visorPing", { key: keyOf("C"), forward: [ab!, bc!], count: 1 });
    assert.equal(two.forward.length, 2);
    const startedMs = fleet.nowMs;
    await assert.rejects(fleet.node("A").dialer.dial({ publicKey: keyOf("C"), port: 58 }, { minHops: 2 }));
    assert(fleet.nowMs - startedMs <= 1_000, `route_finder_timeout: ${fleet.nowMs - startedMs} ms`);
    await assertNoRoutes(fleet, "A", "B", "C");
  }));

Deno.test("the setup node goes down: routes that stand go on, new ones fail with its name; it comes back, and so do they", () =>
  withFleet(356, [], async (fleet) => {
    const keys = pairOf("setup node");
    const start = (): Promise<RunningSetupNode> =>
      runSetupNode({
        world: fleet.simulation.node("setup"),
        keys,
        network: fleet.network.network,
        log: silentLog,
        userAgent: "skyctl/1.2.3",
      });
    await start();
    const deployment = deploymentWith(fleet, { setupNodes: [keys.publicKey] });
    for (const name of ["A", "B", "C"]) await fleet.start(name, { deployment });
    await fleet.sleep(5_000);
    await chain(fleet, "A", "B", "C");
    const to = { publicKey: keyOf("C"), port: 58 };
    const { dialer } = fleet.node("A");
    const standing = await dialer.dial(to, { minHops: 2 });
    fleet.simulation.halt("setup", "silent");
    const startedMs = fleet.nowMs;
    await assert.rejects(
      dialer.dial(to, { minHops: 2 }),
      (error: { code?: string }) => typeof error.code === "string",
    );
    assert(fleet.nowMs - startedMs <= 185_000, `${fleet.nowMs - startedMs} ms`);
    assert(
      (await (standing as { ping(): Promise<number[]> }).ping()).length > 0,
      "the one that stands is not asked for",
    );
    const again = await start();
    await fleet.until("a route", async () => {
      try {
        const group = await dialer.dial(to, { minHops: 2 });
        group.close();
        await group.closed;
        return true;
      } catch {
        return false;
      }
    }, 120_000);
    standing.close();
    await standing.closed;
    await assertNoRoutes(fleet, "A", "B", "C");
    await again.close();
  }));

Deno.test("persistent transports are made at the start, and again whenever the peer is back", () =>
  withFleet(357, ["B"], async (fleet) => {
    await fleet.start("A", {
      config: {
        persistent_transports: [{ pk: keyOf("B"), type: "stcpr" }, {
          pk: keyOf("B"),
          type: "carrier pigeon",
        }],
      },
    });
    const isUp = () => fleet.node("A").transports.to(keyOf("B")).length === 1;
    await fleet.until("up", isUp, 15_000);
    const [first] = fleet.node("A").transports.transports();
    assert.equal(first?.label, "user");
    await fleet.call("A", "transportRemove", { id: first!.id });
    await fleet.until("up again", isUp, 15_000);
    fleet.kill("B");
    await fleet.until("gone", () => !isUp(), 1_000);
    await fleet.sleep(60_000);
    assert.equal(isUp(), false);
    await fleet.start("B");
    await fleet.until("up after the peer's restart", isUp, 25_000);
    assert(
      fleet.records.some(({ message }) =>
        message === "A persistent transport is of a type that is not built in"
      ),
    );
  }));
