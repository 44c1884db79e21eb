/** CL-4: the running visor, else a client over dmsg, else plain HTTP; and whose answer ends the chain. */
import assert from "node:assert/strict";
import { CallerError, WorldError } from "../../lib/base/mod.ts";
import { ControlCallError, ControlTokenError } from "../../lib/control/mod.ts";
import { DmsgError } from "../../lib/dmsg/mod.ts";
import type { ControlActions } from "../../lib/visor/control_server.ts";
import { withControlDouble } from "./_control_double.ts";
import { FILE, network, NOBODY } from "./_network_beside.ts";

const THERE = NOBODY;
const OTHER = "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5";
const ID = "e2973841-33a2-0ed6-90cb-e777a6615a73";
class Unreachable extends WorldError {
  readonly code = "SERVICE_UNREACHABLE";
}
class NoService extends CallerError {
  readonly code = "NO_SERVICE";
}

const failingWith = (error: Error): Partial<ControlActions> => ({
  serviceAsk: () => Promise.reject(error),
  dmsgServers: () => Promise.reject(error),
});

/** A visor by whom services list nothing, and how often that was asked. */
function countingAsks() {
  const visor = {
    asked: 0,
    actions: {
      serviceAsk: () => {
        visor.asked++;
        return { status: 200, text: "[]" };
      },
    } satisfies Partial<ControlActions>,
  };
  return visor;
}

/** What a visor may say for which the next way is tried. */
const NEXT_WAY: readonly (readonly [what: string, actions: Partial<ControlActions> | undefined])[] = [
  ["no visor runs", undefined],
  ["the visor reaches nobody", failingWith(new Unreachable("Cannot reach it"))],
  ["the visor is told of no such service", failingWith(new NoService("It names none"))],
  ["the visor is an older one", failingWith(new ControlCallError("POST", "/v1/x", []))],
  ["the visor has started anew", failingWith(new ControlTokenError())],
  ["the visor does not answer", {
    serviceAsk: (_, signal) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    dmsgServers: (_, signal) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  }],
];

Deno.test("tp disc: what the visor learned is the answer, and nobody else is asked", () => {
  const asked: unknown[] = [];
  return withControlDouble(
    {
      serviceAsk: (input) => {
        asked.push(input);
        return { status: 200, text: "[]" };
      },
    },
    async ({ run }) => {
      const { code, stdout } = await run("tp", "disc", "-p", THERE, "--json");
      assert.deepEqual([code, stdout], [0, "[]\n"]);
      assert.deepEqual(asked, [{
        service: "transportDiscovery",
        method: "GET",
        path: `/transports/edge:${THERE}`,
      }]);
    },
    { setUp: network("none") },
  );
});

Deno.test("dmsg servers: what the visor says is the answer", () => {
  const server = { server: THERE, address: "192.0.2.1:8081", connected: true };
  return withControlDouble({ dmsgServers: () => [server] }, async ({ run }) => {
    assert.deepEqual(JSON.parse((await run("dmsg", "servers", "--json")).stdout), [server]);
  }, { setUp: network("both") });
});

Deno.test("tp disc: what the service refuses the visor stays refused, and nobody else is asked", () =>
  withControlDouble(
    { serviceAsk: () => ({ status: 404, text: '{"error":"transport not found"}' }) },
    async ({ run }) => {
      const { code, stderr } = await run("tp", "disc", "-i", ID);
      assert.equal(code, 4);
      assert.match(stderr, /transport not found/);
    },
    { setUp: network("both") },
  ));

Deno.test("tp disc: what the visor refuses for another reason is the end", () =>
  withControlDouble(
    failingWith(
      new class extends CallerError {
        readonly code = "CONTROL_INPUT";
      }("The path is none"),
    ),
    async ({ run }) => {
      const { code, stderr } = await run("tp", "disc", "-p", THERE);
      assert.equal(code, 2);
      assert.match(stderr, /The path is none/);
    },
    { setUp: network("both") },
  ));

Deno.test("tp disc --addr: a service elsewhere is asked itself, whatever the running visor knows", () => {
  const visor = countingAsks();
  return withControlDouble(
    visor.actions,
    async ({ run }) => {
      assert.equal((await run("tp", "disc", "-p", THERE)).code, 0);
      for (const addr of ["http://127.0.0.1:9", `dmsg://${OTHER}`]) {
        const { code, stderr } = await run("tp", "disc", "-p", THERE, "-a", addr);
        assert.equal(code, 3, addr);
        assert.match(stderr, /Cannot reach the transport discovery/);
      }
      assert.equal(visor.asked, 1);
    },
    { setUp: network("none") },
  );
});

for (const [what, actions] of NEXT_WAY) {
  Deno.test(`tp disc and dmsg servers, when ${what}: over dmsg, by a client that nobody hears of`, () =>
    withControlDouble(actions, async ({ run, nowMs }) => {
      const startedMs = nowMs();
      const { code, stdout, stderr } = await run("tp", "disc", "-p", THERE, "--json");
      assert.deepEqual([code, stdout, stderr], [0, "[]\n", ""]);
      assert(nowMs() - startedMs < 9_000, `${nowMs() - startedMs} ms`);
      const servers = await run("dmsg", "servers", "--json");
      assert.deepEqual([servers.code, servers.stderr], [0, ""]);
      assert.equal(JSON.parse(servers.stdout).length, 2);
    }, { setUp: network("dmsg") }));

  Deno.test(`tp disc and dmsg servers, when ${what} and dmsg is dead: over plain HTTP`, () =>
    withControlDouble(actions, async ({ run }) => {
      const { code, stdout } = await run("tp", "disc", "-p", THERE, "--json");
      assert.deepEqual([code, stdout], [0, "[]\n"]);
      const servers = await run("dmsg", "servers", "--json");
      assert.equal(JSON.parse(servers.stdout).length, 2);
    }, { setUp: network("http") }));
}

Deno.test("tp disc, when nothing leads there: the world's fault, in bounded time, and nothing stays alive", () =>
  withControlDouble(NEXT_WAY[1]![1], async ({ run, nowMs }) => {
    const startedMs = nowMs();
    const { code, stderr } = await run("tp", "disc", "-p", THERE);
    assert.equal(code, 3);
    assert.match(stderr, /Cannot reach the transport discovery/);
    assert(nowMs() - startedMs <= 30_000, `${nowMs() - startedMs} ms`);
  }, { setUp: network("none") }));

Deno.test("rewards eligible: a list of everybody is asked for without the visor, which would have to hold it", () => {
  const visor = countingAsks();
  return withControlDouble(
    visor.actions,
    async ({ run }) => {
      const { code, stderr } = await run("rewards", "eligible", "--date", "2025-06-10");
      assert.deepEqual([code, visor.asked], [2, 0]);
      assert.match(stderr, /The transport discovery has no uptime of 2025-06-10/); // it was asked itself
    },
    { setUp: network("both") },
  );
});

Deno.test("route find asks the route finder through the visor, with its body", () => {
  const asked: unknown[] = [];
  return withControlDouble(
    {
      serviceAsk: ({ service, method, path, body }) => {
        asked.push([service, method, path, JSON.parse(body!).Edges.length]);
        return { status: 404, text: '{"error":{"message":"route not found","code":404}}' };
      },
    },
    async ({ run }) => {
      assert.equal((await run("route", "find", THERE, OTHER)).code, 4);
      assert.deepEqual(asked[0], ["routeFinder", "POST", "/routes", 2]);
    },
    { setUp: network("none") },
  );
});

Deno.test('dmsg entry: the visor\'s "none" is the answer; --deployment passes the visor over', () => {
  let asked = 0;
  return withControlDouble(
    {
      dmsgEntry: () => {
        asked++;
        return { entry: null };
      },
    },
    async ({ run }) => {
      const { code, stderr } = await run("dmsg", "entry", THERE);
      assert.deepEqual([code, asked], [4, 1]);
      assert.match(stderr, new RegExp(new DmsgError(100).message.slice(0, 20), "i"));
      assert.equal((await run("dmsg", "entry", THERE, "--deployment", FILE)).code, 4);
      assert.equal(asked, 1);
    },
    { setUp: network("both") },
  );
});

Deno.test("dmsg ping is done, not only read: a visor that fails at it has failed; --deployment passes it over", () => {
  let asked = 0;
  return withControlDouble(
    {
      dmsgPing: () => {
        asked++;
        return Promise.reject(new Unreachable("not there"));
      },
    },
    async ({ run }) => {
      const { code, stderr } = await run("dmsg", "ping", THERE);
      assert.deepEqual([code, asked], [3, 1]);
      assert.match(stderr, /not there/);
      assert.equal((await run("dmsg", "ping", THERE, "--deployment", FILE)).code, 4);
      assert.equal(asked, 1);
    },
    { setUp: network("both") },
  );
});

Deno.test("the visor asks no service for more than to read: only the route finder is posted to", () =>
  withControlDouble({ serviceAsk: () => ({ status: 200, text: "" }) }, async ({ world }) => {
    const { ControlClient } = await import("../../lib/control/mod.ts");
    await using control = await ControlClient.open("/home", world);
    const ask = (service: "transportDiscovery" | "routeFinder", method: "GET" | "POST") =>
      control.call("serviceAsk", { service, method, path: "/x" });
    assert.equal((await ask("routeFinder", "POST")).status, 200);
    assert.equal((await ask("transportDiscovery", "GET")).status, 200);
    await assert.rejects(ask("transportDiscovery", "POST"), { code: "CONTROL_INPUT" });
  }));
