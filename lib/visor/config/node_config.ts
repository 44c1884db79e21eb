/**
 * What a visor's configuration says of transports, routes and apps (config.md 1, 2).
 *
 * @module
 */
import type { PublicKey } from "../../crypto/mod.ts";
import type { Fields } from "../../deployment/mod.ts";
import type { SocketAddress } from "../../runtime/mod.ts";
import { readField, SERVICE_INTERVAL_MS_DEFAULT } from "./fields.ts";

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
  readonly serviceDiscovery: ServiceUrlPair;
  readonly uptimeTracker: ServiceUrlPair;
  readonly configuration: ServiceUrlPair;
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
  readonly presence: PresenceConfig;
}

/** How the visor makes itself known, and whom it connects to by itself. */
export interface PresenceConfig {
  /** It offers itself to all. */
  readonly isPublic: boolean;
  /** For being refused as public before it is given up. */
  readonly publicTimeoutMs: number;
  /** Of a public visor: transports that others open. 0: as any other visor. */
  readonly publicTransportsMax: number;
  /** Everybody may see its addresses. */
  readonly displayNodeIp: boolean;
  /** Between two registrations at the service discovery. */
  readonly serviceIntervalMs: number;
  /** It makes transports to public visors by itself. */
  readonly autoconnects: boolean;
}

/** One entry of `launcher.apps`. */
export interface AppConfig {
  readonly name: string;
  readonly binary: string;
  readonly args: readonly string[];
  readonly autoStart: boolean;
  readonly port: number;
}

/** Registering more often is a load for everybody's service. */
export const SERVICE_INTERVAL_MS_MIN = 5_000;
/** More apps than a configuration can mean. */
const APPS_MAX = 256;

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

/** Errors: `ConfigError`. */
export function readNode(fields: Fields): NodeConfig {
  return {
    transportDiscovery: pairOf(
      readField(fields, "transport.discovery"),
      readField(fields, "transport.discovery_dmsg"),
    ),
    addressResolver: pairOf(
      readField(fields, "transport.address_resolver"),
      readField(fields, "transport.address_resolver_dmsg"),
    ),
    routeFinder: pairOf(
      readField(fields, "routing.route_finder"),
      readField(fields, "routing.route_finder_dmsg"),
    ),
    serviceDiscovery: pairOf(
      readField(fields, "launcher.service_discovery"),
      readField(fields, "launcher.service_discovery_dmsg"),
    ),
    uptimeTracker: pairOf(
      readField(fields, "uptime_tracker.addr"),
      readField(fields, "uptime_tracker.addr_dmsg"),
    ),
    configuration: pairOf(readField(fields, "conf_service"), readField(fields, "conf_service_dmsg")),
    routeFinderTimeoutMs: readField(fields, "routing.route_finder_timeout"),
    transportSetupNodes: [
      ...readField(fields, "transport.transport_setup"),
      ...readField(fields, "transport.user_transport_setup"),
    ],
    routeSetupNodes: [
      ...readField(fields, "routing.route_setup_nodes"),
      ...readField(fields, "routing.user_route_setup_nodes"),
    ],
    minHops: Math.max(1, readField(fields, "routing.min_hops")),
    stcprPort: readField(fields, "transport.stcpr_port"),
    sudphPort: readField(fields, "transport.sudph_port"),
    stunServers: readField(fields, "stun_servers"),
    allowLoopbackAddresses: readField(fields, "transport.allow_loopback_addresses"),
    stcp: fields.has("skywire-tcp")
      ? {
        table: readField(fields, "skywire-tcp.pk_table"),
        listen: readField(fields, "skywire-tcp.listening_address"),
      }
      : undefined,
    persistentTransports: readField(fields, "persistent_transports").map(({ pk, type }) => ({
      publicKey: pk,
      type,
    })),
    presence: {
      isPublic: readField(fields, "is_public"),
      publicTimeoutMs: readField(fields, "public_visor.registration_timeout"),
      publicTransportsMax: readField(fields, "public_visor.max_transports"),
      displayNodeIp: readField(fields, "launcher.display_node_ip"),
      // Files say 0 for the default, and a slip of units must not become a load for everybody's service.
      serviceIntervalMs: Math.max(
        SERVICE_INTERVAL_MS_MIN,
        readField(fields, "launcher.heartbeat_interval") || SERVICE_INTERVAL_MS_DEFAULT,
      ),
      autoconnects: readField(fields, "transport.public_autoconnect"),
    },
  };
}

/** Errors: `ConfigError`, also where two apps have one name. */
export function readApps(fields: Fields): AppConfig[] {
  const apps = readField(fields, "launcher.apps");
  const launcher = fields.object("launcher");
  if (apps.length > APPS_MAX) launcher.refuse("apps", `it must have at most ${APPS_MAX} items`);
  const names = new Set<string>();
  return apps.map(({ name, binary, args, auto_start: autoStart, port }, index) => {
    if (names.has(name)) launcher.list("apps")[index]!.refuse("name", "another app has it already");
    names.add(name);
    return { name, binary: binary ?? name, args, autoStart, port };
  });
}

/** A 2024 file has a dmsg URL in the plain field. */
function pairOf(plain: string | undefined, overDmsg: string | undefined): ServiceUrlPair {
  const isDmsg = plain?.startsWith("dmsg:") === true;
  return { http: isDmsg ? undefined : plain, dmsg: overDmsg ?? (isDmsg ? plain : undefined) };
}
