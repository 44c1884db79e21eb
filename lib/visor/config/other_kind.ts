/**
 * What JSON of Skywire's is no configuration of a visor: every field of one may be absent, so any object would pass.
 *
 * @module
 */
import { ConfigError, isDeployment } from "../../deployment/mod.ts";

type Raw = Readonly<Record<string, unknown>>;

interface Kind {
  readonly what: string;
  /** The command that takes such a file. */
  readonly next: string;
  is(raw: Raw): boolean;
}

/** Objects and keys of a visor alone: with one of them a file is a visor's, whatever else is in it. */
const OF_A_VISOR = ["sk", "pk", "transport", "routing", "launcher", "cli_addr", "is_public"];
/** Every member of a route setup node's file (protocol: config, section 5). */
const OF_A_SETUP_NODE = ["public_key", "secret_key", "dmsg", "transport_discovery", "log_level"];

const VISOR: Kind = {
  what: "the configuration of a visor",
  next: "without --sn skyctl conf gen -r makes a visor's anew",
  is: (raw) => OF_A_VISOR.some((name) => Object.hasOwn(raw, name)),
};
const SETUP_NODE: Kind = {
  what: "the configuration of a setup node",
  next: "skyctl svc run setup-node --config FILE runs it",
  is: (raw) => hasKey(raw) && Object.keys(raw).every((name) => OF_A_SETUP_NODE.includes(name)),
};

/** Kinds of files, each by what those after it do not have. */
const KINDS: readonly Kind[] = [
  VISOR,
  {
    what: "a file of services",
    next: "skyctl svc run --config FILE runs them",
    is: (raw) => Array.isArray(raw["services"]) || (isObject(raw["services"]) && !isDeployment(raw)),
  },
  {
    what: "the configuration of a dmsg server",
    next: "skyctl dmsg server run FILE runs it",
    is: (raw) =>
      hasKey(raw) &&
      ["public_address", "local_address", "health_endpoint_address"].some((name) => isText(raw[name])),
  },
  SETUP_NODE,
  {
    what: "the configuration of a transport setup node",
    next: "skyctl svc run transport-setup --config FILE runs it",
    is: (raw) =>
      hasKey(raw) && Object.keys(raw).every((name) => name === "port" || OF_A_SETUP_NODE.includes(name)),
  },
  {
    what: "a deployment file",
    next: "commands take it with --deployment FILE; skyctl conf gen -S FILE makes a configuration for it",
    is: (raw) => !hasKey(raw) && (isDeployment(raw) || Object.values(raw).some(isDeployment)),
  },
  {
    what: "the configuration of a config bootstrapper",
    next: "skyctl svc run config-bootstrapper --domain DOMAIN --config FILE runs one",
    is: ({ route_setup_nodes, transport_setup }) =>
      route_setup_nodes !== undefined || transport_setup !== undefined,
  },
  {
    what: "the configuration of a service",
    next: 'skyctl svc run --config takes it as an item of {"services": [...]}, with its type',
    is: (raw) => hasKey(raw) || isText(raw["addr"]) || isText(raw["redis"]),
  },
];

/**
 * Of which kind a file must not be: to take it for a visor's, or for a route setup node's, would be the end of what it
 * is. Errors: `ConfigError` for a file that is surely no visor's; for one that is not surely a setup node's.
 */
export function refuseOtherKind(
  raw: Raw,
  file: string,
  wanted: "a visor" | "a setup node" = "a visor",
): void {
  const kind = KINDS.find(({ is }) => is(raw));
  const isIt = wanted === "a visor" ? kind === undefined || kind === VISOR : kind === SETUP_NODE;
  if (isIt) return;
  const what = kind === undefined ? "" : `${kind.what}, and `;
  const next = kind === undefined ? "" : `; ${kind.next}`;
  throw new ConfigError(file, "", `it is ${what}no configuration of ${wanted}`, {
    hint: `leave it as it is, and name that of ${wanted.replace("a ", "the ")}${next}`,
  });
}

function hasKey({ secret_key, public_key }: Raw): boolean {
  return isText(secret_key) || isText(public_key);
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}
