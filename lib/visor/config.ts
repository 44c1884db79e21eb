/**
 * The visor's configuration, in Skywire's own format: files of 2024 and 2026 load unchanged (config.md 1, 2).
 *
 * Only what skyctl uses is looked at; every other field is kept as it is. What is wrong is said with field,
 * value and remedy, and nothing is written.
 *
 * @module
 */
import type { LogLevel } from "../base/mod.ts";
import type { PublicKey, SecretKey } from "../crypto/mod.ts";
import { Fields, parseConfigText, readSecretKey } from "../deployment/mod.ts";
import type { KnownServer } from "../directory/mod.ts";
import type { SocketAddress } from "../runtime/mod.ts";
import { type AppConfig, APPS_DEFAULT, type NodeConfig, readApps, readNode } from "./_node_config.ts";

export type { AppConfig, NodeConfig, PersistentTransport, ServiceUrlPair } from "./_node_config.ts";

/** The generation of Skywire's format that is written; on load only the major number counts. */
export const CONFIG_VERSION = "v1.3.76";
/** Where the control API listens unless configured otherwise (`cli_addr`). */
export const CONTROL_ADDRESS_DEFAULT = "127.0.0.1:3435";

/** Between two looks of the visor at itself. */
export const SAMPLE_INTERVAL_MS_DEFAULT = 60_000;
/** More often says nothing more, and costs. */
const SAMPLE_INTERVAL_MS_MIN = 1_000;
/** What is kept is kept by the hour. */
const SAMPLE_INTERVAL_MS_MAX = 3_600_000;

/** What skyctl uses of a visor configuration. */
export interface VisorConfig {
  /** Undefined: none in the file (absent or all zeros), one is made. */
  readonly secretKey: SecretKey | undefined;
  readonly dmsg: {
    /** `http://...`; undefined: the deployment's. */
    readonly discovery: string | undefined;
    /** `dmsg://<key>:80`; undefined: the deployment's. */
    readonly discoveryDmsg: string | undefined;
    readonly sessionsCount: number;
    /** Empty: the deployment's. */
    readonly servers: readonly KnownServer[];
    readonly serversType: "all" | "official" | "community";
  };
  /** Where the control API is asked to listen. */
  readonly controlAddress: SocketAddress;
  readonly logLevel: LogLevel;
  readonly surveyWhitelist: readonly PublicKey[];
  /** How often the visor notes whether it is up; 0: never. */
  readonly uptimeSampleMs: number;
  readonly hypervisors: readonly PublicKey[];
  /** Transports and routes. */
  readonly node: NodeConfig;
  /** Apps of the launcher, those that are not built in among them. */
  readonly apps: readonly AppConfig[];
  /** The whole file as it was read, unknown fields included. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** Reads a configuration. Errors: `ConfigError`. */
export function parseVisorConfig(text: string, file: string): VisorConfig {
  const raw = parseConfigText(text, file);
  const fields = new Fields(file, raw, "");
  checkVersion(fields);
  const secretKey = readSecretKey(fields, { secret: "sk", public: "pk" });
  const dmsg = fields.object("dmsg");
  return {
    secretKey,
    dmsg: {
      discovery: dmsg.url("discovery", ["http:", "https:", "dmsg:"]),
      discoveryDmsg: dmsg.url("discovery_dmsg", ["dmsg:"]),
      sessionsCount: dmsg.wholeNumber("sessions_count", 1, 2_048),
      servers: readServers(dmsg),
      serversType: dmsg.choice("servers_type", ["all", "official", "community"]),
    },
    controlAddress: readControlAddress(fields),
    logLevel: fields.logLevel("log_level"),
    surveyWhitelist: fields.keys("survey_whitelist"),
    uptimeSampleMs: readSampleInterval(fields.object("stats")),
    hypervisors: fields.keys("hypervisors"),
    node: readNode(fields),
    apps: readApps(fields),
    raw,
  };
}

/** The text of a new configuration, tab-indented as Skywire writes it. Holds the secret key: mode 0600. */
export function renderNewConfig(
  { secretKey, discovery, discoveryDmsg, servers }: {
    readonly secretKey: SecretKey;
    readonly discovery: string | undefined;
    readonly discoveryDmsg: string | undefined;
    readonly servers: readonly KnownServer[];
  },
): string {
  const config = {
    version: CONFIG_VERSION,
    sk: secretKey.reveal(),
    pk: secretKey.publicKey,
    dmsg: {
      discovery: discovery ?? "",
      discovery_dmsg: discoveryDmsg ?? "",
      sessions_count: 2,
      servers: servers.map(({ publicKey, address }) => ({ static: publicKey, server: { address } })),
      servers_type: "all",
    },
    survey_whitelist: [],
    hypervisors: [],
    cli_addr: CONTROL_ADDRESS_DEFAULT,
    log_level: "info",
    local_path: "./local",
    shutdown_timeout: "10s",
    is_public: false,
    transport: { stcpr_port: 0, sudph_port: 0 },
    routing: { min_hops: 1 },
    launcher: {
      apps: APPS_DEFAULT.map(({ name, binary, args, autoStart, port }) => ({
        name,
        binary,
        args,
        auto_start: autoStart,
        port,
      })),
    },
  };
  return JSON.stringify(config, null, "\t") + "\n";
}

function checkVersion(fields: Fields): void {
  const version = fields.text("version");
  if (version === undefined || version === "" || version === "unknown") return;
  const major = /^v?(\d+)\./.exec(version)?.[1];
  if (major === undefined) fields.refuse("version", "it must look like v1.3.76");
  if (major !== "1") fields.refuse("version", "only major version 1 is known", "make a new configuration");
}

function readSampleInterval(stats: Fields): number {
  const intervalMs = stats.durationMs("sample_interval", SAMPLE_INTERVAL_MS_DEFAULT, SAMPLE_INTERVAL_MS_MAX);
  if (intervalMs < SAMPLE_INTERVAL_MS_MIN) stats.refuse("sample_interval", "it must be at least 1s");
  return stats.boolean("disabled") ? 0 : intervalMs;
}

function readServers(dmsg: Fields): KnownServer[] {
  return dmsg.list("servers").map((item) => {
    const server = item.object("server");
    const address = server.text("address") ?? server.refuse("address", "it must be host:port");
    server.address("address", address);
    return { publicKey: item.key("static"), address };
  });
}

/** Without a host it is loopback: whoever reaches it and has the token rules the visor. */
function readControlAddress(fields: Fields): SocketAddress {
  return fields.address("cli_addr", fields.text("cli_addr") || CONTROL_ADDRESS_DEFAULT, "127.0.0.1");
}
