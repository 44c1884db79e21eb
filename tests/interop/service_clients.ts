/**
 * Fills the cells of our clients at a whole deployment: every operation of each service, over HTTP and over dmsg.
 *
 * @module
 */
import assert from "node:assert/strict";
import { silentLog } from "../../lib/base/mod.ts";
import { generateKeyPair, type KeyPair, type PublicKey, webCryptoKem } from "../../lib/crypto/mod.ts";
import {
  AddressResolverClient,
  awaitSession,
  ConfigBootstrapperClient,
  type DmsgNetwork,
  joinNetwork,
  type NetworkClient,
  networkOfFile,
  type NetworkService,
  RouteFinderClient,
  RouteNotFoundError,
  SERVICE_NAMES,
  ServiceDiscoveryClient,
  serviceOfNetwork,
  TransportDiscoveryClient,
  UptimeTrackerClient,
} from "../../lib/directory/mod.ts";
import {
  type AskService,
  AWAIT_SETUP_PORT,
  clientEntry,
  HttpDiscovery,
  signEntry,
} from "../../lib/dmsg/mod.ts";
import { systemWorld, type World } from "../../lib/runtime/mod.ts";
import { transportId } from "../../lib/transport/mod.ts";
import type { FillCell } from "./cells.ts";
import { poll } from "./lab.ts";
import type { LiveOptions } from "./live.ts";
import { PUBLIC_ADDRESS } from "./namespace.ts";
import type { WholeDeployment } from "./service_build.ts";
import { type ClientRole, type ServiceRole, type Way, WAYS } from "./service_rows.ts";

/** Services are on dmsg a moment after they answer over HTTP. */
const ON_DMSG_MS = 30_000;
/** Of a visor of the peer's time. */
const VERSION = "v1.3.29";

/** One way to every service, in the name of one key. */
interface Asking {
  readonly world: World;
  readonly network: DmsgNetwork;
  readonly local: KeyPair;
  readonly ask: (service: NetworkService) => AskService;
  /** In the name of another key: what one key asks within a minute is limited. */
  readonly askAsAnother: (service: NetworkService) => AskService;
  /** Fills the cell of this way. What `work` gives is the detail. */
  readonly tell: (role: Operation, work: () => Promise<string | void>) => Promise<void>;
}

/** A role without its way. */
type Operation = ClientRole extends infer R ? R extends `${infer Name}, over ${Way}` ? Name : never : never;

/** Everything that our clients do at `deployment`, one cell each. */
export async function tryClients(
  deployment: WholeDeployment,
  { column }: LiveOptions,
  cell: FillCell<ServiceRole>,
): Promise<void> {
  const world = systemWorld();
  const network = networkOfFile(await Deno.readTextFile(deployment.file), deployment.file);
  await using ends = new AsyncDisposableStack();
  const join = (local: KeyPair, publish = false) =>
    ends.use(joinNetwork({
      world,
      local,
      network,
      log: silentLog,
      userAgent: "interop",
      publish,
      postQuantum: { mode: column.postQuantum, kem: webCryptoKem((work) => world.outside(work)) },
    }));
  const askings = WAYS.map((way): Asking & { readonly ready: () => Promise<void> } => {
    const [local, another] = [generateKeyPair(world.random), generateKeyPair(world.random)];
    const [client, reader] = [join(local, true), join(another)];
    client.dmsg.listen(AWAIT_SETUP_PORT); // a service discovery may look whether a public visor takes a stream there
    const askBy = ({ askService }: NetworkClient) => (service: NetworkService) => {
      const { http, dmsg } = serviceOfNetwork(network, service)!;
      return askService(SERVICE_NAMES[service], way === "http" ? { http } : { dmsg });
    };
    const [ask, askAsAnother] = [askBy(client), askBy(reader)];
    const ready = async () => {
      for (const { dmsg } of [client, reader]) {
        await awaitSession(dmsg, world.clock, AbortSignal.timeout(ON_DMSG_MS));
      }
      await isPublished(askBy(reader)("dmsgDiscovery"), local.publicKey);
      if (way === "http") return;
      await Promise.all(ASKED.map((service) => isUp(ask(service), SERVICE_NAMES[service])));
    };
    const tell: Asking["tell"] = (role, work) =>
      cell(`${role}, over ${way}` as ClientRole, "ours", async () => await work() ?? "done");
    return { world, network, local, ask, askAsAnother, tell, ready };
  });
  const inEach = (...works: ((asking: Asking) => Promise<void>)[]) =>
    Promise.all(askings.map(async (asking) => {
      await asking.ready();
      await Promise.all(works.map((work) => work(asking)));
    }));
  await inEach(
    tryEntries,
    tryTransports,
    tryAddresses,
    tryServiceRecords,
    tryHeartbeat,
    (asking) => tryConfiguration(asking, deployment),
  );
  await deployment.refreshUptimes();
  await inEach(tryUptimes);
}

const ASKED = Object.keys(SERVICE_NAMES) as NetworkService[];

async function isUp(ask: AskService, name: string): Promise<void> {
  const look = async () => (await ask({ method: "GET", path: "/health" }).catch(() => undefined))?.status;
  await poll(async () => await look() === 200 || undefined, {
    withinMs: ON_DMSG_MS,
    everyMs: 250,
    what: () => `The ${name} does not answer over dmsg`,
  });
}

async function isPublished(ask: AskService, key: PublicKey): Promise<void> {
  const discovery = new HttpDiscovery(ask);
  await poll(async () => await discovery.entry(key).catch(() => undefined), {
    withinMs: ON_DMSG_MS,
    everyMs: 250,
    what: () => `The entry of ${key} is not in the dmsg discovery`,
  });
}

async function tryEntries({ world, network, ask, tell }: Asking): Promise<void> {
  const discovery = new HttpDiscovery(ask("dmsgDiscovery"));
  const { publicKey, secretKey } = generateKeyPair(world.random);
  const delegatedServers = network.servers.map((server) => server.publicKey);
  const entryOf = (sequence: bigint) => {
    const timestamp = BigInt(world.clock.wallMs()) * 1_000_000n;
    return signEntry(clientEntry({ publicKey, delegatedServers, sequence, timestamp }), secretKey);
  };
  await tell("dmsg discovery: publishes an entry", () => discovery.post(entryOf(0n)));
  const newer = entryOf(1n);
  await tell("dmsg discovery: publishes it anew", () => discovery.post(newer));
  await tell("dmsg discovery: looks it up", async () => {
    const found = await discovery.entry(publicKey);
    assert.equal(found?.sequence, 1n);
    assert.deepEqual(found.client?.delegatedServers, delegatedServers);
  });
  await tell("dmsg discovery: lists servers", async () => {
    const all = (await discovery.allServers()).map((entry) => entry.static).sort();
    assert.deepEqual(all, [...delegatedServers].sort());
    const available = await discovery.availableServers();
    assert.equal(available.length, all.length);
    return `${all.length}, all of them available`;
  });
  await tell("dmsg discovery: deletes it", async () => {
    await discovery.remove(newer);
    assert.equal(await discovery.entry(publicKey), undefined);
  });
}

/** The own key between two others: who is asked about them afterwards is the route finder, too. */
async function tryTransports({ world, local, ask, askAsAnother, tell }: Asking): Promise<void> {
  const discovery = new TransportDiscoveryClient(ask("transportDiscovery"), { version: VERSION });
  const reader = new TransportDiscoveryClient(askAsAnother("transportDiscovery"));
  const own = local.publicKey;
  const aKey = () => generateKeyPair(world.random).publicKey;
  const [first, last] = [aKey(), aKey()];
  const records = [first, last].map((key) => ({
    id: transportId(key, own, "stcpr") as string,
    edges: (key < own ? [key, own] : [own, key]) as [PublicKey, PublicKey],
    type: "stcpr",
    label: "user",
  }));
  const ids = records.map(({ id }) => id).sort();
  await tell("transport discovery: registers", () => discovery.register(records));
  await tell("transport discovery: registers again", async () => {
    await discovery.register(records);
    // As another process of the same key, which does not know what was registered.
    await new TransportDiscoveryClient(ask("transportDiscovery")).register(records);
  });
  await tell("transport discovery: looks up by id", async () => {
    assert.deepEqual(await reader.byId(records[0]!.id), records[0]);
    assert.equal(await reader.byId(transportId(first, last, "stcpr")), undefined);
  });
  await tell("transport discovery: looks up by edge", async () => {
    const idsOf = async (key: PublicKey) => (await reader.byEdge(key)).map(({ id }) => id).sort();
    assert.deepEqual(await idsOf(own), ids);
    assert.deepEqual(await idsOf(last), [records[1]!.id]);
    assert.deepEqual(await idsOf(aKey()), []);
  });
  await tell("transport discovery: lists all", async () => {
    const all = new Set((await discovery.all()).map(({ id }) => id));
    assert.ok(ids.every((id) => all.has(id)), `${ids} are not among the ${all.size}`);
    return `${all.size} are there`;
  });
  await tell("transport discovery: says that it is up", async () => {
    return await discovery.heartbeat() ? "counted" : "it does not count that, and says so";
  });

  const finder = new RouteFinderClient(ask("routeFinder"), { world });
  await tell("route finder: finds a path of one hop", async () => {
    const [there, back] = await finder.routes([[first, own], [own, first]], { minHops: 1, maxHops: 5 });
    const transport = records[0]!.id;
    assert.deepEqual(there![0], [{ transportId: transport, from: first, to: own }]);
    assert.deepEqual(back![0], [{ transportId: transport, from: own, to: first }]);
  });
  await tell("route finder: finds a path of two hops", async () => {
    const [paths] = await finder.routes([[first, last]], { minHops: 2, maxHops: 5, count: 2 });
    assert.deepEqual(paths!.map((hops) => hops.map(({ to }) => to)), [[own, last]]);
  });
  await tell("route finder: finds none", async () => {
    const limits = { minHops: 1, maxHops: 5 };
    await assert.rejects(finder.routes([[first, aKey()]], limits), RouteNotFoundError);
    await assert.rejects(finder.routes([[first, own]], { ...limits, minHops: 3 }), RouteNotFoundError);
  });

  await tell("transport discovery: removes", async () => {
    assert.equal(await discovery.remove(ids), ids.length);
    assert.equal(await discovery.remove(ids), 0);
    assert.deepEqual(await reader.byEdge(own), []);
  });
}

async function tryAddresses({ local, ask, tell }: Asking): Promise<void> {
  const resolver = new AddressResolverClient(ask("addressResolver"));
  const own = local.publicKey;
  const binding = { port: 30_178, addresses: [PUBLIC_ADDRESS, "10.1.2.3"] };
  await tell("address resolver: binds stcpr", () => resolver.bindStcpr(binding));
  await tell("address resolver: resolves it", async () => {
    const { remoteAddress, port, addresses } = (await resolver.resolve("stcpr", own))!;
    assert.deepEqual({ remoteAddress, port, addresses }, { remoteAddress: PUBLIC_ADDRESS, ...binding });
    assert.equal(await resolver.resolve("sudph", own), undefined);
    return `${remoteAddress}:${port}`;
  });
  await tell("address resolver: lists who is bound", async () => {
    const { stcpr, sudph } = await resolver.transports();
    assert.deepEqual([stcpr.includes(own), sudph.includes(own)], [true, false]);
  });
  await tell("address resolver: unbinds it", async () => {
    await resolver.unbindStcpr();
    assert.equal(await resolver.resolve("stcpr", own), undefined);
  });
}

async function tryServiceRecords({ world, local, ask, tell }: Asking): Promise<void> {
  const discovery = new ServiceDiscoveryClient(ask("serviceDiscovery"));
  const publicKey = local.publicKey;
  const recordOf = (type: string, port: number) => ({ publicKey, port, type, version: VERSION });
  const [skysocks, vpn] = [recordOf("skysocks", 3), recordOf("vpn", 44)];
  const visor = { ...recordOf("visor", 7777), localIps: [PUBLIC_ADDRESS] };
  const register = (record: typeof skysocks) => async () => {
    const { publicKey, port, type, version, place } = await discovery.register(record, {
      publicAddress: PUBLIC_ADDRESS,
    });
    assert.deepEqual({ publicKey, port, type, version }, recordOf(record.type, record.port));
    return `as of ${place?.country ?? "nowhere"}`;
  };
  await tell("service discovery: registers skysocks", register(skysocks));
  await tell("service discovery: registers a VPN", register(vpn));
  await tell("service discovery: registers a public visor", register(visor));
  await tell("service discovery: lists them", async () => {
    for (const { type, port } of [skysocks, vpn, visor]) {
      const found = (await discovery.find({ type })).find((record) => record.publicKey === publicKey);
      assert.equal(found?.port, port, type);
    }
    assert.equal((await discovery.find({ type: "skysocks", version: VERSION, quantity: 1 })).length, 1);
    assert.deepEqual(await discovery.find({ type: "skysocks", version: "v0.0.1" }), []);
  });
  await tell("service discovery: looks one up", async () => {
    assert.equal((await discovery.one(skysocks))?.version, VERSION);
    const nobody = generateKeyPair(world.random).publicKey;
    assert.equal(await discovery.one({ ...skysocks, publicKey: nobody }), undefined);
  });
  await tell("service discovery: removes them", async () => {
    for (const record of [skysocks, vpn, visor]) {
      await discovery.remove(record);
      assert.equal(await discovery.one(record), undefined, record.type);
    }
  });
}

async function tryHeartbeat({ ask, tell }: Asking): Promise<void> {
  const tracker = new UptimeTrackerClient(ask("uptimeTracker"));
  await tell("uptime tracker: says that it is up", async () => {
    assert.equal(await tracker.heartbeat(VERSION), true);
    assert.equal(await tracker.heartbeat(VERSION), true); // too early to count twice, and no fault
  });
}

async function tryUptimes({ local, ask, tell }: Asking): Promise<void> {
  const tracker = new UptimeTrackerClient(ask("uptimeTracker"));
  await tell("uptime tracker: lists uptimes", async () => {
    const [listed] = await tracker.uptimes({ keys: [local.publicKey] });
    assert.deepEqual([listed?.publicKey, listed?.isOnline], [local.publicKey, true]);
    return `online, of version ${listed!.version}`;
  });
}

async function tryConfiguration({ network, ask, tell }: Asking, { services }: WholeDeployment) {
  const bootstrapper = new ConfigBootstrapperClient(ask("conf"));
  await tell("config bootstrapper: tells the deployment", async () => {
    const told = await bootstrapper.deployment();
    assert.deepEqual(told.routeSetupNodes, services.route_setup_nodes);
    assert.deepEqual(told.transportSetup, services.transport_setup);
    for (const service of ASKED) {
      if (service !== "conf") assert.match(told[service] ?? "none", /^http:/, service);
    }
    return `the transport discovery at ${told.transportDiscovery}`;
  });
  await tell("config bootstrapper: tells it over dmsg", async () => {
    const told = await bootstrapper.overDmsg();
    const servers = told.dmsgServers.map(({ publicKey, address }) => ({ publicKey, address }));
    assert.deepEqual(new Set(servers), new Set(network.servers));
    for (const service of ASKED) {
      if (service === "conf") continue; // it tells of the others
      const { publicKey, port } = serviceOfNetwork(network, service)!.dmsg!;
      assert.equal(told[`${service}Dmsg`], `dmsg://${publicKey}:${port}`, service);
    }
  });
}
