/**
 * How every service of a deployment is, asked by each way that it has: `/health` over HTTP and over dmsg, a setup node
 * where visors ask it for routes, and a session with each dmsg server.
 *
 * @module
 */
import { describeError, type Log } from "../base/mod.ts";
import { generateKeyPair, type PublicKey } from "../crypto/mod.ts";
import {
  type AskService,
  type DmsgAddress,
  HTTP_PORT,
  renderDmsgAddress,
  SETUP_NODE_PORT,
  TRANSPORT_SETUP_SERVICE_PORT,
} from "../dmsg/mod.ts";
import type { PostQuantumSettings } from "../noise/mod.ts";
import { withTimeout, type World } from "../runtime/mod.ts";
import type { DmsgNetwork, ServiceAddress } from "./dmsg_network.ts";
import { gobStruct, gobText } from "../wire/gob/mod.ts";
import { RpcClient, RpcError } from "../wire/rpc/mod.ts";
import { joinNetwork, type NetworkClient } from "./join_network.ts";

/** One service by one way. */
export interface ServiceHealth {
  /** `transport-discovery`, `dmsg-server` and so on. */
  readonly service: string;
  readonly way: "http" | "dmsg";
  /** URL; of a dmsg server `host:port`. */
  readonly address: string;
  readonly publicKey?: PublicKey;
  readonly isUp: boolean;
  /** Until the answer, a dial that it needed included; of a dmsg server a ping over the session. */
  readonly latencyMs?: number;
  readonly version?: string;
  /** dmsg servers that the service is connected to now, as it says. */
  readonly dmsgServers?: number;
  /** How far its clock is ahead of its store's, by which uptimes count; left out where it says that all is well. */
  readonly clockAheadMs?: number;
  /** Why it is not up. */
  readonly failure?: string;
}

export interface CheckHealthOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger" | "network">;
  readonly network: DmsgNetwork;
  readonly log: Log;
  readonly userAgent: string;
  /** For each question. */
  readonly timeoutMs: number;
  readonly postQuantum?: PostQuantumSettings;
  readonly signal?: AbortSignal;
}

/** Asks all of them at once, with a client of its own that publishes nothing. In the order of the deployment. */
export async function checkHealth(options: CheckHealthOptions): Promise<ServiceHealth[]> {
  await using client = joinForHealth(options);
  return await healthOf(client, options);
}

/** A client for looks one after the other; it gets its sessions by them. The caller closes it. */
export function joinForHealth(
  { world, network, log, userAgent, postQuantum }: Omit<CheckHealthOptions, "timeoutMs" | "signal">,
): NetworkClient {
  return joinNetwork({
    world,
    local: generateKeyPair(world.random),
    network,
    log,
    userAgent,
    sessionsMin: 1,
    publish: false,
    postQuantum,
  });
}

export interface HealthOfOptions {
  readonly world: Pick<World, "clock">;
  readonly network: DmsgNetwork;
  /** For each question. */
  readonly timeoutMs: number;
  /** Which servers are looked at; one without a session gets one that stays. Default: each of the network. */
  readonly servers?: DmsgNetwork["servers"];
  readonly signal?: AbortSignal;
}

/** The same with a client that is there, all at once. */
export async function healthOf(
  client: Pick<NetworkClient, "dmsg" | "askService">,
  options: HealthOfOptions,
): Promise<ServiceHealth[]> {
  const { network } = options;
  const servers = serverHealth(client, options);
  const anySession = client.dmsg.isConnected ? undefined : Promise.any(servers.map(async (checked) => {
    if (!(await checked).isUp) throw new Error("no session");
  })).catch(() => {}); // without one each question over dmsg says so
  const services = addressesOf(network).flatMap(([service, { http, dmsg }]) => [
    ...(http === undefined ? [] : [
      timed(
        options,
        { service, way: "http", address: http },
        (signal) => askHealth(client.askService(spoken(service), { http }), signal),
      ),
    ]),
    ...(dmsg === undefined ? [] : [(async () => {
      await anySession;
      const { publicKey } = dmsg;
      const row = { service, way: "dmsg", address: urlOf(dmsg), publicKey } as const;
      return await timed(
        options,
        row,
        (signal) =>
          service === SETUP_NODE
            ? askSetupNode(client, { world: options.world, publicKey, signal })
            : askHealth(client.askService(spoken(service), { dmsg }), signal),
      );
    })()]),
  ]);
  return await Promise.all([...services, ...servers]);
}

/** The rows of the dmsg servers alone: a ping over a session with each. */
export function serverHealth(
  { dmsg }: Pick<NetworkClient, "dmsg">,
  options: HealthOfOptions,
): Promise<ServiceHealth>[] {
  const { servers = options.network.servers } = options;
  return servers.map(({ publicKey, address }) =>
    timed(options, { service: "dmsg-server", way: "dmsg", address, publicKey }, async (signal) => {
      await dmsg.connect(publicKey, signal);
      return { latencyMs: await dmsg.pingServer(publicKey, signal) };
    })
  );
}

/** Every service that a network names, by its name in commands, with its addresses; nodes by their keys. */
export function addressesOf(network: DmsgNetwork): [service: string, address: ServiceAddress][] {
  const { discoveryHttp: http, discoveryDmsg: dmsg, setupNodes = [], transportSetup = [] } = network;
  const nodes = (service: string, keys: readonly PublicKey[], port: number) =>
    keys.map((publicKey): [string, ServiceAddress] => [service, { dmsg: { publicKey, port } }]);
  const members = NAMES.flatMap(([member, name]): [string, ServiceAddress][] => {
    const address = network[member];
    return address === undefined ? [] : [[name, address]];
  });
  return [
    ["dmsg-discovery", { http, dmsg }],
    ...members,
    ...nodes(SETUP_NODE, setupNodes, SETUP_NODE_PORT),
    ...nodes("transport-setup", transportSetup, TRANSPORT_SETUP_SERVICE_PORT),
  ];
}

/** What a setup node is asked, and what one of 2026 answers (protocol: routing, section 8.7). */
export const HEALTH_CHECK_ARGUMENT = gobStruct("HealthCheckArgs", {});
export const HEALTH_CHECK_REPLY = gobStruct("HealthCheckReply", {
  Status: gobText,
  Version: gobText,
  Commit: gobText,
  Date: gobText,
});

type Found = Pick<ServiceHealth, "version" | "dmsgServers" | "clockAheadMs" | "latencyMs">;

async function timed(
  { world: { clock }, timeoutMs, signal: ended }: HealthOfOptions,
  row: Pick<ServiceHealth, "service" | "way" | "address" | "publicKey">,
  work: (signal: AbortSignal) => Promise<Found>,
): Promise<ServiceHealth> {
  const startedMs = clock.monotonicMs();
  const limit = { what: `Asking the ${row.service} over ${row.way}`, afterMs: timeoutMs, signal: ended };
  try {
    const found = await withTimeout(clock, limit, work);
    return { ...row, isUp: true, latencyMs: clock.monotonicMs() - startedMs, ...found };
  } catch (error) {
    ended?.throwIfAborted();
    return { ...row, isUp: false, failure: describeError(error) };
  }
}

/**
 * A call on the port where visors ask a setup node for routes, which is all that one of 2024 has: that one answers that
 * it knows no such method. Whatever pages a node has say nothing of whether routes can be had from it.
 */
async function askSetupNode(
  { dmsg }: Pick<NetworkClient, "dmsg">,
  { world, publicKey, signal }: {
    readonly world: Pick<World, "clock">;
    readonly publicKey: PublicKey;
    readonly signal: AbortSignal;
  },
): Promise<Found> {
  const stream = await dmsg.dial({ publicKey, port: SETUP_NODE_PORT }, { signal });
  const client = new RpcClient(stream, { world });
  try {
    const { Status, Version } = await client.call(
      "SetupRPCGateway.HealthCheck",
      HEALTH_CHECK_ARGUMENT,
      {},
      HEALTH_CHECK_REPLY,
      { signal },
    );
    if (Status !== "OK") throw new Error(`it says ${JSON.stringify(Status.slice(0, FAILURE_CHARS_MAX))}`);
    return Version === "" ? {} : { version: Version.slice(0, VERSION_CHARS_MAX) };
  } catch (error) {
    if (error instanceof RpcError && /can't find (method|service)/.test(error.text)) return {};
    throw error;
  } finally {
    client.close(new Error("Nothing more is asked")); // with a reason: at once, whatever the node does
    await client.closed;
  }
}

/** What services of any year say of themselves. */
async function askHealth(ask: AskService, signal: AbortSignal): Promise<Found> {
  const { status, text } = await ask({ method: "GET", path: "/health" }, signal);
  if (status !== 200) throw new Error(`it answers ${status}: ${reasonOf(text).slice(0, FAILURE_CHARS_MAX)}`);
  let said: { build_info?: { version?: unknown }; dmsg_servers?: unknown; clock_ahead_ms?: unknown } | null;
  try {
    said = JSON.parse(text);
  } catch {
    throw new Error("what it answers is no JSON");
  }
  const version = said?.build_info?.version;
  const servers = said?.dmsg_servers;
  const aheadMs = said?.clock_ahead_ms;
  return {
    ...(typeof version === "string" ? { version: version.slice(0, VERSION_CHARS_MAX) } : {}),
    ...(Array.isArray(servers) ? { dmsgServers: servers.length } : {}),
    ...(isDifference(aheadMs) ? { clockAheadMs: aheadMs } : {}),
  };
}

/** Whether two clocks can be so far from each other: whole milliseconds, and one of them may never have been set. */
function isDifference(aheadMs: unknown): aheadMs is number {
  return Number.isInteger(aheadMs) && Math.abs(aheadMs as number) <= CLOCK_AHEAD_MAX_MS;
}

/** Why a service is not well, as it says: of a health that it tells all the same, the state of its store or its list. */
function reasonOf(text: string): string {
  try {
    const { store, list } = JSON.parse(text);
    if (typeof store === "string") return `its store is ${store}`;
    return typeof list === "string" ? `its list of transports is ${list}` : text;
  } catch {
    return text; // no JSON, or null
  }
}

/** As whoever else asks it calls it, so that its clock and its refusals are one service's. */
function spoken(service: string): string {
  return service.replaceAll("-", " ");
}

function urlOf(address: DmsgAddress): string {
  return `dmsg://${renderDmsgAddress({ ...address, port: address.port || HTTP_PORT })}`;
}

const NAMES = [
  ["transportDiscovery", "transport-discovery"],
  ["addressResolver", "address-resolver"],
  ["routeFinder", "route-finder"],
  ["serviceDiscovery", "service-discovery"],
  ["uptimeTracker", "uptime-tracker"],
  ["conf", "config-bootstrapper"],
] as const;

const SETUP_NODE = "setup-node";
/** A century: a clock that begins in 1970 is told of, until 2070; what says more is no clock. */
const CLOCK_AHEAD_MAX_MS = 36_525 * 24 * 60 * 60_000;
/** Of a version in a table. */
const VERSION_CHARS_MAX = 64;
/** Of an answer that is no health. */
const FAILURE_CHARS_MAX = 200;
