/** runTransportDiscovery() and runAddressResolver(): modes, dmsg and HTTP with the same answers (SV-1, TP-1). */
import assert from "node:assert/strict";
import { type LogRecord, logTo, silentLog } from "../../lib/base/mod.ts";
import {
  AddressResolverClient,
  type DmsgNetwork,
  joinNetwork,
  type ServiceAddress,
  tcpHttpClient,
  TransportDiscoveryClient,
} from "../../lib/directory/mod.ts";
import { DmsgClient, MemoryDiscovery } from "../../lib/dmsg/mod.ts";
import {
  AddressInUseError,
  sleep,
  type SocketAddress,
  withTimeout,
  type World,
} from "../../lib/runtime/mod.ts";
import type { Simulation } from "../../lib/runtime/simulated/mod.ts";
import { runAddressResolver } from "../../lib/services/address_resolver/mod.ts";
import {
  type AttachService,
  attachService,
  InvalidServiceSettingError,
  serveOverDmsg,
  type ServiceMode,
} from "../../lib/services/hosting/mod.ts";
import { InvalidStoreNameError, StoreError } from "../../lib/services/store/mod.ts";
import { runTransportDiscovery } from "../../lib/services/transport_discovery/mod.ts";
import { withSimulation, withSystemWorld } from "../support/world.ts";
import { BARE_NETWORK, joinAs, withDmsgNetwork } from "./dmsg_network_support.ts";
import { pair, transportOf } from "./service_support.ts";

const [alice, bob, tpd, resolver] = ["alice", "bob", "tpd", "ar"].map(pair) as [
  ReturnType<typeof pair>,
  ReturnType<typeof pair>,
  ReturnType<typeof pair>,
  ReturnType<typeof pair>,
];
const loopback = { hostname: "127.0.0.1", port: 0 };
const base = { address: loopback, store: "memory", mode: "http" as ServiceMode };
const services = [
  ["transport discovery", runTransportDiscovery],
  ["address resolver", runAddressResolver],
] as const;

for (const [name, run] of services) {
  Deno.test(`the ${name} answers over real sockets, and is closed once however often it is asked`, () =>
    withSystemWorld(async (world) => {
      await using service = await run({ world, log: silentLog, settings: base });
      await using client = tcpHttpClient(world, "test/1");
      const url = `http://127.0.0.1:${service.address!.port}`;
      const health = await (await client.fetch({ url: `${url}/health` })).json();
      assert.deepEqual(Object.keys(health), ["build_info", "started_at", "service_name"]);
      const nonce = await client.fetch({ url: `${url}/security/nonces/${alice.publicKey}` });
      assert.equal(await nonce.text(), `{"edge":"${alice.publicKey}","next_nonce":0}\n`);
      await assert.rejects(
        run({ world, log: silentLog, settings: { ...base, address: service.address! } }),
        AddressInUseError,
      );
      const folder = await Deno.makeTempDir();
      await assert.rejects(
        run({
          world,
          log: silentLog,
          settings: { ...base, address: service.address!, store: `${folder}/new.db` },
        }),
        AddressInUseError,
      );
      assert.deepEqual([...Deno.readDirSync(folder)], [], "no store is left behind");
      await Deno.remove(folder);
      await Promise.all([service.close(), service.close()]);
      await service.closed;
      await assert.rejects(client.fetch({ url: `${url}/health` }));
    }));

  Deno.test(`the ${name} refuses settings that cannot be, and leaves nothing behind`, () =>
    withSystemWorld(async (world) => {
      const start = (settings: object) => run({ world, log: silentLog, settings: { ...base, ...settings } });
      for (const mode of ["dmsg", "dual"]) await assert.rejects(start({ mode }), InvalidServiceSettingError);
      for (const entryTimeoutMs of [-1, 999, NaN, Infinity, 1e15]) {
        await assert.rejects(start({ entryTimeoutMs }), InvalidServiceSettingError);
      }
      await assert.rejects(start({ store: "postgres://127.0.0.1" }), InvalidStoreNameError);
      await assert.rejects(start({ store: "/proc/no/such/folder.db" }), StoreError);
    }));

  Deno.test(`a dmsg side of the ${name} that fails stops mode dmsg, and not HTTP in mode dual`, () =>
    withSystemWorld(async (world) => {
      const dmsg: AttachService = () => {
        throw new Error("no room");
      };
      const logged: LogRecord[] = [];
      const log = logTo((record) => logged.push(record), () => 0);
      await assert.rejects(run({ world, log, settings: { ...base, mode: "dmsg" }, dmsg }), /no room/);
      await using service = await run({ world, log, settings: { ...base, mode: "dual" }, dmsg });
      assert.ok(service.address!.port > 0);
      assert.equal(service.dmsgStatus(), undefined);
      assert.equal(logged.filter(({ level }) => level === "error").length, 1);
    }));
}

Deno.test("the first death of a plane surfaces, is logged once, and a close is none", () =>
  withSystemWorld(async (world) => {
    const side = Promise.withResolvers<void>();
    const dmsg: AttachService = () => ({
      closed: side.promise,
      status: () => ({ address: `${tpd.publicKey}:80`, servers: [] }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
    const listened: { close(): void }[] = [];
    const network: World["network"] = Object.create(world.network, {
      listen: {
        value: async (address: SocketAddress) => {
          const listener = await world.network.listen(address);
          listened.push(listener);
          return listener;
        },
      },
    });
    const logged: LogRecord[] = [];
    const log = logTo((record) => logged.push(record), () => 0);
    const planes = () => logged.filter(({ level }) => level === "error").map(({ fields }) => fields.plane);
    const start = (mode: ServiceMode) =>
      runTransportDiscovery({ world: { ...world, network }, log, settings: { ...base, mode }, dmsg });
    {
      await using whole = await start("dual");
      await whole.close();
      await whole.closed;
      assert.deepEqual(planes(), []);
    }
    for (const mode of ["dual", "http"] as const) {
      await using headless = await start(mode);
      listened.at(-1)!.close();
      await headless.closed;
      assert.deepEqual(planes().splice(-1), ["HTTP"]);
    }
    for (const mode of ["dual", "dmsg"] as const) {
      await using half = await start(mode);
      side.resolve();
      await withTimeout(world.clock, { what: "the end", afterMs: 10_000 }, () => half.closed);
      assert.deepEqual(planes().splice(-1), ["dmsg"]);
    }
    assert.equal(planes().length, 4);
  }));

Deno.test("a service whose dmsg client ends is served no more", () =>
  withSimulation(13, async (simulation) => {
    const world = simulation.node("tpd");
    await simulation.run(async () => {
      const client = new DmsgClient({ world, local: tpd, discovery: new MemoryDiscovery(), publish: false });
      const side = serveOverDmsg({ client, world, handler: () => Promise.reject(), log: silentLog });
      assert.equal(side.status().address, `${tpd.publicKey}:80`);
      await client.close();
      await side.closed;
      await side[Symbol.asyncDispose]();
    });
  }));

Deno.test("a transport discovery that comes back with a shorter life of entries ends the old ones in it", async () => {
  const folder = await Deno.makeTempDir();
  await withSimulation(10, async (simulation) => {
    const world = simulation.node("tpd");
    const run = (entryTimeoutMs: number) =>
      runTransportDiscovery({
        world,
        log: silentLog,
        settings: {
          address: { hostname: "0.0.0.0", port: 9091 },
          store: `${folder}/tpd.db`,
          mode: "http",
          entryTimeoutMs,
        },
      });
    const record = transportOf(alice, bob);
    await simulation.run(async () => {
      {
        await using service = await run(0);
        await using client = joinHttp(simulation.node("alice"), { http: "http://tpd:9091/" });
        await client.register([record]);
        assert.deepEqual(service.transports.entries(), [record]);
        await sleep(world.clock, 1_200_000);
        assert.deepEqual(service.transports.entries(), [record]);
      }
      await using service = await run(5_000);
      assert.deepEqual(service.transports.entries(), [record], "read from the file at the start");
      const removed: string[] = [];
      service.transports.onChange((change) => removed.push(...change.removed));
      await sleep(world.clock, 4_999);
      assert.deepEqual(removed, []);
      await sleep(world.clock, 1_000);
      assert.deepEqual([removed, service.transports.entries()], [[record.id], []]);
    });
  });
  await Deno.remove(folder, { recursive: true });
});

/** A client of the transport discovery over HTTP alone, as alice. */
function joinHttp(world: World, address: ServiceAddress): TransportDiscoveryClient & AsyncDisposable {
  const network = {
    name: "none",
    file: undefined,
    servers: [],
    discoveryHttp: undefined,
    discoveryDmsg: undefined,
  };
  const joined = joinNetwork({
    world,
    local: alice,
    network,
    log: silentLog,
    userAgent: "test/1",
    publish: false,
  });
  const client = new TransportDiscoveryClient(joined.askService("transport discovery", address));
  return Object.assign(client, { [Symbol.asyncDispose]: () => joined.close() });
}

/** A dmsg discovery, a dmsg server, both services in `mode`, and visors that join. */
class Deployment {
  readonly network: DmsgNetwork = {
    ...BARE_NETWORK,
    transportDiscovery: {
      http: "http://tpd:9091",
      dmsg: { publicKey: tpd.publicKey, port: 80 },
    },
    addressResolver: { http: "http://ar:9093", dmsg: { publicKey: resolver.publicKey, port: 80 } },
  };
  constructor(readonly simulation: Simulation) {}

  async run(
    mode: ServiceMode,
    scenario: (services: {
      transports: Awaited<ReturnType<typeof runTransportDiscovery>>;
      addresses: Awaited<ReturnType<typeof runAddressResolver>>;
    }) => Promise<void>,
  ): Promise<void> {
    const { simulation, network } = this;
    const log = silentLog;
    const options = (name: string, local: typeof tpd, port: number) => {
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
        dmsg: attachService({ world, local, network, log, userAgent: "test/1" }),
      };
    };
    await withDmsgNetwork(simulation, async () => {
      await using transports = await runTransportDiscovery(options("tpd", tpd, 9091));
      await using addresses = await runAddressResolver(options("ar", resolver, 9093));
      await scenario({ transports, addresses });
    });
  }

  join(name: string, local = alice) {
    return joinAs(local, this.simulation.node(name), this.network);
  }
}

for (const mode of ["dmsg", "dual"] as const) {
  Deno.test(`a visor registers and binds over dmsg, signing nothing (mode ${mode})`, () =>
    withSimulation(11, async (simulation) => {
      await simulation.run(async () => {
        const deployment = new Deployment(simulation);
        await deployment.run(mode, async ({ transports, addresses }) => {
          assert.equal(transports.address === undefined, mode === "dmsg");
          const { transportDiscovery, addressResolver } = deployment.network;
          await using visor = await deployment.join("alice");
          await using other = await deployment.join("bob", bob);
          while (
            transports.dmsgStatus()!.servers.length === 0 || addresses.dmsgStatus()!.servers.length === 0
          ) {
            await sleep(simulation.node("watch").clock, 100);
          }
          const over = { dmsg: transportDiscovery!.dmsg };
          const client = new TransportDiscoveryClient(visor.askService("transport discovery", over));
          const record = transportOf(alice, bob);
          await client.register([record]);
          assert.deepEqual(await client.byEdge(bob.publicKey), [record]);
          assert.deepEqual(transports.transports.entries(), [record]);
          const binder = new AddressResolverClient(
            visor.askService("address resolver", { dmsg: addressResolver!.dmsg }),
          );
          await binder.bindStcpr({ port: 7777, addresses: ["127.0.0.1"] });
          const asker = new AddressResolverClient(
            other.askService("address resolver", { dmsg: addressResolver!.dmsg }),
          );
          assert.equal((await asker.resolve("stcpr", alice.publicKey))?.remoteAddress, "127.0.0.1");
          await binder.unbindStcpr();
          assert.equal(await asker.resolve("stcpr", alice.publicKey), undefined);
        });
      });
    }));
}

Deno.test("where dmsg is not answered, the same client goes on over HTTP, signed", () =>
  withSimulation(12, async (simulation) => {
    await simulation.run(async () => {
      const deployment = new Deployment(simulation);
      await deployment.run("http", async ({ transports }) => {
        await using visor = await deployment.join("alice");
        const address = deployment.network.transportDiscovery!;
        const client = new TransportDiscoveryClient(visor.askService("transport discovery", address));
        const record = transportOf(alice, bob);
        await client.register([record]);
        await client.heartbeat();
        assert.deepEqual(await client.byId(record.id), record);
        assert.deepEqual(transports.transports.entries(), [record]);
        assert.equal(transports.dmsgStatus(), undefined);
      });
    });
  }));
