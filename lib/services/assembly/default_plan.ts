/** What an operator leaves open about the services of one process: names, ports, keys, stores. @module */
import { isLoopbackAddress } from "../../transport/mod.ts";
import { type Locations, type ServiceMode } from "../hosting/mod.ts";
import type { GraphSource } from "../route_finder/mod.ts";
import { isEverywhere, type PlannedService, type ServiceSettings } from "./plan.ts";
import type { FiledService } from "./run_file.ts";
import { SERVICE_KINDS, type ServiceTypeName, serviceTypeOf } from "./service_types.ts";

export interface PlanDefaults {
  /** Of key files and stores. */
  readonly folder: string;
  /** Where listeners are that have no address of their own. */
  readonly hostname: string;
  /** How others call this machine where that is every address of it. */
  readonly publicHost?: string | undefined;
  /** Any free port instead of the one of the type. */
  readonly freePorts?: boolean | undefined;
  /** What every service runs in, whatever a file says of it (`SKYWIRE_SVC_MODE`). */
  readonly forcedMode?: ServiceMode | undefined;
  /** For those of which nothing is said. Default dual. */
  readonly mode?: ServiceMode | undefined;
  /** Nothing is kept in files. */
  readonly testing?: boolean | undefined;
  /** `redis://...`: where services keep what they know instead of files. */
  readonly redis?: string | undefined;
  readonly redisPoolSize?: number | undefined;
  /** Life of transports, bindings and services; 0 is for ever. */
  readonly entryTimeoutMs?: number | undefined;
  readonly believeProxies?: boolean | undefined;
  /** Who is asked where addresses are. */
  readonly locationsAt: (url: string) => Locations;
  /** Transports for a route finder without a transport discovery beside it. */
  readonly transportsElsewhere: (service: FiledService) => Promise<GraphSource>;
}

/** dmsg servers of a deployment unless told otherwise: two, so that a client can lose one and go on. */
export const SERVERS_DEFAULT = 2;

/** These types, each once; of dmsg servers so many. */
export function servicesOfTypes(
  types: readonly ServiceTypeName[],
  servers: number = SERVERS_DEFAULT,
): FiledService[] {
  return types.flatMap((type): FiledService[] => {
    if (type !== "dmsg-server") return [{ type, name: type, settings: {} }];
    return Array.from(
      { length: servers },
      (_, index) => ({ type, name: `${type}-${index + 1}`, settings: {} }),
    );
  });
}

/** Every type. */
export const ALL_TYPES: readonly ServiceTypeName[] = SERVICE_KINDS.map(({ type }) => type);

/** Services with everything that is open about them. */
export function completed(services: readonly FiledService[], defaults: PlanDefaults): PlannedService[] {
  let server = 0;
  return services.map((service) => {
    const index = service.type === "dmsg-server" ? server++ : 0;
    return complete(service, index, defaults);
  });
}

function complete(service: FiledService, index: number, defaults: PlanDefaults): PlannedService {
  const { folder, hostname, publicHost, freePorts, locationsAt, transportsElsewhere } = defaults;
  const { type, name, settings, geoip } = service;
  const { port, modes } = serviceTypeOf(type);
  // A transport setup node does what anybody asks: it is for this machine alone.
  const host = type === "transport-setup" ? "127.0.0.1" : hostname;
  const at = (number: number) => ({ hostname: host, port: freePorts === true ? 0 : number });
  // Each server has two ports: sessions, and /health beside them.
  const address = service.address ?? (port === undefined ? undefined : at(port + 2 * index));
  const isOnDmsg = modes.length > 0 && !modes.includes("http");
  const chosen = defaults.forcedMode ?? service.mode ?? defaults.mode ?? "dual";
  const mode = !isOnDmsg ? chosen : service.mode ?? (address === undefined ? "dmsg" : "dual");
  const inTransit: ServiceSettings = type === "dmsg-server"
    ? { server: { health: at(8082 + 2 * index), ...settings.server } }
    : {};
  return {
    type,
    name,
    key: service.key ?? { file: `${folder}/${name}.key` },
    mode,
    address: type === "transport-setup" && address !== undefined && isEverywhere(address.hostname)
      ? { ...address, hostname: host }
      : address,
    publicAddress: service.publicAddress,
    publicHost,
    network: service.network,
    settings: {
      ...keeping(type, name, defaults),
      ...ofHost(type, address?.hostname ?? hostname),
      ...(type === "address-resolver" ? { udpAddress: address } : {}),
      ...(defaults.believeProxies === undefined ? {} : { believeProxies: defaults.believeProxies }),
      ...settings,
      ...inTransit,
      locations: geoip === undefined ? undefined : () => locationsAt(geoip),
      transports: type === "route-finder" ? () => transportsElsewhere(service) : undefined,
    },
  };
}

/** Where it keeps what it knows, and for how long. */
function keeping(
  type: ServiceTypeName,
  name: string,
  { folder, testing, redis, redisPoolSize, entryTimeoutMs }: PlanDefaults,
): ServiceSettings {
  const lives = entryTimeoutMs === undefined ? {} : { entryTimeoutMs };
  if (type === "route-finder") return lives; // of transports: a list of them is good for as long
  if (!serviceTypeOf(type).isKeeping) return {};
  const store = testing === true ? "memory" : redis ?? `${folder}/${name}.db`;
  return {
    store,
    ...(redisPoolSize === undefined ? {} : { redisPoolSize }),
    ...lives,
  };
}

/** A network on loopback cannot be without its addresses, and one on a public address has no use for them. */
function ofHost(type: ServiceTypeName, hostname: string): ServiceSettings {
  const isWanted = type === "dmsg-discovery" || type === "address-resolver" || type === "service-discovery";
  return isWanted && isLoopbackAddress(hostname) ? { allowLoopbackAddresses: true } : {};
}
