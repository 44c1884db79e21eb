/** Registration over dmsg and nothing else, from the first post on, in a network that starts cold (DS-2). */
import assert from "node:assert/strict";
import { deployment, inNet, key, PORT } from "./support.ts";

/** Longest time from the start of the last node to a registration: retries of discovery and server, and the posts. */
const CONVERGES_WITHIN_MS = 35_000;

for (const [index, order] of ["discovery first", "server first"].entries()) {
  Deno.test(`DS-2: one server and its discovery find each other over the server itself, ${order}`, () =>
    inNet(1 + index, async (net) => {
      const startServer = () => net.server("a", { dmsg: deployment("d", ["a"]) });
      const early = index === 1 ? await startServer() : undefined;
      if (index === 1) await net.sleep(60_000);
      await using discovery = await net.discovery("d", ["a"]);
      if (index === 0) await net.sleep(60_000);
      const running = early ?? await startServer();
      assert.equal(running.server.status().ready, true, "it accepts before it is registered");
      await net.registered(running, CONVERGES_WITHIN_MS);
      const entry = await discovery.entry("a");
      assert.deepEqual([entry!.server!.address, entry!.client], [`a:${PORT}`, undefined]);
      assert.deepEqual(net.dials.filter((dial) => dial.includes(" d:")), [], "nobody asks over plain HTTP");
      await net.sleep(180_000);
      assert.equal((await discovery.entry("a"))!.client, undefined, "the transit client has no entry");
      const tried = net.logged.filter(({ fields }) => String(fields.cause).includes("publishes nothing"));
      assert.deepEqual(tried, [], "nor does it try to have one");
      assert.equal(running.server.status().lastReplaced, undefined);
      await running.close();
      assert.equal(await discovery.entry("a"), undefined);
      await net.sleep(60_000);
      assert.equal(await discovery.entry("a"), undefined);
    }));
}

Deno.test("DS-2: a server that the discovery does not know registers through another one, and learns of the rest", () =>
  inNet(3, async (net) => {
    await using discovery = await net.discovery("d", ["a"]);
    await using a = await net.server("a", { dmsg: deployment("d", ["a"]) });
    await net.registered(a, CONVERGES_WITHIN_MS);
    await using c = await net.server("c", { dmsg: deployment("d", ["a"]) });
    await net.registered(c, 5_000);
    await using b = await net.server("b", { dmsg: deployment("d", ["a"]) });
    await net.registered(b, 5_000);
    await net.sleep(30_000);
    assert.equal((await discovery.entry("b"))!.server!.address, `b:${PORT}`);
    const dialled = net.dials.filter((dial) => dial.startsWith("b "));
    assert(dialled.includes(`b c:${PORT}`), dialled.join());
    assert.deepEqual(net.dials.filter((dial) => dial.includes(" d:")), []);
  }));

Deno.test("DS-2: no answer over dmsg is never mended by plain HTTP", () =>
  inNet(4, async (net) => {
    await using _discovery = await net.discovery("d", []);
    await using running = await net.server("a", {
      dmsg: { ...deployment("d", ["b"]), discovery: "http://d:9090" },
    });
    await net.sleep(120_000);
    assert.equal(running.server.status().entry!.published, false);
    assert.match(running.server.status().entry!.failure!, /Cannot reach the dmsg discovery/);
    assert.equal(running.server.status().ready, true);
    assert.deepEqual(net.dials.filter((dial) => dial.includes(" d:")), []);
  }));

Deno.test("DS-2: a server of two deployments registers in each, with the address that each names", () =>
  inNet(5, async (net) => {
    await using one = await net.discovery("one", ["a"]);
    await using two = await net.discovery("two", ["a"]);
    await using running = await net.server("a", {
      dmsg: [
        { ...deployment("one"), advertised_address: "inside:8081" },
        deployment("two"),
      ],
    });
    await net.registered(running, CONVERGES_WITHIN_MS);
    assert.equal((await one.entry("a"))!.server!.address, "inside:8081");
    assert.equal((await two.entry("a"))!.server!.address, `a:${PORT}`);
    await two.close();
    await running.close();
    assert.equal(await one.entry("a"), undefined);
  }));

Deno.test("DS-2: a hidden server registers over its peer link, and holds one session there", () =>
  inNet(6, async (net) => {
    await using discovery = await net.discovery("d", ["hub"]);
    await using hub = await net.server("hub", {
      dmsg: deployment("d", ["hub"]),
      accept_peer_announcements: true,
    });
    await net.registered(hub, CONVERGES_WITHIN_MS);
    await using edge = await net.server("edge", {
      dmsg: deployment("d", ["hub"]),
      peers: [{ public_key: key("hub"), address: `hub:${PORT}` }],
      announce_as_peer: true,
    });
    await net.registered(edge, 10_000);
    await net.sleep(180_000);
    assert.equal((await discovery.entry("edge"))!.server!.address, `edge:${PORT}`);
    assert.equal(net.dials.filter((dial) => dial === `edge hub:${PORT}`).length, 1);
    assert.equal(hub.server.status().lastReplaced, undefined, "no two sessions of one key");
    assert.equal(hub.server.status().peers.length, 1);
  }));

for (let seed = 10; seed < 15; seed++) {
  Deno.test(`DS-2: four servers and their discovery, cold, in any order and one of them missing (seed ${seed})`, () =>
    inNet(seed, async (net) => {
      const names = ["a", "b", "c", "e"];
      const { random } = net.simulation;
      const missing = names[random.integer(0, 3)]!;
      const nodes = [...names.filter((name) => name !== missing), "d"]
        .map((name) => ({ name, rank: random.fraction() })).sort((x, y) => x.rank - y.rank);
      const servers: Awaited<ReturnType<typeof net.server>>[] = [];
      let discovery: Awaited<ReturnType<typeof net.discovery>> | undefined;
      net.world(missing); // switched on, and nothing runs on it
      for (const { name } of nodes) {
        if (name === "d") discovery = await net.discovery("d", names);
        else servers.push(await net.server(name, { dmsg: deployment("d", names) }));
        await net.sleep(random.integer(0, 20_000));
      }
      for (const server of servers) await net.registered(server, CONVERGES_WITHIN_MS);
      assert.equal(servers.length, 3);
      assert.deepEqual(net.dials.filter((dial) => dial.includes(" d:")), []);
      for (const server of servers) assert.equal(server.server.status().lastReplaced, undefined);
      await Promise.all(servers.map((server) => server.close()));
      for (const name of names) assert.equal(await discovery!.entry(name), undefined, `${name} is gone`);
      await discovery!.close();
    }));
}
