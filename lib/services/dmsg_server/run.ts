/**
 * A dmsg server that runs: sessions, registration, `/health`, and on its own dmsg port 80 the debug endpoints besides
 * (SV-5), however it registers.
 *
 * @module
 */
import { ConnClosedError, type Log } from "../../base/mod.ts";
import type { KeyPair } from "../../crypto/mod.ts";
import { askOver, tcpHttpClient } from "../../directory/mod.ts";
import {
  DmsgServer,
  HTTP_PORT,
  HttpDiscovery,
  type Registration,
  renderDmsgAddress,
  type SessionStatus,
  withDebug,
} from "../../dmsg/mod.ts";
import {
  type HttpClient,
  type HttpServer,
  type RawHandler,
  serveHttp,
  serveHttpOver,
} from "../../http/mod.ts";
import type { PostQuantumSettings } from "../../noise/mod.ts";
import type { SocketAddress, World } from "../../runtime/mod.ts";
import { CLOSE_REQUESTS_MS, HANDLER_END_MS, noticed } from "../hosting/mod.ts";
import type { DmsgServerConfig } from "./config.ts";
import { checkServerDeployments } from "./deployments.ts";
import { startTransit } from "./transit.ts";

export interface RunDmsgServerOptions {
  readonly world: World;
  readonly log: Log;
  readonly config: DmsgServerConfig;
  readonly keys: KeyPair;
  readonly version: string;
  /** The post-quantum hybrid: offered or required. */
  readonly postQuantum?: PostQuantumSettings;
}

export interface RunningDmsgServer extends AsyncDisposable {
  readonly server: DmsgServer;
  readonly address: SocketAddress;
  readonly health: SocketAddress | undefined;
  /** Its own sessions as a client, over which it registers; none when it registers over HTTP. */
  transitSessions(): SessionStatus[];
  /** Settles with the failure of whichever plane died first, or undefined after an orderly close (DS-7). */
  readonly ended: Promise<unknown>;
  close(): Promise<void>;
}

/**
 * Starts a server; it accepts when this resolves, registered or not (DS-3). Errors: `NoServerDiscoveryError`, those
 * of `Network.listen`. Nothing is left then.
 */
export async function runDmsgServer(options: RunDmsgServerOptions): Promise<RunningDmsgServer> {
  const { world, log, config, keys, version, postQuantum } = options;
  checkServerDeployments(config.deployments, config.registration);
  let http: HttpServer | undefined;
  const startedAtMs = world.clock.wallMs();
  const registrar = config.registration === "http" ? httpRegistrar(options) : dmsgRegistrar(options);
  const server = new DmsgServer({
    world,
    local: keys,
    log,
    registrations: registrar.registrations,
    peering: config.peering,
    publicAddress: config.publicAddress,
    sessionsMax: config.sessionsMax,
    entryRefreshMs: config.updateIntervalMs,
    authPassphrase: config.authPassphrase,
    postQuantum,
  });
  const handler = healthHandler(server, { startedAtMs, version });
  const pages = servePages(server, handler, options);
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= (async () => {
      await pages.close(); // over sessions that are still there
      await server.close(); // first: it takes the entries back over the registrar's clients
      await registrar[Symbol.asyncDispose]();
      await http?.close();
    })();
    return closing;
  };
  try {
    let health: SocketAddress | undefined;
    let healthEnded: Promise<void> | undefined;
    if (config.health !== undefined) {
      const listener = await world.network.listen(config.health);
      health = listener.address;
      const socket = noticed(listener);
      http = serveHttp(socket.listener, { raw: handler }, { world, log });
      healthEnded = socket.ended;
    }
    const address = await server.listen(config.listen);
    const ended = Promise.race([
      server.ended,
      ...(healthEnded === undefined
        ? []
        : [healthEnded.then(() => planeEnded("The HTTP server of /health"))]),
      ...(registrar.ended === undefined
        ? []
        : [registrar.ended.then((cause) => planeEnded("The dmsg side", cause))]),
    ]);
    const transitSessions = () => registrar.sessions();
    return { server, address, health, transitSessions, ended, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Where the server registers, and what it needs to get there. */
interface Registrar extends AsyncDisposable {
  readonly registrations: readonly Registration[];
  sessions(): SessionStatus[];
  /** The end of the client over which it registers; absent when it registers over HTTP. */
  readonly ended?: Promise<unknown>;
}

function dmsgRegistrar({ world, log, config, keys, version, postQuantum }: RunDmsgServerOptions): Registrar {
  const transit = startTransit({
    world,
    log,
    keys,
    deployments: config.deployments,
    listen: config.listen,
    peers: (config.peering.peers ?? []).map(({ publicKey }) => publicKey),
    postQuantum,
    userAgent: `skyctl/${version}`,
  });
  return {
    registrations: transit.registrations,
    ended: transit.client.ended,
    sessions: () => transit.client.sessions(),
    [Symbol.asyncDispose]: () => transit[Symbol.asyncDispose](),
  };
}

/** For discoveries that are not on dmsg. */
function httpRegistrar({ world, log, config, version }: RunDmsgServerOptions): Registrar {
  const clients: HttpClient[] = [];
  const registrations = config.deployments.map(({ discovery, advertisedAddress }) => {
    const origin = discovery!;
    const client = tcpHttpClient(world, `skyctl/${version}`, { tls: origin.startsWith("https:") });
    clients.push(client);
    const ways = [{ name: "http", origin, client, isReady: () => true }];
    return {
      discovery: new HttpDiscovery(askOver("dmsg discovery", ways, world.clock, log)),
      publicAddress: advertisedAddress,
    };
  });
  return {
    registrations,
    sessions: () => [],
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client.close()));
    },
  };
}

function planeEnded(plane: string, cause?: unknown): ConnClosedError {
  return new ConnClosedError(cause, `${plane} ended by itself`);
}

/** On the server's own key: the debug endpoints for whom its whitelist names, the rest for everybody. */
function servePages(
  server: DmsgServer,
  handler: RawHandler,
  { world, log, keys, config }: RunDmsgServerOptions,
): HttpServer {
  const trusted = { own: keys.publicKey, whitelist: new Set(config.surveyWhitelist) };
  return serveHttpOver(
    server.listenOn(HTTP_PORT),
    { raw: withDebug(handler, { world, log, ...trusted }) },
    ({ remote }) => renderDmsgAddress(remote),
    { world, log, closeMs: CLOSE_REQUESTS_MS, handlerEndMs: HANDLER_END_MS },
  );
}

/** 503 once sessions are accepted no more: never healthy over a dead data plane (DS-7). */
function healthHandler(
  server: DmsgServer,
  { startedAtMs, version }: { readonly startedAtMs: number; readonly version: string },
): RawHandler {
  return ({ method, target }) => {
    if (target.split("?", 1)[0] !== "/health") return { status: 404 };
    if (method !== "GET" && method !== "HEAD") return { status: 405 };
    const { ready, publicKey, address, sessions, sessionsMax, entry } = server.status();
    return {
      status: ready ? 200 : 503,
      headers: [["Content-Type", "application/json"]],
      body: JSON.stringify({
        build_info: { version, commit: "unknown", date: "unknown" },
        started_at: new Date(startedAtMs).toISOString(),
        service_name: "dmsg-server",
        public_key: publicKey,
        address,
        sessions,
        sessions_max: sessionsMax,
        registered: entry?.published === true,
      }),
    };
  };
}
