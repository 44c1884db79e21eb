/** Sessions of a client: how many, with whom, dialled once, and when they are dialled again (DC-2, dmsg.md 11). */
import assert from "node:assert/strict";
import { byRandomWeight } from "../../lib/dmsg/_chance.ts";
import { HEALTHY_SESSION_MS, REFUSED_SESSION_MS } from "../../lib/dmsg/_session_history.ts";
import {
  RECONNECT_JITTER_MS,
  SESSION_DIALS_MAX,
  SESSION_ROUND_MS,
  SESSIONS_MAX,
} from "../../lib/dmsg/_sessions.ts";
import { serverEntry } from "../../lib/dmsg/entry.ts";
import { acceptSession, type Session } from "../../lib/dmsg/session.ts";
import { SeededRandom } from "../../lib/runtime/simulated/mod.ts";
import {
  bareServer,
  type DmsgNetworkUnderTest,
  inNetwork,
  key,
  pair,
  seedOf,
  SERVER_PORT,
} from "./client_support.ts";

Deno.test("a hundred callers at once make one dial and one session (DC-2)", () =>
  inNetwork(1, async (network) => {
    await using server = await network.server("s1");
    await using other = await network.server("s2");
    await network.sleep(10);
    await using client = network.client("a", { seeded: [seedOf("s2")] });
    await client.whenReady();
    network.dials.length = 0;
    const impatient = new AbortController();
    const cancelled = assert.rejects(client.connect(key("s1"), impatient.signal), { message: "enough" });
    const connecting = Array.from({ length: 100 }, () => client.connect(key("s1")));
    await network.sleep(30); // in the middle of the dial
    impatient.abort(new Error("enough"));
    await cancelled;
    const sessions = await Promise.all(connecting);
    assert.equal(new Set(sessions.map(({ remote }) => remote)).size, 1);
    assert.deepEqual(network.dials.map(({ to }) => to), ["s1"]);
    assert.deepEqual([server.sessions().length, other.sessions().length, client.sessions().length], [
      1,
      1,
      2,
    ]);
    assert.equal(server.status().lastReplaced, undefined);
  }));

Deno.test("callers that share a dial share its failure, and the next dials anew", () =>
  inNetwork(2, async (network) => {
    await using _seeded = await network.server("s2");
    network.world("s1");
    network.discovery.put(seedOf("s1"));
    await using client = network.client("a", { seeded: [seedOf("s2")] });
    await client.whenReady();
    network.dials.length = 0;
    const failures = await Promise.allSettled([client.connect(key("s1")), client.connect(key("s1"))]);
    assert.deepEqual(failures.map(({ status }) => status), ["rejected", "rejected"]);
    assert.equal(network.dials.length, 1);
    await using _late = await network.server("s1", { discovery: undefined });
    assert.equal((await client.connect(key("s1"))).remote, key("s1"));
    assert.equal(network.dials.length, 2);
  }));

Deno.test("a client holds as many sessions as it wants, and with 0 one with every server, new ones too", () =>
  inNetwork(3, async (network) => {
    const names = ["s1", "s2", "s3", "s4"];
    const servers = await Promise.all(names.slice(0, 3).map((name) => network.server(name)));
    await network.sleep(10);
    await using two = network.client("two", { sessionsMin: 2 });
    await using every = network.client("every", { sessionsMin: 0, seeded: [seedOf("s1"), seedOf("every")] });
    await network.sleep(20_000);
    assert.equal(two.sessions().length, 2);
    assert.equal(
      network.dials.filter(({ from }) => from === "two").length,
      2,
      "no dial beyond what is missing",
    );
    assert.equal(every.sessions().length, 3);
    servers.push(await network.server("s4"));
    await network.sleep(16_000);
    assert.equal(two.sessions().length, 2);
    assert.deepEqual(every.sessions().map(({ remote }) => remote).sort(), names.map(key).sort());
    assert.equal(every.status().lastFailure, undefined, "its own key among the seeds is not dialled");
    for (const server of servers) await server.close();
  }));

Deno.test("with sessions to all, one that is missing is noticed though others are above the number (0 = all)", () =>
  inNetwork(4, async (network) => {
    const first = await network.server("s1");
    const second = await network.server("s2");
    await network.sleep(10);
    await using client = network.client("a", { sessionsMin: 0 });
    await network.sleep(HEALTHY_SESSION_MS + 10_000);
    await second.close(); // takes its entry away, so that the list is as long as what is left
    await using _again = await network.server("s2");
    await network.sleep(20_000);
    assert.equal(client.sessions().length, 2);
    await first.close();
  }));

Deno.test("a healthy session that is lost is dialled again at once, after a jitter", () =>
  inNetwork(5, async (network) => {
    const delays: number[] = [];
    await using _server = await network.server("s1");
    await network.sleep(10);
    await using client = network.client("a");
    await client.whenReady();
    for (let round = 0; round < 6; round++) {
      await network.sleep(HEALTHY_SESSION_MS + 5_000);
      network.dials.length = 0;
      const lostMs = network.simulation.nowMs;
      network.simulation.reset("a", "s1");
      await network.sleep(1_000);
      assert.equal(client.sessions().length, 1, `round ${round}`);
      delays.push(network.dials[0]!.atMs - lostMs);
    }
    assert.ok(delays.every((ms) => ms <= RECONNECT_JITTER_MS + 50), delays.join());
    assert.ok(Math.max(...delays) - Math.min(...delays) > 50, `spread out: ${delays.join()}`);
    assert.equal(client.status().shortLives, 0);
    assert.ok(client.status().lastEnded!.livedMs >= HEALTHY_SESSION_MS);
  }));

Deno.test("short lives back off, are counted, and forgiven once a session is healthy", () =>
  inNetwork(6, async (network) => {
    await using _server = await network.server("s1");
    await network.sleep(10);
    await using client = network.client("a");
    await client.whenReady();
    for (let cut = 1; cut <= 3; cut++) {
      await network.sleep(REFUSED_SESSION_MS + 200); // what ends sooner was refused
      network.simulation.reset("a", "s1");
      await network.sleep(10);
      assert.equal(client.status().shortLives, cut);
      await client.whenReady();
    }
    await network.sleep(HEALTHY_SESSION_MS + 100);
    assert.equal(client.status().shortLives, 0);
    const waits = network.dials.map(({ atMs }, index) => atMs - (network.dials[index - 1]?.atMs ?? 0)).slice(
      1,
    );
    assert.ok(waits.every((ms) => ms >= 4_000), waits.join());
  }));

Deno.test("rounds that reach nobody wait up to 5 s, and 1.3 times as long each time, never above 15 s", () =>
  inNetwork(7, async (network) => {
    network.world("s1");
    await using client = network.client("a", { seeded: [seedOf("s1")] });
    await network.sleep(900_000);
    const waits = network.dials.map(({ atMs }, index) => atMs - (network.dials[index - 1]?.atMs ?? 0)).slice(
      1,
    );
    for (const [index, ms] of waits.entries()) {
      const most = Math.min(5_000 * 1.3 ** index, 15_000);
      assert.ok(ms >= 0.75 * most && ms <= most + 600, `wait ${index}: ${ms} of ${most}`);
    }
    assert.ok(waits.length >= 60);
    const late = waits.slice(10);
    assert.ok(Math.max(...late) - Math.min(...late) > 2_000, "spread out");
    assert.match(client.status().lastFailure!, /Cannot connect to s1:8080: Connection refused/);
  }));

Deno.test("a restarted server meets its clients spread out, and everybody is back", () =>
  inNetwork(8, async (network) => {
    const before = await network.server("s1", { discovery: undefined });
    const clients = Array.from(
      { length: 20 },
      (_, index) => network.client(`c${index}`, { seeded: [seedOf("s1")], publish: false }),
    );
    await Promise.all(clients.map((client) => client.whenReady()));
    await network.sleep(HEALTHY_SESSION_MS);
    await before.close();
    await network.sleep(200);
    network.dials.length = 0;
    const after = await network.server("s1", { discovery: undefined });
    await network.sleep(15_000);
    assert.equal(after.status().sessions, 20);
    const times = network.dials.map(({ atMs }) => atMs);
    assert.ok(Math.max(...times) - Math.min(...times) > 200, "not all in one moment");
    await Promise.all(clients.map((client) => client.close()));
    await after.close();
  }));

Deno.test("a server that swallows the dial costs 10 s, one with another key its handshake, and others are taken", () =>
  inNetwork(9, async (network) => {
    network.world("dead");
    network.world("a");
    network.simulation.blackHole("a", "dead");
    await using _other = await network.server("s9", { discovery: undefined });
    await using _good = await network.server("good", { discovery: undefined });
    const lying = { ...seedOf("s8"), server: { address: `s9:${SERVER_PORT}`, availableSessions: 1 } };
    await using client = network.client("a", {
      seeded: [seedOf("dead"), lying, seedOf("good"), { ...seedOf("old"), protocol: "smux" }],
      sessionsMin: 0,
      publish: false,
    });
    await network.sleep(9_990);
    assert.deepEqual(client.sessions().map(({ remote }) => remote), [key("good")]);
    assert.equal(network.messages("Cannot reach server").length, 2);
    await network.sleep(20);
    const causes = new Map(
      network.messages("Cannot reach server").map(({ fields }) => [fields.server, String(fields.cause)]),
    );
    assert.match(causes.get(key("dead"))!, /Connecting to server .* did not finish within 10000 ms/);
    assert.match(causes.get(key("old"))!, /smux/);
    assert.ok(causes.has(key("s8")));
  }));

Deno.test("a session that ends after its replacement was made does not take it along (DC-11)", () =>
  inNetwork(10, async (network) => {
    const server = await bareServer(network, "s1", (stream) => stream.close());
    const client = network.client("a", { seeded: [seedOf("s1")], publish: false });
    await client.whenReady();
    server.sessions[0]!.mux.goAway(); // takes no more streams, and is still there
    await network.sleep(100);
    assert.equal(client.isReady, false);
    await client.connect(key("s1"));
    await network.sleep(5_000);
    assert.deepEqual([server.sessions.length, server.sessions[0]!.isLive, client.isReady], [2, false, true]);
    await client.close();
    await server.close();
  }));

Deno.test("a dial that itself needs the table does not wait for itself, and a session that is there is not dialled (DC-2)", () =>
  inNetwork(11, async (network) => {
    const servers = await Promise.all(["s0", "s1", "s2"].map((name) => network.server(name)));
    await using client = network.client("a", { seeded: [seedOf("s0")], publish: false });
    await client.whenReady();
    const { network: net } = network.world("a");
    const { dial } = net;
    net.dial = async (to, options) => {
      if (to.hostname === "s1") { // as a name server behind dmsg would need it
        assert.deepEqual(client.sessions().map(({ remote }) => remote), [key("s0")]);
        await client.connect(key("s2"));
      }
      return await dial(to, options);
    };
    network.dials.length = 0;
    const startedMs = network.simulation.nowMs;
    await Promise.all([client.connect(key("s1")), client.connect(key("s1"))]);
    assert.ok(network.simulation.nowMs - startedMs < 1_000, `${network.simulation.nowMs - startedMs} ms`);
    await client.connect(key("s1"));
    await client.connectAll();
    assert.deepEqual(network.dials.map(({ to }) => to), ["s2", "s1"]);
    assert.deepEqual(servers.map((server) => server.sessions().length), [1, 1, 1]);
    for (const server of servers) assert.equal(server.status().lastReplaced, undefined);
    await Promise.all(servers.map((server) => server.close()));
  }));

/** What `count` strangers posted: entries of servers on the node `at`, each under a key of its own. */
function strangers(count: number, at: string) {
  return Array.from({ length: count }, (_, index) => {
    const server = { address: `${at}:${SERVER_PORT}`, availableSessions: 1_000_000 };
    return serverEntry({ publicKey: key(`stranger/${index}`), server, timestamp: 0n });
  });
}

/** The most dials of `from` that were under way at once, from now on. */
function watchDials(network: DmsgNetworkUnderTest, from: string): { most: number; inAll: number } {
  const seen = { most: 0, inAll: 0 };
  let underWay = 0;
  const { network: net } = network.world(from);
  const { dial } = net;
  net.dial = async (to, options) => {
    seen.inAll++;
    seen.most = Math.max(seen.most, ++underWay);
    return await dial(to, options).finally(() => underWay--);
  };
  return seen;
}

Deno.test("with sessions to all, 1,500 listed strangers get a few dials at once, and trusted servers come first", () =>
  inNetwork(12, async (network) => {
    const trusted = ["t1", "t2", "t3"];
    const servers = await Promise.all(trusted.map((name) => network.server(name, { discovery: undefined })));
    network.world("a");
    network.world("tarpit");
    network.simulation.blackHole("a", "tarpit");
    network.discovery.put(...strangers(1_500, "tarpit"), seedOf("t3"));
    const dials = watchDials(network, "a");
    await using client = network.client("a", {
      seeded: [seedOf("t1"), seedOf("t2")],
      configured: [key("t3")],
      sessionsMin: 0,
      publish: false,
    });
    await network.sleep(20_000); // the seeds, a look at the list, and what it named first
    assert.deepEqual(new Set(client.sessions().map(({ remote }) => remote)), new Set(trusted.map(key)));
    assert.equal(dials.most, SESSION_DIALS_MAX);
    for (let round = 0; round < 3; round++) {
      network.simulation.reset("a", "t3");
      await network.sleep(SESSION_ROUND_MS + 20_000); // past a round among strangers and the wait after it
      assert.equal(client.sessions().length, 3, "a trusted server does not wait for 1,500 strangers");
    }
    assert.equal(dials.most, SESSION_DIALS_MAX);
    network.dials.length = 0;
    const all = client.connectAll();
    await network.sleep(15_000);
    assert.ok(dials.most <= 2 * SESSION_DIALS_MAX, `${dials.most} at once`);
    await client.close();
    const ends = await all;
    assert.equal(ends.length, 1_503);
    assert.equal(ends.filter(({ connected }) => connected).length, 3);
    for (const server of servers) await server.close();
  }));

Deno.test("sessions with strangers' servers are bounded, and places kept for the trusted ones", () =>
  inNetwork(13, async (network) => {
    const host = network.world("many");
    const listener = await host.network.listen({ hostname: "0.0.0.0", port: SERVER_PORT });
    const sessions: Session[] = [];
    let next = 0;
    const listed = strangers(SESSIONS_MAX + 88, "many");
    const order: string[] = [];
    const accepting = (async () => {
      for (let conn = await listener.accept(); conn !== null; conn = await listener.accept()) {
        const local = pair(order[next++]!);
        const { remote } = conn;
        sessions.push(
          await acceptSession(conn, remote, {
            world: host,
            local,
            log: network.log("many"),
            onStream: (stream) => stream.close(),
          }),
        );
      }
    })();
    const names = new Map(listed.map(({ static: server }, index) => [server, `stranger/${index}`]));
    await using _seeded = await network.server("t1", { discovery: undefined });
    await using client = network.client("a", { seeded: [seedOf("t1"), seedOf("t2")], publish: false });
    await client.whenReady();
    for (const entry of listed) {
      network.discovery.put(entry);
      order.push(names.get(entry.static)!);
      await client.connect(entry.static).catch((error) => {
        order.pop();
        assert.equal(error.code, "LIMIT_REACHED");
      });
    }
    assert.equal(client.sessions().length, SESSIONS_MAX - 2 + 1);
    await using _late = await network.server("t2", { discovery: undefined });
    await client.connect(key("t2"));
    assert.equal(client.sessions().length, SESSIONS_MAX);
    await client.close();
    listener.close();
    await accepting;
    for (const session of sessions) session.close();
    await Promise.all(sessions.map((session) => session.closed));
  }));

Deno.test("byRandomWeight() asks servers in proportion to their free sessions; odd counts weigh 1", () => {
  const random = new SeededRandom("weights");
  const counts = [8, 1, 0, -5].map((free, index) => ({ free, entry: { ...seedOf(`s${index}`, free) } }));
  const first = new Map<string, number>();
  const draws = 4_000;
  for (let draw = 0; draw < draws; draw++) {
    const order = byRandomWeight(counts.map(({ entry }) => entry), random);
    assert.equal(new Set(order.map((entry) => entry.static)).size, 4);
    first.set(order[0]!.static, (first.get(order[0]!.static) ?? 0) + 1);
  }
  const shares = counts.map(({ entry }) => (first.get(entry.static) ?? 0) / draws);
  const expected = [8 / 11, 1 / 11, 1 / 11, 1 / 11];
  for (const [index, share] of shares.entries()) {
    assert.ok(Math.abs(share - expected[index]!) < 0.03, `server ${index}: ${share}, not ${expected[index]}`);
  }
  assert.deepEqual(byRandomWeight([], random), []);
  const bare = serverEntry({
    publicKey: key("x"),
    server: { address: "x:1", availableSessions: 1 },
    timestamp: 0n,
  });
  assert.deepEqual(byRandomWeight([bare], random), [bare]);
});
