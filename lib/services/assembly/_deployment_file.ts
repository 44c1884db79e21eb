/** The deployment file by which others join what an assembly runs. @module */
import { ConfigError } from "../../deployment/mod.ts";
import {
  type DmsgNetwork,
  type KnownServer,
  networkOfFile,
  renderDeploymentFile,
} from "../../directory/mod.ts";
import { FileNotFoundError, type World } from "../../runtime/mod.ts";
import { SERVICE_KINDS } from "./service_types.ts";
import type { StartedService } from "./started.ts";

/**
 * Its text: `network`, and what `base` says besides (STUN servers, whitelists). A field that is empty in the network
 * stays as `base` has it.
 */
export function deploymentText(network: DmsgNetwork, base: Readonly<Record<string, unknown>> = {}): string {
  const [told = {}] = Object.values(JSON.parse(renderDeploymentFile(network)) as Record<string, object>);
  const own = Object.entries(told).filter(([name, value]) => !(isEmpty(value) && name in base));
  const kept = Object.entries(base).filter(([name]) => !OF_THE_OPERATOR.has(name));
  return JSON.stringify(
    { [network.name]: { ...Object.fromEntries(kept), ...Object.fromEntries(own) } },
    null,
    2,
  ) +
    "\n";
}

/** What the file of an earlier run says, without the readers of logs, who are those of each run. */
export interface FormerDeployment {
  readonly network: DmsgNetwork;
  /** What it has besides the network: STUN servers, and what else was written there by hand. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * Reads `file` as it was left; undefined where there is none, and where it is of another network than `isSame` means.
 * Errors: of the files; `ConfigError` for one that cannot be used, so that what was written there by hand is not lost.
 */
export async function readFormerDeployment({ files, file, isSame }: {
  readonly files: World["files"];
  readonly file: string;
  readonly isSame: (network: DmsgNetwork) => boolean;
}): Promise<FormerDeployment | undefined> {
  let text: string;
  try {
    text = new TextDecoder().decode(await files.read(file));
  } catch (error) {
    if (error instanceof FileNotFoundError) return undefined;
    throw error;
  }
  try {
    const { surveyWhitelist: _, ...network } = networkOfFile(text, file);
    if (!isSame(network)) return undefined;
    const top = JSON.parse(text);
    const own: object = top[network.name === "production" ? "prod" : network.name] ?? top;
    const fields = Object.entries(own).filter(([name]) => !OF_A_NETWORK.has(name.replace(/_dmsg$/, "")));
    return { network, fields: Object.fromEntries(fields) };
  } catch (cause) {
    throw new ConfigError(file, "", "it would be written anew, and cannot be used as it is", {
      cause,
      hint: "put it right, or move it away",
    });
  }
}

/** Those of `servers` that do not run here, by key or under a new one at the same address. */
export function othersOf(
  servers: readonly KnownServer[],
  started: readonly StartedService[],
): KnownServer[] {
  const own = started.filter(({ plan }) => plan.type === "dmsg-server");
  const known = new Set<unknown>(own.flatMap(({ publicKey, address }) => [publicKey, address]));
  return servers.filter(({ publicKey, address }) => !known.has(publicKey) && !known.has(address));
}

/** The names of what `network` has and does not run here, for people. */
export function keptOf(network: DmsgNetwork, started: readonly StartedService[]): string[] {
  const running = new Set(started.map(({ plan }) => plan.type));
  const services = SERVICE_KINDS.flatMap((kind) =>
    "member" in kind && network[kind.member] !== undefined && !running.has(kind.type) ? [kind.title] : []
  );
  const of = (title: string, keys: readonly string[] = []) => keys.map((key) => `${title} ${key}`);
  return [
    ...services,
    ...of("dmsg server", othersOf(network.servers, started).map(({ publicKey }) => publicKey)),
    ...(running.has("setup-node") ? [] : of("setup node", network.setupNodes)),
    ...(running.has("transport-setup") ? [] : of("transport setup node", network.transportSetup)),
  ];
}

/** Fields of a deployment file that say what a network has; the addresses over dmsg besides. */
const OF_A_NETWORK: ReadonlySet<string> = new Set([
  "dmsg_discovery",
  "transport_discovery",
  "address_resolver",
  "route_finder",
  "service_discovery",
  "uptime_tracker",
  "conf",
  "dmsg_servers",
  "route_setup_nodes",
  "transport_setup",
  "survey_whitelist",
  "allow_loopback_addresses",
]);

function isEmpty(value: unknown): boolean {
  return value === "" || (Array.isArray(value) && value.length === 0);
}

/** Fields of a run file that nobody else needs (services.md 13.4). */
const OF_THE_OPERATOR: ReadonlySet<string> = new Set([
  "services",
  "dmsg_server_instances",
  "redis",
  "redis_pool_size",
  "postgres",
]);
