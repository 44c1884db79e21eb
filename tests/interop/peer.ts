/**
 * Skywire's own program as a part of a network, as an operator runs it: flags, configuration files, nothing else.
 *
 * Its discovery needs `redis-server` on the PATH. Its visor serves nothing over dmsg before a transport discovery
 * has answered, so this process answers for one: a nonce, and otherwise nothing of interest.
 *
 * @module
 */
import type { Build, Place, RunningServer, RunningVisor } from "./build.ts";
import { SkipError, textOf } from "./build.ts";
import { freePort, type Lab, poll } from "./lab.ts";
import { moduleVersionIn } from "./peer_version.ts";

const REDIS = "redis-server";
/** Its curl waits 20 s for a stream that nobody answers, and for ever for a session that is gone. */
const CURL_MS = 30_000;

/** There is no such program, or it is none that says a version. */
export class NoPeerError extends Error {}

export class PeerBuild implements Build {
  readonly version: string;
  /** The program that this was written for knows none; what a session is, is asked of our side alone. */
  readonly hasHybrid = false;
  readonly #lab: Lab;
  readonly path: string;
  /** An HTTP URL at which there is a nonce, and nobody else. */
  readonly emptyServices: string;
  readonly #env: Record<string, string>;

  private constructor(lab: Lab, path: string, version: string) {
    this.#lab = lab;
    this.path = path;
    this.version = version;
    this.emptyServices = lab.serve(nobodyElse);
    this.#env = { HOME: lab.folder };
  }

  /** Errors: `NoPeerError`. */
  static async open(lab: Lab, path: string): Promise<PeerBuild> {
    const said = await saidVersion(lab, path);
    const version = said.replace(/^.*version\s+/s, "");
    const known = version === "unknown" ? moduleVersionIn(await Deno.readFile(path)) : undefined;
    return new PeerBuild(lab, path, known ?? version);
  }

  async startDiscovery() {
    const [redisPort, port] = [freePort(), freePort()];
    const redis = this.startRedis(redisPort);
    await redis.said(/Ready to accept connections/i);
    const { publicKey, secretKey } = await this.keys();
    const url = `http://127.0.0.1:${port}`;
    const start = async () => {
      const program = this.start("discovery", [
        ...["dmsg", "disc", "-a", `127.0.0.1:${port}`, "--redis", `redis://127.0.0.1:${redisPort}/0`],
        ...["-t", "--sk", secretKey],
      ]);
      await poll(async () => await answers(`${url}/health`) ? true : undefined, {
        withinMs: 20_000,
        what: () => `its discovery does not answer: ${program.stderr.slice(-400)}`,
      });
      return program;
    };
    let program = await start();
    return {
      url,
      publicKey,
      redisPort,
      /** It looks for dmsg servers at its start, and then only a minute later. */
      restart: async () => {
        await program.end();
        program = await start();
      },
      end: async () => {
        await program.end();
        await redis.end();
      },
    };
  }

  async startServer(discovery: string): Promise<RunningServer> {
    const { publicKey, secretKey } = await this.keys();
    const address = `127.0.0.1:${freePort()}`;
    const config = this.#lab.path("server.json");
    await Deno.writeTextFile(
      config,
      JSON.stringify({
        public_key: publicKey,
        secret_key: secretKey,
        discovery,
        public_address: address,
        local_address: address,
        health_endpoint_address: `127.0.0.1:${freePort()}`,
        log_level: "info",
        max_sessions: 100,
      }),
    );
    const program = this.start("server", ["dmsg", "server", "start", config]);
    return {
      publicKey,
      address,
      sessionWith: async (client) => {
        await program.said(new RegExp(`Started session.*${client}`));
        return { isHybrid: undefined };
      },
      end: async () => void await program.end(),
    };
  }

  async startVisor({ discovery, serverKey }: Place, site: string): Promise<RunningVisor> {
    const { publicKey, secretKey } = await this.keys();
    const folder = this.#lab.path("visor");
    await Deno.mkdir(`${folder}/tplogs`, { recursive: true });
    const config = `${folder}.json`;
    const control = `127.0.0.1:${freePort()}`;
    await Deno.writeTextFile(
      config,
      JSON.stringify(visorConfig({
        publicKey,
        secretKey,
        folder,
        site,
        control,
        discovery,
        services: this.emptyServices,
      })),
    );
    const visor = this.start("visor", ["visor", "-c", config]);
    await poll(async () => (await serversOf(discovery, publicKey)).includes(serverKey) || undefined, {
      withinMs: 30_000,
      what: () => `its visor did not publish itself: ${visor.stdout.slice(-600)}`,
    });
    const curl = (url: string, ...options: string[]) =>
      this.run(["dmsg", "curl", "-c", discovery, ...options, url], CURL_MS);
    return {
      publicKey,
      sessionIsHybrid: async (server) => {
        const servers = await serversOf(discovery, publicKey);
        if (!servers.includes(server)) throw new Error(`Its entry names ${servers} instead of ${server}`);
        return undefined;
      },
      warnedOfDowngrade: () => undefined,
      ping: () => {
        throw new SkipError("the peer's program has no command that pings over dmsgctrl");
      },
      get: async (url) => textOf("its dmsg curl", await curl(url)),
      download: async (url, file) => void textOf("its dmsg curl", await curl(url, "-r", "-o", file)),
      delegatedServers: async (key) => {
        const text = textOf("its mdisc", await this.run(["cli", "mdisc", "entry", key, "--url", discovery]));
        return [...text.split("delegated servers").at(-1)!.matchAll(/[0-9a-f]{66}/g)].map(([found]) => found);
      },
      end: async () => void await visor.end(),
    };
  }

  /** One request by a client of its own; what it made of it, good or bad. */
  async request(discovery: string, url: string) {
    return await this.run(["dmsg", "curl", "-c", discovery, url], 40_000);
  }

  /** Errors: `SkipError`. */
  startRedis(port: number) {
    try {
      return this.#lab.start(REDIS, REDIS, [
        ...["--bind", "127.0.0.1", "--port", `${port}`, "--save", "", "--appendonly", "no"],
      ]);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) {
        throw new SkipError(`the peer's discovery needs ${REDIS}, which is not on the PATH`);
      }
      throw error;
    }
  }

  start(part: string, args: readonly string[], env: Record<string, string> = {}) {
    return this.#lab.start(`the peer's ${part}`, this.path, args, { env: { ...this.#env, ...env } });
  }

  async run(args: readonly string[], withinMs?: number) {
    return await this.#lab.run(`the peer's ${args.slice(0, 2).join(" ")}`, this.path, args, {
      env: this.#env,
      withinMs,
    });
  }

  async keys(): Promise<{ publicKey: string; secretKey: string }> {
    const text = textOf("its gen-keys", await this.run(["cli", "config", "gen-keys"]));
    const [publicKey, secretKey] = text.match(/\b[0-9a-f]{64,66}\b/g) ?? [];
    if (publicKey === undefined || secretKey === undefined) throw new Error(`its gen-keys said ${text}`);
    return { publicKey, secretKey };
  }
}

async function saidVersion(lab: Lab, path: string): Promise<string> {
  try {
    const said = textOf(path, await lab.run(path, path, ["--version"], { env: { HOME: lab.folder } })).trim();
    if (/ version \S+$/.test(said)) return said;
    throw new Error(`it says ${JSON.stringify(said.slice(0, 200))}`);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new NoPeerError(`Cannot ask ${path} for its version: ${reason}`, { cause });
  }
}

/** The servers in the entry that a discovery holds of a client; none where it holds no entry. */
export async function serversOf(discovery: string, key: string): Promise<string[]> {
  const response = await fetch(`${discovery}/dmsg-discovery/entry/${key}`, {
    signal: AbortSignal.timeout(5_000),
  });
  const entry = await response.json();
  return response.ok ? entry.client?.delegated_servers ?? [] : [];
}

/** True when a discovery says that it has no entry of a key. */
export async function hasNoEntry(discovery: string, key: string): Promise<boolean> {
  const response = await fetch(`${discovery}/dmsg-discovery/entry/${key}`, {
    signal: AbortSignal.timeout(5_000),
  });
  await response.body?.cancel();
  return response.status === 404;
}

/** Its visor's file; every address is of loopback, and every service that is not dmsg is {@link nobodyElse}. */
export function visorConfig(
  { publicKey, secretKey, folder, site, control, discovery, services }: Record<
    "publicKey" | "secretKey" | "folder" | "site" | "control" | "discovery" | "services",
    string
  >,
) {
  return {
    version: "unknown",
    sk: secretKey,
    pk: publicKey,
    dmsg: { discovery, sessions_count: 1, servers: [], servers_type: "all" },
    dmsgpty: { dmsg_port: 22, cli_network: "unix", cli_address: `${folder}/pty.sock`, whitelist: [] },
    "skywire-tcp": { pk_table: null, listening_address: "127.0.0.1:0" },
    transport: {
      discovery: services,
      address_resolver: services,
      public_autoconnect: false,
      transport_setup: [],
      log_store: { type: "memory", location: `${folder}/tplogs`, rotation_interval: "168h0m0s" },
      stcpr_port: 0,
      sudph_port: 0,
    },
    routing: { route_setup_nodes: [], route_finder: services, route_finder_timeout: "10s", min_hops: 0 },
    uptime_tracker: { addr: services },
    launcher: {
      service_discovery: services,
      apps: [],
      server_addr: "127.0.0.1:0",
      bin_path: folder,
      display_node_ip: false,
    },
    survey_whitelist: [],
    hypervisors: [],
    cli_addr: control,
    log_level: "info",
    local_path: folder,
    dmsghttp_server_path: site,
    stun_servers: [],
    shutdown_timeout: "5s",
    is_public: false,
    persistent_transports: null,
  };
}

/** A deployment in which nobody else is: a nonce for who asks, and empty lists. */
function nobodyElse(request: Request): Response {
  const nonces = /^\/security\/nonces\/(\w+)$/.exec(new URL(request.url).pathname);
  return Response.json(nonces === null ? [] : { edge: nonces[1], next_nonce: 1 });
}

/** True when an HTTP server is there, whatever it answers. */
export async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return true;
  } catch {
    return false; // not up yet: the caller asks again, and gives up in time
  }
}
