/** runDmsgDiscovery(): modes, both listeners, and what a start or an end leaves behind. */
import assert from "node:assert/strict";
import { type LogRecord, logTo, silentLog } from "../../lib/base/mod.ts";
import {
  DmsgClient,
  dmsgHttpClient,
  DmsgServer,
  type Entry,
  MemoryDiscovery,
  renderEntry,
  serverEntry,
} from "../../lib/dmsg/mod.ts";
import { HttpClient } from "../../lib/http/mod.ts";
import {
  AddressInUseError,
  type DialOptions,
  sleep,
  type SocketAddress,
  type World,
} from "../../lib/runtime/mod.ts";
import { Simulation } from "../../lib/runtime/simulated/mod.ts";
import {
  attachDmsg,
  runDmsgDiscovery,
  type RunDmsgDiscoverySettings,
} from "../../lib/services/dmsg_discovery/mod.ts";
import { InvalidServiceSettingError, parseServiceMode } from "../../lib/services/hosting/mod.ts";
import { type EntryStore, openEntryStore, StoreError } from "../../lib/services/store/mod.ts";
import { withSimulation, withSystemWorld } from "../support/world.ts";
import { pair, signedClient, signedServer } from "./discovery_support.ts";

const [discoveryKeys, serverKeys, clientKeys] = [pair("discovery"), pair("server"), pair("client")];
const settings: RunDmsgDiscoverySettings = {
  address: { hostname: "127.0.0.1", port: 0 },
  store: "memory",
  mode: "http",
};
const noDmsg = () => ({
  closed: new Promise<void>(() => {}),
  status: () => ({ address: `${discoveryKeys.publicKey}:80`, servers: [] }),
  [Symbol.asyncDispose]: () => Promise.resolve(),
});

function httpClient(world: World): HttpClient {
  return new HttpClient({
    clock: world.clock,
    ledger: world.ledger,
    dial: (authority, signal) => {
      const { hostname, port } = new URL(`http://${authority}`);
      return world.network.dial({ hostname, port: Number(port) }, { signal });
    },
  });
}

Deno.test("parseServiceMode() reads every name of a mode and refuses others", () => {
  const names = {
    http: "http",
    " HTTP ": "http",
    dmsg: "dmsg",
    dmsghttp: "dmsg",
    Dual: "dual",
    both: "dual",
  };
  for (const [name, mode] of Object.entries(names)) assert.equal(parseServiceMode(name), mode);
  for (const bad of ["", "https", "dmsg,http"]) {
    assert.throws(() => parseServiceMode(bad), InvalidServiceSettingError);
  }
});

Deno.test("runDmsgDiscovery() refuses mode dmsg with the reason, and dual without a key", () =>
  withSystemWorld(async (world) => {
    const run = (mode: "dmsg" | "dual", dmsg?: typeof noDmsg) =>
      runDmsgDiscovery({ world, log: silentLog, settings: { ...settings, mode }, dmsg });
    for (const dmsg of [undefined, noDmsg]) {
      await assert.rejects(run("dmsg", dmsg), (error) => {
        assert.ok(error instanceof InvalidServiceSettingError);
        assert.match(error.message, /whoever joins the network needs it before dmsg works/);
        assert.equal(error.fault, "caller");
        return true;
      });
    }
    await assert.rejects(run("dual"), InvalidServiceSettingError);
  }));

Deno.test("runDmsgDiscovery() refuses a life of entries that is none, and one that never ends", () =>
  withSystemWorld(async (world) => {
    for (const clientTtlMs of [0, -1, 999, Number.NaN, Infinity, 1e15]) {
      const wrong = { ...settings, clientTtlMs };
      await assert.rejects(runDmsgDiscovery({ world, log: silentLog, settings: wrong }), (error) => {
        assert.ok(error instanceof InvalidServiceSettingError);
        assert.ok(error.message.includes(`${clientTtlMs} ms`));
        return true;
      });
    }
    await using shortest = await runDmsgDiscovery({
      world,
      log: silentLog,
      settings: { ...settings, clientTtlMs: 1_000 },
    });
    assert.ok(shortest.address.port > 0);
  }));

Deno.test("runDmsgDiscovery() leaves nothing behind when its port or store cannot be had", () =>
  withSystemWorld(async (world) => {
    await using first = await runDmsgDiscovery({ world, log: silentLog, settings });
    const taken = { ...settings, address: first.address };
    await assert.rejects(runDmsgDiscovery({ world, log: silentLog, settings: taken }), AddressInUseError);
    const noStore = { ...settings, store: "/proc/no/such/folder.db" };
    await assert.rejects(runDmsgDiscovery({ world, log: silentLog, settings: noStore }), StoreError);
  }));

Deno.test("runDmsgDiscovery() answers over real sockets, and is closed once however often it is asked", () =>
  withSystemWorld(async (world) => {
    await using discovery = await runDmsgDiscovery({ world, log: silentLog, settings });
    await using client = httpClient(world);
    const base = `http://127.0.0.1:${discovery.address.port}`;
    const entry = renderEntry(signedClient(clientKeys));
    const posted = await client.fetch({ url: `${base}/dmsg-discovery/entry/`, method: "POST", body: entry });
    assert.equal(await posted.text(), `{"message":"wrote a new entry","code":200}`);
    const read = await client.fetch({ url: `${base}/dmsg-discovery/entry/${clientKeys.publicKey}` });
    assert.equal(read.headers.get("content-type"), "application/json");
    assert.equal(await read.text(), entry);
    const refused = await client.fetch({ url: `${base}/dmsg-discovery/entry`, method: "PUT", body: "{}" });
    assert.deepEqual([refused.status, refused.headers.get("allow"), await refused.text()], [
      405,
      "DELETE",
      "",
    ]);
    const long = "x".repeat(40_000);
    const tooLong = await client.fetch({ url: `${base}/dmsg-discovery/entry/`, method: "POST", body: long });
    assert.equal(tooLong.status, 413);
    await tooLong.body?.cancel();
    const health = await (await client.fetch({ url: `${base}/health` })).json();
    assert.deepEqual(Object.keys(health), ["build_info", "started_at", "service_name", "refused"]);
    assert.deepEqual([health.refused, discovery.refused()], [{ too_large: 1 }, { too_large: 1 }]);
    await Promise.all([discovery.close(), discovery.close()]);
    await discovery.closed;
    await assert.rejects(client.fetch({ url: `${base}/health` }));
  }));

Deno.test("a dmsg side that fails to start does not stop HTTP", () =>
  withSystemWorld(async (world) => {
    const logged: LogRecord[] = [];
    await using discovery = await runDmsgDiscovery({
      world,
      log: logTo((record) => logged.push(record), () => 0),
      settings: { ...settings, mode: "dual" },
      dmsg: () => {
        throw new Error("no room");
      },
    });
    await using client = httpClient(world);
    const health = await client.fetch({ url: `http://127.0.0.1:${discovery.address.port}/health` });
    assert.equal((await health.json()).dmsg_address, undefined);
    assert.equal(logged.filter(({ level }) => level === "error").length, 1);
  }));

interface Nodes {
  readonly world: (name: string) => World;
  readonly configured: Entry;
  readonly logged: LogRecord[];
  readonly startServer: () => Promise<DmsgServer>;
  /** A server that is not configured. */
  readonly startSecond: () => Promise<AsyncDisposable & { address: string; keys: typeof serverKeys }>;
  readonly startDiscovery: () => ReturnType<typeof runDmsgDiscovery>;
}

/**
 * A discovery in mode `dual`, its configured server, and others, each on a node of its own. Runs the scenario
 * twice, the second time with idle turns in between: the same must happen.
 */
async function inSimulation(seed: number, scenario: (nodes: Nodes) => Promise<void>): Promise<void> {
  const hashes: string[] = [];
  for (const extraTurns of [0, 3]) {
    const simulation = new Simulation({ seed, extraTurns });
    await simulation.run(() => scenario(nodesOf(simulation)));
    assert.deepEqual(simulation.live(), {}, "alive at the end");
    hashes.push(simulation.hash);
  }
  assert.equal(hashes[0], hashes[1], `seed ${seed}`);
}

function nodesOf(simulation: Simulation): Nodes {
  const logged: LogRecord[] = [];
  const configured = serverEntry({
    publicKey: serverKeys.publicKey,
    server: { address: "10.9.0.1:8081", availableSessions: 2_048 },
    timestamp: 0n,
  });
  const serverWorld = simulation.node("server", { address: "10.9.0.1" }); // refuses until the server listens
  const worlds = new Map<string, World>();
  const world = (name: string) => {
    const made = worlds.get(name) ?? simulation.node(name);
    worlds.set(name, made);
    return made;
  };
  return {
    world,
    configured,
    logged,
    async startServer() {
      const server = new DmsgServer({ world: serverWorld, local: serverKeys });
      await server.listen({ hostname: "0.0.0.0", port: 8081 });
      return server;
    },
    async startSecond() {
      const address = "10.9.0.2:8081";
      const keys = pair("second");
      const server = new DmsgServer({
        world: simulation.node("second", { address: "10.9.0.2" }),
        local: keys,
      });
      await server.listen({ hostname: "0.0.0.0", port: 8081 });
      return { address, keys, [Symbol.asyncDispose]: () => server.close() };
    },
    startDiscovery() {
      const node = world("discovery");
      const log = logTo((record) => logged.push(record), () => node.clock.wallMs());
      return runDmsgDiscovery({
        world: node,
        log,
        settings: {
          address: { hostname: "0.0.0.0", port: 9090 },
          store: "memory",
          mode: "dual",
          publicKey: discoveryKeys.publicKey,
        },
        dmsg: attachDmsg({ world: node, local: discoveryKeys, servers: [configured], log }),
      });
    },
  };
}

Deno.test("over dmsg the discovery dials a configured server at once, answers, and tests signatures", () =>
  inSimulation(1, async ({ world, configured, logged, startServer, startDiscovery }) => {
    await using _server = await startServer();
    await using _discovery = await startDiscovery();
    const node = world("client");
    const seeded = [
      configured,
      signedClient(discoveryKeys, { client: { delegatedServers: [serverKeys.publicKey] } }),
    ];
    await using client = new DmsgClient({
      world: node,
      local: clientKeys,
      discovery: new MemoryDiscovery(),
      seeded,
      publish: false,
    });
    await client.whenReady();
    await sleep(node.clock, 1_000); // an empty store must not have held the discovery up
    await using http = dmsgHttpClient(client, node, "test");
    const base = `http://${discoveryKeys.publicKey}:80`;
    const health = await (await http.fetch({ url: `${base}/health` })).json();
    assert.equal(health.dmsg_address, `${discoveryKeys.publicKey}:80`);
    assert.deepEqual(health.dmsg_servers, [serverKeys.publicKey]);

    const post = async (entry: Entry) => {
      const url = `${base}/dmsg-discovery/entry/`;
      return await (await http.fetch({ url, method: "POST", body: renderEntry(entry) })).json();
    };
    const timestamp = BigInt(node.clock.wallMs()) * 1_000_000n;
    const entry = signedServer(serverKeys, { timestamp });
    assert.deepEqual(await post({ ...entry, sequence: 3n }), { message: "invalid signature", code: 401 });
    assert.deepEqual(await post(entry), { message: "wrote a new entry", code: 200 });
    const registered = logged.filter(({ message }) => message === "Server registered");
    assert.equal(registered.length, 1);
    assert.match(String(registered[0]!.fields.source), new RegExp(`^${clientKeys.publicKey}:[0-9]+$`));
  }));

Deno.test("a server that starts after the discovery is connected within the retry of 1 s to 30 s", () =>
  inSimulation(2, async ({ world, startServer, startDiscovery }) => {
    await using discovery = await startDiscovery();
    const node = world("observer");
    await using http = httpClient(node);
    const servers = async () => {
      const url = `http://discovery:${discovery.address.port}/health`;
      return (await (await http.fetch({ url })).json()).dmsg_servers;
    };
    await sleep(node.clock, 200_000);
    assert.equal(await servers(), undefined);
    await using _server = await startServer();
    await sleep(node.clock, 32_000);
    assert.deepEqual(await servers(), [serverKeys.publicKey]);
  }));

Deno.test("the discovery dials at once, again after up to 1 s, 2 s, 4 s and so on, and then finds new servers by its ticker (DD-2)", () =>
  inSimulation(4, async ({ world, startServer, startDiscovery, startSecond }) => {
    const node = world("discovery");
    const { dial } = node.network;
    const dials: number[] = [];
    node.network.dial = (to, options) => {
      dials.push(node.clock.monotonicMs());
      return dial.call(node.network, to, options);
    };
    const startedMs = node.clock.monotonicMs();
    await using discovery = await startDiscovery();
    await sleep(node.clock, 100_000);
    assert.ok(dials[0]! - startedMs < 10, "at once");
    const waits = dials.slice(1, 7).map((ms, index) => ms - dials[index]!);
    for (const [index, least] of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000].entries()) {
      const ms = waits[index]!;
      assert.ok(ms >= 0.75 * least && ms < least + 600, `wait ${index}: ${ms} of ${least}`);
    }
    await using _server = await startServer();
    await sleep(node.clock, 32_000);
    await using second = await startSecond();
    await using http = httpClient(world("observer"));
    const base = `http://discovery:${discovery.address.port}`;
    const server = { address: second.address, availableSessions: 1 };
    const timestamp = BigInt(node.clock.wallMs()) * 1_000_000n;
    const body = renderEntry(signedServer(second.keys, { timestamp, server }));
    const posted = await http.fetch({ url: `${base}/dmsg-discovery/entry/`, method: "POST", body });
    assert.equal((await posted.json()).code, 200);
    await sleep(node.clock, 16_000);
    const health = await (await http.fetch({ url: `${base}/health` })).json();
    assert.deepEqual(health.dmsg_servers.sort(), [serverKeys.publicKey, second.keys.publicKey].sort());
  }));

Deno.test("over dmsg a post has 30 s to come in, as slow as its way may be (DD-5)", () =>
  inSimulation(5, async ({ world, configured, startServer, startDiscovery }) => {
    await using _server = await startServer();
    await using _discovery = await startDiscovery();
    const node = world("client");
    const delegated = { client: { delegatedServers: [serverKeys.publicKey] } };
    await using client = new DmsgClient({
      world: node,
      local: clientKeys,
      discovery: new MemoryDiscovery(),
      seeded: [configured, signedClient(discoveryKeys, delegated)],
      publish: false,
    });
    await client.whenReady();
    await sleep(node.clock, 1_000);
    const body = renderEntry(signedClient(clientKeys));
    const head = `POST /dmsg-discovery/entry/ HTTP/1.1\r\nHost: d\r\nContent-Length: ${body.length}\r\n\r\n`;
    /** What is answered to a post of which half comes `afterMs` late, and when. */
    const slowly = async (afterMs: number): Promise<{ answer: string; tookMs: number }> => {
      const stream = await client.dial({ publicKey: discoveryKeys.publicKey, port: 80 });
      const startedMs = node.clock.monotonicMs();
      const half = new TextEncoder().encode(head + body.slice(0, 40));
      await stream.write(half);
      const late = sleep(node.clock, afterMs)
        .then(() => stream.write(new TextEncoder().encode(body.slice(40)))).catch(() => {});
      const answer = new TextDecoder().decode(await stream.read() ?? undefined);
      const tookMs = node.clock.monotonicMs() - startedMs;
      stream.close();
      await late;
      return { answer, tookMs };
    };
    const slow = await slowly(28_000);
    assert.match(slow.answer, /^HTTP\/1\.1 200 OK\r\n/);
    const late = await slowly(40_000);
    assert.match(late.answer, /^HTTP\/1\.1 408 /);
    assert.ok(late.tookMs > 29_500 && late.tookMs < 30_500, `${late.tookMs} ms`);
  }));

Deno.test("a store that cannot be asked does not cost the discovery its sessions", () =>
  inSimulation(3, async ({ world, configured, startServer }) => {
    await using _server = await startServer();
    const node = world("discovery");
    const store = new Proxy({} as EntryStore, {
      get: () => () => Promise.reject(new StoreError("Cannot use it")),
    });
    const attach = attachDmsg({ world: node, local: discoveryKeys, servers: [configured], log: silentLog });
    await using side = attach({ store, handler: () => ({ status: 200 }) });
    await sleep(node.clock, 1_000);
    assert.deepEqual(side.status().servers, [serverKeys.publicKey]);
  }));

Deno.test("a discovery dials few of 1,500 posted servers at once, and its configured ones before them (DD-2)", () =>
  withSimulation(7, async (simulation) => {
    const world = simulation.node("discovery");
    const [serverWorld] = [simulation.node("server"), simulation.node("tarpit")];
    simulation.blackHole("discovery", "tarpit");
    await simulation.run(async () => {
      await using server = new DmsgServer({ world: serverWorld, local: serverKeys });
      await server.listen({ hostname: "0.0.0.0", port: 8080 });
      const store = await openEntryStore("memory", world);
      for (let index = 0; index < 1_500; index++) {
        const { publicKey } = pair(`stranger/${index}`);
        const about = { address: "tarpit:8080", availableSessions: 100 };
        const text = renderEntry(serverEntry({ publicKey, server: about, timestamp: 1n }));
        const roles = { delegatedServers: undefined, isVisor: false, availableSessions: 100 };
        await store.put({ key: publicKey, text, ...roles }, { ttlMs: 3_600_000, replaces: undefined });
      }
      let underWay = 0, most = 0;
      const counting = {
        ...worldOf(world),
        diagnostics: world.diagnostics,
        network: {
          listen: (at: SocketAddress) => world.network.listen(at),
          datagrams: (at: SocketAddress) => world.network.datagrams(at),
          addresses: () => world.network.addresses(),
          async dial(to: SocketAddress, options?: DialOptions) {
            most = Math.max(most, ++underWay);
            return await world.network.dial(to, options).finally(() => underWay--);
          },
        },
      };
      const known = { address: "server:8080", availableSessions: 1 };
      const servers = [serverEntry({ publicKey: serverKeys.publicKey, server: known, timestamp: 0n })];
      const attach = attachDmsg({ world: counting, local: discoveryKeys, servers, log: silentLog });
      const side = attach({ handler: () => ({ status: 404 }), store });
      await sleep(world.clock, 5_000);
      assert.deepEqual(side.status().servers, [serverKeys.publicKey]);
      await sleep(world.clock, 60_000);
      assert.equal(most, 16);
      await side[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    });
  }));

function worldOf({ clock, random, ledger }: World) {
  return { clock, random, ledger };
}
