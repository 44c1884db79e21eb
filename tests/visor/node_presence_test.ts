/** Whole visors at a service discovery and an uptime tracker: what they offer, that they are up, whom they connect. */
import assert from "node:assert/strict";
import { type DmsgNetwork, renderDeploymentFile, serviceOfNetwork } from "../../lib/directory/mod.ts";
import { type Fleet, keyOf, withFleet } from "./_fleet.ts";

const SKYSOCKS = { name: "skysocks", binary: "skysocks", auto_start: true, port: 3 };
const withProxy = { launcher: { apps: [SKYSOCKS] } };

/** What the service discovery lists: keys by name. */
async function listed(fleet: Fleet, asks: string, type: string): Promise<string[]> {
  const found = await fleet.node(asks).services.serviceDiscovery!.find({ type });
  return found.map(({ publicKey, port }) =>
    `${["A", "B", "C"].find((name) => keyOf(name) === publicKey)}:${port}`
  )
    .sort();
}

const presenceOf = (fleet: Fleet, name: string) => fleet.running(name).visor.status().node.presence;

Deno.test("VI-1: a proxy is known while it runs, to everybody it serves; a public visor at its stcpr port; each gone at its end", () =>
  withFleet(340, ["A", "B", "C"], async (fleet) => {
    await fleet.until(
      "A and B are listed",
      async () => (await listed(fleet, "C", "skysocks")).length === 2,
      5_000,
    );
    assert.deepEqual(await listed(fleet, "C", "skysocks"), ["A:3", "B:3"], "the one with a passcode is not");
    const [record] = await fleet.node("C").services.serviceDiscovery!.find({ type: "skysocks" });
    assert.equal(record!.version, "1.2.3");
    await fleet.until("A is public", async () => (await listed(fleet, "C", "visor")).length === 1, 10_000);
    assert.deepEqual(await listed(fleet, "C", "visor"), ["A:7701"]);

    const { services, heartbeat } = presenceOf(fleet, "A");
    assert.deepEqual(services.map(({ type, port }) => `${type}:${port}`), ["visor:7701", "skysocks:3"]);
    assert(services.every(({ registeredAgoMs, failure }) => registeredAgoMs! >= 0 && failure === undefined));
    assert.equal(heartbeat!.service, "uptime tracker");

    await fleet.call("B", "appStop", { name: "skysocks" });
    await fleet.until(
      "B offers none",
      async () => (await listed(fleet, "C", "skysocks")).length === 1,
      3_000,
    );
    await fleet.call("B", "appStart", { name: "skysocks" });
    await fleet.until("B offers one", async () => (await listed(fleet, "C", "skysocks")).length === 2, 3_000);

    await fleet.sleep(400_000);
    assert.deepEqual(await listed(fleet, "C", "skysocks"), ["A:3", "B:3"], "renewed before it expires");
    assert.deepEqual(await listed(fleet, "C", "visor"), ["A:7701"]);

    const { connectionsRefused } = fleet.node("A").counters().setup;
    assert.equal(
      connectionsRefused,
      0,
      "the service that looked whether it takes streams is nobody who was refused",
    );
    const uptimes = await fleet.running("C").visor.askService("serviceDiscovery")({
      method: "GET",
      path: "/uptimes",
    });
    assert.deepEqual(
      JSON.parse(uptimes.text),
      [keyOf("A"), keyOf("B")].sort().map((key) => ({ key, online: true })),
    );

    const startedMs = fleet.nowMs;
    await fleet.stop("A");
    assert(fleet.nowMs - startedMs <= 2_000, `${fleet.nowMs - startedMs} ms`);
    await fleet.sleep(1_100); // lists are kept for a second
    assert.deepEqual([await listed(fleet, "C", "visor"), await listed(fleet, "C", "skysocks")], [[], [
      "B:3",
    ]]);
    fleet.kill("B");
    await fleet.sleep(200_000);
    assert.deepEqual(await listed(fleet, "C", "skysocks"), ["B:3"]);
    await fleet.sleep(102_000);
    assert.deepEqual(
      await listed(fleet, "C", "skysocks"),
      [],
      "SV-2: whoever is killed is forgotten after 5 min",
    );
  }, {
    configs: {
      A: { ...withProxy, is_public: true, transport: { stcpr_port: 7701, public_autoconnect: false } },
      B: withProxy,
      C: {
        launcher: { apps: [{ ...SKYSOCKS, args: ["--passcode", "secret"] }] },
        transport: { public_autoconnect: false },
      },
    },
  }));

Deno.test("VI-1: a visor that is public no more says so at its next start; one that nobody could dial says why it is not known", () =>
  withFleet(341, ["A", "B"], async (fleet) => {
    await fleet.until("A is public", async () => (await listed(fleet, "B", "visor")).length === 1, 10_000);
    fleet.kill("A");
    await fleet.start("A", { config: { is_public: false } });
    await fleet.until("A is not", async () => (await listed(fleet, "B", "visor")).length === 0, 10_000);
    assert.deepEqual(presenceOf(fleet, "A").services, []);

    const { addressResolver: _, ...rest } = fleet.network.network;
    await fleet.start("C", {
      config: { is_public: true },
      deployment: renderDeploymentFile(rest as DmsgNetwork),
    });
    await fleet.sleep(60_000);
    assert.deepEqual(
      presenceOf(fleet, "C").services.map(({ registeredAgoMs, ...rest }) => [registeredAgoMs, rest]),
      [
        [undefined, {
          type: "visor",
          port: undefined,
          failure: "the network has no address resolver, so stcpr is not served",
        }],
      ],
    );
    assert.deepEqual(await listed(fleet, "B", "visor"), []);
  }, { configs: { A: { is_public: true } } }));

Deno.test("VI-1: visors connect public visors by themselves, by sudph, and not where public_autoconnect is off", () =>
  withFleet(342, ["A", "B", "C"], async (fleet) => {
    await fleet.until(
      "B is connected",
      () => fleet.node("B").transports.to(keyOf("A")).length > 0,
      320_000,
    );
    const [transport] = fleet.node("B").transports.to(keyOf("A"));
    assert.deepEqual([transport!.type, transport!.label, transport!.isInitiator], [
      "sudph",
      "automatic",
      true,
    ]);
    await fleet.sleep(320_000);
    assert.deepEqual(presenceOf(fleet, "B").autoconnect, { connected: 1, wanted: 5 });
    assert.deepEqual(presenceOf(fleet, "A").autoconnect, { connected: 0, wanted: 5 }, "not to itself");
    assert.equal(presenceOf(fleet, "C").autoconnect, undefined);
    assert.equal(fleet.node("C").transports.transports().length, 0);
  }, {
    configs: { A: { is_public: true }, C: { transport: { public_autoconnect: false } } },
  }));

Deno.test("VI-1: visors beat at the uptime tracker; without one at the transport discovery; services that are away hold nothing up", () =>
  withFleet(343, ["A"], async (fleet) => {
    const { uptimeTracker: _, ...rest } = fleet.network.network;
    await fleet.start("B", { deployment: renderDeploymentFile(rest as DmsgNetwork) });
    assert.equal(serviceOfNetwork(fleet.network.network, "uptimeTracker")?.http?.startsWith("http://"), true);
    await fleet.sleep(301_000);
    const [seen, ...more] = await fleet.node("A").services.uptimeTracker!.uptimes();
    assert.deepEqual([seen!.publicKey, seen!.version, seen!.isOnline, more], [keyOf("A"), "1.2.3", true, []]);
    assert(presenceOf(fleet, "A").heartbeat!.lastAgoMs! < 2_000);
    assert.equal(presenceOf(fleet, "B").heartbeat!.service, "transport discovery");
    assert(presenceOf(fleet, "B").heartbeat!.lastAgoMs! < 10_000);

    // Everything but the visors is cut off: a new one starts, and all of them end, as if nothing were.
    for (const name of ["A", "B"]) fleet.simulation.partition(name, "net");
    await fleet.sleep(310_000);
    assert.match(presenceOf(fleet, "A").heartbeat!.failure!, /.+/);
    for (const name of ["A", "B"]) {
      const startedMs = fleet.nowMs;
      await fleet.stop(name);
      assert(fleet.nowMs - startedMs <= 2_000, `${name}: ${fleet.nowMs - startedMs} ms`);
    }
  }));
