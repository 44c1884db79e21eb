/**
 * runServiceDiscovery(), runUptimeTracker(), runConfigBootstrapper() and runTransportSetup(): modes, sockets, dmsg
 * and HTTP with the same answers, starts that fail (SV-1, SV-6).
 */
import assert from "node:assert/strict";
import { Scope, silentLog } from "../../lib/base/mod.ts";
import { deploymentByDiscoveryKey, embeddedDeployment, readDeployments } from "../../lib/deployment/mod.ts";
import {
  ConfigBootstrapperClient,
  type DmsgNetwork,
  HttpServices,
  joinNetwork,
  ServiceDiscoveryClient,
  tcpHttpClient,
  UptimeTrackerClient,
} from "../../lib/directory/mod.ts";
import { GATEWAY_LABEL, type GatewayTransport, serveTransportGateway } from "../../lib/routing/setup/mod.ts";
import { AddressInUseError, sleep, type World } from "../../lib/runtime/mod.ts";
import { runConfigBootstrapper } from "../../lib/services/config_bootstrapper/mod.ts";
import {
  attachService,
  InvalidServiceSettingError,
  locationsAt,
  type RunningService,
  type ServiceMode,
} from "../../lib/services/hosting/mod.ts";
import { runServiceDiscovery } from "../../lib/services/service_discovery/mod.ts";
import { dayOf, InvalidStoreNameError, StoreError } from "../../lib/services/store/mod.ts";
import { runTransportSetup } from "../../lib/services/transport_setup/mod.ts";
import { runUptimeTracker } from "../../lib/services/uptime_tracker/mod.ts";
import { transportId } from "../../lib/transport/mod.ts";
import { withSimulation, withSystemWorld } from "../support/world.ts";
import { BARE_NETWORK, joinAs, withDmsgNetwork } from "./dmsg_network_support.ts";
import { pair } from "./service_support.ts";

const [alice, bob, sd, ut, conf, tsn] = ["alice", "bob", "sd", "ut", "conf", "tsn"].map(pair) as Pair[];
type Pair = ReturnType<typeof pair>;
const loopback = { hostname: "127.0.0.1", port: 0 };
const log = silentLog;

type Run = (world: World, settings: object, more?: object) => Promise<RunningService>;
const base = { address: loopback, store: "memory", mode: "http" as ServiceMode };

const services: readonly [name: string, run: Run, keeps: boolean][] = [
  [
    "service discovery",
    (world, settings, more = {}) =>
      runServiceDiscovery({ world, log, settings: { ...base, ...settings }, ...more }),
    true,
  ],
  [
    "uptime tracker",
    (world, settings, more = {}) =>
      runUptimeTracker({ world, log, settings: { ...base, ...settings }, ...more }),
    true,
  ],
  [
    "config bootstrapper",
    (world, settings, more = {}) =>
      runConfigBootstrapper({
        world,
        log,
        settings: { ...base, ...settings },
        deployment: embeddedDeployment(),
        ...more,
      }),
    false,
  ],
];

for (const [name, run, keeps] of services) {
  Deno.test(`the ${name} answers over real sockets, and is closed once however often it is asked`, () =>
    withSystemWorld(async (world) => {
      await using service = await run(world, {});
      await using client = tcpHttpClient(world, "test/1");
      const url = `http://127.0.0.1:${service.address!.port}`;
      const health = await (await client.fetch({ url: `${url}/health` })).json();
      assert.deepEqual(Object.keys(health), ["build_info", "started_at", "service_name"]);
      assert.equal(health.service_name, name.replace(" ", "-"));
      await (await client.fetch({ url: `${url}/health`, method: "POST" })).text();
      await assert.rejects(run(world, { address: service.address! }), AddressInUseError);
      await Promise.all([service.close(), service.close()]);
      await service.closed;
      await assert.rejects(client.fetch({ url: `${url}/health` }));
    }));

  Deno.test(`the ${name} refuses settings that cannot be, and leaves nothing behind`, () =>
    withSystemWorld(async (world) => {
      for (const mode of ["dmsg", "dual"]) {
        const locations = locationsAt("http://127.0.0.1:1", { world, log, userAgent: "test/1" });
        await assert.rejects(
          run(world, { mode }, { locations, owned: locations }),
          InvalidServiceSettingError,
        );
      }
      if (!keeps) return;
      await assert.rejects(run(world, { store: "postgres://127.0.0.1" }), InvalidStoreNameError);
      await assert.rejects(run(world, { store: "/proc/no/such/folder.db" }), StoreError);
    }));

  Deno.test(`the ${name}: a dmsg side that fails stops mode dmsg, and not HTTP in mode dual`, () =>
    withSystemWorld(async (world) => {
      const dmsg = () => {
        throw new Error("no room");
      };
      await assert.rejects(run(world, { mode: "dmsg" }, { dmsg }), /no room/);
      await using service = await run(world, { mode: "dual" }, { dmsg });
      assert.ok(service.address!.port > 0);
    }));
}

Deno.test("a life of entries that cannot be, and a location service that is none", () =>
  withSystemWorld(async (world) => {
    for (const entryTimeoutMs of [-1, 999, NaN, Infinity, 1e15]) {
      await assert.rejects(services[0]![1](world, { entryTimeoutMs }), InvalidServiceSettingError);
    }
    for (const url of ["", "x", "ftp://x", "http://x/?ip=", "dmsg://x"]) {
      assert.throws(() => locationsAt(url, { world, log, userAgent: "test/1" }), InvalidServiceSettingError);
    }
  }));

Deno.test("the uptime tracker's private listener is apart, and its end is the end of the service", () =>
  withSystemWorld(async (world) => {
    const settings = { ...base, privateAddress: loopback };
    await using tracker = await runUptimeTracker({ world, log, settings });
    await using client = tcpHttpClient(world, "test/1");
    const get = async (address: { port: number }, path: string) => {
      const answer = await client.fetch({ url: `http://127.0.0.1:${address.port}${path}` });
      await answer.text();
      return answer.status;
    };
    assert.deepEqual(
      [
        await get(tracker.privateAddress!, "/visor-ips"),
        await get(tracker.privateAddress!, "/uptimes"),
        await get(tracker.address!, "/visor-ips"),
        await get(tracker.address!, "/uptimes"),
      ],
      [200, 404, 404, 200],
    );
    await assert.rejects(
      runUptimeTracker({ world, log, settings: { ...base, privateAddress: tracker.privateAddress! } }),
      AddressInUseError,
    );
    await tracker.close();
    await assert.rejects(get(tracker.privateAddress!, "/visor-ips"));
  }));

Deno.test("days that are over are written to their file, once, and an hour late at most", async () => {
  await withSimulation(31, async (simulation) => {
    const world = simulation.node("ut");
    const files = new Map<string, string>();
    const written: string[] = [];
    const fake = Object.create(world.files, {
      info: { value: (path: string) => Promise.resolve(files.has(path) ? {} : undefined) },
      makeDirectory: { value: () => Promise.resolve() },
      write: {
        value: (path: string, bytes: Uint8Array) => {
          written.push(path);
          files.set(path, new TextDecoder().decode(bytes));
          return Promise.resolve();
        },
      },
    }) as World["files"];
    const outside: World["outside"] = (work) => world.outside(work);
    const today = dayOf(world.clock.wallMs());
    await simulation.run(async () => {
      const settings = { ...base, address: { hostname: "0.0.0.0", port: 9096 }, archive: "days" };
      await using _tracker = await runUptimeTracker({
        world: { ...world, files: fake, outside },
        log,
        settings,
      });
      await using visor = joinNetwork({
        world: simulation.node("alice"),
        local: alice!,
        network: { ...BARE_NETWORK, servers: [], discoveryHttp: undefined },
        log,
        userAgent: "test/1",
        publish: false,
      });
      const client = new UptimeTrackerClient(visor.askService("uptime tracker", { http: "http://ut:9096" }));
      for (let beat = 0; beat < 12; beat++) {
        await client.heartbeat("v1");
        await sleep(world.clock, 300_000);
      }
      await sleep(world.clock, 25 * 3_600_000);
    }, { untilMs: 30 * 3_600_000 });
    assert.equal(new Set(written).size, written.length, "once");
    const [told] = JSON.parse(files.get(`days/${today}-uptime-data.json`)!);
    assert.deepEqual(told, { pk: alice!.publicKey, on: false, version: "v1", daily: { [today]: "4.17" } });
  });
});

/** The network with the addresses of these services. */
const NETWORK: DmsgNetwork = {
  ...BARE_NETWORK,
  serviceDiscovery: { http: "http://sd:9098", dmsg: { publicKey: sd!.publicKey, port: 80 } },
  uptimeTracker: { http: "http://ut:9096", dmsg: { publicKey: ut!.publicKey, port: 80 } },
  conf: { http: "http://conf:9082", dmsg: { publicKey: conf!.publicKey, port: 80 } },
};

for (const mode of ["http", "dmsg", "dual"] as const) {
  Deno.test(`a visor registers, beats and is told its network, by dmsg or HTTP as they are there (mode ${mode})`, () =>
    withSimulation(32, async (simulation) => {
      const options = (name: string, local: Pair, port: number) => {
        const world = simulation.node(name);
        return {
          world,
          log,
          settings: {
            address: { hostname: "0.0.0.0", port },
            store: "memory",
            mode,
            allowLoopbackAddresses: true,
          },
          dmsg: attachService({ world, local, network: NETWORK, log, userAgent: "test/1" }),
        };
      };
      const deployment = readDeployments({ it: { dmsg_discovery: BARE_NETWORK.discoveryHttp } })["it"]!;
      await simulation.run(() =>
        withDmsgNetwork(simulation, async () => {
          await using discovery = await runServiceDiscovery(options("sd", sd!, 9098));
          await using tracker = await runUptimeTracker(options("ut", ut!, 9096));
          await using bootstrapper = await runConfigBootstrapper({
            ...options("conf", conf!, 9082),
            deployment,
          });
          await using visor = await joinAs(alice!, simulation.node("alice"), NETWORK);
          await using other = await joinAs(bob!, simulation.node("bob"), NETWORK);
          const served = [discovery, tracker, bootstrapper];
          while (mode !== "http" && served.some((each) => each.dmsgStatus()!.servers.length === 0)) {
            await sleep(simulation.node("watch").clock, 100);
          }
          assert.equal(discovery.address === undefined, mode === "dmsg");

          const services = new ServiceDiscoveryClient(
            visor.askService("service discovery", NETWORK.serviceDiscovery!),
          );
          const record = { publicKey: alice!.publicKey, port: 44, type: "vpn", version: "v1" };
          assert.deepEqual(await services.register(record), record);
          const reader = new ServiceDiscoveryClient(
            other.askService("service discovery", NETWORK.serviceDiscovery!),
          );
          assert.deepEqual(await reader.find({ type: "vpn" }), [record]);
          await services.remove(record);
          assert.deepEqual(await reader.find({ type: "vpn" }), []);

          const beats = new UptimeTrackerClient(visor.askService("uptime tracker", NETWORK.uptimeTracker!));
          assert.equal(await beats.heartbeat("v1.3.90"), true);
          const [seen] = await beats.uptimes({ keys: [alice!.publicKey], timeline: true });
          assert.deepEqual([seen?.isOnline, seen?.version], [true, "v1.3.90"]);

          const told = new ConfigBootstrapperClient(other.askService("config bootstrapper", NETWORK.conf!));
          assert.equal((await told.deployment()).dmsgDiscovery, BARE_NETWORK.discoveryHttp);
        })
      );
    }));
}

Deno.test("SV-6: a transport setup node makes a visor make a transport, and needs no discovery for it", () =>
  withSimulation(33, async (simulation) => {
    await simulation.run(() =>
      withDmsgNetwork(simulation, async () => {
        const home = simulation.node("alice");
        await using visor = await joinAs(alice!, home, BARE_NETWORK);
        const made: GatewayTransport[] = [];
        const scope = new Scope();
        serveTransportGateway({
          world: home,
          dmsg: visor.dmsg,
          transports: {
            transports: () => made,
            find: (id) => made.find((transport) => transport.id === id),
            dial: (remote, type, { label }) => {
              const id = transportId(
                ...[alice!.publicKey, remote].sort() as [Pair["publicKey"], Pair["publicKey"]],
                type,
              );
              made.push({ id, type, local: alice!.publicKey, remote, label });
              return Promise.resolve(made.at(-1)!);
            },
            remove: () => Promise.resolve(made.pop()),
          },
          trusts: (key) => key === tsn!.publicKey,
          scope,
          log,
        });
        const world = simulation.node("tsn");
        const settings = { address: { hostname: "127.0.0.1", port: 8080 } };
        const network = { ...BARE_NETWORK, discoveryHttp: undefined }; // its servers are all that it knows
        const options = { world, network, log, userAgent: "test/1", settings };
        for (const hostname of ["0.0.0.0", "::", "203.0.113.7", "tsn"]) {
          const address = { hostname, port: 8080 };
          await assert.rejects(
            runTransportSetup({ ...options, keys: tsn!, settings: { address } }),
            InvalidServiceSettingError,
          );
        }
        await using node = await runTransportSetup({ ...options, keys: tsn! });
        while (!node.dmsg.isConnected) await sleep(world.clock, 100);
        await using http = new HttpServices({ world, userAgent: "test/1", log });
        const ask = http.askService("transport setup node", "http://127.0.0.1:8080");
        const body = JSON.stringify({ from: alice!.publicKey, to: bob!.publicKey, type: "stcpr" });
        const added = await ask({ method: "POST", path: "/add", body });
        assert.equal(added.status, 200, added.text);
        assert.deepEqual(made.map(({ label, remote }) => [label, remote]), [[GATEWAY_LABEL, bob!.publicKey]]);
        assert.equal(JSON.parse(added.text).ID, made[0]!.id);
        const listed = await ask({ method: "GET", path: `/${alice!.publicKey}/transports` });
        assert.equal(JSON.parse(listed.text).length, 1);
        const removal = JSON.stringify({ from: alice!.publicKey, id: made[0]!.id });
        assert.equal(
          (await ask({ method: "POST", path: "/remove", body: removal })).text,
          `{"Result":true}\n`,
        );
        assert.deepEqual(made, []);

        const nobody = await ask({ method: "GET", path: `/${bob!.publicKey}/transports` });
        assert.deepEqual(
          [nobody.status, nobody.text],
          [
            500,
            `{"error":"error dialing remote visor: dmsg error 202 - cannot connect to delegated server"}\n`,
          ],
        );
        // On dmsg port 48 anybody gets its health, and nothing else.
        const health = await visor.http.send({ url: `http://${tsn!.publicKey}:48/health` });
        assert.equal(JSON.parse(await health.text(10_000)).dmsg_address, `${tsn!.publicKey}:48`);
        const refused = await visor.http.send({
          url: `http://${tsn!.publicKey}:48/add`,
          method: "POST",
          body,
        });
        assert.equal(refused.status, 404);
        await refused.text(10_000);
        await scope[Symbol.asyncDispose]();
      })
    );
  }));

Deno.test("the embedded deployment that is told is found again by its discovery", () =>
  withSystemWorld(async (world) => {
    const prod = embeddedDeployment();
    await using service = await runConfigBootstrapper({ world, log, settings: base, deployment: prod });
    await using http = new HttpServices({ world, userAgent: "test/1", log });
    const origin = `http://127.0.0.1:${service.address!.port}/`;
    const client = new ConfigBootstrapperClient(http.askService("config bootstrapper", origin));
    const told = await client.deployment();
    assert.deepEqual(told, prod, "every member that it has");
    assert.equal(deploymentByDiscoveryKey({ told }, NO_KEY), undefined);
    const overDmsg = await client.overDmsg();
    assert.equal(overDmsg.dmsgDiscoveryDmsg, prod.dmsgDiscoveryDmsg);
    assert.equal(overDmsg.dmsgServers.length, prod.dmsgServers.length);
  }));

const NO_KEY = alice!.publicKey;
