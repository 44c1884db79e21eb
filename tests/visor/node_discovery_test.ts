/** What others are told of a visor's transports, and when (TP-1); what it tells of its own uptime (VI-4). */
import assert from "node:assert/strict";
import { type Fleet, keyOf, withFleet } from "./_fleet.ts";

/** When a visor registers, in virtual time, with the number of its transports. */
function registrationsOf(fleet: Fleet, name: string): { atMs: number; transports: number }[] {
  const seen: { atMs: number; transports: number }[] = [];
  const client = fleet.node(name).services.transportDiscovery!;
  const { register } = client;
  client.register = (records, signal) => {
    seen.push({ atMs: fleet.nowMs, transports: records.length });
    return register.call(client, records, signal);
  };
  return seen;
}

Deno.test("TP-1: a first transport is registered by both at once, after 5 s with its latency, again every 90 s, and gone 5 s after its end", () =>
  withFleet(320, ["A", "B"], async (fleet) => {
    await fleet.sleep(10_000); // past the first registration, of none
    const registrations = { A: registrationsOf(fleet, "A"), B: registrationsOf(fleet, "B") };
    const id = await fleet.link("A", "B");
    const openedMs = fleet.nowMs;
    const took = await fleet.until(
      "it is registered",
      async () => (await fleet.registered("B")).length === 1,
    );
    assert(took <= 500, `${took} ms`);
    const [record] = await fleet.registered("A");
    assert.deepEqual([record?.id, record?.type, record?.label], [id, "stcpr", "user"]);
    assert.deepEqual(new Set(record?.edges), new Set([keyOf("A"), keyOf("B")]));

    await fleet.sleep(300_000);
    for (const seen of Object.values(registrations)) {
      const [firstMs, secondMs] = seen.slice(0, 2).map(({ atMs }) => atMs - openedMs);
      assert(firstMs! <= 100 && secondMs! >= 4_900 && secondMs! <= 5_100, `${firstMs}, ${secondMs} ms`);
      seen.shift();
      const pauses = seen.slice(1).map(({ atMs }, index) => Math.round((atMs - seen[index]!.atMs) / 1_000));
      assert(pauses.length >= 3 && pauses.every((pause) => pause === 90), pauses.join());
      assert(seen.every(({ transports }) => transports === 1));
    }
    const [measured] = await fleet.registered("A");
    const [summary] = await fleet.call("A", "transports", {});
    assert(measured!.latency !== undefined && measured!.latency.avg > 0);
    assert(summary!.latency !== null && summary!.latency.min > 0);
    assert(measured!.latency.min >= 1_000 * summary!.latency.min * 0.99, "microseconds");

    assert.deepEqual(await fleet.call("A", "transportRemove", { id }), { id, removed: true });
    assert.deepEqual(await fleet.call("A", "transports", {}), []);
    const goneMs = await fleet.until("it is gone", async () => (await fleet.registered("B")).length === 0);
    assert(goneMs <= 5_500, `${goneMs} ms`);
    await fleet.until("it is gone at B", () => fleet.node("B").transports.transports().length === 0, 1_000);
    assert.deepEqual(await fleet.call("A", "transportRemove", { id }), { id, removed: false });
  }));

Deno.test("TP-1: a visor that stops takes its transports out of the discovery, and one that is killed has them expire", () =>
  withFleet(321, ["A", "B", "C"], async (fleet) => {
    await fleet.link("A", "C");
    await fleet.link("B", "C");
    await fleet.until("both are registered", async () => (await fleet.registered("C")).length === 2);
    await fleet.stop("A");
    assert.deepEqual((await fleet.registered("C")).map(({ edges }) => edges.includes(keyOf("B"))), [true]);
    fleet.kill("B", "silent");
    await fleet.sleep(600_000);
    assert.deepEqual(await fleet.registered("C"), []);
    assert.deepEqual(fleet.node("C").transports.transports(), []);
  }));

Deno.test("TP-3: a transport whose peer died is not handed out any more, and the next dial makes a new one", () =>
  withFleet(322, ["A", "B"], async (fleet) => {
    const id = await fleet.link("A", "B");
    const dead = fleet.node("A").transports.find(id as never)!;
    fleet.kill("B", "reset");
    await fleet.until("A has seen it", () => !dead.isLive, 1_000);
    assert.deepEqual([fleet.node("A").transports.find(dead.id), fleet.node("A").transports.to(keyOf("B"))], [
      undefined,
      [],
    ]);
    await assert.rejects(dead.send(1, 5, new Uint8Array(1)), { code: "TRANSPORT_CLOSED" });
    await fleet.start("B");
    await fleet.until("B is bound", async () => {
      try {
        return await fleet.link("A", "B") === id;
      } catch {
        return false;
      }
    }, 30_000);
    const next = fleet.node("A").transports.find(dead.id)!;
    assert.notEqual(next, dead);
    assert(next.isLive);
    const group = await fleet.call("A", "visorPing", { key: keyOf("B") });
    assert.deepEqual(group.forward.map(({ transport }) => transport), [id]);
  }));

Deno.test("VI-4: both tiers follow what is live: no dmsg tier without a server, no skynet over dmsg without dmsg", () =>
  withFleet(323, ["A", "B"], async (fleet) => {
    const hours = async () => (await fleet.call("A", "visorUptime", {})).panel;
    await fleet.sleep(121_000);
    const idle = await hours();
    assert.deepEqual([idle.runningMs, idle.dmsgMs, idle.skynetMs], [120_000, 120_000, 0]);

    await fleet.link("A", "B", "dmsg");
    await fleet.sleep(60_000);
    assert.deepEqual((await fleet.call("A", "visorUptime", {})).now, { dmsg: true, skynet: true });
    assert.equal((await hours()).skynetMs, 60_000);

    // The servers' machine is cut off in silence: the sessions go, and the transport over them with them.
    fleet.simulation.partition("A", "net");
    await fleet.until("no session", () => !fleet.running("A").visor.dmsg.isConnected, 300_000);
    assert.deepEqual((await fleet.call("A", "visorUptime", {})).now, { dmsg: false, skynet: false });
    const before = await hours();
    await fleet.sleep(120_000);
    const during = await hours();
    assert.deepEqual([during.dmsgMs - before.dmsgMs, during.skynetMs - before.skynetMs], [0, 0]);
    assert.equal(during.skynetWithoutDmsgMs, 0);
    assert(during.skynetMs <= during.dmsgMs, "no error of measuring");

    fleet.simulation.heal("A", "net");
    await fleet.until("a session", () => fleet.running("A").visor.dmsg.isConnected, 120_000);
    await fleet.link("A", "B", "stcpr");
    fleet.simulation.partition("A", "net");
    await fleet.until("no session", () => !fleet.running("A").visor.dmsg.isConnected, 300_000);
    assert.deepEqual((await fleet.call("A", "visorUptime", {})).now, { dmsg: false, skynet: true });
    const alone = await hours();
    await fleet.sleep(60_000);
    const after = await hours();
    assert.equal(after.skynetMs - alone.skynetMs, 60_000);
    assert.equal(
      after.skynetWithoutDmsgMs - alone.skynetWithoutDmsgMs,
      60_000,
      "stcpr needs no dmsg: said as such",
    );
    assert.equal(after.dmsgMs, alone.dmsgMs);
    fleet.simulation.heal("A", "net");
  }));

Deno.test("VI-4: the uptime is told over dmsg to the visor itself alone, and survives its restart", () =>
  withFleet(324, ["A", "B"], async (fleet) => {
    await fleet.sleep(61_000);
    const url = `http://${keyOf("A")}:80/stats/uptime`;
    const own = await fleet.running("A").visor.http.send({ url });
    assert.equal(JSON.parse(await own.text(100_000)).panel.dmsgMs, 60_000);
    const foreign = await fleet.running("B").visor.http.send({ url });
    assert.deepEqual([foreign.status, await foreign.text(100)], [401, "401 Unauthorized"]);
    await fleet.stop("A");
    await fleet.start("A");
    await fleet.sleep(61_000);
    assert.equal((await fleet.call("A", "visorUptime", {})).panel.runningMs, 120_000);
  }));

Deno.test("VI-4: stats.disabled and stats.sample_interval of the configuration count", () =>
  withFleet(325, ["A", "B"], async (fleet) => {
    await fleet.sleep(61_000);
    const [quiet, often] = [
      await fleet.call("A", "visorUptime", {}),
      await fleet.call("B", "visorUptime", {}),
    ];
    assert.deepEqual([quiet.sampleIntervalMs, quiet.panel.runningMs], [0, 0]);
    assert.deepEqual([often.sampleIntervalMs, often.panel.runningMs], [5_000, 60_000]);
  }, { configs: { A: { stats: { disabled: true } }, B: { stats: { sample_interval: "5s" } } } }));
