/** Whole deployments on a real Redis: two processes are one, and it may go away and come back (SV-1, SV-2, SV-4, SV-7). */
import assert from "node:assert/strict";
import { silentLog } from "../../../lib/base/mod.ts";
import type { KeyPair } from "../../../lib/crypto/mod.ts";
import {
  AddressResolverClient,
  type DmsgNetwork,
  networkOfFile,
  RouteFinderClient,
  type ServiceAddress,
  ServiceDiscoveryClient,
  tcpHttpClient,
  TransportDiscoveryClient,
  UptimeTrackerClient,
} from "../../../lib/directory/mod.ts";
import type { AskService } from "../../../lib/dmsg/mod.ts";
import type { HttpClient } from "../../../lib/http/mod.ts";
import { sleep, withTimeout, type World } from "../../../lib/runtime/mod.ts";
import {
  ALL_TYPES,
  Assembly,
  type PlanDefaults,
  type ServiceTypeName,
} from "../../../lib/services/assembly/mod.ts";
import { redisMissing, TestRedis } from "../../support/redis.ts";
import { withSystemWorld } from "../../support/world.ts";
import { joinAs } from "../dmsg_network_support.ts";
import { pair, signed, transportOf } from "../service_support.ts";
import { planOf } from "./support.ts";

const KEEPING: readonly ServiceTypeName[] = [
  "transport-discovery",
  "address-resolver",
  "route-finder",
  "service-discovery",
  "uptime-tracker",
];

/** What one process of a deployment is started with. */
type Start = (
  types: readonly ServiceTypeName[],
  more?: Partial<PlanDefaults> & { readonly name?: string; readonly network?: DmsgNetwork },
) => Promise<Assembly>;

/** A Redis that keeps what it acknowledges, also when it is killed. */
interface Kept {
  readonly url: string;
  kill(): Promise<void>;
  again(): Promise<void>;
}

/** Runs `test` in the real world, with folders for the keys of each process; everything is on loopback. */
function onLoopback(
  claim: string,
  test: (start: Start, world: World, redis: Kept) => Promise<void>,
): void {
  Deno.test({
    name: redisMissing === undefined ? claim : `${claim} (skipped: ${redisMissing})`,
    ignore: redisMissing !== undefined,
    async fn() {
      const folder = await Deno.makeTempDir();
      let redis = await TestRedis.start(undefined, { folder });
      const { url, port } = redis;
      const again = async () => void (redis = await TestRedis.start(port, { folder }));
      try {
        await withSystemWorld((world) =>
          test((types, more) => start(world, { folder, url, types, ...more }), world, {
            url,
            kill: () => redis.kill(),
            again,
          })
        );
      } finally {
        await redis.kill();
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

async function start(
  world: World,
  { folder, url, types, name = "one", network, ...more }: Parameters<Start>[1] & {
    readonly folder: string;
    readonly url: string;
    readonly types: readonly ServiceTypeName[];
  },
): Promise<Assembly> {
  const own = `${folder}/${name}`;
  await world.files.makeDirectory(own);
  const services = planOf(types, {
    folder: own,
    hostname: "127.0.0.1",
    freePorts: true,
    testing: false,
    redis: url,
    redisPoolSize: 2,
    ...more,
  });
  const build = { version: "1.2.3", commit: "unknown", date: "unknown" };
  return await Assembly.start({ world, log: silentLog, services, build, userAgent: "test/1", network });
}

function networkOf(assembly: Assembly): DmsgNetwork {
  return networkOfFile(assembly.deployment, "deployment.json");
}

function until(world: World, what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  return withTimeout(world.clock, { what, afterMs: 60_000 }, async (signal) => {
    while (!await isSo()) await sleep(world.clock, 10, signal);
  });
}

/** Everything that each service can be told, and whether it tells it. */
interface Asked {
  readonly transports: TransportDiscoveryClient;
  readonly addresses: AddressResolverClient;
  readonly services: ServiceDiscoveryClient;
  readonly uptimes: UptimeTrackerClient;
  readonly routes: RouteFinderClient;
}

/** A visor's questions to the services of `network`, by one way alone. */
async function asVisor<T>(
  world: World,
  { local, network, way }: { local: KeyPair; network: DmsgNetwork; way: "http" | "dmsg" },
  work: (asked: Asked) => Promise<T>,
): Promise<T> {
  const joined = await joinAs(local, world, network);
  const ask = (address: ServiceAddress | undefined): AskService =>
    joined.askService("it", way === "http" ? { http: address!.http } : { dmsg: address!.dmsg });
  try {
    return await work({
      transports: new TransportDiscoveryClient(ask(network.transportDiscovery)),
      addresses: new AddressResolverClient(ask(network.addressResolver)),
      services: new ServiceDiscoveryClient(ask(network.serviceDiscovery)),
      uptimes: new UptimeTrackerClient(ask(network.uptimeTracker)),
      routes: new RouteFinderClient(ask(network.routeFinder), { world }),
    });
  } finally {
    await joined.close();
  }
}

const [alice, bob] = [pair("alice"), pair("bob")];
const record = transportOf(alice, bob);
const app = { publicKey: alice.publicKey, port: 3, type: "skysocks", version: "v1.3.29" } as const;

/** Tells every service of `network` of alice. */
const tell = (world: World, network: DmsgNetwork, way: "http" | "dmsg") =>
  asVisor(world, { local: alice, network, way }, async (asked) => {
    await asked.transports.register([record]);
    await asked.addresses.bindStcpr({ port: 7_777, addresses: ["127.0.0.1"], publicAddress: "127.0.0.1" });
    await asked.services.register(app, { publicAddress: "127.0.0.1" });
    assert.equal(await asked.uptimes.heartbeat("v1.3.29"), true);
  });

/** What every service of `network` tells bob of alice. */
const told = (world: World, network: DmsgNetwork, way: "http" | "dmsg") =>
  asVisor(world, { local: bob, network, way }, async (asked) => {
    const [[hop] = []] =
      (await asked.routes.routes([[bob.publicKey, alice.publicKey]], { minHops: 1, maxHops: 1 })
        .catch(() => [[]]))[0] ?? [];
    return {
      transport: (await asked.transports.byId(record.id))?.id,
      hop: hop?.transportId,
      address: (await asked.addresses.resolve("stcpr", alice.publicKey))?.port,
      app: (await asked.services.find({ type: "skysocks" })).map(({ publicKey }) => publicKey),
      uptime: (await asked.uptimes.uptimes({ keys: [alice.publicKey] })).map(({ isOnline }) => isOnline),
    };
  });
const ALL_OF_IT = {
  transport: record.id,
  hop: record.id,
  address: "7777",
  app: [alice.publicKey],
  uptime: [true],
};

onLoopback(
  "two processes on one Redis are one to visors, by HTTP and by dmsg, and over a restart",
  async (start, world) => {
    const first = await start(ALL_TYPES);
    const isReady = (assembly: Assembly) => () => assembly.services.every((service) => service.isReady());
    await until(world, "the first", isReady(first));
    const second = await start(KEEPING, { name: "two", network: networkOf(first) });
    await until(world, "the second", isReady(second));
    for (const [taken, given, way] of [[first, second, "dmsg"], [second, first, "http"]] as const) {
      await tell(world, networkOf(taken), way);
      await until(
        world,
        "word of a transport",
        async () => (await told(world, networkOf(given), way)).hop !== undefined,
      );
      const { address, ...rest } = await told(world, networkOf(given), way);
      assert.deepEqual({ ...rest, address: String(address) }, ALL_OF_IT, way);
    }
    await second.close();
    await first.close();
    await using again = await start(ALL_TYPES);
    await until(world, "the first once more", isReady(again));
    const { address, ...rest } = await told(world, networkOf(again), "http");
    assert.deepEqual({ ...rest, address: String(address) }, ALL_OF_IT, "nothing of it had expired");
  },
);

/** One write of a visor that nobody knows yet; undefined when it was acknowledged, else what was said. */
async function write(
  client: HttpClient,
  owner: KeyPair,
  { addressResolver, transportDiscovery }: DmsgNetwork,
  kind: Write,
) {
  const own = transportOf(owner, bob);
  const [url, content] = kind === "bind"
    ? [`${addressResolver!.http}/bind/stcpr`, { port: "7777", addresses: ["127.0.0.1"] }]
    : [`${transportDiscovery!.http}/v3/transports/`, [{ t_id: own.id, ...own }]];
  const body = JSON.stringify(content);
  const answer = await client.fetch({
    url,
    method: "POST",
    headers: Object.entries(signed(owner, 0, body)),
    body,
  });
  const text = await answer.text();
  if (answer.status === (kind === "bind" ? 200 : 201)) return undefined;
  assert.equal(answer.status, 500, text);
  return text;
}
type Write = "bind" | "register";

onLoopback(
  "a Redis that is killed under load and comes back: nothing acknowledged is lost, nothing hangs, no plane dies",
  async (start, world, redis) => {
    const types = ["transport-discovery", "address-resolver", "route-finder"] as const;
    const network = {
      name: "local",
      file: undefined,
      servers: [],
      discoveryHttp: undefined,
      discoveryDmsg: undefined,
    };
    const processes = [
      await start(types, { mode: "http", network }),
      await start(types, { mode: "http", network, name: "two" }),
    ];
    let hasFailed = false;
    for (const { failed } of processes) void failed.then(() => hasFailed = true);
    const networks = processes.map(({ network }) => network);
    const acknowledged: { readonly kind: Write; readonly owner: KeyPair }[] = [];
    let [refused, written, slowestMs, isOver] = [0, 0, 0, false];
    const writers = Array.from({ length: 6 }, async (_, writer) => {
      await using client = tcpHttpClient(world, "test/1");
      for (let turn = 0; !isOver; turn++) {
        const [kind, owner]: [Write, KeyPair] = [
          turn % 2 === 0 ? "bind" : "register",
          pair(`${writer} ${turn}`),
        ];
        const sinceMs = world.clock.monotonicMs();
        const refusal = await write(client, owner, networks[writer % 2]!, kind);
        slowestMs = Math.max(slowestMs, world.clock.monotonicMs() - sinceMs);
        written++;
        if (refusal === undefined) acknowledged.push({ kind, owner });
        else refused++;
      }
    });
    const enough = (more: number) => {
      const from = acknowledged.length;
      return until(world, "writes", () => acknowledged.length >= from + more);
    };
    await enough(60);
    await redis.kill();
    const before = refused;
    await until(world, "refusals", () => refused >= before + 30);
    await redis.again();
    await enough(60);
    isOver = true;
    await Promise.all(writers);
    assert.equal(written, acknowledged.length + refused);
    assert.ok(slowestMs < 6_000, `${slowestMs} ms for one write`); // a question to Redis has 5 s
    assert.equal(hasFailed, false, "a store that is away is no dead plane");

    await using client = tcpHttpClient(world, "test/1");
    const textOf = async (url: string) => await (await client.fetch({ url })).text();
    for (const { transportDiscovery, addressResolver } of networks) {
      const lost = async () => {
        const transports = await textOf(`${transportDiscovery!.http}/all-transports`);
        const bindings = await textOf(`${addressResolver!.http}/transports`);
        return acknowledged.filter(({ kind, owner }) =>
          !(kind === "bind" ? bindings : transports).includes(owner.publicKey)
        ).length;
      };
      await until(world, "lists that are kept for a moment", async () => await lost() === 0);
    }
    const registered = acknowledged.filter(({ kind }) => kind === "register").length;
    for (const { services } of processes) {
      const finder = services.find(({ plan }) => plan.type === "route-finder")!;
      await until(
        world,
        "every transport in the graph",
        async () => (await finder.kept()).transports! >= registered,
      );
    }
    for (const assembly of processes) await assembly.close();
  },
);
