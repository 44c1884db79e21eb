/** The server alone: whom it takes, what an error ends, and that nothing is left (VI-3). */
import assert from "node:assert/strict";
import { type Conn, memoryPair, silentLog } from "../../../lib/base/mod.ts";
import {
  connectSocks,
  SKYSOCKS_CONNECTIONS_MAX,
  SKYSOCKS_CONNECTIONS_OF_KEY_MAX,
  SKYSOCKS_SESSIONS_MAX,
  SKYSOCKS_SESSIONS_OF_KEY_MAX,
  SkysocksServer,
  skysocksServer,
  type SkysocksServerOptions,
  SOCKS_HANDSHAKE_TIMEOUT_MS,
  SOCKS_REPLY,
} from "../../../lib/proxy/mod.ts";
import { sleep, type SocketConn, type World } from "../../../lib/runtime/mod.ts";
import { YamuxSession } from "../../../lib/yamux/mod.ts";
import { withSimulation } from "../../support/world.ts";
import { asRemote, echo, keyOf, Offers, readText, target, utf8 } from "./_bench.ts";

interface Bench {
  readonly world: World;
  readonly offers: Offers;
  readonly server: SkysocksServer;
  /** A Conn that the server accepts. */
  offer(name?: string): Conn;
  /** A client of yamux over one. */
  session(name?: string): YamuxSession;
}

function withServer(
  test: (bench: Bench) => Promise<void>,
  options: Partial<SkysocksServerOptions> = {},
): Promise<void> {
  return withSimulation(5, async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(async () => {
      const offers = new Offers();
      const dialTcp = world.network.dial.bind(world.network);
      const server = skysocksServer({ world, listener: offers, dialTcp, log: silentLog, ...options });
      const conns: Conn[] = [];
      const offer = (name = "client") => {
        const [near, far] = memoryPair({ ledger: world.ledger });
        conns.push(near);
        offers.offer(far, keyOf(name));
        return near;
      };
      const session = (name?: string) =>
        new YamuxSession(offer(name), {
          role: "client",
          world,
          limits: { keepAliveMs: Infinity },
          onStream() {},
        });
      try {
        await test({ world, offers, server, offer, session });
      } finally {
        for (const conn of conns) conn.close();
        await server.close();
      }
    });
  });
}

Deno.test("a key that is not on the whitelist is closed before yamux", () =>
  withServer(async ({ offer, session, server, world }) => {
    const stranger = offer("stranger");
    await assert.rejects(stranger.read(), { code: "CONN_RESET" });
    const friend = session("friend");
    assert(await friend.ping() >= 0);
    await sleep(world.clock, 0);
    assert.deepEqual([server.status().sessions, server.status().refusedTotal], [1, 1]);
  }, { whitelist: new Set([keyOf("friend")]) }));

Deno.test("an empty whitelist admits nobody", () =>
  withServer(async ({ offer }) => {
    await assert.rejects(offer().read(), { code: "CONN_RESET" });
  }, { whitelist: new Set() }));

Deno.test("a failed accept does not end the server, and neither do many", () =>
  withServer(async ({ offers, session, server, world }) => {
    for (let count = 0; count < 100; count++) offers.failures.push(new Error("accept failed"));
    const first = session();
    await first.ping();
    await sleep(world.clock, 100 * 5_000 + 60_000);
    assert.equal(offers.failures.length, 0);
    assert.equal(await session().ping() >= 0, true);
    assert.equal(server.status().sessions, 2);
  }));

Deno.test("garbage instead of yamux ends that session only, and leaves nothing", () =>
  withServer(async ({ offer, session, server, world }) => {
    const good = session();
    await good.ping();
    const garbage = [
      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
      "\x00\x07\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00",
      "\x00",
    ];
    for (const text of garbage) {
      const bad = offer();
      await bad.write(utf8(text));
      await bad.closeWrite();
      const drained = (async () => {
        while (await bad.read() !== null);
      })();
      await drained.catch(() => {});
      bad.close();
      await sleep(world.clock, 0);
      assert.equal(server.status().sessions, 1, text);
    }
    // A stream opened twice: the second one of the session's own streams dies with it.
    const twice = offer();
    const syn = Uint8Array.of(0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0);
    await twice.write(syn);
    await twice.write(syn);
    await sleep(world.clock, 5_000);
    assert.deepEqual([server.status().sessions, server.status().connections], [1, 0]);
    await good.ping();
  }));

Deno.test("a session that dies takes its connections and dials along, and no other's", () =>
  withServer(async ({ session, server, world }) => {
    const echoing = await target(world, echo);
    const [dying, living] = [session("a"), session("b")];
    const { clock } = world;
    const lost = await connectSocks(dying.open(), echoing.address, { clock });
    const kept = await connectSocks(living.open(), echoing.address, { clock });
    const dialling = connectSocks(dying.open(), { hostname: "10.77.0.1", port: 1 }, { clock });
    const asking = dying.open(); // says nothing
    await sleep(clock, 100);
    assert.equal(server.status().connections, 4);
    dying.close(new Error("gone"));
    await assert.rejects(dialling);
    await sleep(clock, 0);
    assert.deepEqual([server.status().sessions, server.status().connections], [1, 1]);
    await kept.conn.write(utf8("x"));
    assert.equal(await readText(kept.conn, 1), "x");
    for (const conn of [lost.conn, kept.conn, asking]) conn.close();
    await echoing.close();
  }));

Deno.test("a target that takes nothing does not outlive its session by more than the drain", () =>
  withServer(async ({ session, server, world }) => {
    const never = Promise.withResolvers<void>();
    const deaf = await target(world, () => never.promise);
    const dying = session();
    const { conn } = await connectSocks(dying.open(), deaf.address, { clock: world.clock });
    for (let count = 0; count < 400; count++) void conn.write(new Uint8Array(64 * 1024)).catch(() => {});
    await sleep(world.clock, 5_000);
    dying.close(new Error("gone"));
    await sleep(world.clock, 1_000);
    assert.equal(server.status().connections, 1, "what had arrived may still be taken");
    await sleep(world.clock, 2_000);
    assert.equal(server.status().connections, 0);
    never.resolve();
    await deaf.close();
  }));

Deno.test("a client that says nothing is let go in time", () =>
  withServer(async ({ session, server, world }) => {
    const mux = session();
    const streams = Array.from({ length: 50 }, () => mux.open());
    await sleep(world.clock, SOCKS_HANDSHAKE_TIMEOUT_MS - 1);
    assert.equal(server.status().connections, 50);
    for (const stream of streams) await assert.rejects(stream.read(), { code: "CONN_RESET" });
    await sleep(world.clock, 0);
    assert.equal(server.status().connections, 0);
    assert.equal(await mux.ping() >= 0, true);
  }));

Deno.test("a refusal arrives, and ends the stream in order", () =>
  withServer(async ({ session, world }) => {
    const mux = session();
    const cases: [string, string][] = [
      ["05010005030001000000000050", "05000507000100000000"], // greeting and UDP ASSOCIATE in one piece: not offered
      ["050100050100020000", "05000508000100000000"], // a type of address that there is not
      ["050102", "05ff"], // no method
      ["050100050100030161005000", "0500"], // one byte too many belongs to the target: a name that nobody knows
    ];
    for (const [sent, answer] of cases) {
      const stream = mux.open();
      await stream.write(Uint8Array.fromHex(sent));
      let got = "";
      for (let view = await stream.read(); view !== null; view = await stream.read()) got += view.toHex();
      assert.equal(got.startsWith(answer), true, `${sent}: ${got}`);
      stream.close();
    }
    await sleep(world.clock, 60_000);
  }));

Deno.test("a wrong passcode is refused, the right one may be in either field", () =>
  withServer(async ({ session, world }) => {
    const echoing = await target(world, echo);
    const mux = session();
    const { clock } = world;
    for (const passcode of ["wrong", "secre", "secret!", "SECRET"]) {
      const asked = connectSocks(mux.open(), echoing.address, { clock, passcode });
      await assert.rejects(asked, { code: "SOCKS_REFUSED", reply: undefined }, passcode);
    }
    await assert.rejects(connectSocks(mux.open(), echoing.address, { clock }), { code: "SOCKS_REFUSED" });
    const { conn } = await connectSocks(mux.open(), echoing.address, { clock, passcode: "secret" });
    conn.close();
    const asUser = mux.open();
    await asUser.write(Uint8Array.of(5, 1, 2, 1, 6, ...utf8("secret"), 1, 0x78));
    assert.equal(await readText(asUser, 4), "\x05\x02\x01\x00");
    asUser.close();
    await echoing.close();
  }, { passcode: "secret" }));

Deno.test("bytes behind the request reach the target", () =>
  withServer(async ({ session, world }) => {
    const echoing = await target(world, echo);
    const stream = session().open();
    const { port } = echoing.address;
    await stream.write(
      Uint8Array.of(5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255, ...utf8("early")),
    );
    const got = await readText(stream, 2 + 10 + 5);
    assert.equal(got.slice(-5), "early");
    stream.close();
    await echoing.close();
  }));

Deno.test("there is a bound of sessions, and of connections of all of them", () =>
  withServer(async ({ session, server, world, offer }) => {
    const sessions: YamuxSession[] = [];
    for (let count = 0; count < SKYSOCKS_SESSIONS_MAX; count++) {
      const each = session(`client ${count % 16}`);
      each.open(); // a session without one would make room
      sessions.push(each);
    }
    await sessions.at(-1)!.ping();
    await assert.rejects(offer().read(), { code: "CONN_RESET" });
    assert.deepEqual([server.status().sessions, server.status().refusedTotal], [SKYSOCKS_SESSIONS_MAX, 1]);
    for (let count = SKYSOCKS_SESSIONS_MAX; count < SKYSOCKS_CONNECTIONS_MAX; count++) {
      sessions[count % 16]!.open();
    }
    await sessions[15]!.ping();
    assert.equal(server.status().connections, SKYSOCKS_CONNECTIONS_MAX);
    await assert.rejects(sessions[20]!.open().read(), { code: "CONN_RESET" });
    sessions[0]!.close(new Error("gone"));
    await sleep(world.clock, 0);
    assert.equal(server.status().connections, SKYSOCKS_CONNECTIONS_MAX - 241);
    for (const each of sessions) each.close();
  }));

Deno.test("one key has its share of the sessions; its oldest without streams goes for a new one", () =>
  withServer(async ({ session, server, offer }) => {
    const sessions = Array.from({ length: SKYSOCKS_SESSIONS_OF_KEY_MAX }, () => session("stranger"));
    for (const [at, each] of sessions.entries()) if (at !== 1 && at !== 3) each.open();
    await sessions.at(-1)!.ping();
    const next = [session("stranger"), session("stranger")];
    for (const each of next) {
      each.open();
      await each.ping();
    }
    assert.deepEqual(sessions.flatMap(({ isLive }, at) => isLive ? [] : [at]), [1, 3]);
    await assert.rejects(offer("stranger").read(), { code: "CONN_RESET" });
    assert.deepEqual([server.status().sessions, server.status().refusedTotal], [16, 1]);
    const other = session("somebody else");
    await other.ping();
    for (const each of [...sessions, ...next, other]) each.close();
  }));

Deno.test("a full server has room for whoever comes, while somebody's session has no streams", () =>
  withServer(async ({ session, server }) => {
    const idle: YamuxSession[] = [];
    for (let count = 0; count < SKYSOCKS_SESSIONS_MAX; count++) idle.push(session(`stranger ${count % 16}`));
    idle[0]!.open();
    await idle.at(-1)!.ping();
    const honest = session("honest");
    await honest.ping();
    assert.deepEqual(
      idle.flatMap(({ isLive }, at) => isLive ? [] : [at]),
      [1],
      "the oldest that did nothing",
    );
    assert.deepEqual([server.status().sessions, server.status().refusedTotal], [SKYSOCKS_SESSIONS_MAX, 0]);
    for (const each of [...idle, honest]) each.close();
  }));

Deno.test("one key has its share of the connections, over all of its sessions", () =>
  withServer(async ({ session, server, world }) => {
    const [one, two, other] = [session("stranger"), session("stranger"), session("somebody else")];
    for (let count = 0; count < SKYSOCKS_CONNECTIONS_OF_KEY_MAX; count++) {
      (count % 2 === 0 ? one : two).open();
    }
    await Promise.all([one.ping(), two.ping()]);
    await assert.rejects(one.open().read(), { code: "CONN_RESET" });
    other.open();
    await other.ping();
    assert.equal(server.status().connections, SKYSOCKS_CONNECTIONS_OF_KEY_MAX + 1);
    one.close(new Error("gone"));
    await sleep(world.clock, 0);
    two.open();
    await two.ping();
    assert.equal(server.status().connections, SKYSOCKS_CONNECTIONS_OF_KEY_MAX / 2 + 2);
    for (const each of [two, other]) each.close();
  }));

Deno.test("larger windows: 64 MiB for one key, 256 MiB for all, given back with the sessions", () =>
  withServer(async ({ offer, server, world }) => {
    /** Opens `streams` streams in a session of its own; gives the sum of what they were given, and the Conn. */
    const opened = async (name: string, streams: number): Promise<{ bytes: number; conn: Conn }> => {
      const conn = offer(name);
      const frames = new Uint8Array(12 * streams);
      const into = new DataView(frames.buffer);
      for (let at = 0; at < streams; at++) {
        into.setUint8(12 * at + 1, 1); // a window update
        into.setUint16(12 * at + 2, 1); // with SYN
        into.setUint32(12 * at + 4, 2 * at + 1);
      }
      await conn.write(frames);
      const answers: number[] = [];
      while (answers.length < 12 * streams) answers.push(...(await conn.read())!);
      const view = new DataView(Uint8Array.from(answers).buffer);
      let bytes = 0;
      for (let at = 0; at < streams; at++) bytes += view.getUint32(12 * at + 8);
      return { bytes, conn };
    };
    const MiB = 1024 * 1024;
    const near = (bytes: number, expected: number) =>
      assert(bytes <= expected && bytes > expected - MiB, `${bytes / MiB} MiB`);
    const first = await opened("stranger", 100);
    near(first.bytes, 64 * MiB);
    const again = await opened("stranger", 100);
    assert(again.bytes < MiB, "another session of the key has nothing of its own");
    const more = [again];
    let total = first.bytes;
    for (let key = 0; key < 6; key++) {
      const one = await opened(`stranger ${key}`, 100);
      total += one.bytes;
      more.push(one);
    }
    near(total, 256 * MiB);
    for (const { conn } of more) conn.close(new Error("gone"));
    first.conn.close(new Error("gone"));
    await sleep(world.clock, 10_000);
    assert.equal(server.status().sessions, 0);
    const honest = await opened("honest", 1);
    assert.equal(honest.bytes, 16 * MiB - 256 * 1024);
    honest.conn.close();
  }));

Deno.test("a target that is there when its client has gone is closed", async () => {
  const dialled = Promise.withResolvers<SocketConn>();
  await withServer(async ({ session, server, world }) => {
    const mux = session();
    const stream = mux.open();
    await stream.write(Uint8Array.of(5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 80));
    await sleep(world.clock, 10);
    stream.close(new Error("gone"));
    await sleep(world.clock, 10);
    const [near, far] = memoryPair({ ledger: world.ledger });
    const at = { hostname: "127.0.0.1", port: 80 };
    dialled.resolve(Object.assign(near, { local: at, remote: at }));
    await assert.rejects(far.read(), { code: "CONN_RESET" });
    await sleep(world.clock, 10);
    assert.equal(server.status().connections, 0);
    far.close();
    mux.close();
  }, { dialTcp: () => dialled.promise }); // does not look at its signal
});

Deno.test("the server ends when its listener does, and keeps the clients that are here", () =>
  withServer(async ({ offers, server, session }) => {
    const mux = session();
    await mux.ping();
    offers.close();
    await server.ended;
    assert.equal(await mux.ping() >= 0, true);
  }));

Deno.test("a Conn that is dead when it is accepted leaves nothing", () =>
  withServer(async ({ offers, server, world }) => {
    const [near, far] = memoryPair({ ledger: world.ledger });
    near.close(new Error("gone"));
    far.close(new Error("gone"));
    offers.offer(asRemote(far, keyOf("x")));
    await sleep(world.clock, 10);
    assert.deepEqual([server.status().sessions, server.status().sessionsTotal], [0, 1]);
    assert.equal(SOCKS_REPLY.succeeded, 0);
  }));
