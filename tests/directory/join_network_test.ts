/** joinNetwork(): a client, its discovery over dmsg or HTTP or both, and what it leaves there (DC-1, DC-2, CL-4). */
import assert from "node:assert/strict";
import { type LogRecord, logTo } from "../../lib/base/mod.ts";
import { type KeyPair, keyPairFromSeed } from "../../lib/crypto/mod.ts";
import {
  askOver,
  type DmsgNetwork,
  joinNetwork,
  type NetworkClientOptions,
  tcpHttpClient,
} from "../../lib/directory/mod.ts";
import { DmsgServer, HttpDiscovery, serverEntry } from "../../lib/dmsg/mod.ts";
import type { HttpClient } from "../../lib/http/mod.ts";
import { sleep, type World } from "../../lib/runtime/mod.ts";
import type { Simulation } from "../../lib/runtime/simulated/mod.ts";
import { attachDmsg, runDmsgDiscovery } from "../../lib/services/dmsg_discovery/mod.ts";
import { withSimulation } from "../support/world.ts";

const pair = (name: string): KeyPair => keyPairFromSeed(new TextEncoder().encode(name));
const DISCOVERY = pair("discovery");
const SERVER_NAMES = ["s1", "s2"];

/** A discovery that serves HTTP and dmsg, two servers that register over HTTP, and whoever joins. */
class Deployment {
  readonly logged: LogRecord[] = [];
  readonly #worlds = new Map<string, World>();
  readonly servers: DmsgServer[] = [];
  readonly #registering: HttpClient[] = [];

  constructor(readonly simulation: Simulation) {}

  world(name: string, options: { skewMs?: number } = {}): World {
    const world = this.#worlds.get(name) ?? this.simulation.node(name, options);
    this.#worlds.set(name, world);
    return world;
  }
  network(parts: Partial<DmsgNetwork> = {}): DmsgNetwork {
    return {
      name: "local",
      file: undefined,
      servers: SERVER_NAMES.map((name) => ({ publicKey: pair(name).publicKey, address: `${name}:8080` })),
      discoveryHttp: "http://discovery:9090",
      discoveryDmsg: { publicKey: DISCOVERY.publicKey, port: 80 },
      ...parts,
    };
  }
  log(name: string) {
    return logTo((record) => this.logged.push(record), () => this.simulation.nowMs, name);
  }
  async startServer(name: string): Promise<DmsgServer> {
    const world = this.world(name);
    const client = tcpHttpClient(world, "test/1");
    const ways = [{ name: "http", origin: "http://discovery:9090", client, isReady: () => true }];
    const discovery = new HttpDiscovery(askOver("dmsg discovery", ways, world.clock, this.log(name)));
    const publicAddress = `${name}:8080`;
    const server = new DmsgServer({
      world,
      local: pair(name),
      log: this.log(name),
      discovery,
      publicAddress,
    });
    await server.listen({ hostname: "0.0.0.0", port: 8080 });
    this.servers.push(server);
    this.#registering.push(client);
    return server;
  }
  startDiscovery() {
    const world = this.world("discovery");
    for (const name of SERVER_NAMES) this.world(name); // it dials them at once: the names must be there
    const servers = SERVER_NAMES.map((name) =>
      serverEntry({
        publicKey: pair(name).publicKey,
        server: { address: `${name}:8080`, availableSessions: 1 },
        timestamp: 0n,
      })
    );
    return runDmsgDiscovery({
      world,
      log: this.log("discovery"),
      settings: {
        address: { hostname: "0.0.0.0", port: 9090 },
        store: "memory",
        mode: "dual",
        publicKey: DISCOVERY.publicKey,
      },
      dmsg: attachDmsg({ world, local: DISCOVERY, servers, log: this.log("discovery") }),
    });
  }
  join(name: string, options: Partial<NetworkClientOptions> = {}) {
    return joinNetwork({
      world: this.world(name),
      local: pair(name),
      network: this.network(),
      log: this.log(name),
      userAgent: "test/1",
      sessionsMin: 1,
      ...options,
    });
  }
  /** The delegated servers of the entry that the discovery has, asked over HTTP; undefined when it has none. */
  async registered(name: string): Promise<readonly string[] | undefined> {
    const world = this.world("observer");
    await using client = tcpHttpClient(world, "test/1");
    const ways = [{ name: "http", origin: "http://discovery:9090", client, isReady: () => true }];
    const entry = await new HttpDiscovery(askOver("discovery", ways, world.clock, this.log("observer")))
      .entry(pair(name).publicKey);
    return entry === undefined ? undefined : entry.client?.delegatedServers ?? [];
  }
  sleep(ms: number): Promise<void> {
    return sleep(this.world("observer").clock, ms);
  }
  async close(): Promise<void> {
    for (const server of this.servers) await server.close();
    for (const client of this.#registering) await client.close();
  }
}

function inDeployment(seed: number, scenario: (deployment: Deployment) => Promise<void>): Promise<void> {
  return withSimulation(seed, async (simulation) => {
    const deployment = new Deployment(simulation);
    await simulation.run(async () => {
      try {
        await scenario(deployment);
      } finally {
        await deployment.close();
      }
    });
  });
}

async function hello(
  from: ReturnType<Deployment["join"]>,
  to: ReturnType<Deployment["join"]>,
): Promise<void> {
  const listener = to.dmsg.listen(1000);
  const stream = await from.dmsg.dial({ publicKey: to.dmsg.publicKey, port: 1000 });
  const answer = (await listener.accept())!;
  await stream.write(new TextEncoder().encode("hello"));
  assert.equal(new TextDecoder().decode((await answer.read())!), "hello");
  stream.close();
  answer.close();
  listener.close();
}

for (
  const [title, parts] of [
    ["both ways", {}],
    ["dmsg alone", { discoveryHttp: undefined }],
    ["HTTP alone", { discoveryDmsg: undefined }],
  ] as const
) {
  Deno.test(`joinNetwork() publishes, finds and is found, and deletes its entry, with ${title}`, () =>
    inDeployment(1, async (deployment) => {
      await using _discovery = await deployment.startDiscovery();
      for (const name of SERVER_NAMES) await deployment.startServer(name);
      const network = deployment.network(parts);
      const [near, far] = [deployment.join("near", { network }), deployment.join("far", { network })];
      await Promise.all([near.dmsg.whenPublished(), far.dmsg.whenPublished()]);
      assert.ok((await deployment.registered("far"))!.length >= 1);
      await hello(near, far);
      await deployment.sleep(40_000);
      for (const name of SERVER_NAMES) deployment.simulation.reset("far", name);
      await deployment.sleep(900); // connected anew, and every earlier stream is gone: deleting needs a dial
      assert.equal(far.dmsg.isReady, true);
      await far.close();
      assert.equal(await deployment.registered("far"), undefined, "deleted");
      await near.close();
      assert.equal(await deployment.registered("near"), undefined);
      assert.deepEqual(deployment.logged.filter(({ message }) => message.includes("Entry not")), []);
    }));
}

Deno.test("a client without seeds finds its servers over HTTP, and a server's look-up goes over its own table (DC-2)", () =>
  inDeployment(2, async (deployment) => {
    await using _discovery = await deployment.startDiscovery();
    for (const name of SERVER_NAMES) await deployment.startServer(name);
    await deployment.sleep(1_000);
    await using bare = deployment.join("bare", {
      network: deployment.network({ servers: [], discoveryDmsg: undefined }),
    });
    await bare.dmsg.whenPublished();
    // Knows one server and the discovery; to dial the other it must first ask over the session that it has.
    const [first] = deployment.network().servers;
    const network = deployment.network({ servers: [first!], discoveryHttp: undefined });
    await using one = deployment.join("one", { network, publish: false });
    await one.dmsg.whenReady();
    const other = pair("s2").publicKey;
    const sessions = await Promise.all(Array.from({ length: 50 }, () => one.dmsg.connect(other)));
    assert.equal(new Set(sessions.map(({ remote }) => remote)).size, 1);
    assert.equal(one.dmsg.sessions().length, 2);
  }));

for (const discoveryDmsg of [undefined, { publicKey: DISCOVERY.publicKey, port: 80 }] as const) {
  const title = discoveryDmsg === undefined ? "HTTP alone" : "HTTP, and dmsg later";
  Deno.test(`a client without seeds asks for servers at once, over ${title}, not after its first retry`, () =>
    inDeployment(4, async (deployment) => {
      await using _discovery = await deployment.startDiscovery();
      for (const name of SERVER_NAMES) await deployment.startServer(name);
      await deployment.sleep(1_000);
      await using bare = deployment.join("bare", {
        network: deployment.network({ servers: [], discoveryDmsg }),
      });
      await deployment.sleep(2_000); // nobody waits for it: whoever did would make it ask again
      assert.equal(bare.dmsg.isReady, true);
    }));
}

Deno.test("the discovery may be gone, and come back empty: the client stays up and says itself again", () =>
  inDeployment(3, async (deployment) => {
    const first = await deployment.startDiscovery();
    const server = await deployment.startServer("s1");
    await using client = deployment.join("a");
    await client.dmsg.whenPublished();
    await first.close();
    await deployment.sleep(20_000);
    assert.equal(client.dmsg.isReady, true);
    await using _second = await deployment.startDiscovery();
    await deployment.sleep(1_000);
    assert.equal(await deployment.registered("a"), undefined, "it keeps nothing over a restart");
    assert.equal(server.status().sessions, 2); // of the client and of the discovery
    await deployment.startServer("s2");
    await deployment.sleep(62_000); // servers say themselves again each minute
    await client.dmsg.connect(pair("s2").publicKey); // a change
    await deployment.sleep(3_000);
    assert.equal((await deployment.registered("a"))!.length, 2);
    assert.equal(client.dmsg.status().entry!.failure, undefined);
  }));

Deno.test("a server whose clock is off by minutes is told so, and registers when it is set right", () =>
  inDeployment(4, async (deployment) => {
    deployment.world("s1", { skewMs: -5 * 60_000 });
    await using _discovery = await deployment.startDiscovery();
    const server = await deployment.startServer("s1");
    await deployment.sleep(5_000);
    const { published, failure } = server.status().entry!;
    assert.equal(published, false);
    assert.match(
      failure!,
      /outdated timestamp \(the clock of this machine or that of the discovery is wrong\)/,
    );
    assert.equal(server.status().ready, true);
    deployment.simulation.setSkew("s1", 0);
    await deployment.sleep(31_000);
    assert.equal(server.status().entry!.published, true);
  }));

Deno.test("joinNetwork() can be closed at once, and while nothing answers", () =>
  inDeployment(5, async (deployment) => {
    await deployment.join("a").close();
    const again = deployment.join("a");
    await deployment.sleep(3_000);
    await Promise.all([again.close(), again.close()]);
    await deployment.sleep(2_000);
    assert.deepEqual(deployment.world("a").ledger.live(), {});
  }));
