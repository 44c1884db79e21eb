/** tcpHttpClient(): which authority is dialled, and the answer of one that is. */
import assert from "node:assert/strict";
import { silentLog } from "../../lib/base/mod.ts";
import { BadUrlError, parseAuthority, tcpHttpClient } from "../../lib/directory/mod.ts";
import { serveHttp } from "../../lib/http/mod.ts";
import type { DialOptions, SocketAddress, World } from "../../lib/runtime/mod.ts";
import { withSimulation } from "../support/world.ts";

Deno.test("parseAuthority() reads host[:port], with brackets around IPv6, and refuses the rest", () => {
  const good: [string, string, number][] = [
    ["example.org", "example.org", 80],
    ["example.org:9090", "example.org", 9090],
    ["127.0.0.1:1", "127.0.0.1", 1],
    ["[::1]", "::1", 80],
    ["[2001:db8::7]:65535", "2001:db8::7", 65_535],
    ["[::ffff:10.0.0.1]:8", "::ffff:10.0.0.1", 8],
  ];
  for (const [text, hostname, port] of good) {
    assert.deepEqual(parseAuthority(text, 80), { hostname, port }, text);
  }
  const bad = [
    "",
    ":80",
    "host:",
    "host:x",
    "host:65536",
    "host:123456",
    "::1",
    "[::1",
    "::1]",
    "[]:80",
    "[host]:1",
  ];
  bad.push("a b:1", "host/path", "host:1:2", "host:-1", "h".repeat(5_000) + ":x");
  for (const text of bad) {
    assert.throws(() => parseAuthority(text, 80), (error) => {
      assert.ok(error instanceof BadUrlError && error.fault === "caller", text);
      return error.message.length < 200;
    });
  }
  assert.equal(good.length + bad.length, 22);
});

Deno.test("tcpHttpClient() dials what the URL names, 443 with TLS, and is heard", () =>
  withSimulation(1, async (simulation) => {
    const node = simulation.node("asker");
    const dialled: [SocketAddress, DialOptions["tls"]][] = [];
    const world: Pick<World, "clock" | "ledger" | "network"> = {
      clock: node.clock,
      ledger: node.ledger,
      network: {
        dial: (to, options) => {
          dialled.push([to, options?.tls]);
          return node.network.dial(to, options);
        },
        listen: (at) => node.network.listen(at),
        datagrams: (at) => node.network.datagrams(at),
        addresses: () => node.network.addresses(),
      },
    };
    await simulation.run(async () => {
      const far = simulation.node("far");
      const agents: (string | null)[] = [];
      await using _server = serveHttp(
        await far.network.listen({ hostname: "0.0.0.0", port: 443 }),
        (request) => {
          agents.push(request.headers.get("user-agent"));
          return new Response("hello");
        },
        { world: far, log: silentLog },
      );
      await using secure = tcpHttpClient(world, "test/1", { tls: true });
      assert.equal(await (await secure.fetch({ url: "https://far/" })).text(), "hello");
      await using plain = tcpHttpClient(world, "test/1");
      await assert.rejects(plain.fetch({ url: "http://far/" }), { code: "UNREACHABLE" });
      await assert.rejects(plain.fetch({ url: "http://far:99999/" }));
      assert.deepEqual(dialled, [
        [{ hostname: "far", port: 443 }, true],
        [{ hostname: "far", port: 80 }, false],
      ]);
      assert.deepEqual(agents, ["test/1"]);
    });
  }));
