/**
 * Every service of Skywire's own program as one network.
 *
 * Its transport discovery, route finder, service discovery and uptime tracker share a PostgreSQL database, and its
 * address resolver refuses loopback: all that needs root on Linux ({@link inNamespace}).
 *
 * @module
 */
import { SkipError } from "./build.ts";
import { freePort, type Lab, poll, type Program } from "./lab.ts";
import { inNamespace, nameHosts, PUBLIC_ADDRESS } from "./namespace.ts";
import { answers, type PeerBuild } from "./peer.ts";
import { PostgresServer } from "./postgres.ts";
import { registered } from "./registered.ts";
import type { Deployment, DeploymentServices } from "./route_build.ts";
import type { WholeDeployment } from "./service_build.ts";

/** Its services answer within a second; a busy machine gets more. */
const SERVICE_UP_MS = 20_000;

/** What transports and routes need: discovery, server, transport discovery, resolver, route finder, setup node. */
export async function startPeerDeployment(lab: Lab, peer: PeerBuild): Promise<Deployment> {
  const { services, write, end } = await startBase(lab, peer);
  return { file: await write(services), services, end };
}

/** All of them, over HTTP and over dmsg. */
export async function startWholePeerDeployment(lab: Lab, peer: PeerBuild): Promise<WholeDeployment> {
  const base = await startBase(lab, peer, { discoveryOnDmsg: true });
  const { database, discovery, redis, start, keysOf } = base;
  const ports = { sd: freePort(), ut: freePort(), conf: freePort(), setup: freePort() };
  const pg = { host: "127.0.0.1", port: `${database.port}` };
  const tracker = async () =>
    start(
      "uptime tracker",
      [
        ...["svc", "ut", "-a", `127.0.0.1:${ports.ut}`, "-p", `127.0.0.1:${freePort()}`, "-m", ""],
        ...["--pg-host", pg.host, "--pg-port", pg.port, ...redis(3)],
        ...["--store-data-path", "/dev/null/nowhere"], // an empty database makes hundreds of thousands of files
        ...["--dmsg-disc", discovery.url, "--sk", (await keysOf("uptime tracker")).secretKey],
      ],
    );
  let trackerProgram = await tracker();
  start("service discovery", [
    ...["svc", "sd", "-a", `${PUBLIC_ADDRESS}:${ports.sd}`, "-o", pg.host, "-p", pg.port],
    ...["-r", redis(4)[1]!, "-d", discovery.url, "-s", (await keysOf("service discovery")).secretKey],
  ]);
  const setup = await keysOf("transport setup");
  const services: WholeDeployment["services"] = {
    ...base.services,
    service_discovery: `http://${PUBLIC_ADDRESS}:${ports.sd}`,
    uptime_tracker: `http://127.0.0.1:${ports.ut}`,
    conf: `http://127.0.0.1:${ports.conf}`,
    transport_setup: [setup.publicKey],
  };
  const setupConfig = lab.path("transport-setup.json");
  const confConfig = lab.path("conf.json");
  await Deno.writeTextFile(
    setupConfig,
    JSON.stringify({ ...nodeConfig(setup, discovery.url, services.transport_discovery), port: ports.setup }),
  );
  start("transport setup node", ["svc", "tps", "-c", setupConfig]);
  await Deno.writeTextFile(
    confConfig,
    JSON.stringify({
      stun_servers: ["192.0.2.9:3478"],
      route_setup_nodes: services.route_setup_nodes,
      survey_whitelist: [],
      transport_setup: services.transport_setup,
    }),
  );
  await nameServices(lab, services);
  start("config bootstrapper", [
    ...["svc", "confbs", "-a", `127.0.0.1:${ports.conf}`, "-c", confConfig, "-d", DOMAIN],
    ...["-D", discovery.url, "--sk", (await keysOf("config bootstrapper")).secretKey],
  ]);
  const byHttp = {
    dmsg_discovery: services.dmsg_discovery,
    transport_discovery: services.transport_discovery,
    address_resolver: services.address_resolver,
    route_finder: services.route_finder,
    service_discovery: services.service_discovery,
    uptime_tracker: services.uptime_tracker,
    conf: services.conf,
  };
  const overDmsg: Record<string, string> = {};
  for (const [field, url] of Object.entries(byHttp)) {
    const key = field === "dmsg_discovery" ? discovery.publicKey : (await keysOf(NAMES[field]!)).publicKey;
    overDmsg[`${field}_dmsg`] = `dmsg://${key}:80`;
    await up(url);
  }
  await up(`http://127.0.0.1:${ports.setup}`);
  return {
    file: await base.write({ ...services, ...overDmsg }),
    services,
    overDmsg,
    transportSetup: `http://127.0.0.1:${ports.setup}`,
    // It computes its list at its start, and then every five minutes.
    refreshUptimes: async () => {
      await trackerProgram.end();
      trackerProgram = await tracker();
      await up(services.uptime_tracker);
    },
    end: base.end,
  };
}

/** By their fields in a deployment file. */
const NAMES: Readonly<Record<string, string>> = {
  transport_discovery: "transport discovery",
  address_resolver: "address resolver",
  route_finder: "route finder",
  service_discovery: "service discovery",
  uptime_tracker: "uptime tracker",
  conf: "config bootstrapper",
};

async function startBase(lab: Lab, peer: PeerBuild, { discoveryOnDmsg = false } = {}) {
  if (!inNamespace()) {
    throw new SkipError(
      "the peer's address resolver refuses loopback: it needs a network namespace, as root",
    );
  }
  const database = await PostgresServer.of(lab);
  const discovery = await peer.startDiscovery();
  const server = await peer.startServer(discovery.url);
  if (discoveryOnDmsg) {
    await registered(discovery.url, server.publicKey);
    await discovery.restart(); // there is a server now, over which it can be asked
  }
  const keys = new Map<string, Promise<{ publicKey: string; secretKey: string }>>();
  const keysOf = (name: string) => {
    const made = keys.get(name) ?? peer.keys();
    keys.set(name, made);
    return made;
  };
  const programs: Program[] = [];
  const start = (name: string, args: readonly string[]) => {
    const program = peer.start(name, args, database.env);
    programs.push(program);
    return program;
  };
  const redis = (index: number) => ["--redis", `redis://127.0.0.1:${discovery.redisPort}/${index}`];
  const [tpd, rf, ar] = [freePort(), freePort(), freePort()];
  const common = async (name: string) => [
    ...["--dmsg-disc", discovery.url, "--sk", (await keysOf(name)).secretKey],
  ];
  const pg = ["--pg-host", "127.0.0.1", "--pg-port", `${database.port}`];
  const setupNode = await keysOf("setup node");
  const services: DeploymentServices = {
    dmsg_discovery: discovery.url,
    dmsg_servers: [{ static: server.publicKey, server: { address: server.address } }],
    transport_discovery: `http://127.0.0.1:${tpd}`,
    address_resolver: `http://${PUBLIC_ADDRESS}:${ar}`,
    route_finder: `http://127.0.0.1:${rf}`,
    route_setup_nodes: [setupNode.publicKey],
  };
  start("transport discovery", [
    ...["svc", "tpd", "-a", `127.0.0.1:${tpd}`, ...redis(1), ...pg, ...await common("transport discovery")],
  ]);
  await up(services.transport_discovery); // it makes the table that the route finder reads
  const setup = lab.path("setup-node.json");
  await Deno.writeTextFile(
    setup,
    JSON.stringify(nodeConfig(setupNode, discovery.url, services.transport_discovery)),
  );
  start("route finder", ["svc", "rf", "-a", `127.0.0.1:${rf}`, ...pg, ...await common("route finder")]);
  start("address resolver", [
    ...["svc", "ar", "-a", `${PUBLIC_ADDRESS}:${ar}`, ...redis(2), ...await common("address resolver")],
  ]);
  start("setup node", ["svc", "sn", setup]);
  await up(services.route_finder);
  await up(services.address_resolver);
  return {
    database,
    discovery,
    services,
    start,
    keysOf,
    redis,
    write: async (content: object) => {
      const file = lab.path("deployment.json");
      await Deno.writeTextFile(file, JSON.stringify({ interop: content }));
      return file;
    },
    end: async () => {
      await Promise.all(programs.map((program) => program.end()));
      await server.end();
      await discovery.end();
    },
  };
}

/** Its config bootstrapper makes the services' URLs of a domain, and asks each there. */
const DOMAIN = "interop.test";
/** Its service discovery and uptime tracker ask this host for the place of a public address. */
const PLACES_HOST = "ip.skycoin.com";

/** By host: where requests at port 80 of loopback go. Of the deployment that was started last. */
const origins = new WeakMap<Lab, Map<string, string>>();

/** Stands for the web servers of that domain and for the one that knows places, in this process. */
async function nameServices(lab: Lab, services: WholeDeployment["services"]): Promise<void> {
  const isFirst = !origins.has(lab);
  const byHost = new Map([
    [`dmsgd.${DOMAIN}`, services.dmsg_discovery],
    [`tpd.${DOMAIN}`, services.transport_discovery],
    [`ar.${DOMAIN}`, services.address_resolver],
    [`rf.${DOMAIN}`, services.route_finder],
    [`sd.${DOMAIN}`, services.service_discovery],
    [`ut.${DOMAIN}`, services.uptime_tracker],
  ]);
  origins.set(lab, byHost);
  if (!isFirst) return;
  await nameHosts(lab, [...byHost.keys(), PLACES_HOST]);
  lab.serve(async (request) => {
    const { host, pathname, search } = new URL(request.url);
    const origin = origins.get(lab)!.get(host);
    if (origin !== undefined) return await fetch(origin + pathname + search);
    if (host !== PLACES_HOST) return new Response(null, { status: 404 });
    return Response.json({ country_code: "NL", region_code: "NH", latitude: 52.37, longitude: 4.9 });
  }, { port: 80 });
}

async function up(url: string): Promise<void> {
  const what = () => `nothing answers at ${url}`;
  await poll(async () => await answers(url) || undefined, { withinMs: SERVICE_UP_MS, what });
}

/** What setup nodes of both kinds read from their file. */
function nodeConfig(
  { publicKey, secretKey }: { readonly publicKey: string; readonly secretKey: string },
  discovery: string,
  transport_discovery: string,
): object {
  return {
    public_key: publicKey,
    secret_key: secretKey,
    dmsg: { discovery, sessions_count: 1, servers: [] },
    transport_discovery,
    log_level: "info",
  };
}
