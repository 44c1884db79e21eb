/**
 * The file of `svc run` (services.md 13.4), in either form.
 *
 *     {"services": [{"type": "transport-discovery", "addr": ":9091", "entry_timeout": 300000000000, ...}, ...]}
 *
 *     {...a services object of a deployment...,
 *      "services": {"transport_discovery": {"addr": ":9091", "entry_timeout": "2m", "redis_pool_size": 150}, ...},
 *      "dmsg_server_instances": [{"name": "1", "config_file": "dmsg-1.json", "public_port": 30081}],
 *      "redis": "redis://127.0.0.1:6379"}
 *
 * The second may stand in a member such as `prod`. Fields that no service has are refused; what Skywire's services
 * have and these do not is passed over and told of.
 *
 * @module
 */
import {
  ConfigError,
  Fields,
  parseConfigText,
  readDeployments,
  readSecretKey,
} from "../../deployment/mod.ts";
import { type DmsgNetwork, networkOfFile, type ServiceAddress } from "../../directory/mod.ts";
import { parseDmsgUrl } from "../../dmsg/mod.ts";
import { renderSocketAddress, type SocketAddress } from "../../runtime/mod.ts";
import { parseDmsgServerConfig } from "../dmsg_server/mod.ts";
import { parseServiceMode, type ServiceMode } from "../hosting/mod.ts";
import { blockNetwork } from "../transport_setup/mod.ts";
import { entryTimeoutOf, nameOf, pollOf, publicPlaceOf, storeOf } from "./_run_file_values.ts";
import { FIELDS, NOT_OURS } from "./_run_file_fields.ts";
import type { PlannedService, ServiceSettings } from "./plan.ts";
import { findServiceType, type ServiceType, type ServiceTypeName, serviceTypeOf } from "./service_types.ts";

/** A service as the file has it; what it leaves open is the caller's. */
export interface FiledService extends Omit<PlannedService, "mode" | "settings"> {
  /** Undefined: the file does not say. */
  readonly mode?: ServiceMode;
  readonly settings: ServiceSettings;
  /** Asked where addresses are. */
  readonly geoip?: string;
  /** Of a route finder: whose list it reads, and how often. */
  readonly transportDiscovery?: ServiceAddress;
  readonly pollMs?: number;
}

export interface RunFile {
  readonly services: readonly FiledService[];
  /** Of the second form: what its deployment is called, its services object, and the network that this names. */
  readonly deployment?: {
    readonly name: string;
    readonly fields: Readonly<Record<string, unknown>>;
    readonly network: DmsgNetwork | undefined;
  };
  /** Where metrics of the process are asked for: the first `metrics_addr`. */
  readonly metricsAddress?: SocketAddress;
  /** The fields that name another place for them, which is none then. */
  readonly otherMetrics: readonly string[];
  /** Fields that are passed over: `services[0].pprof_addr`. */
  readonly passedOver: readonly string[];
}

export interface RunFileOptions {
  /** The text of a file that the run file names; paths are as they stand there. */
  readonly read: (file: string) => Promise<string>;
  /** Where listeners are that name no host. Default: every address of the machine, as `:9090` has it. */
  readonly everywhere?: string;
}

/** Reads a run file. Errors: `ConfigError`, `DeploymentError`, those of `read`. */
export async function parseRunFile(
  text: string,
  file: string,
  { read, everywhere = "0.0.0.0" }: RunFileOptions,
): Promise<RunFile> {
  const top = parseConfigText(text, file);
  const passedOver: string[] = [];
  const reading: Reading = { file, passedOver, everywhere, metrics: [] };
  if (Array.isArray(top["services"])) {
    refuseUnknown(top, new Set(["services"]), new Fields(file, top, ""));
    const services = new Fields(file, top, "").list("services").map((fields, index) => {
      const type = typeOf(fields, fields.text("type") ?? "");
      return readService(fields, (top["services"] as object[])[index]!, type, reading);
    });
    return { services: numbered(services), ...metricsOf(reading), passedOver };
  }
  const [name, fields] = deploymentIn(top, file);
  const at = name === SOLE ? "" : name;
  const own = new Fields(file, fields, at);
  const block = own.object("services");
  const services = Object.entries((fields["services"] ?? {}) as Record<string, object>).map((
    [member, value],
  ) =>
    readService(block.object(member), value ?? {}, typeOf(block, member), {
      ...reading,
      redis: own.text("redis") || undefined,
      poolSize: own.has("redis_pool_size")
        ? own.wholeNumber("redis_pool_size", 0, CONNECTIONS_MAX)
        : undefined,
    })
  );
  const servers: FiledService[] = [];
  for (const instance of own.list("dmsg_server_instances")) {
    servers.push(await readInstance(instance, { ...reading, read }));
  }
  if (own.text("postgres")) passedOver.push(at === "" ? "postgres" : `${at}.postgres`);
  const withUrls = services.map((service) => ({ ...service, publicAddress: urlOf(service.type, fields) }));
  const rest = Object.fromEntries(Object.entries(fields).filter(([field]) => !RUNNING.has(field)));
  readDeployments({ [name]: rest }); // names what is wrong with it
  return {
    services: numbered([...withUrls, ...servers]),
    deployment: { name, fields: rest, network: networkIn(rest, name, file) },
    ...metricsOf(reading),
    passedOver,
  };
}

const SOLE = "local";
const RUNNING: ReadonlySet<string> = new Set([
  "services",
  "dmsg_server_instances",
  "redis",
  "redis_pool_size",
  "postgres",
]);

type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object with `services`: the whole file, or its first member that has them. */
function deploymentIn(top: JsonObject, file: string): [name: string, fields: JsonObject] {
  if (isObject(top["services"]) || Array.isArray(top["dmsg_server_instances"])) return [SOLE, top];
  for (const [name, value] of Object.entries(top)) {
    if (isObject(value) && (isObject(value["services"]) || Array.isArray(value["dmsg_server_instances"]))) {
      return [name, value];
    }
  }
  throw new ConfigError(file, "services", "it is missing: a list of services, or an object of them", {
    hint: "skyctl svc run --help shows both forms",
  });
}

interface Reading {
  readonly file: string;
  readonly passedOver: string[];
  readonly everywhere: string;
  /** Every `metrics_addr`, with its field. */
  readonly metrics: { readonly field: string; readonly address: SocketAddress }[];
  readonly redis?: string | undefined;
  readonly poolSize?: number | undefined;
}

function typeOf(fields: Fields, text: string): ServiceType & { readonly type: ServiceTypeName } {
  const type = findServiceType(text);
  if (type !== undefined) return type;
  throw new ConfigError(
    fields.file,
    fields.path === "" ? "services" : fields.path,
    `${JSON.stringify(text.slice(0, 80))} is no type of a service`,
    { hint: "skyctl svc ls names them" },
  );
}

/** One service with the fields of services.md 13.3, and our own. */
function readService(
  fields: Fields,
  content: object,
  { type, modes }: ReturnType<typeof typeOf>,
  reading: Reading,
): FiledService {
  refuseUnknown(content, FIELDS, fields);
  for (const field of NOT_OURS) {
    if (fields.has(field)) reading.passedOver.push(`${fields.path}.${field}`);
  }
  if (modes.length === 0 && fields.has("mode")) reading.passedOver.push(`${fields.path}.mode`);
  const secretKey = readSecretKey(fields, { secret: "secret_key", public: "public_key" });
  const keyfile = fields.text("keyfile") || undefined;
  const mode = fields.text("mode");
  const address = (field: string, everywhere = reading.everywhere): SocketAddress | undefined => {
    const text = fields.text(field);
    return text ? fields.address(field, text, everywhere) : undefined;
  };
  const metrics = address("metrics_addr");
  if (metrics !== undefined) reading.metrics.push({ field: `${fields.path}.metrics_addr`, address: metrics });
  const testing = fields.boolean("testing");
  const entryTimeoutMs = entryTimeoutOf(fields, type);
  const settings: ServiceSettings = {
    ...given({
      store: testing ? "memory" : storeOf(fields, type, reading),
      redisPoolSize: fields.has("redis_pool_size")
        ? fields.wholeNumber("redis_pool_size", 0, CONNECTIONS_MAX)
        : reading.poolSize,
      entryTimeoutMs,
      clientTtlMs: type === "dmsg-discovery" ? entryTimeoutMs : undefined,
      surveyWhitelist: fields.has("survey_whitelist") ? fields.keys("survey_whitelist") : undefined,
      whitelistKeys: fields.has("whitelist_keys") ? fields.keys("whitelist_keys") : undefined,
      allowLoopbackAddresses: testing || undefined,
      believeProxies: fields.has("proxy_headers") ? fields.boolean("proxy_headers") : undefined,
      requestsPerMinute: fields.has("requests_per_minute")
        ? fields.wholeNumber("requests_per_minute", 0, REQUESTS_MAX)
        : undefined,
      listsPerMinute: fields.has("lists_per_minute")
        ? fields.wholeNumber("lists_per_minute", 0, REQUESTS_MAX)
        : undefined,
      udpAddress: address("udp_addr"),
      publicUdpAddress: publicPlaceOf(fields, "public_udp_address"),
      privateAddress: address("private_addr", "127.0.0.1"),
      archive: fields.text("archive") || undefined,
      passPhrase: fields.text("auth") || undefined,
      officialServers: fields.has("official_servers") ? fields.keys("official_servers") : undefined,
    }),
    ...(type === "dmsg-server" ? { server: readServerSettings(fields, reading) } : {}),
  };
  const url = fields.url("transport_discovery", ["http:", "https:", "dmsg:"]);
  return given({
    type,
    name: nameOf(fields) || type,
    key: secretKey !== undefined ? { secretKey } : keyfile === undefined ? undefined : { file: keyfile },
    mode: mode && modes.length > 0 ? modeOf(fields, mode) : undefined,
    address: address("addr") ?? (type === "dmsg-server" ? address("local_address") : undefined),
    publicAddress: type === "dmsg-server"
      ? fields.text("public_address") || undefined
      : fields.url("public_url", ["http:", "https:"]),
    network: fields.has("dmsg") || fields.has("discovery")
      ? blockNetwork(fields, content, reading.file)
      : undefined,
    geoip: fields.url("geoip", ["http:", "https:"]),
    transportDiscovery: url === undefined
      ? undefined
      : url.startsWith("dmsg:")
      ? { dmsg: parseDmsgUrl(url).address }
      : { http: url },
    pollMs: pollOf(fields),
    settings,
  }) as FiledService;
}

function readServerSettings(fields: Fields, { everywhere }: Reading): NonNullable<ServiceSettings["server"]> {
  const health = fields.text("health_endpoint_address");
  return given({
    health: health && health !== "none"
      ? fields.address("health_endpoint_address", health, everywhere)
      : undefined,
    sessionsMax: fields.has("max_sessions") ? fields.wholeNumber("max_sessions", 0, 65_535) : undefined,
    authPassphrase: fields.text("auth_passphrase") || undefined,
  });
}

/** A dmsg server with a configuration of its own. */
async function readInstance(
  fields: Fields,
  { read, passedOver, everywhere }: Reading & { readonly read: RunFileOptions["read"] },
): Promise<FiledService> {
  const name = `dmsg-server-${nameOf(fields) || "1"}`;
  if (fields.has("pprof")) passedOver.push(`${fields.path}.pprof`);
  const port = fields.has("public_port") ? fields.wholeNumber("public_port", 0, 65_535) : undefined;
  const file = fields.text("config_file");
  if (!file) {
    const keyfile = fields.text("keyfile") || undefined;
    const text = fields.text("addr") || undefined;
    const address = text ? fields.address("addr", text, everywhere) : undefined;
    const publicAddress = fields.text("public_address") || undefined;
    return given({
      type: "dmsg-server" as const,
      name,
      key: keyfile === undefined ? undefined : { file: keyfile },
      address: address ?? (port === undefined ? undefined : { hostname: everywhere, port }),
      publicAddress,
      settings: {},
    }) as FiledService;
  }
  const config = parseDmsgServerConfig(await read(file), file);
  const { secretKey, listen, publicAddress, health, peering, sessionsMax, authPassphrase, updateIntervalMs } =
    config;
  return given({
    type: "dmsg-server" as const,
    name,
    key: secretKey && { secretKey },
    address: listen,
    publicAddress: port === undefined || publicAddress === undefined
      ? publicAddress
      : publicAddress.replace(/:\d+$/, `:${port}`),
    settings: { server: given({ health, peering, sessionsMax, authPassphrase, updateIntervalMs }) },
  }) as FiledService;
}

function modeOf(fields: Fields, text: string): ServiceMode {
  try {
    return parseServiceMode(text);
  } catch {
    return fields.refuse("mode", "it must be http, dmsg or dual");
  }
}

/** A process has one listener for them. Several may name it. */
function metricsOf({ metrics }: Reading): Pick<RunFile, "metricsAddress" | "otherMetrics"> {
  const [first, ...rest] = metrics.map(({ field, address }) => ({
    field,
    text: renderSocketAddress(address),
  }));
  const otherMetrics = rest.filter(({ text }) => text !== first!.text).map(({ field }) => field);
  return { metricsAddress: metrics[0]?.address, otherMetrics };
}

/** Of several of one type each has a name of its own. */
function numbered(services: readonly FiledService[]): FiledService[] {
  const seen = new Map<string, number>();
  return services.map((service) => {
    const count = (seen.get(service.name) ?? 0) + 1;
    seen.set(service.name, count);
    return count === 1 || service.type !== "dmsg-server"
      ? service
      : { ...service, name: `${service.name}-${count}` };
  });
}

/** The URL that a services object has for a service. */
function urlOf(type: ServiceTypeName, fields: JsonObject): string | undefined {
  const { member } = serviceTypeOf(type);
  const field = type === "dmsg-discovery"
    ? "dmsg_discovery"
    : member?.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
  const url = field === undefined ? undefined : fields[field];
  return typeof url === "string" && /^https?:/.test(url) ? url.replace(/\/+$/, "") : undefined;
}

function networkIn(fields: JsonObject, name: string, file: string): DmsgNetwork | undefined {
  const hasDiscovery = Boolean(fields["dmsg_discovery"] || fields["dmsg_discovery_dmsg"]);
  return hasDiscovery ? networkOfFile(JSON.stringify({ [name]: fields }), file) : undefined;
}

/** Without members that are undefined: they would hide a default. */
function given<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

function refuseUnknown(content: object, known: ReadonlySet<string>, fields: Fields): void {
  for (const name of Object.keys(content)) {
    if (!known.has(name)) {
      fields.refuse(name.slice(0, 80), "no service has this field", "correct its name, or take it out");
    }
  }
}

/** To one Redis; a pool takes fewer by itself. */
const CONNECTIONS_MAX = 65_535;
/** More of one caller in a minute is no limit. */
const REQUESTS_MAX = 1_000_000;
