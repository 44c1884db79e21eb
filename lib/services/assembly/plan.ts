/** What shall run in one process: services, each with its key, its places and its settings. @module */
import type { PublicKey, SecretKey } from "../../crypto/mod.ts";
import type { Deployment } from "../../deployment/mod.ts";
import type { DmsgNetwork } from "../../directory/mod.ts";
import { renderSocketAddress, type SocketAddress } from "../../runtime/mod.ts";
import type { DmsgServerConfig } from "../dmsg_server/mod.ts";
import { type AddressResolverSettings } from "../address_resolver/mod.ts";
import type { DmsgDiscoverySettings } from "../dmsg_discovery/mod.ts";
import { InvalidServiceSettingError, type Locations, type ServiceMode } from "../hosting/mod.ts";
import type { GraphSource } from "../route_finder/mod.ts";
import type { SetupNodeSettings } from "../setup_node/mod.ts";
import type { ServiceDiscoverySettings } from "../service_discovery/mod.ts";
import type { TransportDiscoverySettings } from "../transport_discovery/mod.ts";
import type { UptimeTrackerSettings } from "../uptime_tracker/mod.ts";
import { type ServiceTypeName, serviceTypeOf } from "./service_types.ts";

/** Where a service has its key from; a file that is missing is made, readable by its owner alone. */
export type KeySource = { readonly secretKey: SecretKey } | { readonly file: string };

/** Settings of every service; each takes those that are its own. */
export interface ServiceSettings
  extends
    Omit<DmsgDiscoverySettings, "publicKey" | "build">,
    Omit<TransportDiscoverySettings, "build">,
    Omit<AddressResolverSettings, "build">,
    Omit<ServiceDiscoverySettings, "build">,
    Omit<UptimeTrackerSettings, "build"> {
  /** `memory`, the path of a SQLite file, or a `redis://` URL. Default `memory`. */
  readonly store?: string;
  /** Connections to a Redis. */
  readonly redisPoolSize?: number;
  /** Who may read its log and profiles over dmsg. Default: who may in its network. */
  readonly surveyWhitelist?: readonly PublicKey[];
  /** Of an address resolver; absent: it has no UDP side. */
  readonly udpAddress?: SocketAddress;
  /** Of an uptime tracker: where its operator asks. */
  readonly privateAddress?: SocketAddress;
  /** Of an uptime tracker: a folder for a file of each day. */
  readonly archive?: string;
  /** Who is asked where addresses are; ended with the service. */
  readonly locations?: () => Locations;
  /** Of a route finder whose transport discovery is another process. */
  readonly transports?: () => Promise<GraphSource>;
  /** Of a config bootstrapper: what it tells. Default: the deployment that runs here. */
  readonly told?: Deployment;
  /** Of a setup node: when it refuses routes over visors that nobody can dial; false: never. */
  readonly circuits?: SetupNodeSettings["circuits"];
  /** Of a dmsg server; the rest of its configuration comes from the assembly. */
  readonly server?: Partial<
    Omit<DmsgServerConfig, "secretKey" | "listen" | "logLevel">
  >;
}

/** One service that shall run. */
export interface PlannedService {
  readonly type: ServiceTypeName;
  /** In logs, events and errors; of its own in the process. */
  readonly name: string;
  /** Absent: it has no key, and is not on dmsg. */
  readonly key?: KeySource;
  readonly mode: ServiceMode;
  /** Where it listens: HTTP, or the sessions of a dmsg server. Port 0 takes any free one. Absent: nowhere. */
  readonly address?: SocketAddress;
  /** `http://...` or `https://...`, for a dmsg server `host:port`: how others reach it. Default: where it listens. */
  readonly publicAddress?: string;
  /** How others call this machine, for what listens on every address of it. Default: the address itself. */
  readonly publicHost?: string;
  /** The network that it is in, where that is not the one of the process (its own block `dmsg`). */
  readonly network?: DmsgNetwork;
  readonly settings: ServiceSettings;
}

/** A service that is planned with the key file and the port of its type. */
export function planned(
  type: ServiceTypeName,
  { name = type, folder, hostname, port = serviceTypeOf(type).port, mode = "dual", settings = {} }: {
    readonly name?: string;
    /** Of key files. */
    readonly folder: string;
    readonly hostname: string;
    readonly port?: number | undefined;
    readonly mode?: ServiceMode;
    readonly settings?: ServiceSettings;
  },
): PlannedService {
  return {
    type,
    name,
    key: { file: `${folder}/${name}.key` },
    mode,
    address: port === undefined ? undefined : { hostname, port },
    settings,
  };
}

/**
 * Refuses plans that cannot run: two services of one name, two listeners at one address, a mode that a service has
 * not, no key where it needs one, a public address that is none. Errors: `InvalidServiceSettingError`, which names the services.
 */
export function checkPlan(services: readonly PlannedService[], more: readonly Listening[] = []): void {
  if (services.length === 0) {
    throw new InvalidServiceSettingError("There is no service to run", { hint: "skyctl svc ls" });
  }
  const names = new Map<string, PlannedService>();
  for (const service of services) {
    const { name, type, mode, key } = service;
    if (names.has(name)) {
      throw new InvalidServiceSettingError(`Two services have the name ${name}`, {
        hint: type === "dmsg-server"
          ? "give each a name of its own"
          : "one of each type is enough for a process",
      });
    }
    names.set(name, service);
    const { title, modes, needsKey } = serviceTypeOf(type);
    if (modes.length > 0 && !modes.includes(mode) && type !== "dmsg-discovery") { // which refuses it itself, and says why
      throw new InvalidServiceSettingError(`A ${title} cannot run in mode ${mode}`, {
        hint: `use ${modes.join(" or ")}`,
      });
    }
    if (type === "setup-node" && mode === "dual" && service.address === undefined) {
      throw new InvalidServiceSettingError(
        `The ${title} ${name} has no address for HTTP, which mode dual needs`,
        {
          hint: "give it one, or use dmsg",
        },
      );
    }
    checkTold(service);
    if (key === undefined && needsKey) {
      throw new InvalidServiceSettingError(`The ${title} ${name} needs a secret key, and there is none`, {
        hint: "give it a keyfile",
      });
    }
  }
  const listening = [...services.flatMap(listeningOf), ...more].filter(({ address }) => address.port !== 0);
  for (const [index, one] of listening.entries()) {
    const other = listening.slice(index + 1).find((each) => isSame(one, each));
    if (other === undefined) continue;
    throw collision(one, other);
  }
}

/** Refuses what others would be told, and could do nothing with. */
function checkTold({ name, publicHost, settings: { publicUdpAddress } }: PlannedService): void {
  if (publicHost !== undefined && !isHost(publicHost)) {
    throw new InvalidServiceSettingError(
      `Nobody can call this machine ${JSON.stringify(publicHost.slice(0, 80))}`,
      {
        hint: `give --public-host ${
          writtenOf(publicHost) ?? "a name or an address, without scheme, port and path: net.example"
        }`,
      },
    );
  }
  if (publicUdpAddress === undefined || isPublicPlace(publicUdpAddress)) return;
  throw new InvalidServiceSettingError(
    `No visor reaches the UDP side of ${name} at ${JSON.stringify(publicUdpAddress.slice(0, 80))}`,
    { hint: `give its public UDP address as ${placeHint(publicUdpAddress)}` },
  );
}

/** Whether it is `host:port`, an IPv6 host in brackets, by which others can reach something. */
export function isPublicPlace(text: string): boolean {
  const [, v6, host = "", port] = /^(?:\[([^[\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const isPort = Number(port) > 0 && Number(port) <= 65_535;
  return isPort && (v6 === undefined ? isHost(host) : v6.includes(":") && isHost(v6));
}

/** What to write instead of a place that is none. */
export function placeHint(text: string): string {
  const [, host = "", port = ""] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  const written = /\P{ASCII}/u.test(host) ? writtenOf(host) : undefined;
  const place = `${written ?? ""}:${port}`;
  return isPublicPlace(place) ? place : "host:port: ar.example.net:30178";
}

/** A host that is written so that no program knows it, as every program does: in ASCII, without brackets. */
function writtenOf(text: string): string | undefined {
  const bare = text.replace(/^\[(.*)\]$/, "$1");
  if ((bare === text && !/\P{ASCII}/u.test(text)) || /[/\\?#@%\s]/.test(text)) return undefined;
  const written = bare.includes(":") ? bare : URL.parse(`http://${bare}`)?.host ?? "";
  return isHost(written) ? written : undefined;
}

/** A name or an address by which others can mean one machine. */
function isHost(text: string): boolean {
  if (isEverywhere(text)) return false;
  return text.includes(":")
    ? URL.canParse(`http://[${text}]`)
    : /^[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_.])?$/i.test(text);
}

/** Two that cannot both be. */
export function collision(one: Listening, other: Listening): InvalidServiceSettingError {
  return new InvalidServiceSettingError(
    `${one.who} and ${other.who} would both listen on ${one.protocol} port ${one.address.port}: ` +
      `${renderSocketAddress(one.address)} and ${renderSocketAddress(other.address)}`,
    { hint: "give one of them another port" },
  );
}

/** Something that listens somewhere. */
export interface Listening {
  readonly who: string;
  readonly protocol: "TCP" | "UDP";
  readonly address: SocketAddress;
  /** What to do where another program has it. Default: that of all. */
  readonly hint?: string;
}

/** Every place at which a service will listen. */
export function listeningOf({ name: who, type, mode, address, settings }: PlannedService): Listening[] {
  const { udpAddress, privateAddress, server } = settings;
  const hasTcp = mode !== "dmsg" || type === "dmsg-server";
  return [
    ...(address === undefined || !hasTcp ? [] : [{ who, protocol: "TCP" as const, address }]),
    ...(privateAddress === undefined
      ? []
      : [{ who: `${who} for its operator`, protocol: "TCP" as const, address: privateAddress }]),
    ...(server?.health === undefined
      ? []
      : [{ who: `/health of ${who}`, protocol: "TCP" as const, address: server.health }]),
    ...(udpAddress === undefined ? [] : [{ who, protocol: "UDP" as const, address: udpAddress }]),
  ];
}

/** Every address of a machine is one of all of them. */
function isSame(one: Listening, other: Listening): boolean {
  if (one.protocol !== other.protocol || one.address.port !== other.address.port) return false;
  const [first, second] = [one.address.hostname, other.address.hostname];
  return first === second || isEverywhere(first) || isEverywhere(second);
}

/** Whether it stands for every address of the machine. */
export function isEverywhere(hostname: string): boolean {
  return hostname === "0.0.0.0" || hostname === "::";
}
