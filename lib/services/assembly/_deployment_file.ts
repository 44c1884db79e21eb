/** The deployment file by which others join what an assembly runs. @module */
import type { Log } from "../../base/mod.ts";
import { type PublicKey, readKeyPair } from "../../crypto/mod.ts";
import { ConfigError, isDeployment } from "../../deployment/mod.ts";
import {
  type DmsgNetwork,
  type KnownServer,
  networkOfFile,
  renderDeploymentFile,
} from "../../directory/mod.ts";
import { FileNotFoundError, type World } from "../../runtime/mod.ts";
import type { PlannedService } from "./plan.ts";
import { SERVICE_KINDS, type ServiceTypeName } from "./service_types.ts";
import type { StartedService } from "./started.ts";

/**
 * Its text: `network`, and what `base` says besides (STUN servers, whitelists). A field that is empty in the network
 * stays as `base` has it. `beside`: what stands beside the deployment.
 */
export function deploymentText(
  network: DmsgNetwork,
  base: Readonly<Record<string, unknown>> = {},
  beside: FormerDeployment["beside"] = {},
): string {
  const [told = {}] = Object.values(JSON.parse(renderDeploymentFile(network)) as Record<string, object>);
  const own = Object.entries(told).filter(([name, value]) => !(isEmpty(value) && name in base));
  const kept = Object.entries(base).filter(([name]) => !OF_THE_OPERATOR.has(name));
  return JSON.stringify(
    { ...beside, [network.name]: { ...Object.fromEntries(kept), ...Object.fromEntries(own) } },
    null,
    2,
  ) +
    "\n";
}

/** What the file of an earlier run says, without the readers of logs, who are those of each run. */
export interface FormerDeployment {
  /** As the file has it; undefined where it has none. */
  readonly name: string | undefined;
  readonly network: DmsgNetwork;
  /** What it has besides the network: STUN servers, and what else was written there by hand. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** What stands beside the deployment and is none: `"_comment": "ours"`. */
  readonly beside: Readonly<Record<string, unknown>>;
}

/**
 * Reads `file` as it was left; undefined where there is none, and where it is of another network than `isSame` means.
 * Errors: of the files; `ConfigError` for one that cannot be used or has several deployments, so that what was written
 * there by hand is not lost.
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
  const { network: { surveyWhitelist: _, ...network }, top } = usable(text, file);
  const members = isDeployment(top) ? [] : Object.entries(top);
  const isRemark = ([, value]: [string, unknown]) => typeof value !== "object" || value === null;
  const names = members.filter((each) => !isRemark(each)).map(([name]) => name);
  if (names.length > 1) {
    throw new ConfigError(
      file,
      "",
      `it has ${names.join(", ").slice(0, 200)}, and would be written anew with one of them`,
      {
        hint: "leave the deployment of this network in it, and move the rest to another file",
      },
    );
  }
  if (!isSame(network)) return undefined;
  const [name] = names;
  const own = (name === undefined ? top : top[name]) as object;
  const fields = Object.entries(own).filter(([field]) => !OF_A_NETWORK.has(field.replace(/_dmsg$/, "")));
  const beside = Object.fromEntries(members.filter(isRemark));
  return { name, network, fields: Object.fromEntries(fields), beside };
}

/** The network of a text, and all of it. */
function usable(text: string, file: string): { network: DmsgNetwork; top: Record<string, unknown> } {
  try {
    return { network: networkOfFile(text, file), top: JSON.parse(text) };
  } catch (cause) {
    throw new ConfigError(file, "", "it would be written anew, and cannot be used as it is", {
      cause,
      hint: "put it right, or move it away",
    });
  }
}

/**
 * Keys of dmsg servers that are numbered in the folder of `services`, as `--servers` numbers them, and are none of them:
 * an earlier run had more. Errors: of the files.
 */
export async function retiredServers(
  { files }: Pick<World, "files">,
  services: readonly PlannedService[],
): Promise<Set<PublicKey>> {
  const own = services.flatMap(({ type, key }) =>
    type === "dmsg-server" && key !== undefined && "file" in key ? [files.absolute(key.file)] : []
  );
  const folders = new Set(own.flatMap((file) => NUMBERED_KEY.exec(file)?.[1] ?? []));
  const retired = new Set<PublicKey>();
  for (const folder of folders) {
    const all = (await files.list(folder)).map((name) => `${folder}${name}`);
    for (const file of all.filter((each) => NUMBERED_KEY.test(each) && !own.includes(each))) {
      const keys = await readKeyPair({ files }, file).catch(() => undefined); // what cannot be read names no server
      if (keys !== undefined) retired.add(keys.publicKey);
    }
  }
  return retired;
}

/** Those of `servers` that do not run here, by key or under a new one at the same address, and are not retired. */
export function othersOf(
  servers: readonly KnownServer[],
  started: readonly StartedService[],
  retired: ReadonlySet<PublicKey>,
): KnownServer[] {
  const own = started.filter(({ plan }) => plan.type === "dmsg-server");
  const known = new Set<unknown>([
    ...retired,
    ...own.flatMap(({ publicKey, address }) => [publicKey, address]),
  ]);
  return servers.filter(({ publicKey, address }) => !known.has(publicKey) && !known.has(address));
}

/**
 * Keys of what runs here of this type, and behind them those of `told` where that is of this very file: who runs nodes
 * of his own on another network means these, and no others.
 */
export function nodeKeys(
  type: ServiceTypeName,
  started: readonly StartedService[],
  { told = [], isOwnFile }: { readonly told?: readonly PublicKey[] | undefined; readonly isOwnFile: boolean },
): PublicKey[] {
  const own = ownKeys(type, started);
  return own.length > 0 && !isOwnFile ? own : [...new Set([...own, ...told])];
}

/**
 * Nodes of a former file beside which one runs here that it does not have: another one, or one of these with a new key,
 * whose old one would be trusted on. For people.
 */
function perhapsReplaced(
  { setupNodes = [], transportSetup = [] }: Pick<DmsgNetwork, "setupNodes" | "transportSetup">,
  started: readonly StartedService[],
): string[] {
  const others = (type: ServiceTypeName, title: string, known: readonly PublicKey[]) => {
    const own = ownKeys(type, started);
    const isNew = own.some((key) => !known.includes(key));
    return isNew ? known.filter((key) => !own.includes(key)).map((key) => `${title} ${key}`) : [];
  };
  return [
    ...others("setup-node", "setup node", setupNodes),
    ...others("transport-setup", "transport setup node", transportSetup),
  ];
}

function ownKeys(type: ServiceTypeName, started: readonly StartedService[]): PublicKey[] {
  return started.filter(({ plan }) => plan.type === type).map(({ publicKey }) => publicKey!);
}

/** What becomes of what the file had and does not run here. */
export function tellKept(
  log: Log,
  { file, former: { network }, started, retired }: {
    readonly file: string | undefined;
    readonly former: FormerDeployment;
    readonly started: readonly StartedService[];
    readonly retired: ReadonlySet<PublicKey>;
  },
): void {
  const kept = keptOf(network, started, retired).join(", ");
  if (kept !== "") log.info("The deployment file keeps what runs elsewhere", { file, kept });
  const replaced = perhapsReplaced(network, started).join(", ");
  if (replaced !== "") {
    log.warn("A new node runs beside those of the deployment file: take out what is yours no more", {
      file,
      kept: replaced,
    });
  }
  const servers = network.servers.flatMap(({ publicKey }) => retired.has(publicKey) ? [publicKey] : []).join(
    ", ",
  );
  if (servers !== "") {
    log.info("The deployment file leaves out numbered dmsg servers of its folder that are not started", {
      file,
      servers,
    });
  }
}

/** The names of what `network` has and does not run here, for people. */
function keptOf(
  network: DmsgNetwork,
  started: readonly StartedService[],
  retired: ReadonlySet<PublicKey>,
): string[] {
  const running = new Set(started.map(({ plan }) => plan.type));
  const services = SERVICE_KINDS.flatMap((kind) =>
    "member" in kind && network[kind.member] !== undefined && !running.has(kind.type) ? [kind.title] : []
  );
  const own = new Set(started.map(({ publicKey }) => publicKey));
  const of = (title: string, keys: readonly PublicKey[] = []) =>
    keys.filter((key) => !own.has(key)).map((key) => `${title} ${key}`);
  return [
    ...services,
    ...of("dmsg server", othersOf(network.servers, started, retired).map(({ publicKey }) => publicKey)),
    ...of("setup node", network.setupNodes),
    ...of("transport setup node", network.transportSetup),
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

/** Of dmsg servers that no file names; its folder is taken apart. */
const NUMBERED_KEY = /^(.*[\\/])dmsg-server-\d+\.key$/;

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
