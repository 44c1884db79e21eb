/** Whole visors on machines of their own: transports and routes by control calls, a proxy over three of them, and what remains when one dies. */
import assert from "node:assert/strict";
import { sha256 } from "../../lib/crypto/mod.ts";
import { SeededRandom } from "../../lib/runtime/simulated/mod.ts";
import { echoed, echoServer, type Fleet, keyOf, proxyArgs, withFleet } from "./_fleet.ts";

const SERVER = { launcher: { apps: [{ name: "skysocks", auto_start: true, port: 3 }] } };

/** A path of transports, known to the route finder. */
async function chain(fleet: Fleet, ...names: string[]): Promise<string[]> {
  const ids: string[] = [];
  for (let at = 1; at < names.length; at++) ids.push(await fleet.link(names[at - 1]!, names[at]!));
  await fleet.until("every transport is registered", async () => {
    const known = (await Promise.all(names.map((name) => fleet.registered(name)))).flat().map(({ id }) => id);
    return ids.every((id) => known.includes(id));
  }, 10_000);
  return ids;
}

async function proxyOver(fleet: Fleet, from: string, to: string, ...more: string[]): Promise<void> {
  await fleet.call(from, "appStart", { name: "skysocks-client", args: proxyArgs(to, ...more) });
  await fleet.until("the proxy is connected", () => isProxied(fleet, from));
}

function isProxied(fleet: Fleet, name: string): boolean {
  return fleet.node(name).launcher.app("skysocks-client")?.proxy?.connected === true;
}

const bytes = new SeededRandom("bytes").bytes(300_000);

Deno.test("A-B-C: SOCKS over two hops, every byte; rules at B; nothing left when the app stops", () =>
  withFleet(301, ["A", "B", "C"], async (fleet) => {
    const web = await echoServer(fleet);
    const [ab, bc] = await chain(fleet, "A", "B", "C");
    await proxyOver(fleet, "A", "C", "--min-hops", "2");
    const conn = await fleet.browse("A", web.address);
    assert.deepEqual(sha256(await echoed(conn, bytes)), sha256(bytes));

    const rules = await fleet.call("B", "routeRules", {});
    assert.deepEqual(rules.map(({ type }) => type), ["intermediary", "intermediary"]);
    assert.deepEqual(new Set(rules.map(({ nextTransport }) => nextTransport)), new Set([ab, bc]));
    const [group] = await fleet.call("A", "routeGroups", {});
    assert.deepEqual([group?.remote, group?.transport], [{ key: keyOf("C"), port: 3 }, ab]);
    const status = await fleet.call("B", "status", {});
    assert.deepEqual([status.node.transports, status.node.rules, status.node.routeGroups], [
      { stcpr: 2 },
      2,
      0,
    ]);
    assert(status.node.counters.router.bytesForwarded > 2 * bytes.length);
    assert.deepEqual((await fleet.call("A", "counters", {})).transports, {});

    conn.close();
    await fleet.call("A", "appStop", { name: "skysocks-client" });
    await fleet.until("no group at C", () => fleet.node("C").router.groups().length === 0);
    for (const name of ["A", "B", "C"]) {
      await fleet.until(`no rule at ${name}`, () => fleet.node(name).router.rules().length === 0, 5_000);
    }
    await web.close();
  }, { configs: { C: SERVER } }));

for (const how of ["reset", "silent"] as const) {
  Deno.test(`B dies (${how}) under a download: an error in time, and a new route over D by itself`, () =>
    withFleet(how === "reset" ? 302 : 303, ["A", "B", "C", "D"], async (fleet) => {
      const web = await echoServer(fleet);
      await chain(fleet, "A", "B", "C");
      await proxyOver(fleet, "A", "C", "--min-hops", "2");
      await chain(fleet, "A", "D", "C");
      const conn = await fleet.browse("A", web.address);
      await echoed(conn, bytes);
      const diedMs = fleet.nowMs;
      fleet.kill("B", how);
      await assert.rejects(async () => {
        for (;;) await echoed(conn, bytes);
      });
      // A ping of the proxy each 5 s, and 15 s for its answer.
      assert(fleet.nowMs - diedMs <= (how === "reset" ? 5_000 : 21_000), `${fleet.nowMs - diedMs} ms`);
      await fleet.until("a new route", () => isProxied(fleet, "A"), 120_000);
      const again = await fleet.browse("A", web.address);
      assert.deepEqual(sha256(await echoed(again, bytes)), sha256(bytes));
      assert.equal(fleet.node("D").router.rules().length, 2);
      const app = (await fleet.call("A", "apps", {})).find(({ name }) => name === "skysocks-client")!;
      assert.deepEqual([app.status, app.restarts, app.proxy?.sessions], ["running", 0, 2]);
      again.close();
      await fleet.call("A", "appStop", { name: "skysocks-client" });
      // C hears nothing of a machine that is gone: three pings of its transport, a minute each, tell it.
      const withinMs = how === "reset" ? 5_000 : 300_000;
      for (const name of ["A", "C", "D"]) {
        const noRule = () => fleet.node(name).router.rules().length === 0;
        await fleet.until(`no rule at ${name}`, noRule, withinMs);
        assert.deepEqual(fleet.node(name).router.groups(), []);
      }
      await web.close();
    }, { configs: { C: SERVER } }));
}

Deno.test("B dies and there is no other way: programs are told in SOCKS within 10 s; B comes back, and so does the route", () =>
  withFleet(304, ["A", "B", "C"], async (fleet) => {
    const web = await echoServer(fleet);
    await fleet.until("B's transports", () => fleet.node("B").transports.transports().length === 2);
    await fleet.sleep(6_000);
    await proxyOver(fleet, "A", "C", "--min-hops", "2");
    const conn = await fleet.browse("A", web.address);
    await echoed(conn, bytes);
    fleet.kill("B");
    await assert.rejects(echoed(conn, bytes));
    for (let round = 0; round < 3; round++) {
      const askedMs = fleet.nowMs;
      await assert.rejects(fleet.browse("A", web.address), { code: "SOCKS_REFUSED" });
      assert(fleet.nowMs - askedMs <= 10_100, `${fleet.nowMs - askedMs} ms`);
    }
    await fleet.sleep(120_000);
    assert.deepEqual([isProxied(fleet, "A"), fleet.node("A").router.rules()], [false, []]);
    await fleet.start("B");
    await fleet.until("the route is back", () => isProxied(fleet, "A"), 90_000);
    const again = await fleet.browse("A", web.address);
    assert.deepEqual(sha256(await echoed(again, bytes)), sha256(bytes));
    again.close();
    await web.close();
  }, {
    configs: {
      B: { persistent_transports: [{ pk: keyOf("A"), type: "stcpr" }, { pk: keyOf("C"), type: "stcpr" }] },
      C: SERVER,
    },
  }));

Deno.test("a transport in the middle is closed under a download, and made again: the app heals by itself", () =>
  withFleet(305, ["A", "B", "C"], async (fleet) => {
    const web = await echoServer(fleet);
    const [, bc] = await chain(fleet, "A", "B", "C");
    await proxyOver(fleet, "A", "C", "--min-hops", "2");
    const conn = await fleet.browse("A", web.address);
    await echoed(conn, bytes);
    const closedMs = fleet.nowMs;
    await fleet.call("B", "transportRemove", { id: bc! });
    await assert.rejects(async () => {
      for (;;) await echoed(conn, bytes);
    });
    assert(fleet.nowMs - closedMs <= 21_000, `${fleet.nowMs - closedMs} ms`);
    assert.equal(await fleet.link("B", "C"), bc);
    await fleet.until("the route is back", () => isProxied(fleet, "A"), 90_000);
    const again = await fleet.browse("A", web.address);
    await echoed(again, bytes);
    again.close();
    await fleet.call("A", "appStop", { name: "skysocks-client" });
    for (const name of ["A", "C"]) {
      const noGroup = () => fleet.node(name).router.groups().length === 0;
      await fleet.until(`no group at ${name}`, noGroup, 5_000);
    }
    // Rules at a relay that lost its transport under a route expire with their keep-alive of 10 min.
    await fleet.until("no rule at B", () => fleet.node("B").router.rules().length === 0, 660_000);
    await web.close();
  }, { configs: { C: SERVER } }));

Deno.test("transports, a route over two hops and a proxy do the same for the same seed", async () => {
  const hashes: string[] = [];
  for (const extraTurns of [0, 5]) {
    await withFleet(306, ["A", "B", "C"], async (fleet) => {
      const web = await echoServer(fleet);
      await chain(fleet, "A", "B", "C");
      await proxyOver(fleet, "A", "C", "--min-hops", "2");
      const conn = await fleet.browse("A", web.address);
      await echoed(conn, bytes.subarray(0, 20_000));
      conn.close();
      await web.close();
      hashes.push(fleet.simulation.hash);
    }, { configs: { C: SERVER }, extraTurns });
  }
  assert.equal(hashes[0], hashes[1]);
});
