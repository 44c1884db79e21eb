import assert from "node:assert/strict";
import { silentLog } from "../../../lib/base/mod.ts";
import { keyPairFromSeed } from "../../../lib/crypto/mod.ts";
import {
  askOver,
  RouteFinderClient,
  RouteNotFoundError,
  ServiceRefusedError,
  tcpHttpClient,
} from "../../../lib/directory/mod.ts";
import { AddressInUseError, renderSocketAddress, type World } from "../../../lib/runtime/mod.ts";
import { type AttachService, InvalidServiceSettingError } from "../../../lib/services/hosting/mod.ts";
import {
  type GraphSource,
  polledTransports,
  runRouteFinder,
} from "../../../lib/services/route_finder/mod.ts";
import { transportId } from "../../../lib/transport/mod.ts";
import { withSystemWorld } from "../../support/world.ts";

const [A, B, C] = ["a", "b", "c"].map((name) => keyPairFromSeed(new TextEncoder().encode(name)).publicKey);
const ANY_PORT = { hostname: "127.0.0.1", port: 0 };

/** Always the same transports; tells when it is ended. */
function fixed(
  ...pairs: readonly (readonly [typeof A, typeof A, number?])[]
): { source: GraphSource; ended: () => boolean } {
  let ended = false;
  return {
    source: (graph) => {
      for (const [a, b, latencyMs] of pairs) {
        graph.add({ id: transportId(a!, b!, "stcpr"), edges: [a!, b!], latencyMs });
      }
      return { [Symbol.asyncDispose]: () => Promise.resolve(void (ended = true)) };
    },
    ended: () => ended,
  };
}

async function withClient(
  world: World,
  address: { hostname: string; port: number },
  work: (client: RouteFinderClient) => Promise<void>,
): Promise<void> {
  const http = tcpHttpClient(world, "test/1");
  const origin = `http://${renderSocketAddress(address)}`;
  const ways = [{ name: "http", origin, client: http, isReady: () => true }];
  try {
    await work(new RouteFinderClient(askOver("route finder", ways, world.clock, silentLog), { world }));
  } finally {
    await http.close();
  }
}

Deno.test("RT-1: a route finder and its client rank by latency, both directions at once", () =>
  withSystemWorld(async (world) => {
    const { source, ended } = fixed([A, B, 800], [A, C, 20], [C, B, 30]);
    const finder = await runRouteFinder({
      world,
      log: silentLog,
      settings: { address: ANY_PORT, mode: "http" },
      transports: source,
    });
    await withClient(world, finder.address!, async (client) => {
      const found = await client.routes([[A!, B!], [B!, A!]], { minHops: 1, maxHops: 50 });
      assert.deepEqual(found.map((paths) => paths.map((path) => path.map(({ to }) => to))), [
        [[C, B], [B]],
        [[C, A], [A]],
      ]);
      assert.deepEqual((await client.routes([[A!, B!]], { minHops: 1, maxHops: 1 }))[0]!.length, 1);
      await assert.rejects(client.routes([[A!, B!]], { minHops: 3, maxHops: 9 }), RouteNotFoundError);
      await assert.rejects(client.routes([[A!, B!]], { minHops: 0.5, maxHops: 9 }), ServiceRefusedError);
    });
    await finder.close();
    assert(ended());
    await finder.close();
  }));

Deno.test("a route finder on an empty network says so, and learns by reading the list", () =>
  withSystemWorld(async (world) => {
    const lists = [[], [{
      id: transportId(A!, B!, "dmsg"),
      edges: [A!, B!] as const,
      type: "dmsg",
      label: "user",
    }]];
    let listed!: () => void;
    const second = new Promise<void>((resolve) => listed = resolve);
    const list = async () => {
      if (lists.length === 1) queueMicrotask(listed);
      return lists.length > 1 ? lists.shift()! : lists[0]!;
    };
    await using finder = await runRouteFinder({
      world,
      log: silentLog,
      settings: { address: ANY_PORT, mode: "http" },
      transports: polledTransports({ list, clock: world.clock, log: silentLog, everyMs: 500 }),
    });
    await withClient(world, finder.address!, async (client) => {
      await assert.rejects(client.routes([[A!, B!]], { minHops: 1, maxHops: 9 }), {
        reason: "transport not found",
      });
      await second;
      await new Promise((resolve) => setTimeout(resolve));
      assert.equal((await client.routes([[A!, B!]], { minHops: 1, maxHops: 9 }))[0]!.length, 1);
    });
  }));

Deno.test("its list is in the health, with the life that is set; a list that is too old is 503", () =>
  withSystemWorld(async (world) => {
    for (
      const [entryTimeoutMs, list, status, told] of [
        [undefined, { state: "unread" }, 503, ["unread", undefined]],
        [0, { state: "read", ageMs: 1_234.5 }, 200, ["read", 1_235]],
        [10_000, { state: "too old", ageMs: 15_000 }, 503, ["too old", 15_000]],
        [10_000, undefined, 200, [undefined, undefined]],
      ] as const
    ) {
      let given: unknown;
      await using finder = await runRouteFinder({
        world,
        log: silentLog,
        settings: {
          address: ANY_PORT,
          mode: "http",
          ...(entryTimeoutMs === undefined ? {} : { entryTimeoutMs }),
        },
        transports: (_, lives) => {
          given = lives?.entryTimeoutMs;
          return { list: () => list, [Symbol.asyncDispose]: () => Promise.resolve() };
        },
      });
      assert.equal(given, entryTimeoutMs);
      assert.deepEqual(finder.list(), list);
      await using http = tcpHttpClient(world, "test/1");
      const answer = await http.fetch({ url: `http://${renderSocketAddress(finder.address!)}/health` });
      const health = JSON.parse(await new Response(answer.body).text());
      assert.deepEqual([answer.status, [health.list, health.list_age_ms]], [status, told]);
      assert.equal(health.service_name, "route-finder");
    }
  }));

Deno.test("a life that transports cannot have is refused before anything is read", () =>
  withSystemWorld(async (world) => {
    for (const entryTimeoutMs of [-1, 999, NaN, Infinity]) {
      const settings = { address: ANY_PORT, mode: "http" as const, entryTimeoutMs };
      const transports = () => assert.fail("it is read");
      await assert.rejects(
        runRouteFinder({ world, log: silentLog, settings, transports }),
        InvalidServiceSettingError,
      );
    }
  }));

Deno.test("mode dmsg needs a key; what feeds the graph is ended when a start fails", () =>
  withSystemWorld(async (world) => {
    for (const mode of ["dmsg", "dual"] as const) {
      const { source, ended } = fixed();
      await assert.rejects(
        runRouteFinder({ world, log: silentLog, settings: { address: ANY_PORT, mode }, transports: source }),
        InvalidServiceSettingError,
      );
      assert(ended());
    }
    const listener = await world.network.listen(ANY_PORT);
    const { source, ended } = fixed();
    const settings = { address: listener.address, mode: "http" as const };
    await assert.rejects(
      runRouteFinder({ world, log: silentLog, settings, transports: source }),
      AddressInUseError,
    );
    assert(ended());
    listener.close();
  }));

Deno.test("over dmsg alone it answers the same, and health names its key", () =>
  withSystemWorld(async (world) => {
    let handler!: Parameters<AttachService>[0];
    let isEnded = false;
    const dmsg: AttachService = (given) => {
      handler = given;
      return {
        closed: new Promise(() => {}),
        status: () => ({ address: `${A}:80`, servers: [B!] }),
        [Symbol.asyncDispose]: () => Promise.resolve(void (isEnded = true)),
      };
    };
    const { source } = fixed([A, B]);
    const finder = await runRouteFinder({
      world,
      log: silentLog,
      settings: { address: ANY_PORT, mode: "dmsg", build: { version: "1.2.3", commit: "c", date: "d" } },
      transports: source,
      dmsg,
    });
    assert.equal(finder.address, undefined);
    const answer = await handler(
      {
        method: "GET",
        target: "/health",
        host: "x",
        headers: new Headers(),
        remote: `${C}:49153`,
        bodyless: true,
        bodyBytes: 0,
        signal: new AbortController().signal,
        body: { read: () => Promise.resolve(null) },
      } as unknown as Parameters<typeof handler>[0],
    );
    const health = JSON.parse(String(answer.body));
    assert.deepEqual(
      [health.service_name, health.dmsg_address, health.dmsg_servers, health.build_info.version],
      ["route-finder", `${A}:80`, [B], "1.2.3"],
    );
    await finder.close();
    assert(isEnded);
    await finder.closed;
  }));
