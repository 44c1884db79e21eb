/** DmsgClient: publishing, falling back, being ready, and ending at any moment (DC-1, DC-9 to DC-11, DC-13, DC-14). */
import assert from "node:assert/strict";
import { type LogRecord, logTo } from "../../lib/base/mod.ts";
import { DmsgError } from "../../lib/dmsg/errors.ts";
import { renderEntry, verifyEntry } from "../../lib/dmsg/entry.ts";
import { clientAt, hang, inNetwork, key, said, seedOf } from "./client_support.ts";

Deno.test("DmsgClient posts nothing before its first session, then its entry once (DC-1)", () =>
  inNetwork(1, async (network) => {
    await using client = network.client("a", { seeded: [seedOf("s1")], clientType: "visor" });
    await network.sleep(20_000);
    assert.deepEqual(network.discovery.of("post"), []);
    assert.equal(client.status().entry!.published, false);
    const server = await network.server("s1", { discovery: undefined });
    await client.whenPublished();
    const [post, ...more] = network.discovery.of("post", "a");
    assert.deepEqual(more, []);
    assert.ok(verifyEntry(post!.entry!));
    assert.deepEqual(post!.entry!.client!.delegatedServers, [key("s1")]);
    assert.deepEqual([post!.entry!.sequence, post!.entry!.clientType], [0n, "visor"]);
    await server.close();
    await network.sleep(20_000);
    assert.equal(network.discovery.of("post").length, 1, "nothing is said of having no session");
  }));

Deno.test("DmsgClient resolves what is seeded without a look-up, and writes go through (DC-1)", () =>
  inNetwork(2, async (network) => {
    await using _server = await network.server("s1", { discovery: undefined });
    const seeded = [seedOf("s1"), clientAt("far", ["s1"])];
    await using _far = await network.echo("far", "s1");
    network.discovery.calls.length = 0;
    await using near = network.client("near", { seeded });
    const stream = await near.dial({ publicKey: key("far"), port: 1000 });
    assert.equal(await said(stream), "hello");
    stream.close();
    await near.whenPublished();
    assert.deepEqual(network.discovery.calls.map(({ what, key: of }) => [what, of]), [
      ["entry", key("near")],
      ["post", undefined],
    ]);
  }));

Deno.test("DmsgClient with publish false says nothing to the discovery", () =>
  inNetwork(3, async (network) => {
    await using _server = await network.server("s1", { discovery: undefined });
    await using client = network.client("a", { seeded: [seedOf("s1")], publish: false });
    await client.whenPublished();
    await network.sleep(5_000);
    await client.close();
    assert.deepEqual(network.discovery.calls, []);
  }));

for (const [how, broken] of [["is down", true], ["is empty", false]] as const) {
  Deno.test(`DmsgClient connects to its seeded servers when the discovery ${how} (DC-9)`, () =>
    inNetwork(4, async (network) => {
      if (broken) {
        network.discovery.before = () => {
          throw new Error("no discovery");
        };
      }
      await using client = network.client("a", { seeded: [seedOf("s1"), seedOf("s2")], sessionsMin: 2 });
      await network.sleep(12_000); // two rounds failed: by now the discovery is asked, too
      assert.ok(network.discovery.of("available").length >= 1);
      await using _first = await network.server("s1", { discovery: undefined });
      await using _second = await network.server("s2", { discovery: undefined });
      await network.sleep(30_000);
      assert.deepEqual(client.sessions().map(({ remote }) => remote).sort(), [key("s1"), key("s2")].sort());
    }));
}

Deno.test("DmsgClient finds servers through the discovery when every seed is stale", () =>
  inNetwork(5, async (network) => {
    await using _server = await network.server("s2");
    network.world("s1"); // there, and nobody listens
    await using client = network.client("a", { seeded: [seedOf("s1")] });
    await network.sleep(8_000);
    assert.deepEqual(client.sessions().map(({ remote }) => remote), [key("s2")]);
  }));

Deno.test("DmsgClient without any server does not spin, says why, and comes up when there is one (DC-9)", () =>
  inNetwork(6, async (network) => {
    await using client = network.client("a");
    await network.sleep(600_000);
    const asked = network.discovery.of("available").length;
    assert.ok(asked >= 30 && asked <= 60, `${asked} times in 10 min`);
    assert.match(client.status().lastFailure!, /No dmsg server is known/);
    await using _server = await network.server("s1");
    await network.sleep(16_000);
    assert.equal(client.isReady, true);
    assert.equal(client.status().lastFailure, undefined);
  }));

Deno.test("DmsgClient takes servers of its type only", () =>
  inNetwork(7, async (network) => {
    await using _first = await network.server("s1", { authPassphrase: "community" });
    await using _second = await network.server("s2", { authPassphrase: "official" });
    await network.sleep(10);
    await using client = network.client("a", { sessionsMin: 0, serversType: "official" });
    await network.sleep(20_000);
    assert.deepEqual(client.sessions().map(({ remote }) => remote), [key("s2")]);
  }));

Deno.test("DmsgClient.isReady is what is true now, and whenReady waits for the next time (DC-13)", () =>
  inNetwork(8, async (network) => {
    const server = await network.server("s1");
    await using client = network.client("a");
    assert.equal(client.isReady, false);
    await client.whenReady();
    assert.deepEqual([client.isReady, client.status().ready], [true, true]);
    await network.sleep(40_000);
    await server.close();
    await network.sleep(100);
    assert.deepEqual([client.isReady, client.status().ready], [false, false]);
    let isReady = false;
    const waiting = client.whenReady().then(() => isReady = true);
    await network.sleep(30_000);
    assert.equal(isReady, false, "it was ready once, but is not now");
    await using _again = await network.server("s1");
    await waiting;
    assert.equal(client.isReady, true);
  }));

Deno.test("DmsgClient.whenReady() ends with its signal and with the client", () =>
  inNetwork(9, async (network) => {
    const client = network.client("a");
    const ending = new AbortController();
    const aborted = client.whenReady(ending.signal);
    const closed = assert.rejects(client.whenPublished(), { dmsgCode: 200 });
    ending.abort(new Error("enough"));
    await assert.rejects(aborted, { message: "enough" });
    await assert.rejects(client.whenReady(AbortSignal.abort(new Error("before"))), { message: "before" });
    await client.close();
    await closed;
    await assert.rejects(client.whenReady(), { dmsgCode: 200 });
    await assert.rejects(client.dial({ publicKey: key("b"), port: 1 }), { dmsgCode: 200 });
    await assert.rejects(client.connect(key("s1")));
    assert.throws(() => client.listen(7), DmsgError);
    await client.close(); // once more: the same end
  }));

Deno.test("DmsgClient.close() during a pending post: nothing is posted after the deletion (DC-10)", () =>
  inNetwork(10, async (network) => {
    const { discovery } = network;
    await using _server = await network.server("s1", { discovery: undefined });
    const client = network.client("a", { seeded: [seedOf("s1")] });
    const slow = new Map([["post", 400], ["remove", 150]]);
    discovery.before = ({ what }) => network.sleep(slow.get(what) ?? 0);
    await client.whenReady();
    await network.sleep(100);
    assert.equal(discovery.of("post").length, 1);
    await client.close();
    assert.equal(await discovery.stored("a"), undefined, "the close waits for the deletion (DS-6)");
    assert.deepEqual(discovery.calls.map(({ what }) => what), ["entry", "post", "remove"]);
    await network.sleep(3_600_000 / 2);
    assert.equal(await discovery.stored("a"), undefined);
    assert.equal(discovery.calls.length, 3);
  }, { untilMs: 7_200_000 }));

Deno.test("DmsgClient.close() is bounded when the discovery answers nothing any more", () =>
  inNetwork(11, async (network) => {
    await using _server = await network.server("s1", { discovery: undefined });
    const client = network.client("a", { seeded: [seedOf("s1")] });
    await client.whenPublished();
    network.discovery.before = (_call, signal) => hang(signal);
    const atMs = network.simulation.nowMs;
    await client.close();
    assert.ok(network.simulation.nowMs - atMs <= 3_000, `${network.simulation.nowMs - atMs} ms`);
  }));

Deno.test("DmsgClient.close() at any moment of a session's making leaves nothing", () =>
  inNetwork(12, async (network) => {
    await using _server = await network.server("s1", { discovery: undefined });
    let ready = 0;
    for (let afterMs = 0; afterMs <= 180; afterMs += 6) {
      const client = network.client("a", { seeded: [seedOf("s1")], publish: false });
      await network.sleep(afterMs);
      if (client.isReady) ready++;
      const dialling = client.dial({ publicKey: key("b"), port: 1 }).catch((error) => error);
      await client.close();
      const { ledger } = network.world("a");
      assert.deepEqual(
        [ledger.count("dial"), ledger.count("yamux-session")],
        [0, 0],
        `closed after ${afterMs}`,
      );
      assert.deepEqual(client.sessions(), []);
      assert.equal((await dialling).dmsgCode, 200);
    }
    assert.ok(ready > 0 && ready < 31, `${ready} of 31 closed with a session`);
  }));

Deno.test("DmsgClient.close() while its session ends: one end, told once, no matter who was first (DC-11)", () =>
  inNetwork(13, async (network) => {
    const ends = new Set<number>();
    for (let afterMs = 0; afterMs <= 60; afterMs += 4) {
      network.logged.length = 0;
      const server = await network.server("s1", { discovery: undefined });
      let isClosing = false;
      let told = 0;
      const client = network.client("a", {
        seeded: [seedOf("s1")],
        publish: false,
        onChange: () => {
          if (isClosing) told++;
        },
      });
      await client.whenReady();
      isClosing = true;
      const closing = server.close();
      await network.sleep(afterMs);
      const atMs = network.simulation.nowMs;
      await Promise.all([client.close(), closing]);
      assert.ok(network.simulation.nowMs - atMs < 2_600);
      assert.deepEqual(client.sessions(), []);
      await network.sleep(3_000);
      const ended = network.messages("Session ended").length;
      assert.equal(told, 1 + ended, `closed after ${afterMs}`); // of the close, and of the session's end if it was first
      ends.add(ended);
    }
    assert.deepEqual([...ends].sort(), [0, 1], "each was first once, and an end is told once");
  }));

Deno.test("DmsgClient's loops all end on close, whatever it was in the middle of (DC-14)", () =>
  inNetwork(14, async (network) => {
    await using _server = await network.server("s1");
    await network.sleep(10);
    const client = network.client("a", { sessionsMin: 0 });
    await client.whenPublished();
    const listener = client.listen(7);
    const accepting = listener.accept();
    network.discovery.before = ({ what }, signal) => what === "available" ? hang(signal) : undefined;
    await network.sleep(16_000); // in the look-up of a round
    assert.ok(network.discovery.of("available").length >= 2);
    await client.close();
    assert.equal(await accepting, null);
    await network.sleep(2_000); // sockets' good-byes
    assert.deepEqual(network.world("a").ledger.live(), {});
  }));

Deno.test("DmsgClient holds no timer once it is closed, whenever that is (DC-14)", () =>
  inNetwork(18, async (network) => {
    await using _server = await network.server("s1");
    await network.sleep(10);
    for (const afterMs of [0, 200, 5_000, 61_000, 100_000]) {
      const client = network.client("a");
      await network.sleep(afterMs);
      const atMs = network.simulation.nowMs;
      await client.close();
      assert.ok(network.simulation.nowMs - atMs < 2_000, `closed after ${afterMs}`);
      await network.sleep(2_000); // sockets' good-byes
      assert.deepEqual(network.world("a").ledger.live(), {}, `closed after ${afterMs}`);
    }
  }));

for (const breaking of ["Session ended", "Entry not published"]) {
  Deno.test(`DmsgClient whose work fails at "${breaking}" is told, is not ready, and takes nothing any more (DS-7)`, () =>
    inNetwork(25, async (network) => {
      const records: LogRecord[] = [];
      const log = logTo((record) => {
        records.push(record);
        if (record.message === breaking) throw new Error("nobody foresaw this");
      }, () => 0);
      const server = await network.server("s1", { discovery: undefined });
      await using client = network.client("a", { seeded: [seedOf("s1")], log });
      const listener = client.listen(80);
      await client.whenPublished();
      const accepting = listener.accept();
      if (breaking === "Session ended") await server.close();
      else {
        network.discovery.before = ({ what }) => {
          if (what === "post") throw new Error("refused");
        };
        await network.sleep(31 * 60_000); // the next post
      }
      assert.equal(await accepting, null);
      assert.equal(client.isReady, false);
      assert.throws(() => client.listen(81), DmsgError);
      await assert.rejects(client.whenReady(), DmsgError);
      const told = records.filter(({ level }) => level === "error");
      assert.deepEqual(told.map(({ message }) => message), ["The dmsg client failed"]);
      assert.match(String(told[0]!.fields.cause), /nobody foresaw this/);
      await client.close();
      await server.close();
    }));
}

Deno.test("DmsgClient posts its entry anew each 30 min, though nothing changed (DD-3)", () =>
  inNetwork(19, async (network) => {
    await using _server = await network.server("s1", { discovery: undefined });
    await using client = network.client("a", { seeded: [seedOf("s1")] });
    await client.whenPublished();
    await network.sleep(100 * 60_000);
    const times = network.discovery.of("post", "a").map(({ atMs }) => atMs);
    const waits = times.slice(1).map((atMs, index) => atMs - times[index]!);
    assert.equal(waits.length, 3);
    assert.ok(waits.every((ms) => Math.abs(ms - 30 * 60_000) < 5_000), waits.join());
  }, { untilMs: 4 * 3_600_000 }));

Deno.test("DmsgClient changes no entry that it was given (DC-14)", () =>
  inNetwork(15, async (network) => {
    // Every entry in this discovery is frozen: a change in place throws, and fails what made it.
    await using _first = await network.server("s1");
    await using _second = await network.server("s2");
    await using _far = await network.echo("far", "s2");
    await using near = network.client("near", { sessionsMin: 2 });
    await near.whenPublished();
    const before = renderEntry((await near.discovery.entry(key("far")))!);
    const stream = await near.dial({ publicKey: key("far"), port: 1000 });
    assert.equal(await said(stream), "hello");
    stream.close();
    network.discovery.put(clientAt("nowhere", ["s2", "s1"]));
    await assert.rejects(near.dial({ publicKey: key("nowhere"), port: 1 }), { dmsgCode: 202 });
    await near.connectAll();
    await network.sleep(70_000);
    await near.close();
    assert.equal(renderEntry((await near.discovery.entry(key("far")))!), before);
  }));

Deno.test("two processes with one key do not evict each other many times a second", () =>
  inNetwork(16, async (network) => {
    await using server = await network.server("s1", { discovery: undefined });
    const options = { seeded: [seedOf("s1")], publish: false };
    await using one = network.client("a", { ...options, at: "host1" });
    await using two = network.client("a", { ...options, at: "host2" });
    await network.sleep(600_000);
    assert.ok(
      network.dials.length >= 10 && network.dials.length <= 100,
      `${network.dials.length} dials in 10 min`,
    );
    const most = Math.max(one.status().shortLives, two.status().shortLives);
    assert.ok(most >= 2, "the client can tell that it has a rival");
    assert.ok(server.status().lastReplaced!.count >= 10);
    assert.equal(one.sessions().length + two.sessions().length <= 1, true);
  }));

Deno.test("DmsgClient.connect(), connectAll() and pingServer()", () =>
  inNetwork(17, async (network) => {
    await using _first = await network.server("s1");
    await using _second = await network.server("s2");
    network.discovery.put(seedOf("s3"), clientAt("b", ["s1"]));
    network.world("s3");
    await network.sleep(10);
    await using client = network.client("a", { seeded: [seedOf("s4")], publish: false, sessionsMin: 1 });
    network.world("s4");
    await client.whenReady().catch(() => {});
    assert.equal((await client.connect(key("s1"))).remote, key("s1"));
    await assert.rejects(client.connect(key("b")), { dmsgCode: 101 });
    await assert.rejects(client.connect(key("nobody")), { dmsgCode: 100 });
    await assert.rejects(client.pingServer(key("nobody")), { dmsgCode: 100 });
    const all = await client.connectAll();
    assert.deepEqual(
      new Map(all.map(({ address, connected }) => [address, connected])),
      new Map([["s1:8080", true], ["s2:8080", true], ["s3:8080", false], ["s4:8080", false]]),
    );
    assert.match(all.find(({ connected }) => !connected)!.failure!, /Cannot connect to s[34]:8080/);
    assert.equal(client.sessions().length, 2);
    const roundTripMs = await client.pingServer(key("s2"));
    assert.ok(roundTripMs >= 40 && roundTripMs <= 60, `${roundTripMs} ms`);
  }));
