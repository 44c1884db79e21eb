/** Where a new configuration has its services from. @module */
import { CallerError, describeError, present, SkyError } from "../../lib/base/mod.ts";
import { homeOf, type Io } from "../../lib/cli/mod.ts";
import {
  ConfigError,
  type Deployment,
  embeddedDeployment,
  embeddedDeployments,
  isSameNetwork,
  keyOfDmsgUrl,
  mergeDeployments,
  namesDiscovery,
  parseDeployments,
  SOLE_NAME,
} from "../../lib/deployment/mod.ts";
import {
  ConfigBootstrapperClient,
  type DmsgNetwork,
  networkOfDeployment,
  NoDiscoveryError,
  type ServiceAddress,
  ServiceAnswerError,
  serviceOfNetwork,
} from "../../lib/directory/mod.ts";
import { namedServices } from "../../lib/visor/config/mod.ts";
import type { ResolvedSettings } from "../../lib/visor/conf/mod.ts";
import { parseServiceUrl, withService } from "../_ask_service.ts";
import { chosenNetworkOf, type NetworkOptions } from "../_look_up.ts";
import { DEPLOYMENT_VARIABLE } from "./_deployment_variable.ts";

export interface ServicesOptions extends NetworkOptions {
  /** Never the embedded deployment. */
  readonly nodefaults?: boolean | undefined;
  readonly timeout: number;
}

/** A configuration that is made anew. */
export interface OldConfig {
  readonly file: string;
  readonly raw: Readonly<Record<string, unknown>>;
}

/** A deployment, and how people call where it comes from. */
export interface Services {
  readonly name: string;
  readonly deployment: Deployment;
}

/** Every source of services was forbidden. */
export class NoServicesError extends CallerError {
  readonly code = "NO_SERVICES";
}

/**
 * Of the files, of the configuration service, or embedded, in this order. An old configuration of another network stays
 * in it, unless that is what was asked for, and told.
 */
export async function servicesOf(
  io: Io,
  options: ServicesOptions,
  resolved: ResolvedSettings,
  old?: OldConfig,
): Promise<Services> {
  const { svcconf, dmsgconf, nofetch } = resolved.settings;
  const isTold = svcconf !== undefined || dmsgconf !== undefined || nofetch === true;
  const own = old && ownOf(old, { isNeeded: !isTold });
  const services = isTold
    ? await toldServices(io, options, resolved)
    : await askedServices(io, options, resolved, own);
  if (own !== undefined && !isSameNetwork(own.deployment, services.deployment)) {
    const [before, now] = [own, services].map(discoveryOf);
    io.note(
      `warning: ${own.file} is of the network of ${before}, and the new configuration of that of ${now}`,
    );
  }
  return services;
}

/** The network that an old configuration names. */
interface OwnNetwork {
  readonly file: string;
  readonly deployment: Deployment;
  /** It says itself where its configuration service is. */
  readonly namesService: boolean;
}

/** What a configuration names itself; where its network is the embedded one, completed from that, as a visor does. */
function ownOf(
  { file, raw }: OldConfig,
  { isNeeded }: { readonly isNeeded: boolean },
): OwnNetwork | undefined {
  try {
    const named = namedServices(raw, file);
    if (named === undefined) return undefined;
    const complete = namesDiscovery(named) ? completed : merged;
    return {
      file,
      deployment: complete(named, embeddedDeployment()),
      namesService: named.conf !== undefined || named.confDmsg !== undefined,
    };
  } catch (error) {
    if (isNeeded || !(error instanceof ConfigError)) throw error;
    return undefined; // what is faulty there is made anew
  }
}

/** Without asking anybody. */
async function toldServices(
  io: Io,
  options: ServicesOptions,
  resolved: ResolvedSettings,
): Promise<Services> {
  const { svcconf, dmsgconf } = resolved.settings;
  if (svcconf !== undefined || dmsgconf !== undefined) {
    const read = async (file: string | undefined) => file === undefined ? {} : await deploymentsIn(io, file);
    const deployments = mergeDeployments(await read(svcconf), await read(dmsgconf));
    const name = [svcconf, dmsgconf].filter((file) => file !== undefined).join(" and ");
    return { name, deployment: oneOf(deployments, resolved, name) };
  }
  if (options.nodefaults !== true || io.env(DEPLOYMENT_VARIABLE)) return await embeddedOf(io, resolved);
  throw new NoServicesError(
    "Neither a file nor the configuration service may tell the services, nor the embedded data",
    { hint: "give --svcconf FILE, or leave out --nofetch or --nodefaults" },
  );
}

/** Of the configuration service; where that tells none, of the old file, or embedded. */
async function askedServices(
  io: Io,
  options: ServicesOptions,
  resolved: ResolvedSettings,
  own: OwnNetwork | undefined,
): Promise<Services> {
  const embedded = await embeddedOf(io, resolved);
  try {
    const way = await wayToAsk(io, options, resolved, embedded.deployment, own);
    const told = await fetchDeployment(io, way);
    const deployment = options.nodefaults === true ? told : completed(told, embedded.deployment);
    return { name: "the configuration service", deployment };
  } catch (error) {
    io.signal.throwIfAborted();
    if (options.nodefaults === true || !(error instanceof SkyError)) throw error;
    const isOther = own !== undefined && !isSameNetwork(own.deployment, embedded.deployment);
    const instead = isOther ? { name: own.file, deployment: own.deployment } : embedded;
    const failed = error.fault === "peer"
      ? "told no deployment"
      : error.fault === "world"
      ? "was not reached"
      : "was not asked";
    io.note(
      `warning: the configuration service ${failed}, so services ${
        isOther ? "stay" : "are"
      } those of ${instead.name}: ${describeError(error)}`,
    );
    return instead;
  }
}

type Way = ServicesOptions & { readonly addr?: string | undefined };

/** Whom to ask: `--url`, `$SKYDEPLOY`, the test deployment, the old file's network, else that of the home. */
async function wayToAsk(
  io: Io,
  options: ServicesOptions,
  { settings: { url, testenv } }: ResolvedSettings,
  embedded: Deployment,
  own: OwnNetwork | undefined,
): Promise<Way> {
  const deployment = io.env(DEPLOYMENT_VARIABLE) || undefined;
  // The test deployment is no network that a visor of this home is on: it is asked where it says that it is.
  const addr = url ?? (testenv === true ? embedded.conf : undefined);
  if (addr !== undefined || deployment !== undefined || own === undefined) {
    return { ...options, addr, deployment };
  }
  if (!own.namesService && await isMadeByVisor(io, options, own)) return options;
  const network = networkOfDeployment("configured", own.deployment);
  const home = await chosenNetworkOf(io, options).catch(() => undefined); // a faulty one is not this one
  return home !== undefined && isAnsweredBy(home, network) ? options : { ...options, network };
}

/** A visor's first start names the embedded network, whatever `--deployment` it has: then it is asked where it is. */
async function isMadeByVisor(io: Io, options: ServicesOptions, own: OwnNetwork): Promise<boolean> {
  const { files } = await io.world();
  const isOfHome = files.absolute(own.file) === files.absolute(`${homeOf(io, options)}/visor.json`);
  return isOfHome && isSameNetwork(own.deployment, embeddedDeployment());
}

/** Whether who asks within `home` asks the configuration service of `network`: a running visor can do it. */
function isAnsweredBy(home: DmsgNetwork, { conf, discoveryHttp, discoveryDmsg }: DmsgNetwork): boolean {
  const isSame = isSameNetwork(discoveryIn(home), discoveryIn({ discoveryHttp, discoveryDmsg }));
  return isSame && (conf === undefined || JSON.stringify(conf) === JSON.stringify(home.conf));
}

function discoveryIn({ discoveryHttp, discoveryDmsg }: Pick<DmsgNetwork, "discoveryHttp" | "discoveryDmsg">) {
  return present({
    dmsgDiscovery: discoveryHttp,
    dmsgDiscoveryDmsg: discoveryDmsg && `dmsg://${discoveryDmsg.publicKey}`,
  });
}

/** What the service tells, and where it was asked. Errors: `ServiceAnswerError` for what is no deployment, and others. */
async function fetchDeployment(io: Io, way: Way): Promise<Deployment> {
  const asked = way.addr === undefined
    ? serviceOfNetwork(await chosenNetworkOf(io, way), "conf")
    : parseServiceUrl(way.addr);
  const told = await withService(
    io,
    way,
    "conf",
    (ask, signal) => new ConfigBootstrapperClient(ask).deployment({ signal }),
  );
  if (!namesDiscovery(told)) {
    throw new ServiceAnswerError("The config bootstrapper answered with what is no deployment", {
      cause: new NoDiscoveryError("its answer"),
    });
  }
  return withAddress(told, asked ?? {});
}

/** A service that does not say where it is stays where it was asked. */
function withAddress(told: Deployment, { http, dmsg }: ServiceAddress): Deployment {
  const isAnother = (told.conf !== undefined && http !== undefined && told.conf !== http) ||
    (told.confDmsg !== undefined && dmsg !== undefined && keyOfDmsgUrl(told.confDmsg) !== dmsg.publicKey);
  if (isAnother) return told;
  return { ...present({ conf: http, confDmsg: dmsg && `dmsg://${dmsg.publicKey}:${dmsg.port}` }), ...told };
}

/** What an older service leaves out is taken over from the same deployment, and from no other. */
function completed(told: Deployment, embedded: Deployment): Deployment {
  if (!isSameNetwork(told, embedded)) return told;
  return merged(told, embedded);
}

function merged(first: Deployment, second: Deployment): Deployment {
  return mergeDeployments({ [SOLE_NAME]: first }, { [SOLE_NAME]: second })[SOLE_NAME]!;
}

/** The embedded deployment, or what stands for it. Errors: those of the file, `NoDiscoveryError`. */
export async function embeddedOf(io: Io, resolved: ResolvedSettings): Promise<Services> {
  const file = io.env(DEPLOYMENT_VARIABLE) || undefined;
  const deployments = file === undefined ? embeddedDeployments() : await deploymentsIn(io, file);
  const name = file ?? "the embedded deployment";
  return { name, deployment: oneOf(deployments, resolved, name) };
}

async function deploymentsIn(io: Io, file: string) {
  const { files } = await io.world();
  return parseDeployments(new TextDecoder().decode(await files.read(file)), file);
}

function oneOf(
  deployments: { readonly [name: string]: Deployment },
  { settings }: ResolvedSettings,
  file: string,
): Deployment {
  const deployment = deployments[settings.testenv === true ? "test" : "prod"] ??
    Object.values(deployments)[0];
  if (deployment === undefined || !namesDiscovery(deployment)) throw new NoDiscoveryError(file);
  return deployment;
}

function discoveryOf({ deployment }: { readonly deployment: Deployment }): string | undefined {
  return deployment.dmsgDiscovery ?? deployment.dmsgDiscoveryDmsg;
}
