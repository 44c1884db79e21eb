/**
 * Skywire's own program as a network for transports and routes: its services, and its visors with their apps.
 *
 * Its transport discovery and route finder share a PostgreSQL database, and its address resolver refuses loopback:
 * both need root on Linux ({@link inNamespace}).
 *
 * @module
 */
import { SkipError, textOf } from "./build.ts";
import { freePort, type Lab, poll } from "./lab.ts";
import { inNamespace, PUBLIC_ADDRESS } from "./namespace.ts";
import { answers, type PeerBuild, visorConfig } from "./peer.ts";
import { PostgresServer } from "./postgres.ts";
import type {
  Deployment,
  DeploymentServices,
  ListedTransport,
  RouteBuild,
  RouteVisor,
  RouteVisorOptions,
} from "./route_build.ts";

/** Its services answer within a second; a busy machine gets more. */
const SERVICE_UP_MS = 20_000;
/** Its proxy command gives up by itself after so long. */
const PROXY_SECONDS = 30;

export class PeerRoutes implements RouteBuild {
  readonly #lab: Lab;
  readonly #peer: PeerBuild;
  #database: Promise<PostgresServer> | undefined;
  #apps: Promise<string> | undefined;

  constructor(lab: Lab, peer: PeerBuild) {
    this.#lab = lab;
    this.#peer = peer;
  }

  async startDeployment(): Promise<Deployment> {
    const peer = this.#peer;
    if (!inNamespace()) {
      throw new SkipError(
        "the peer's address resolver refuses loopback: it needs a network namespace, as root",
      );
    }
    this.#database ??= PostgresServer.start(this.#lab);
    const database = await this.#database;
    const redisPort = freePort();
    const redis = peer.startRedis(redisPort);
    await redis.said(/Ready to accept connections/i);
    const discovery = await peer.startDiscovery();
    const server = await peer.startServer(discovery.url);
    const keys = await peer.keys();
    const [tpd, rf, ar] = [freePort(), freePort(), freePort()];
    const common = async () => ["--dmsg-disc", discovery.url, "--sk", (await peer.keys()).secretKey];
    const redisUrl = (index: number) => ["--redis", `redis://127.0.0.1:${redisPort}/${index}`];
    const pg = ["--pg-host", "127.0.0.1", "--pg-port", `${database.port}`];
    const transportDiscovery = peer.start(
      "transport discovery",
      ["svc", "tpd", "-a", `127.0.0.1:${tpd}`, ...redisUrl(1), ...pg, ...await common()],
      database.env,
    );
    const services: DeploymentServices = {
      dmsg_discovery: discovery.url,
      dmsg_servers: [{ static: server.publicKey, server: { address: server.address } }],
      transport_discovery: `http://127.0.0.1:${tpd}`,
      address_resolver: `http://${PUBLIC_ADDRESS}:${ar}`,
      route_finder: `http://127.0.0.1:${rf}`,
      route_setup_nodes: [keys.publicKey],
    };
    await up(services.transport_discovery); // it makes the table that the route finder reads
    const setup = this.#lab.path("setup-node.json");
    await Deno.writeTextFile(
      setup,
      JSON.stringify({
        public_key: keys.publicKey,
        secret_key: keys.secretKey,
        dmsg: { discovery: discovery.url, sessions_count: 1, servers: [] },
        transport_discovery: services.transport_discovery,
        log_level: "info",
      }),
    );
    const others = [
      peer.start(
        "route finder",
        ["svc", "rf", "-a", `127.0.0.1:${rf}`, ...pg, ...await common()],
        database.env,
      ),
      peer.start(
        "address resolver",
        ["svc", "ar", "-a", `${PUBLIC_ADDRESS}:${ar}`, ...redisUrl(2), ...await common()],
      ),
      peer.start("setup node", ["svc", "sn", setup]),
    ];
    await up(services.route_finder);
    await up(services.address_resolver);
    const file = this.#lab.path("deployment.json");
    await Deno.writeTextFile(file, JSON.stringify({ interop: services }));
    return {
      file,
      services,
      end: async () => {
        await Promise.all([transportDiscovery, ...others].map((program) => program.end()));
        await server.end();
        await discovery.end();
        await redis.end();
      },
    };
  }

  async startRouteVisor({ services }: Deployment, { minHops }: RouteVisorOptions): Promise<RouteVisor> {
    const peer = this.#peer;
    this.#apps ??= this.#writeApps();
    const apps = await this.#apps;
    const { publicKey, secretKey } = await peer.keys();
    const folder = this.#lab.path("visor");
    await Deno.mkdir(`${folder}/tplogs`, { recursive: true });
    const control = `127.0.0.1:${freePort()}`;
    const base = visorConfig({
      publicKey,
      secretKey,
      folder,
      site: folder,
      control,
      discovery: services.dmsg_discovery,
      services: peer.emptyServices,
    });
    const config = {
      ...base,
      "skywire-tcp": { pk_table: null, listening_address: `127.0.0.1:${freePort()}` },
      transport: {
        ...base.transport,
        discovery: services.transport_discovery,
        address_resolver: services.address_resolver,
        stcpr_port: freePort(),
        sudph_port: freePort(),
      },
      routing: {
        ...base.routing,
        route_setup_nodes: services.route_setup_nodes,
        route_finder: services.route_finder,
        min_hops: minHops,
      },
      launcher: {
        ...base.launcher,
        server_addr: `127.0.0.1:${freePort()}`, // its apps find it there: a port of 0 they do not
        bin_path: apps,
        apps: [
          { name: "skysocks", binary: "skysocks", auto_start: true, port: 3 },
          { name: "skysocks-client", binary: "skysocks-client", args: [], auto_start: false, port: 13 },
        ],
      },
    };
    await Deno.writeTextFile(`${folder}.json`, JSON.stringify(config));
    const visor = peer.start("visor", ["visor", "-c", `${folder}.json`]);
    const cli = async (...args: string[]) => {
      const result = await peer.run(["cli", ...args, "--rpc", control]);
      return textOf(`its cli ${args.slice(0, 2).join(" ")}`, result);
    };
    await poll(
      async () => {
        const { stdout } = await peer.run(["cli", "visor", "app", "ls", "--rpc", control]);
        return /skysocks\s.*running/i.test(stdout) || undefined;
      },
      { withinMs: 30_000, what: () => `its skysocks does not run: ${visor.stdout.slice(-600)}` },
    );
    const transports = async () => listedIn(await cli("tp", "ls"));
    return {
      publicKey,
      transports,
      // -f and its two addresses: without them it asks a service discovery whether that visor is there.
      addTransport: async (key, type) => {
        const cache = this.#lab.path("sd.json");
        const text = await cli(
          ...["tp", "add", "-f", "-a", peer.emptyServices, "--cfs", cache, "-t", type, key],
        );
        const made = listedIn(text).find(({ remote }) => remote === key);
        if (made === undefined) throw new Error(`its tp add said ${text.slice(-300)}`);
        return made.id;
      },
      removeTransport: async (id) => void await cli("tp", "rm", "-i", id),
      ping: async (key) => {
        const text = await cli("visor", "ping", key);
        const ms = /Latency: ([\d.]+) ?ms/.exec(text)?.[1];
        if (ms === undefined) throw new Error(`its visor ping said ${text.slice(-300)}`);
        return { ms: Number(ms), way: undefined };
      },
      startProxy: async (key) => {
        const address = `127.0.0.1:${freePort()}`;
        const text = await cli("proxy", "start", "-k", key, "-a", address, "-t", `${PROXY_SECONDS}`);
        if (!text.includes("Running")) throw new Error(`its proxy start said ${text.slice(-300)}`);
        return address;
      },
      stopProxy: async () => void await cli("proxy", "stop", "--all"),
      relayRules: () => Promise.resolve(undefined),
      end: async () => void await visor.end(),
    };
  }

  /** Its launcher starts programs by the apps' names; here they are parts of the one program. */
  async #writeApps(): Promise<string> {
    const folder = this.#lab.path("apps");
    await Deno.mkdir(folder);
    for (const name of ["skysocks", "skysocks-client"]) {
      const script = `#!/bin/sh\nexec '${this.#peer.path}' app ${name} "$@"\n`;
      await Deno.writeTextFile(`${folder}/${name}`, script, { mode: 0o755 });
    }
    return folder;
  }
}

/** The lines of its table: type, id, remote key. */
function listedIn(text: string): ListedTransport[] {
  return [...text.matchAll(/^(\w+)\s+([0-9a-f-]{36})\s+([0-9a-f]{66})\b/gm)]
    .map(([, type, id, remote]) => ({ type: type!, id: id!, remote: remote! }));
}

async function up(url: string): Promise<void> {
  const what = () => `nothing answers at ${url}`;
  await poll(async () => await answers(url) || undefined, { withinMs: SERVICE_UP_MS, what });
}
