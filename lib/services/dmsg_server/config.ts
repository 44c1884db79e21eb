/**
 * The configuration of a dmsg server, in Skywire's own format (dmsg.md 13.1).
 *
 * @module
 */
import type { LogLevel } from "../../base/mod.ts";
import type { PublicKey, SecretKey } from "../../crypto/mod.ts";
import { embeddedDeployment, Fields, parseConfigText, readSecretKey } from "../../deployment/mod.ts";
import { type PeerSettings, SERVER_SESSIONS_MAX } from "../../dmsg/mod.ts";
import type { SocketAddress } from "../../runtime/mod.ts";
import { readServerDeployments, type RegistrationWay, type ServerDeployment } from "./deployments.ts";
import { readPeerSettings } from "./peer_config.ts";

/** What skyctl uses of a dmsg server's configuration. */
export interface DmsgServerConfig {
  /** Undefined: none in the file, one is made for this run. */
  readonly secretKey: SecretKey | undefined;
  /** Where it registers, and through which servers it gets there. */
  readonly deployments: readonly ServerDeployment[];
  /** Over dmsg, unless told otherwise. */
  readonly registration: RegistrationWay;
  readonly peering: PeerSettings;
  /** Where sessions are accepted. */
  readonly listen: SocketAddress;
  /** `host:port` that clients dial; undefined: the bound address. */
  readonly publicAddress: string | undefined;
  /** Where `/health` is served; undefined: nowhere. */
  readonly health: SocketAddress | undefined;
  readonly logLevel: LogLevel;
  /** Between two posts of the entry. */
  readonly updateIntervalMs: number;
  readonly sessionsMax: number;
  /** Who may use the debug endpoints on dmsg port 80 besides the server itself. */
  readonly surveyWhitelist: readonly PublicKey[];
  readonly authPassphrase: string | undefined;
}

/** Settings of the command line, which beat those of the file. */
export interface DmsgServerOverrides {
  /** This one or the next in place of every deployment in the file. */
  readonly discovery?: string | undefined;
  readonly discoveryDmsg?: string | undefined;
  readonly httpRegistration?: boolean | undefined;
  readonly listen?: string | undefined;
  readonly public?: string | undefined;
  readonly health?: string | undefined;
  readonly auth?: string | undefined;
  readonly logLevel?: LogLevel | undefined;
}

const UPDATE_INTERVAL_DEFAULT_MS = 60_000;
/** Loopback: a server that nobody told to be public is not (dmsg.md 13.1: `127.0.0.1:8081`). */
const PUBLIC_ADDRESS_DEFAULT = "127.0.0.1:8081";
const LOCAL_ADDRESS_DEFAULT = ":8081";
const HEALTH_ADDRESS_DEFAULT = "127.0.0.1:8082";

/** Reads a configuration. Errors: `ConfigError`. */
export function parseDmsgServerConfig(
  text: string,
  file: string,
  overrides: DmsgServerOverrides = {},
): DmsgServerConfig {
  const { listen, public: publicAddress, health, auth, logLevel } = overrides;
  const given = {
    ...parseConfigText(text, file),
    ...deploymentOverrides(overrides),
    ...some({
      local_address: listen,
      public_address: publicAddress,
      health_endpoint_address: health,
      auth_passphrase: auth,
      log_level: logLevel,
    }),
  };
  const fields = new Fields(file, given, "");
  const interval = fields.wholeNumber("update_interval", 0, Number.MAX_SAFE_INTEGER);
  const advertised = fields.text("public_address") ?? PUBLIC_ADDRESS_DEFAULT;
  if (advertised !== "") {
    const { hostname, port } = fields.address("public_address", advertised, "");
    if (hostname === "" || port === 0) {
      fields.refuse("public_address", "it must be host:port that clients can dial");
    }
  }
  const healthText = fields.text("health_endpoint_address") ?? HEALTH_ADDRESS_DEFAULT;
  return {
    secretKey: readSecretKey(fields, { secret: "secret_key", public: "public_key" }),
    deployments: readServerDeployments(fields, given),
    registration: fields.choice("registration", ["dmsg", "http"]),
    peering: readPeerSettings(fields),
    listen: fields.address("local_address", fields.text("local_address") || LOCAL_ADDRESS_DEFAULT),
    publicAddress: advertised === "" ? undefined : advertised,
    health: healthText === "" || healthText === "none"
      ? undefined
      : fields.address("health_endpoint_address", healthText),
    logLevel: fields.logLevel("log_level"),
    updateIntervalMs: interval === 0 ? UPDATE_INTERVAL_DEFAULT_MS : Math.max(1_000, interval / 1_000_000),
    sessionsMax: fields.wholeNumber("max_sessions", SERVER_SESSIONS_MAX, 65_535),
    surveyWhitelist: fields.keys("survey_whitelist"),
    authPassphrase: fields.text("auth_passphrase") || undefined,
  };
}

/** The text of a new configuration. Holds the secret key: mode 0600. */
export function renderDmsgServerConfig(
  { publicKey, secretKey }: { readonly publicKey: PublicKey; readonly secretKey: SecretKey },
  overrides: DmsgServerOverrides,
): string {
  const { dmsgDiscovery, dmsgDiscoveryDmsg } = embeddedDeployment("prod");
  const embedded = { discovery: dmsgDiscovery, discovery_dmsg: dmsgDiscoveryDmsg };
  const own = deploymentOverrides(overrides);
  const { registration, discovery, discovery_dmsg } = "dmsg" in own ? own : { ...embedded, ...own };
  const config = {
    public_key: publicKey,
    secret_key: secretKey.reveal(),
    discovery,
    discovery_dmsg,
    registration,
    public_address: overrides.public ?? advertisedFor(overrides.listen) ?? PUBLIC_ADDRESS_DEFAULT,
    local_address: overrides.listen ?? LOCAL_ADDRESS_DEFAULT,
    health_endpoint_address: overrides.health ?? HEALTH_ADDRESS_DEFAULT,
    log_level: overrides.logLevel ?? "info",
    update_interval: 0,
    max_sessions: SERVER_SESSIONS_MAX,
  };
  return JSON.stringify(config, null, 2) + "\n";
}

/** What a new configuration advertises for where it listens: on loopback, unless the operator says more. */
function advertisedFor(listen: string | undefined): string | undefined {
  if (listen?.endsWith(":0")) return ""; // the bound address, whichever it becomes
  return listen?.replace(/^(?:0\.0\.0\.0)?:/, "127.0.0.1:");
}

/** A discovery that is named takes the place of all that the file says of deployments: they never mix. */
function deploymentOverrides(
  { discovery, discoveryDmsg, httpRegistration }: DmsgServerOverrides,
): Record<string, unknown> {
  const registration = httpRegistration === true ? { registration: "http" } : {};
  if (discovery === undefined && discoveryDmsg === undefined) return registration;
  return { ...registration, dmsg: null, servers: [], discovery, discovery_dmsg: discoveryDmsg };
}

function some(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
