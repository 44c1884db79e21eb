/** Several instances of a service on one Redis are one to whoever asks, and outlive it (SV-4). */
import assert from "node:assert/strict";
import { silentLog } from "../../lib/base/mod.ts";
import type { KeyPair } from "../../lib/crypto/mod.ts";
import {
  AddressResolverClient,
  joinNetwork,
  ServiceRefusedError,
  tcpHttpClient,
  TransportDiscoveryClient,
} from "../../lib/directory/mod.ts";
import { TransportGraph } from "../../lib/routing/paths/mod.ts";
import { sleep, withTimeout, type World } from "../../lib/runtime/mod.ts";
import { runAddressResolver } from "../../lib/services/address_resolver/mod.ts";
import { runDmsgDiscovery } from "../../lib/services/dmsg_discovery/mod.ts";
import type { RunningService } from "../../lib/services/hosting/mod.ts";
import { toldTransports } from "../../lib/services/route_finder/mod.ts";
import { runServiceDiscovery } from "../../lib/services/service_discovery/mod.ts";
import { runTransportDiscovery, type TransportChange } from "../../lib/services/transport_discovery/mod.ts";
import { runUptimeTracker } from "../../lib/services/uptime_tracker/mod.ts";
import { TestRedis } from "../support/redis.ts";
import { withSystemWorld } from "../support/world.ts";
import { Visor } from "./address_resolver/support.ts";
import { BARE_NETWORK } from "./dmsg_network_support.ts";
import { pair, signed, transportOf } from "./service_support.ts";
import { onRedis } from "./store/store_under_test.ts";

const [alice, bob, carol] = [pair("alice"), pair("bob"), pair("carol")];
const loopback = { hostname: "127.0.0.1", port: 0 };
const log = silentLog;

const onRedisInTheWorld = (claim: string, run: (redis: TestRedis, world: World) => Promise<void>) =>
  onRedis(claim, (redis) => withSystemWorld((world) => run(redis, world)));

function settingsOn({ url }: TestRedis) {
  return { address: loopback, store: url, mode: "http" as const, redisPoolSize: 2 };
}

function originOf(service: RunningService): string {
  return `http://127.0.0.1:${service.address!.port}`;
}

/** Until `isSo`, which others bring about; the real time is short, and what is read anew every 30 s does not do it. */
function until(world: World, what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  return withTimeout(world.clock, { what, afterMs: 20_000 }, async (signal) => {
    while (!await isSo()) await sleep(world.clock, 5, signal);
  });
}

/** Asks one instance over HTTP, as `local`. */
async function asking<T>(
  world: World,
  { local, service }: { local: KeyPair; service: RunningService },
  work: (ask: ReturnType<ReturnType<typeof joinNetwork>["askService"]>) => Promise<T>,
): Promise<T> {
  const network = { ...BARE_NETWORK, servers: [], discoveryHttp: undefined };
  const joined = joinNetwork({ world, local, network, log, userAgent: "test/1", publish: false });
  try {
    return await work(joined.askService("service", { http: originOf(service) }));
  } finally {
    await joined.close();
  }
}

const asTransports = <T>(
  world: World,
  asked: { local: KeyPair; service: RunningService },
  work: (client: TransportDiscoveryClient) => Promise<T>,
) => asking(world, asked, (ask) => work(new TransportDiscoveryClient(ask)));

onRedisInTheWorld(
  "what one transport discovery takes, the other's route finder knows at once",
  async (redis, world) => {
    const settings = { ...settingsOn(redis), requestsPerMinute: 0 };
    const early = transportOf(bob, carol);
    await using one = await runTransportDiscovery({ world, log, settings });
    await asTransports(world, { local: bob, service: one }, (client) => client.register([early]));
    await using two = await runTransportDiscovery({ world, log, settings });
    const graph = new TransportGraph();
    await using _ = toldTransports(two.transports)(graph);
    assert.deepEqual(two.transports.entries(), [early], "what was there before");

    const record = transportOf(alice, bob);
    await asTransports(world, { local: alice, service: one }, (client) => client.register([record]));
    await until(world, "a registration", () => graph.size === 2);
    assert.deepEqual(
      await asTransports(world, { local: bob, service: two }, (client) => client.byEdge(alice.publicKey)),
      [record],
    );
    await until(world, "one's own registration", () => one.transports.entries().length === 2);
    const labelled = { ...record, label: "automatic" };
    await asTransports(world, { local: alice, service: two }, (client) => client.register([labelled]));
    await until(world, "a label", () => one.transports.entries().some(({ label }) => label === "automatic"));
    assert.equal(
      await asTransports(
        world,
        { local: bob, service: two },
        (client) => client.remove([record.id, early.id]),
      ),
      2,
    );
    await until(world, "a removal", () => one.transports.entries().length === 0 && graph.size === 0);
  },
);

onRedisInTheWorld(
  "a route finder hears nothing of deployments in other data bases of its Redis, or with other prefixes",
  async (redis, world) => {
    const on = (place: string) => ({
      ...settingsOn(redis),
      store: `${redis.url}${place}`,
      requestsPerMinute: 0,
    });
    await using own = await runTransportDiscovery({ world, log, settings: on("/1") });
    const graph = new TransportGraph();
    await using _ = toldTransports(own.transports)(graph);
    await asTransports(
      world,
      { local: alice, service: own },
      (client) => client.register([transportOf(alice, bob)]),
    );
    await until(world, "one's own registration", () => graph.size === 1); // it listens
    for (const place of ["", "/2", "/1?prefix=other"]) {
      await using other = await runTransportDiscovery({ world, log, settings: on(place) });
      await asTransports(
        world,
        { local: bob, service: other },
        (client) => client.register([transportOf(bob, carol)]),
      );
      await until(world, "the other's registration", () => other.transports.entries().length === 1);
    }
    const last = transportOf(alice, carol);
    await asTransports(world, { local: alice, service: own }, (client) => client.register([last]));
    await until(
      world,
      "a word after all the others",
      () => own.transports.entries().some(({ id }) => id === last.id),
    );
    assert.deepEqual(
      own.transports.entries().map(({ id }) => id).sort(),
      [transportOf(alice, bob).id, last.id].sort(),
    );
    assert.equal(graph.size, 2);
  },
);

onRedisInTheWorld(
  "a renewal at one instance keeps a transport alive at the other; without one it ends",
  async (redis, world) => {
    const entryTimeoutMs = 2_000;
    const settings = { ...settingsOn(redis), requestsPerMinute: 0, entryTimeoutMs };
    await using one = await runTransportDiscovery({ world, log, settings });
    await using two = await runTransportDiscovery({ world, log, settings });
    const changes: TransportChange[] = [];
    two.transports.onChange((change) => changes.push(change));
    const record = transportOf(alice, bob);
    await asTransports(world, { local: alice, service: one }, async (client) => {
      let [sinceMs, renewedMs] = [-Infinity, -Infinity];
      while (renewedMs - sinceMs < 2 * entryTimeoutMs || sinceMs === -Infinity) {
        await client.register([record]);
        const nowMs = world.clock.monotonicMs();
        if (nowMs - renewedMs > entryTimeoutMs / 2) { // the machine is slow: it may have ended meanwhile
          await sleep(world.clock, 100);
          changes.splice(0, changes.length, { put: [record], removed: [] });
          sinceMs = nowMs;
        }
        renewedMs = nowMs;
        await sleep(world.clock, 200);
      }
    });
    assert.deepEqual(changes, [{ put: [record], removed: [] }], "renewals change nothing");
    await until(world, "the end", () => changes.length === 2);
    assert.deepEqual(changes[1], { put: [], removed: [record.id] });
  },
);

onRedisInTheWorld("of 40 requests with one number at two instances one is good", async (redis, world) => {
  const settings = settingsOn(redis);
  await using one = await runTransportDiscovery({ world, log, settings });
  await using two = await runTransportDiscovery({ world, log, settings });
  await using client = tcpHttpClient(world, "test/1");
  for (let nonce = 0; nonce < 5; nonce++) {
    const statuses = await Promise.all(Array.from({ length: 40 }, async (_, at) => {
      const url = `${originOf(at % 2 === 0 ? one : two)}/v4/update`;
      const answer = await client.fetch({ url, headers: Object.entries(signed(alice, nonce)) });
      await answer.text();
      return answer.status;
    }));
    assert.equal(statuses.filter((status) => status === 200).length, 1, `${statuses}`);
    assert.ok(statuses.every((status) => status === 200 || status === 401), `${statuses}`);
  }
});

onRedisInTheWorld(
  "a dial that one address resolver is told of reaches the visor whose session another one has",
  async (redis, world) => {
    const settings = settingsOn(redis);
    await using front = await runAddressResolver({ world, log, settings });
    await using udp = await runAddressResolver({
      world,
      log,
      settings: { ...settings, udpAddress: loopback },
    });
    await using other = await runAddressResolver({
      world,
      log,
      settings: { ...settings, udpAddress: loopback },
    });
    const [dialer, callee] = [await Visor.on(world, alice), await Visor.on(world, bob)];
    await dialer.connect({ to: other.udpAddress! });
    await callee.connect({ to: udp.udpAddress! });
    for (const visor of [dialer, callee]) await visor.bind();
    const resolve = () =>
      asking(
        world,
        { local: alice, service: front },
        (ask) => new AddressResolverClient(ask).resolve("sudph", bob.publicKey),
      );
    await until(world, "both bindings", async () => {
      const bound = await asking(
        world,
        { local: carol, service: front },
        (ask) => new AddressResolverClient(ask).transports(),
      );
      return bound.sudph.length === 2;
    });
    assert.equal((await resolve())?.remoteAddress, `127.0.0.1:${callee.port}`);
    assert.equal(await callee.hear(), `{"PK":"${alice.publicKey}","Addr":"127.0.0.1:${dialer.port}"}`);
    assert.deepEqual([udp.udpCounters()!.pushed, other.udpCounters()!.pushed], [1, 0]);
    assert.equal(
      other.udpCounters()!.unpushed,
      0,
      "a word for a session elsewhere is no dial that nobody is told of",
    );

    // The visor moves: its old session ends, and takes nothing of the new one with it.
    const moved = await Visor.on(world, bob);
    await moved.connect({ to: other.udpAddress! });
    await moved.bind();
    assert.equal(await callee.hear(), undefined);
    await until(world, "the end of the old session", () => udp.udpCounters()!.sessions === 0);
    assert.equal((await resolve())?.remoteAddress, `127.0.0.1:${moved.port}`);
    assert.equal(await moved.hear(), `{"PK":"${alice.publicKey}","Addr":"127.0.0.1:${dialer.port}"}`);
    for (const visor of [dialer, callee, moved]) visor.close();
    await Promise.all([dialer, callee, moved].map((visor) => visor.closed));
  },
);

onRedisInTheWorld(
  "a Redis that takes no writes: /health says why at once, nobody is told that he is registered, and it is over at once",
  async (redis, world) => {
    const settings = settingsOn(redis);
    await using transports = await runTransportDiscovery({ world, log, settings });
    await using addresses = await runAddressResolver({ world, log, settings });
    await using offers = await runServiceDiscovery({ world, log, settings });
    await using tracker = await runUptimeTracker({ world, log, settings });
    await using entries = await runDmsgDiscovery({ world, log, settings });
    await using client = tcpHttpClient(world, "test/1");
    const healths = () =>
      Promise.all([transports, addresses, offers, tracker, entries].map(async (service) => {
        const answer = await client.fetch({ url: `${originOf(service)}/health` });
        return [answer.status, JSON.parse(await answer.text()).store];
      }));
    const register = (to: KeyPair) =>
      asTransports(
        world,
        { local: alice, service: transports },
        (asked) => asked.register([transportOf(alice, to)]),
      );
    const faults = [
      ["full", ["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"]],
      ["read-only", ["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]],
    ] as const;
    await register(bob);
    for (const [state, [begin, ...asked], [end, ...told]] of faults) {
      assert.deepEqual(await healths(), Array(5).fill([200, undefined]));
      await redis.client.call(begin, ...asked);
      assert.deepEqual(await healths(), Array(5).fill([503, state]));
      await assert.rejects(register(carol), ServiceRefusedError);
      assert.deepEqual(await healths(), Array(5).fill([503, state]));
      await redis.client.call(end, ...told);
    }
    assert.deepEqual(await healths(), Array(5).fill([200, undefined]));
    await register(carol);
  },
);

onRedisInTheWorld(
  "a Redis that goes away: 5xx, /health says why, and all is well when it is back",
  async (redis, world) => {
    const settings = settingsOn(redis);
    await using transports = await runTransportDiscovery({ world, log, settings });
    const services: [RunningService, string][] = [
      [transports, "/all-transports"],
      [await runAddressResolver({ world, log, settings }), "/transports"],
      [await runServiceDiscovery({ world, log, settings }), "/api/services?type=vpn"],
      [await runUptimeTracker({ world, log, settings }), "/uptimes"],
      [await runDmsgDiscovery({ world, log, settings }), "/dmsg-discovery/all_servers"],
    ];
    await using client = tcpHttpClient(world, "test/1");
    const get = async (service: RunningService, path: string) => {
      const answer = await client.fetch({ url: originOf(service) + path });
      return { status: answer.status, text: await answer.text() };
    };
    const healthOf = async (service: RunningService) => {
      const { status, text } = await get(service, "/health");
      return [status, JSON.parse(text).store];
    };
    const record = transportOf(alice, bob);
    await asTransports(world, { local: alice, service: transports }, (asked) => asked.register([record]));
    await until(world, "one's own registration", () => transports.transports.entries().length === 1);
    for (const [service] of services) assert.deepEqual(await healthOf(service), [200, undefined]);

    await redis.kill();
    await until(
      world,
      "the end of lists that are kept for a moment",
      async () => (await get(transports, "/all-transports")).status >= 500,
    );
    for (const [service, path] of services) {
      assert.deepEqual(await healthOf(service), [503, "unavailable"], path);
      assert.equal((await get(service, path)).status, 500, path);
    }
    await assert.rejects(
      asTransports(
        world,
        { local: bob, service: transports },
        (asked) => asked.register([transportOf(bob, carol)]),
      ),
      (error) => error instanceof ServiceRefusedError || error instanceof Error,
    );

    await using again = await TestRedis.start(redis.port);
    for (const [service, path] of services) {
      await until(world, `the store of ${path}`, async () => (await healthOf(service))[0] === 200); // a second at most
      assert.deepEqual(await healthOf(service), [200, undefined], path);
      assert.ok((await get(service, path)).status < 500, path);
    }
    await until(world, "word that the new one is empty", () => transports.transports.entries().length === 0);
    await using other = await runTransportDiscovery({ world, log, settings });
    await asTransports(world, { local: alice, service: other }, (asked) => asked.register([record]));
    await until(world, "another one's registration", () => transports.transports.entries().length === 1);
    for (const [service] of services) {
      await service.close();
    }
    assert.equal(again.port, redis.port);
  },
);

onRedisInTheWorld(
  "two transport discoveries count the uptimes of one visor together",
  async (redis, world) => {
    await using one = await runTransportDiscovery({ world, log, settings: settingsOn(redis) });
    await using other = await runTransportDiscovery({ world, log, settings: settingsOn(redis) });
    const transport = transportOf(alice, bob);
    for (const [local, service] of [[alice, one], [bob, other], [alice, other]] as const) {
      await asking(
        world,
        { local, service },
        (ask) => new TransportDiscoveryClient(ask).register([transport]),
      );
    }
    for (const service of [one, other]) {
      const told = await asking(world, { local: carol, service }, async (ask) => ({
        visors: JSON.parse((await ask({ method: "GET", path: "/uptimes?v=v2" })).text),
        transports: JSON.parse((await ask({ method: "GET", path: "/uptimes/transports?v=v2" })).text),
      }));
      assert.deepEqual(
        told.visors.map(({ pk }: { pk: string }) => pk),
        [alice.publicKey, bob.publicKey].sort(),
      );
      for (const { daily } of told.visors) {
        assert.deepEqual(Object.values(daily), ["0.10"], "one beat of 960");
      }
      assert.deepEqual(told.transports.map(({ id, on }: { id: string; on: boolean }) => [id, on]), [[
        transport.id,
        true,
      ]]);
      assert.deepEqual(Object.values(told.transports[0].daily), ["0.10"]);
    }
  },
);
