/** skysocks and its client in whole visors: direct, from the configuration, through restarts, against bad sessions. */
import assert from "node:assert/strict";
import { sha256 } from "../../lib/crypto/mod.ts";
import { SeededRandom } from "../../lib/runtime/simulated/mod.ts";
import { PacketType } from "../../lib/transport/mod.ts";
import { dialAppDirect } from "../../lib/routing/setup/mod.ts";
import { assertGrownLittle, echoed, echoServer, type Fleet, keyOf, proxyArgs, withFleet } from "./_fleet.ts";

const SERVER = { launcher: { apps: [{ name: "skysocks", auto_start: true, port: 3 }] } };
const bytes = new SeededRandom("apps").bytes(100_000);

function proxyOf(fleet: Fleet, name: string) {
  return fleet.node(name).launcher.app("skysocks-client")?.proxy;
}

/** Counts what a visor asks of the services that `--direct` must do without. */
function asked(fleet: Fleet, name: string): { routes: number } {
  const counts = { routes: 0 };
  const { services } = fleet.node(name);
  const { findRoutes } = services;
  Object.assign(services, {
    findRoutes: (...args: Parameters<typeof findRoutes>) => (counts.routes++, findRoutes(...args)),
  });
  return counts;
}

Deno.test("VI-2: --direct in autostart arguments: one hop over a transport made for it, no route; a server's restart heals", () =>
  withFleet(340, ["C"], async (fleet) => {
    const web = await echoServer(fleet);
    await fleet.sleep(2_000);
    const apps = [{
      name: "skysocks-client",
      auto_start: true,
      args: ["app", "skysocks-client", ...proxyArgs("C", "--direct")],
    }];
    await fleet.start("A", { config: { launcher: { apps } } });
    const counts = asked(fleet, "A");
    await fleet.until("connected", () => proxyOf(fleet, "A")?.connected === true, 10_000);
    const [transport] = await fleet.call("A", "transports", {});
    assert.deepEqual([transport?.type, transport?.remote], ["stcpr", keyOf("C")]);
    assert.deepEqual([await fleet.call("A", "routeRules", {}), await fleet.call("C", "routeRules", {})], [
      [],
      [],
    ]);

    const conn = await fleet.browse("A", web.address);
    assert.deepEqual(sha256(await echoed(conn, bytes)), sha256(bytes));
    const stats = fleet.network.services().find(({ name }) => name === "setup-node");
    assert.equal(stats?.ready, true);

    // The server's app goes and comes.
    await fleet.call("C", "appStop", { name: "skysocks" });
    await assert.rejects(echoed(conn, bytes));
    await fleet.until("told", () => proxyOf(fleet, "A")?.connected === false, 20_000);
    await fleet.call("C", "appStart", { name: "skysocks" });
    await fleet.until("healed", () => proxyOf(fleet, "A")?.connected === true, 60_000);
    const second = await fleet.browse("A", web.address);
    await echoed(second, bytes);

    // The server's whole visor goes and comes.
    fleet.kill("C");
    await assert.rejects(echoed(second, bytes));
    await fleet.sleep(20_000);
    await fleet.start("C");
    await fleet.until("healed", () => proxyOf(fleet, "A")?.connected === true, 90_000);
    const third = await fleet.browse("A", web.address);
    assert.deepEqual(sha256(await echoed(third, bytes)), sha256(bytes));
    third.close();
    const app = (await fleet.call("A", "apps", {}))[0]!;
    assert.deepEqual([app.status, app.restarts, app.proxy?.direct, app.proxy?.sessions], [
      "running",
      0,
      true,
      3,
    ]);
    assert.deepEqual([counts.routes, fleet.node("A").router.counters().groupsOpened], [0, 0]);
    await web.close();
  }, { configs: { C: SERVER } }));

Deno.test("VI-2: --direct to a visor that nobody reaches directly says so, and makes no route", () =>
  withFleet(341, ["A", "B", "C"], async (fleet) => {
    await fleet.link("A", "B");
    await fleet.link("B", "C");
    await fleet.sleep(6_000);
    const { dialer } = fleet.node("A");
    await fleet.stop("C"); // its transports are still a rumour
    await assert.rejects(dialer.dial({ publicKey: keyOf("C"), port: 3 }, { direct: true }), {
      code: "DIRECT_DIAL_FAILED",
    });
    assert.deepEqual(fleet.node("A").router.rules(), []);
    assert.deepEqual(fleet.node("B").router.rules(), []);
  }, { configs: { C: SERVER } }));

Deno.test("an app's port is open to routes and to direct streams alike", () =>
  withFleet(342, ["A", "C"], async (fleet) => {
    const web = await echoServer(fleet);
    const id = await fleet.link("A", "C");
    for (const more of [["--direct"], []]) {
      await fleet.call("A", "appStart", { name: "skysocks-client", args: proxyArgs("C", ...more) });
      await fleet.until("connected", () => proxyOf(fleet, "A")?.connected === true);
      const conn = await fleet.browse("A", web.address);
      await echoed(conn, bytes);
      assert.equal((await fleet.call("C", "routeGroups", {})).length, more.length === 0 ? 1 : 0);
      conn.close();
      await fleet.call("A", "appStop", { name: "skysocks-client" });
    }
    const transport = fleet.node("A").transports.find(id as never)!;
    const to = { publicKey: keyOf("C"), port: 77 };
    const world = fleet.world("A");
    await assert.rejects(
      dialAppDirect(transport.openStream(PacketType.appDirect), { world, local: keyOf("A"), to }),
      { code: "APP_PORT_CLOSED" },
    );
    await web.close();
  }, { configs: { C: SERVER } }));

Deno.test("VI-3: sessions that are no yamux, end at once, or never speak leak nothing at the server, which goes on", () =>
  withFleet(343, ["A", "C"], async (fleet) => {
    const id = await fleet.link("A", "C");
    const transport = fleet.node("A").transports.find(id as never)!;
    const world = fleet.world("A");
    const to = { publicKey: keyOf("C"), port: 3 };
    const dial = () =>
      dialAppDirect(transport.openStream(PacketType.appDirect), { world, local: keyOf("A"), to });
    const before = fleet.world("C").ledger.live();
    const silent = await dial();
    for (let round = 0; round < 300; round++) {
      const conn = await dial();
      if (round % 3 === 0) await conn.write(new SeededRandom(`garbage ${round}`).bytes(100)).catch(() => {});
      if (round % 3 === 1) await conn.write(Uint8Array.of(0, 0, 0)).catch(() => {});
      if (round % 3 !== 0) conn.close();
      else while (await conn.read().catch(() => null) !== null);
      conn.close();
    }
    silent.close();
    await fleet.sleep(10_000);
    assertGrownLittle(before, fleet.world("C").ledger.live());
    assert.equal(fleet.node("C").launcher.app("skysocks")?.status, "running");
    await fleet.call("A", "appStart", { name: "skysocks-client", args: proxyArgs("C", "--direct") });
    await fleet.until("connected", () => proxyOf(fleet, "A")?.connected === true);
  }, { configs: { C: SERVER } }));
