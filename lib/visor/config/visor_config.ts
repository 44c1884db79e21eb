/**
 * The visor's configuration, in Skywire's own format: files of 2024 and 2026 load unchanged (config.md 1, 2).
 *
 * Only what skyctl uses is looked at; every other field is kept as it is. What is wrong is said with field,
 * value and remedy, and nothing is written.
 *
 * @module
 */
import type { LogLevel } from "../../base/mod.ts";
import type { PublicKey, SecretKey } from "../../crypto/mod.ts";
import { Fields, parseConfigText } from "../../deployment/mod.ts";
import type { KnownServer } from "../../directory/mod.ts";
import type { SocketAddress } from "../../runtime/mod.ts";
import { readField } from "./fields.ts";
import { type AppConfig, type NodeConfig, readApps, readNode } from "./node_config.ts";
import { refuseOtherKind } from "./other_kind.ts";

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
  /** Who gets the rewards. Undefined: nobody. */
  readonly rewardAddress: string | undefined;
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

/** Reads a configuration. Errors: `ConfigError`, also for a file of another kind. */
export function parseVisorConfig(text: string, file: string): VisorConfig {
  const raw = parseConfigText(text, file);
  refuseOtherKind(raw, file);
  const fields = new Fields(file, raw, "");
  readField(fields, "version");
  return {
    secretKey: readField(fields, "sk"),
    dmsg: {
      discovery: readField(fields, "dmsg.discovery"),
      discoveryDmsg: readField(fields, "dmsg.discovery_dmsg"),
      sessionsCount: readField(fields, "dmsg.sessions_count"),
      servers: readField(fields, "dmsg.servers").map((server) => ({
        publicKey: server.static,
        address: server["server.address"],
      })),
      serversType: readField(fields, "dmsg.servers_type"),
    },
    controlAddress: readField(fields, "cli_addr"),
    logLevel: readField(fields, "log_level"),
    surveyWhitelist: [
      ...readField(fields, "survey_whitelist"),
      ...readField(fields, "user_survey_whitelist"),
    ],
    rewardAddress: readField(fields, "reward_address"),
    uptimeSampleMs: readSampleInterval(fields),
    hypervisors: readField(fields, "hypervisors"),
    node: readNode(fields),
    apps: readApps(fields),
    raw,
  };
}

function readSampleInterval(fields: Fields): number {
  const intervalMs = readField(fields, "stats.sample_interval");
  return readField(fields, "stats.disabled") ? 0 : intervalMs;
}
