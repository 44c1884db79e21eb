/**
 * The visor's configuration, in Skywire's own format: files of 2024 and 2026 load unchanged (config.md 1, 2).
 *
 * Only what skyctl uses is looked at; every other field is kept as it is. What is wrong is said with field,
 * value and remedy, and nothing is written.
 *
 * @module
 */
import { CallerError, type SkyErrorOptions } from "../base/mod.ts";
import { parsePublicKey, type PublicKey, SecretKey } from "../crypto/mod.ts";
import { parseAuthority } from "../directory/mod.ts";

/** The generation of Skywire's format that is written; on load only the major number counts. */
export const CONFIG_VERSION = "v1.3.76";
/** Where the control API listens unless configured otherwise (`cli_addr`). */
export const CONTROL_ADDRESS_DEFAULT = "127.0.0.1:3435";
export const CONFIG_BYTES_MAX = 4 * 1024 * 1024;

/** A configuration that cannot be used: which file, which field, which value, and what to do. */
export class ConfigError extends CallerError {
  readonly code = "CONFIG";
  constructor(
    readonly file: string,
    readonly field: string,
    problem: string,
    options: SkyErrorOptions = {},
  ) {
    super(field === "" ? `${file}: ${problem}` : `${file}: field ${field}: ${problem}`, options);
  }
}

/** A dmsg server that is known from a file. */
export interface ConfiguredServer {
  readonly publicKey: PublicKey;
  /** `host:port`. */
  readonly address: string;
}

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
    readonly servers: readonly ConfiguredServer[];
    readonly serversType: "all" | "official" | "community";
  };
  readonly controlAddress: string;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly surveyWhitelist: readonly PublicKey[];
  readonly hypervisors: readonly PublicKey[];
  /** The whole file as it was read, unknown fields included. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** Reads a configuration. Errors: `ConfigError`. */
export function parseVisorConfig(text: string, file: string): VisorConfig {
  if (text.length > CONFIG_BYTES_MAX) throw new ConfigError(file, "", "it is too large for a configuration");
  let raw: unknown;
  try {
    raw = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch {
    // The parser's own message may quote the secret key.
    throw new ConfigError(file, "", `it is not JSON${placeOfProblem(text)}`, {
      hint: "correct it, or move it away and start again to have a new one made",
    });
  }
  const fields = new Fields(file, raw, "");
  checkVersion(fields);
  const secretKey = readSecretKey(fields);
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
    logLevel: readLogLevel(fields),
    surveyWhitelist: fields.keys("survey_whitelist"),
    hypervisors: fields.keys("hypervisors"),
    raw: raw as Record<string, unknown>,
  };
}

/** The text of a new configuration, tab-indented as Skywire writes it. Holds the secret key: mode 0600. */
export function renderNewConfig(
  { secretKey, discovery, discoveryDmsg, servers }: {
    readonly secretKey: SecretKey;
    readonly discovery: string | undefined;
    readonly discoveryDmsg: string | undefined;
    readonly servers: readonly ConfiguredServer[];
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

function readSecretKey(fields: Fields): SecretKey | undefined {
  const text = fields.text("sk");
  if (text === undefined || /^0*$/.test(text)) return undefined;
  let secretKey: SecretKey;
  try {
    secretKey = SecretKey.parse(text);
  } catch {
    throw new ConfigError(fields.file, "sk", "it must be a secret key, 64 hex characters (value not shown)", {
      hint: "skyctl keys gen --show-secret",
    });
  }
  const publicKey = fields.text("pk");
  if (publicKey !== undefined && !/^0*$/.test(publicKey) && publicKey.toLowerCase() !== secretKey.publicKey) {
    fields.refuse("pk", `it must be ${secretKey.publicKey}, which belongs to sk`, "correct pk, or remove it");
  }
  return secretKey;
}

function readServers(dmsg: Fields): ConfiguredServer[] {
  return dmsg.list("servers").map((item) => {
    const server = item.object("server");
    const address = server.text("address") ?? server.refuse("address", "it must be host:port");
    try {
      parseAuthority(address, 0);
    } catch {
      server.refuse("address", "it must be host:port");
    }
    return { publicKey: item.key("static"), address };
  });
}

function readControlAddress(fields: Fields): string {
  const text = fields.text("cli_addr");
  if (text === undefined || text === "") return CONTROL_ADDRESS_DEFAULT;
  try {
    parseAuthority(text.startsWith(":") ? `127.0.0.1${text}` : text, 0);
  } catch {
    fields.refuse("cli_addr", "it must be host:port, e.g. 127.0.0.1:3435");
  }
  return text.startsWith(":") ? `127.0.0.1${text}` : text;
}

/** Skywire's levels, folded into ours. */
function readLogLevel(fields: Fields): VisorConfig["logLevel"] {
  const level = fields.text("log_level") || "info";
  const folded = ({
    trace: "debug",
    debug: "debug",
    info: "info",
    warn: "warn",
    warning: "warn",
    error: "error",
    fatal: "error",
    panic: "error",
  } as const)[level.toLowerCase()];
  return folded ?? fields.refuse("log_level", "it must be one of debug, info, warn, error");
}

/** Line and column of the first thing that JSON.parse refused, where the engine says so. */
function placeOfProblem(text: string): string {
  try {
    JSON.parse(text);
  } catch (error) {
    const position = /position (\d+)/.exec(String(error))?.[1];
    if (position === undefined) return "";
    const before = text.slice(0, Number(position)).split("\n");
    return ` (line ${before.length}, column ${before[before.length - 1]!.length + 1})`;
  }
  return "";
}

/** Fields of one object of a configuration, each read with its rule. An absent or null field has its default. */
class Fields {
  readonly #values: Record<string, unknown>;
  constructor(readonly file: string, value: unknown, readonly path: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new ConfigError(file, path, `it must be an object, not ${shown(value)}`);
    }
    this.#values = value as Record<string, unknown>;
  }

  refuse(name: string, rule: string, hint?: string): never {
    throw new ConfigError(this.file, this.#at(name), `value ${shown(this.#values[name])}: ${rule}`, { hint });
  }

  text(name: string): string | undefined {
    const value = this.#values[name] ?? undefined;
    if (value === undefined || typeof value === "string") return value;
    return this.refuse(name, "it must be text");
  }

  wholeNumber(name: string, otherwise: number, max: number): number {
    const value = this.#values[name] ?? otherwise;
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max) return value;
    return this.refuse(name, `it must be a whole number from 0 to ${max}`);
  }

  choice<const T extends readonly string[]>(name: string, choices: T): T[number] {
    const value = this.text(name) || choices[0]!;
    if (choices.includes(value)) return value;
    return this.refuse(name, `it must be one of ${choices.join(", ")}`);
  }

  url(name: string, schemes: readonly string[]): string | undefined {
    const value = this.text(name);
    if (value === undefined || value === "") return undefined;
    const scheme = /^([a-z]+:)\/\/[^/]+/.exec(value)?.[1];
    if (scheme !== undefined && schemes.includes(scheme)) return value.replace(/\/+$/, "");
    return this.refuse(
      name,
      `it must be a URL that starts with ${schemes.map((s) => `${s}//`).join(" or ")}`,
    );
  }

  key(name: string): PublicKey {
    const value = this.text(name);
    try {
      return parsePublicKey(value ?? "");
    } catch {
      return this.refuse(name, "it must be a public key, 66 hex characters");
    }
  }

  keys(name: string): PublicKey[] {
    return this.#array(name).map((value, index) => {
      try {
        return parsePublicKey(String(value));
      } catch {
        return this.refuse(name, `item ${index} must be a public key, 66 hex characters`);
      }
    });
  }

  object(name: string): Fields {
    return new Fields(this.file, this.#values[name] ?? {}, this.#at(name));
  }

  list(name: string): Fields[] {
    return this.#array(name).map((value, index) =>
      new Fields(this.file, value, `${this.#at(name)}[${index}]`)
    );
  }

  #array(name: string): unknown[] {
    const value = this.#values[name] ?? [];
    return Array.isArray(value) ? value : this.refuse(name, "it must be a list");
  }

  #at(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`;
  }
}

/** A value as an error shows it: short. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
