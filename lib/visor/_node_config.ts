/**
 * What a visor's configuration says of transports, routes and apps (config.md 1, 2).
 *
 * @module
 */
import type { PublicKey } from "../crypto/mod.ts";
import type { Fields } from "../deployment/mod.ts";
import type { SocketAddress } from "../runtime/mod.ts";

/** A transport that is made again whenever it is gone. */
export interface PersistentTransport {
  readonly publicKey: PublicKey;
  readonly type: string;
}

/** A service as a configuration names it. Both undefined: the deployment's. */
export interface ServiceUrlPair {
  /** `http://...`. */
  readonly http: string | undefined;
  /** `dmsg://<key>:<port>`. */
  readonly dmsg: string | undefined;
}

export interface NodeConfig {
  readonly transportDiscovery: ServiceUrlPair;
  readonly addressResolver: ServiceUrlPair;
  readonly routeFinder: ServiceUrlPair;
  /** For one question to the route finder. */
  readonly routeFinderTimeoutMs: number;
  /** Keys that may make this visor add transports. */
  readonly transportSetupNodes: readonly PublicKey[];
  /** In the order in which they are asked; empty: the deployment's. */
  readonly routeSetupNodes: readonly PublicKey[];
  /** At least 1: files of 2024 say 0 for "any". */
  readonly minHops: number;
  /** Of `stcpr`; 0 takes any free one. */
  readonly stcprPort: number;
  /** Of `sudph`; 0 takes any free one. */
  readonly sudphPort: number;
  /** `host:port` of servers that tell what a NAT makes of an address. */
  readonly stunServers: readonly SocketAddress[];
  /** Undefined: no `stcp`. */
  readonly stcp: {
    /** `host:port` by key. */
    readonly table: ReadonlyMap<PublicKey, string>;
    readonly listen: SocketAddress;
  } | undefined;
  readonly persistentTransports: readonly PersistentTransport[];
  /** Addresses of this machine are bound and dialled by `stcpr` and `sudph`: for a network on loopback. */
  readonly allowLoopbackAddresses: boolean;
}

/** One entry of `launcher.apps`. */
export interface AppConfig {
  readonly name: string;
  readonly binary: string;
  readonly args: readonly string[];
  readonly autoStart: boolean;
  readonly port: number;
}

const ROUTE_FINDER_TIMEOUT_DEFAULT_MS = 10_000;
/** More apps than a configuration can mean. */
const APPS_MAX = 256;
const STCP_ADDRESS_DEFAULT = ":7777";
/** `route_finder_timeout` beyond this is a slip of units. */
const ROUTE_FINDER_TIMEOUT_MAX_MS = 600_000;
const HOPS_MAX = 1_000;

/** What a new configuration has; neither begins by itself: a proxy for everybody is the operator's decision. */
export const APPS_DEFAULT: readonly AppConfig[] = [
  { name: "skysocks", binary: "skysocks", args: [], autoStart: false, port: 3 },
  {
    name: "skysocks-client",
    binary: "skysocks-client",
    args: ["--addr", "127.0.0.1:1080"],
    autoStart: false,
    port: 13,
  },
];

export function readNode(fields: Fields): NodeConfig {
  const transport = fields.object("transport");
  const routing = fields.object("routing");
  return {
    transportDiscovery: readService(transport, "discovery"),
    addressResolver: readService(transport, "address_resolver"),
    routeFinder: readService(routing, "route_finder"),
    routeFinderTimeoutMs: routing.durationMs(
      "route_finder_timeout",
      ROUTE_FINDER_TIMEOUT_DEFAULT_MS,
      ROUTE_FINDER_TIMEOUT_MAX_MS,
    ),
    transportSetupNodes: [...transport.keys("transport_setup"), ...transport.keys("user_transport_setup")],
    routeSetupNodes: [...routing.keys("route_setup_nodes"), ...routing.keys("user_route_setup_nodes")],
    minHops: Math.max(1, routing.wholeNumber("min_hops", 1, HOPS_MAX)),
    stcprPort: transport.wholeNumber("stcpr_port", 0, 65_535),
    sudphPort: transport.wholeNumber("sudph_port", 0, 65_535),
    stunServers: fields.words("stun_servers").map((text) => fields.address("stun_servers", text)),
    allowLoopbackAddresses: transport.boolean("allow_loopback_addresses"),
    stcp: readStcp(fields),
    persistentTransports: fields.list("persistent_transports").map((item) => ({
      publicKey: item.key("pk"),
      type: item.text("type") || item.refuse("type", "it must be a transport type, such as stcpr"),
    })),
  };
}

export function readApps(fields: Fields): AppConfig[] {
  const launcher = fields.object("launcher");
  const apps = launcher.list("apps");
  if (apps.length > APPS_MAX) launcher.refuse("apps", `it must have at most ${APPS_MAX} items`);
  const names = new Set<string>();
  return apps.map((item) => {
    const name = item.text("name") || item.refuse("name", "it must be the app's name");
    if (names.has(name)) item.refuse("name", "another app has it already");
    names.add(name);
    return {
      name,
      binary: item.text("binary") || name,
      args: item.words("args"),
      autoStart: item.boolean("auto_start"),
      port: item.wholeNumber("port", 0, 65_535),
    };
  });
}

/** A 2024 file has a dmsg URL in the plain field. */
function readService(fields: Fields, name: string): ServiceUrlPair {
  const plain = fields.url(name, ["http:", "https:", "dmsg:"]);
  const overDmsg = fields.url(`${name}_dmsg`, ["dmsg:"]);
  const isDmsg = plain?.startsWith("dmsg:") === true;
  return { http: isDmsg ? undefined : plain, dmsg: overDmsg ?? (isDmsg ? plain : undefined) };
}

function readStcp(fields: Fields): NodeConfig["stcp"] {
  if (!fields.has("skywire-tcp")) return undefined;
  const stcp = fields.object("skywire-tcp");
  const table = new Map<PublicKey, string>();
  for (const [publicKey, address] of stcp.object("pk_table").entriesByKey()) {
    table.set(publicKey, address);
  }
  const listen = stcp.text("listening_address") || STCP_ADDRESS_DEFAULT;
  return { table, listen: stcp.address("listening_address", listen) };
}
