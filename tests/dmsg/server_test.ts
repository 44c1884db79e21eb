/** DmsgServer: accepting at once, whom it keeps, what it says in the discovery, and its end (DS-1, DS-3, DS-6). */
import assert from "node:assert/strict";
import { NetworkError, type SocketListener, type World } from "../../lib/runtime/mod.ts";
import { SERVER_HANDSHAKES_MAX } from "../../lib/dmsg/server.ts";
import { hang, inNetwork, key, said, seedOf, SERVER_PORT } from "./client_support.ts";

/** The world with another way of accepting. */
function withAccept(
  world: World,
  accept: (listener: SocketListener) => ReturnType<SocketListener["accept"]>,
): World {
  const { network } = world;
  return {
    clock: world.clock,
    random: world.random,
    files: world.files,
    signals: world.signals,
    diagnostics: world.diagnostics,
    ledger: world.ledger,
    outside: (work) => world.outside(work),
    network: {
      dial: (to, options) => network.dial(to, options),
      datagrams: (at) => network.datagrams(at),
      addresses: () => network.addresses(),
      async listen(at) {
        const listener = await network.listen(at);
        return { address: listener.address, accept: () => accept(listener), close: () => listener.close() };
      },
    },
  };
}

Deno.test("the newest session of a key wins, and the log names both addresses (DS-1)", () =>
  inNetwork(1, async (network) => {
    await using server = await network.server("s1", { discovery: undefined });
    const options = { seeded: [seedOf("s1")], publish: false };
    const older = network.client("a", { ...options, at: "host1" });
    await older.whenReady();
    await network.sleep(7_000);
    const newer = network.client("a", { ...options, at: "host2" });
    await newer.whenReady();
    await network.sleep(200);
    assert.deepEqual([older.isReady, newer.isReady], [false, true]);
    const sessions = server.sessions();
    assert.equal(sessions.length, 1);
    const [line, ...more] = network.messages("A newer session of the same key replaces an older one");
    assert.deepEqual(more, []);
    assert.match(line!.message, /are two processes using this key\?/);
    assert.equal(line!.level, "warn");
    assert.equal(line!.fields.key, key("a"));
    assert.notEqual(line!.fields.older_address, line!.fields.newer_address);
    assert.match(String(line!.fields.older_address), /^10\.0\.0\.\d+:\d+$/);
    assert.equal(line!.fields.newer_address, sessions[0]!.remoteAddress);
    assert.equal(line!.fields.same_host, false);
    assert.ok(
      Math.abs(Number(line!.fields.older_lived_ms) - 7_100) < 150,
      String(line!.fields.older_lived_ms),
    );
    const { lastReplaced } = server.status();
    assert.deepEqual([lastReplaced!.key, lastReplaced!.count], [key("a"), 1]);
    // The older one's end, which comes later, must not take the newer one out of the table.
    const far = newer.listen(1000);
    const near = network.client("near", options);
    const stream = await near.dial({ publicKey: key("a"), port: 1000 }, { via: key("s1") });
    (await far.accept())!.close();
    stream.close();
    await Promise.all([older.close(), newer.close(), near.close()]);
  }));

Deno.test("sessions are accepted at once while the discovery hangs; registration follows (DS-3)", () =>
  inNetwork(2, async (network) => {
    network.discovery.before = ({ key: of, entry }, signal) =>
      (of ?? entry?.static) === key("s1") ? hang(signal) : undefined;
    const atMs = network.simulation.nowMs;
    await using server = await network.server("s1");
    assert.equal(network.simulation.nowMs, atMs);
    await using client = network.client("a", { seeded: [seedOf("s1")], publish: false });
    await client.whenReady();
    assert.deepEqual([server.status().ready, server.status().entry!.published], [true, false]);
    await network.sleep(30_300);
    assert.match(server.status().entry!.failure!, /Publishing the entry did not finish within 30000 ms/);
    network.discovery.before = () => {};
    await network.sleep(5_000);
    assert.equal(server.status().entry!.published, true);
    assert.equal(server.status().entry!.failure, undefined);
    assert.equal((await network.discovery.stored("s1"))!.server!.address, `s1:${SERVER_PORT}`);
  }));

Deno.test("no entry is left, and none comes later, once a server is closed during a post (DS-6)", () =>
  inNetwork(3, async (network) => {
    const slow = new Map([["post", 300], ["remove", 50]]); // unless it waits for the post, the deletion is first
    network.discovery.before = ({ what }) => network.sleep(slow.get(what) ?? 0);
    const server = await network.server("s1");
    await network.sleep(100);
    await Promise.all([server.close(), server.close()]);
    assert.deepEqual(network.discovery.calls.map(({ what }) => what), ["entry", "post", "remove"]);
    assert.equal(await network.discovery.stored("s1"), undefined);
    await network.sleep(300_000);
    assert.equal(network.discovery.calls.length, 3);
    assert.deepEqual([server.status().ready, await server.ended], [false, undefined]);
  }));

Deno.test("the entry says the room that is left, on each change, and is refreshed each minute", () =>
  inNetwork(4, async (network) => {
    await using server = await network.server("s1", { sessionsMax: 3, authPassphrase: "secret" });
    await network.sleep(1);
    const free = async () => (await network.discovery.stored("s1"))!.server!.availableSessions;
    assert.equal(await free(), 3);
    assert.equal((await network.discovery.stored("s1"))!.server!.serverType, "secret");
    const options = { seeded: [seedOf("s1")], publish: false };
    const clients = ["a", "b", "c"].map((name) => network.client(name, options));
    await Promise.all(clients.map((client) => client.whenReady()));
    await network.sleep(1_100);
    assert.equal(await free(), 0);
    assert.equal(network.discovery.of("post").length, 2, "one post for three sessions");
    await clients[0]!.close();
    await network.sleep(2_600);
    assert.equal(await free(), 1);
    const times = () => network.discovery.of("post").map(({ atMs }) => atMs);
    const lastMs = times().at(-1)!;
    await network.sleep(150_000);
    assert.deepEqual(times().slice(3).map((atMs) => atMs - lastMs), [60_000, 120_000]);
    assert.deepEqual([server.status().sessions, server.status().sessionsMax], [2, 3]);
    await Promise.all(clients.map((client) => client.close()));
  }));

Deno.test("a full server refuses new keys, and takes a new session of a key that it has", () =>
  inNetwork(5, async (network) => {
    await using server = await network.server("s1", { sessionsMax: 2, discovery: undefined });
    const options = { seeded: [seedOf("s1")], publish: false };
    const clients = ["a", "b"].map((name) => network.client(name, options));
    await Promise.all(clients.map((client) => client.whenReady()));
    await using late = network.client("c", options);
    await network.sleep(5_000);
    assert.equal(late.isReady, false);
    assert.equal(network.messages("Session refused: the server is full")[0]!.fields.sessions_max, 2);
    await network.sleep(60_000);
    const { lastRefused, shortLives } = late.status();
    assert.deepEqual([lastRefused?.server, shortLives], [key("s1"), 0], "refused, and no rival with its key");
    await using transit = network.client("s1", { ...options, at: "s1" });
    await transit.connect(key("s1"));
    await network.sleep(2_000);
    assert.equal(transit.isReady, true, "the server's own client takes nobody's place");
    assert.deepEqual([transit.status().lastRefused, server.status().sessions], [undefined, 3]);
    await transit.close();
    await network.sleep(100);
    await using again = network.client("a", { ...options, at: "host2" });
    await again.whenReady();
    await network.sleep(200);
    assert.equal(server.status().sessions, 2);
    assert.equal(again.isReady, true);
    await Promise.all(clients.map((client) => client.close()));
  }));

Deno.test("the room that a server says does not count its own client's session", () =>
  inNetwork(51, async (network) => {
    await using _server = await network.server("s1", { sessionsMax: 2 });
    await using transit = network.client("s1", { seeded: [seedOf("s1")], publish: false });
    await transit.connect(key("s1"));
    await network.sleep(15_000);
    assert.equal((await network.discovery.stored("s1"))!.server!.availableSessions, 2);
    await using client = network.client("a", { seeded: [seedOf("s1")], publish: false });
    await client.whenReady();
    await network.sleep(15_000);
    assert.equal((await network.discovery.stored("s1"))!.server!.availableSessions, 1);
  }));

Deno.test("a failing accept is tried again after a moment, and the server goes on", () =>
  inNetwork(6, async (network) => {
    let failures = 0;
    const world = withAccept(network.world("s1"), (listener) => {
      if (failures < 5) {
        failures++;
        return Promise.reject(new NetworkError("Too many open files"));
      }
      return listener.accept();
    });
    await using server = await network.server("s1", { world, discovery: undefined });
    await using client = network.client("a", { seeded: [seedOf("s1")], publish: false });
    await client.whenReady();
    assert.equal(failures, 5);
    const lines = network.messages("Accept failed");
    const times = lines.map(({ atMs }) => atMs);
    assert.deepEqual(times, [0, 100, 200, 300, 400], "with a wait between");
    assert.match(String(lines[0]!.fields.cause), /Too many open files/);
    assert.equal(server.status().ready, true);
  }));

Deno.test("a listener that ends by itself is the server's failure, never a healthy silence (DS-7)", () =>
  inNetwork(7, async (network) => {
    let end = () => {};
    const world = withAccept(
      network.world("s1"),
      (listener) =>
        Promise.race([listener.accept(), new Promise<null>((resolve) => end = () => resolve(null))]),
    );
    const server = await network.server("s1", { world, discovery: undefined });
    let failure: unknown;
    const ended = server.ended.then((cause) => failure = cause);
    await network.sleep(1_000);
    assert.deepEqual([failure, server.status().ready], [undefined, true]);
    end();
    await ended;
    assert.match(String((failure as Error).cause), /The listener of the dmsg server ended by itself/);
    assert.equal(server.status().ready, false);
    assert.equal(await server.ended, failure);
    await server.close();
  }));

Deno.test("a handshake that trickles or lies ends after 5 s, and only itself", () =>
  inNetwork(8, async (network) => {
    await using server = await network.server("s1", { discovery: undefined });
    const { network: net, clock } = network.world("m");
    const slow = await net.dial({ hostname: "s1", port: SERVER_PORT });
    const startedMs = clock.monotonicMs();
    const liar = await net.dial({ hostname: "s1", port: SERVER_PORT });
    await liar.write(new Uint8Array(2 + 49).fill(7).fill(0, 0, 1).fill(49, 1, 2));
    const trickling = (async () => {
      for (let index = 0; index < 40; index++) {
        await slow.write(Uint8Array.of(index === 0 ? 0 : 49));
        await network.sleep(400);
      }
    })().catch(() => {});
    const endOf = async (conn: typeof slow) => {
      await conn.read().catch(() => null);
      return clock.monotonicMs() - startedMs;
    };
    const ends = [endOf(slow), endOf(liar)];
    await using client = network.client("a", { seeded: [seedOf("s1")], publish: false });
    await client.whenReady();
    const [slowMs, liarMs] = await Promise.all(ends);
    assert.ok(slowMs! >= 4_950 && slowMs! <= 5_100, `${slowMs} ms`);
    assert.ok(liarMs! < 500, `${liarMs} ms`);
    assert.equal(client.isReady, true);
    assert.equal(server.status().sessions, 1);
    slow.close();
    liar.close();
    await trickling;
  }));

Deno.test("connections that say nothing keep nobody out for long: the oldest makes room after its grace", () =>
  inNetwork(9, async (network) => {
    await using server = await network.server("s1", { discovery: undefined });
    await using early = network.client("early", { seeded: [seedOf("s1")], publish: false });
    await early.whenReady();
    const { network: net } = network.world("m");
    const conns = await Promise.all(
      Array.from({ length: SERVER_HANDSHAKES_MAX }, () => net.dial({ hostname: "s1", port: SERVER_PORT })),
    );
    await using client = network.client("a", { seeded: [seedOf("s1")], publish: false });
    await network.sleep(500);
    assert.equal(client.isReady, false, "it waits behind those that say nothing");
    await network.sleep(1_000);
    assert.equal(client.isReady, true);
    let ended = 0;
    for (const conn of conns) conn.read().then(() => ended++, () => ended++);
    await network.sleep(500);
    assert.equal(ended, 1, "one made room, the others have their time");
    for (const conn of conns) conn.close(new Error("done"));
    assert.equal(server.status().sessions, 2);
    assert.equal(early.status().lastEnded, undefined, "a session that is made gives no room");
  }));

Deno.test("streams of one server's clients live and end with their sessions, and a close ends everything", () =>
  inNetwork(10, async (network) => {
    const server = await network.server("s1", { discovery: undefined });
    const options = { seeded: [seedOf("s1")], publish: false };
    const far = network.client("far", options);
    const near = network.client("near", options);
    const listener = far.listen(1000);
    await Promise.all([far.whenReady(), near.whenReady()]);
    const stream = await near.dial({ publicKey: key("far"), port: 1000 });
    const answer = (await listener.accept())!;
    void answer.read().then(async (bytes) => await answer.write(bytes!.slice()));
    assert.equal(await said(stream), "hello");
    const reading = Promise.allSettled([stream.read(), answer.read()]);
    await server.close();
    await reading;
    await network.sleep(2_000);
    assert.deepEqual(network.world("s1").ledger.live(), {});
    await Promise.all([far.close(), near.close()]);
  }));

Deno.test("a server that cannot listen says so, and can be closed", () =>
  inNetwork(11, async (network) => {
    await using _first = await network.server("s1", { discovery: undefined });
    await assert.rejects(network.server("s1", { discovery: undefined }), { code: "ADDRESS_IN_USE" });
    await assert.rejects(_first.listen({ hostname: "0.0.0.0", port: 9 }), TypeError);
  }));
