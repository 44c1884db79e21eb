/** The whole proxy, over real sockets and in virtual time: program, client, yamux, server, target. */
import assert from "node:assert/strict";
import { type Conn, ConnResetError } from "../../../lib/base/mod.ts";
import {
  connectSocks,
  HALF_CLOSED_IDLE_MS,
  SESSION_WAIT_MS,
  SKYSOCKS_CONNECTIONS_MAX,
  SOCKS_REPLY,
} from "../../../lib/proxy/mod.ts";
import { sleep, type SocketConn, type World } from "../../../lib/runtime/mod.ts";
import { withSimulation, withSystemWorld } from "../../support/world.ts";
import { echo, type Proxy, readAll, readText, target, utf8, withProxy } from "./_bench.ts";

const SEED = 11;

/** A proxy in a node of a simulated world. */
function simulated(
  test: (proxy: Proxy, world: World) => Promise<void>,
  options: Parameters<typeof withProxy>[2] = {},
): Promise<void> {
  return withSimulation(SEED, async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(() => withProxy(world, (proxy) => test(proxy, world), options));
  });
}

Deno.test("bytes go both ways through the proxy, and each half ends on its own", () =>
  withSystemWorld((world) =>
    withProxy(world, async ({ client, connect }) => {
      const echoing = await target(world, echo);
      const conn = await connect(echoing.address);
      await conn.write(utf8("hello"));
      assert.equal(await readText(conn, 5), "hello");
      await conn.write(utf8("last"));
      await conn.closeWrite();
      assert.equal(await readAll(conn), "last");
      conn.close();
      await conn.closed;
      const { detail, connectionsTotal, sessions, latencyMs } = client.status();
      assert.deepEqual([detail, connectionsTotal, sessions], ["Running", 1, 1]);
      assert(latencyMs !== undefined && latencyMs >= 0);
      await echoing.close();
    })
  ));

Deno.test("8 MiB each way at once arrive whole", () =>
  withSystemWorld((world) =>
    withProxy(world, async ({ connect, client }) => {
      const bytes = 8 << 20;
      const echoing = await target(world, echo);
      const conn = await connect(echoing.address);
      const chunk = new Uint8Array(50_000).map((_, index) => index * 7);
      let sum = 0, got = 0;
      const sending = (async () => {
        for (let sent = 0; sent < bytes; sent += chunk.length) await conn.write(chunk);
        await conn.closeWrite();
      })();
      for (let view = await conn.read(); view !== null; view = await conn.read()) {
        for (const byte of view) if (byte === chunk[got++ % chunk.length]) sum++;
      }
      await sending;
      assert(got >= bytes);
      assert.equal(sum, got);
      conn.close();
      await conn.closed;
      assert(client.status().bytesSent > got && client.status().bytesReceived > got);
      await echoing.close();
    })
  ));

Deno.test("a target's end reaches the program at once, and the other half lives on", () =>
  simulated(async ({ connect, client }, world) => {
    const sent = Promise.withResolvers<string>();
    const ending = await target(world, async (conn) => {
      await conn.write(utf8("bye"));
      await conn.closeWrite();
      sent.resolve(await readAll(conn));
    });
    const conn = await connect(ending.address);
    const startedMs = world.clock.monotonicMs();
    assert.equal(await readAll(conn), "bye");
    assert(world.clock.monotonicMs() - startedMs < 100);
    await conn.write(utf8("still here"));
    await conn.closeWrite();
    assert.equal(await sent.promise, "still here");
    conn.close();
    await ending.close();
    assert.equal(client.status().connections, 0);
  }));

Deno.test("a target's reset is a reset for the program, not an end", () =>
  simulated(async ({ connect }, world) => {
    const resetting = await target(world, async (conn) => {
      await conn.read();
      throw new Error("broken");
    });
    const conn = await connect(resetting.address);
    await conn.write(utf8("x"));
    await assert.rejects(conn.read(), { code: "CONN_RESET" });
    conn.close();
    await resetting.close();
  }));

Deno.test("a program's reset ends the target's connection", () =>
  simulated(async ({ connect, server }, world) => {
    const outcome = Promise.withResolvers<unknown>();
    const waiting = await target(world, async (conn) => {
      await conn.read().then(outcome.resolve, outcome.resolve);
    });
    const conn = await connect(waiting.address);
    conn.close(new Error("gone"));
    assert(await outcome.promise instanceof ConnResetError);
    await waiting.close();
    await sleep(world.clock, 100);
    assert.equal(server().status().connections, 0);
  }));

Deno.test("a connection of which one half has ended does not stay for ever", () =>
  simulated(async ({ connect, client }, world) => {
    const silent = await target(world, async (conn) => {
      await conn.closeWrite();
      await conn.read();
    });
    const conn = await connect(silent.address);
    assert.equal(await conn.read(), null);
    await sleep(world.clock, HALF_CLOSED_IDLE_MS - 1_000);
    assert.equal(client.status().connections, 1);
    for (let count = 0; count < 2; count++) {
      await conn.write(utf8("x")); // not idle
      await sleep(world.clock, HALF_CLOSED_IDLE_MS - 1_000);
    }
    await sleep(world.clock, HALF_CLOSED_IDLE_MS * 2);
    await assert.rejects(conn.write(utf8("x")));
    conn.close();
    await silent.close();
  }));

Deno.test("each failure of a dial has its reply", () =>
  simulated(async ({ connect }) => {
    const refusals: [string, number, number][] = [
      ["127.0.0.1", 9, SOCKS_REPLY.connectionRefused],
      ["no.such.name", 80, SOCKS_REPLY.hostUnreachable],
      ["10.99.0.1", 80, SOCKS_REPLY.ttlExpired], // nobody answers for 30 s
      ["127.0.0.1", 0, SOCKS_REPLY.hostUnreachable],
    ];
    for (const [hostname, port, reply] of refusals) {
      await assert.rejects(connect({ hostname, port }), { code: "SOCKS_REFUSED", reply }, hostname);
    }
  }));

Deno.test("the session's death ends every open connection at once, and the next session heals the proxy", () =>
  simulated(async ({ connect, conns, client }, world) => {
    const echoing = await target(world, echo);
    const open = await Promise.all(Array.from({ length: 5 }, () => connect(echoing.address)));
    const diedMs = world.clock.monotonicMs();
    conns[0]!.close(new Error("the route is gone"));
    for (const conn of open) await assert.rejects(conn.read(), { code: "CONN_RESET" });
    assert.equal(world.clock.monotonicMs() - diedMs, 0);
    assert.equal(client.status().detail, "Connection failed, reconnecting");
    const conn = await connect(echoing.address);
    await conn.write(utf8("again"));
    assert.equal(await readText(conn, 5), "again");
    const { detail, sessions, lastError } = client.status();
    assert.deepEqual([detail, sessions], ["Running", 2]);
    assert.match(lastError!, /the route is gone|ended/i);
    for (const each of [...open, conn]) each.close();
    await echoing.close();
  }));

Deno.test("a server that is started again heals by itself, also when nobody asks", () =>
  simulated(async ({ connect, client, startServer, stopServer }, world) => {
    const echoing = await target(world, echo);
    await client.ready(1_000);
    for (let round = 1; round <= 3; round++) {
      await stopServer();
      await sleep(world.clock, 60_000);
      assert.equal(client.status().detail, "Connection failed, reconnecting");
      startServer();
      await sleep(world.clock, 31_000); // the longest pause
      assert.equal(client.status().detail, "Running");
      assert.equal(client.status().sessions, round + 1);
      const conn = await connect(echoing.address);
      await conn.write(utf8("x"));
      assert.equal(await readText(conn, 1), "x");
      conn.close();
    }
    await echoing.close();
  }));

Deno.test("without a session a connection waits, and is then told so in SOCKS", () =>
  simulated(async (proxy, world) => {
    await proxy.client.ready(1_000);
    proxy.broken = new Error("no route");
    proxy.conns[0]!.close(new Error("gone"));
    const startedMs = world.clock.monotonicMs();
    const refused = proxy.connect({ hostname: "example.com", port: 80 });
    await assert.rejects(refused, { code: "SOCKS_REFUSED", reply: SOCKS_REPLY.networkUnreachable });
    const waitedMs = world.clock.monotonicMs() - startedMs;
    assert(waitedMs >= SESSION_WAIT_MS && waitedMs < SESSION_WAIT_MS + 1_000, `${waitedMs} ms`);
    assert.match(proxy.client.status().lastError!, /no route/);
    // A program with a password is told as well.
    const conn = await proxy.program();
    const asked = connectSocks(conn, { hostname: "example.com", port: 80 }, {
      clock: world.clock,
      passcode: "p",
    });
    await assert.rejects(asked, { code: "SOCKS_REFUSED", reply: SOCKS_REPLY.networkUnreachable });
    // One that says nothing is let go.
    const mute = await proxy.program();
    await assert.rejects(mute.read());
    mute.close();
  }));

Deno.test("a connection that waits shortens the pause to the next dial", () =>
  simulated(async (proxy, world) => {
    await proxy.client.ready(1_000);
    proxy.broken = new Error("no route");
    proxy.conns[0]!.close(new Error("gone"));
    await sleep(world.clock, 10 * 60_000); // pauses are at their longest now
    proxy.broken = undefined;
    const echoing = await target(world, echo);
    const startedMs = world.clock.monotonicMs();
    const conn = await proxy.connect(echoing.address);
    assert(world.clock.monotonicMs() - startedMs <= 1_100);
    conn.close();
    await echoing.close();
  }));

Deno.test("a Conn that went black is noticed by a ping without an answer", () => {
  const hole = { isOpen: false };
  return simulated(async ({ connect, client }, world) => {
    const echoing = await target(world, echo);
    const conn = await connect(echoing.address);
    hole.isOpen = true;
    const startedMs = world.clock.monotonicMs();
    await assert.rejects(conn.read(), { code: "CONN_RESET" });
    const noticedMs = world.clock.monotonicMs() - startedMs;
    assert(noticedMs > 5_000 && noticedMs <= 21_000, `${noticedMs} ms`);
    hole.isOpen = false;
    await client.ready(SESSION_WAIT_MS);
    assert.match(client.status().lastError!, /did not finish within 15000 ms/);
    conn.close();
    await echoing.close();
  }, {
    // What is written while the hole is open never arrives.
    wrap: (conn) => ({
      halfClose: conn.halfClose,
      closed: conn.closed,
      read: () => conn.read(),
      write: (bytes) => hole.isOpen ? Promise.resolve() : conn.write(bytes),
      closeWrite: () => conn.closeWrite(),
      close: (reason) => conn.close(reason),
    }),
  });
});

Deno.test("a server that takes the Conn and says nothing is no session", () =>
  simulated(async ({ client, stopServer, offers, conns }, world) => {
    await client.ready(1_000);
    await stopServer();
    const taken: Conn[] = []; // and never read
    offers().offer = (conn) => void taken.push(conn);
    conns[0]!.close(new Error("gone"));
    await sleep(world.clock, 10_000);
    assert.equal(conns.length >= 2, true);
    assert.equal(client.status().latencyMs, undefined);
    assert.equal(client.status().sessions, 1);
    await client.close();
    for (const conn of taken) conn.close();
  }));

Deno.test("a slow reader holds its own connection and no other", () =>
  simulated(async ({ connect }, world) => {
    const flood = await target(world, async (conn) => {
      const chunk = new Uint8Array(64 * 1024);
      for (let count = 0; count < 1_000; count++) await conn.write(chunk);
    });
    const echoing = await target(world, echo);
    const slow = await connect(flood.address);
    await sleep(world.clock, 1_000);
    const conn = await connect(echoing.address);
    for (let count = 0; count < 20; count++) {
      await conn.write(utf8("ping"));
      assert.equal(await readText(conn, 4), "ping");
    }
    slow.close(new Error("enough"));
    conn.close();
    await Promise.all([flood.close(), echoing.close()]);
  }));

Deno.test("200 connections at once, and nothing is left of them", () =>
  withSystemWorld((world) =>
    withProxy(world, async ({ connect, client, server }) => {
      const echoing = await target(world, echo);
      const conns = await Promise.all(Array.from({ length: 200 }, () => connect(echoing.address)));
      assert.equal(client.status().connections, 200);
      assert.equal(server().status().connections, 200);
      await Promise.all(conns.map(async (conn, index) => {
        const text = `connection ${index} `.repeat(500);
        const [, got] = await Promise.all([conn.write(utf8(text)), readText(conn, text.length)]);
        assert.equal(got, text);
        if (index % 3 === 0) return conn.close(new Error("reset"));
        await conn.closeWrite();
        assert.equal(await conn.read(), null);
        conn.close();
      }));
      await Promise.all(conns.map(({ closed }) => closed));
      await echoing.close();
      for (let waited = 0; waited < 200 && client.status().connections > 0; waited++) {
        await sleep(world.clock, 5);
      }
      assert.equal(client.status().connections, 0);
      assert.equal(server().status().connectionsTotal, 200);
      assert(SKYSOCKS_CONNECTIONS_MAX > 200);
    })
  ));

Deno.test("closing the client ends connections that wait, connections that run, and the dial", () =>
  simulated(async (proxy, world) => {
    const echoing = await target(world, echo);
    const running = await proxy.connect(echoing.address);
    proxy.broken = new Error("no route");
    proxy.conns[0]!.close(new Error("gone"));
    await assert.rejects(running.read());
    const waiting: SocketConn[] = [await proxy.program(), await proxy.program()];
    await sleep(world.clock, 500);
    const startedMs = world.clock.monotonicMs();
    await proxy.client.close();
    assert(world.clock.monotonicMs() - startedMs < 2_000);
    assert.equal(proxy.client.status().detail, "Stopped");
    for (const conn of waiting) await assert.rejects(conn.read());
    for (const conn of [running, ...waiting]) conn.close();
    await assert.rejects(proxy.client.ready(1_000), { code: "CONN_CLOSED" });
    await echoing.close();
  }));

Deno.test("a client that is closed in the middle of a dial leaves nothing", () =>
  withSimulation(SEED, async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(async () => {
      await withProxy(world, async ({ client }) => await client.close());
    });
  }));

Deno.test("a program that speaks no SOCKS ends itself and nobody else", () =>
  simulated(async ({ program, connect, client }, world) => {
    const echoing = await target(world, echo);
    const good = await connect(echoing.address);
    for (
      const text of [
        "GET / HTTP/1.1\r\n\r\n",
        "\x04\x01\x00\x50\x7f\x00\x00\x01\x00",
        "\x05\x00",
        "\x05\x01\x00\x05\x09",
      ]
    ) {
      const conn = await program();
      await conn.write(utf8(text));
      if (text.length < 6) await conn.closeWrite();
      const got = await readAll(conn).catch(() => "reset");
      assert(got.length <= 12, JSON.stringify(got));
      conn.close();
    }
    await good.write(utf8("x"));
    assert.equal(await readText(good, 1), "x");
    assert.equal(client.status().sessions, 1);
    good.close();
    await echoing.close();
  }));

Deno.test("a server that speaks no yamux, or opens streams itself, is left, and asked again later", () =>
  simulated(async ({ client, stopServer, offers, startServer, conns }, world) => {
    await client.ready(1_000);
    await stopServer();
    const hostile: Conn[] = [];
    offers().offer = (conn) => {
      hostile.push(conn);
      const garbage = hostile.length % 2 === 0
        ? "HTTP/1.1 400 Bad Request\r\n\r\n"
        : "\x00\x01\x00\x01\x00\x00\x00\x03\x00\x00\x00\x00";
      void conn.write(utf8(garbage)).catch(() => {});
    };
    await sleep(world.clock, 5 * 60_000);
    assert.equal(client.status().sessions, 1);
    assert.equal(client.status().detail, "Connection failed, reconnecting");
    assert(conns.length > 5 && conns.length < 40, `${conns.length} dials`);
    startServer();
    await sleep(world.clock, 31_000);
    assert.equal(client.status().detail, "Running");
    for (const conn of hostile) conn.close();
  }));
