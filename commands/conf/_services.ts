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
  type Service,
  SERVICES,
  type ServiceUrls,
  SOLE_NAME,
} from "../../lib/deployment/mod.ts";
import {
  ConfigBootstrapperClient,
  type DmsgNetwork,
  networkOfDeployment,
  NoDiscoveryError,
  NoServiceError,
  type ServiceAddress,
  ServiceAnswerError,
  serviceOfNetwork,
  ServiceUnreachableError,
} from "../../lib/directory/mod.ts";
import { namedServices } from "../../lib/visor/config/mod.ts";
import type { ResolvedSettings } from "../../lib/visor/conf/mod.ts";
import { parseServiceUrl, withService } from "../_ask_service.ts";
import { chosenNetworkOf, type NetworkOptions } from "../_look_up.ts";
import { DEPLOYMENT_VARIABLE } from "./_deployment_variable.ts";

export interface ServicesOptions extends NetworkOptions {
  /** Never the embedded deployment. */
  readonly nodefaults?: boolean | undefined;
  /** The file that is dropped or made anew: what is wrong in it is in nobody's way. */
  readonly replaced?: string | undefined;
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
  const { svcconf, dmsgconf, nofetch, url, testenv } = resolved.settings;
  const isTold = svcconf !== undefined || dmsgconf !== undefined || nofetch === true;
  const isChosen = testenv === true || Boolean(io.env(DEPLOYMENT_VARIABLE));
  const { own, fault } = old === undefined ? {} : ownOf(old);
  if (fault !== undefined && !isTold && !isChosen && url === undefined) throw fault;
  const services = isTold
    ? await toldServices(io, options, resolved)
    : await askedServices(io, options, resolved, { own, fault: isChosen ? undefined : fault });
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
  /** Where its configuration service is, if it says that itself. */
  readonly service: Pick<ServiceUrls, "conf" | "confDmsg"> | undefined;
}

/** What an old configuration says of its network: nothing, that network, or something faulty. */
interface OldNetwork {
  readonly own?: OwnNetwork | undefined;
  readonly fault?: ConfigError | undefined;
}

/** What a configuration names itself; where its network is the embedded one, completed from that, as a visor does. */
function ownOf({ file, raw }: OldConfig): OldNetwork {
  try {
    const named = namedServices(raw, file);
    if (named === undefined) return {};
    const complete = namesDiscovery(named) ? completed : merged;
    const deployment = complete(named, embeddedDeployment());
    return { own: { file, deployment, service: namesConf(named) ? named : undefined } };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { fault: faultOf(error) };
  }
}

function faultOf({ file, field, problem }: ConfigError, cause?: unknown): ConfigError {
  const hint = "correct it, or say which services it shall have instead: -S FILE, or -a URL";
  return new ConfigError(file, field, problem, { hint, cause });
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
  { own, fault }: OldNetwork,
): Promise<Services> {
  const embedded = await embeddedOf(io, resolved);
  try {
    const way = await wayToAsk(io, options, resolved, embedded.deployment, own);
    const told = await fetchDeployment(io, way, own);
    const deployment = options.nodefaults === true ? told : completed(told, embedded.deployment);
    return { name: "the configuration service", deployment: completedByOwn(deployment, own) };
  } catch (error) {
    io.signal.throwIfAborted();
    if (options.nodefaults === true || !(error instanceof SkyError)) throw error;
    // What nobody can ask with is no service that failed.
    if (error.fault === "caller" && !(error instanceof NoServiceError)) throw error;
    if (fault !== undefined) throw faultOf(fault, error); // which network it is of is not known
    const isOther = own !== undefined && !isSameNetwork(own.deployment, embedded.deployment);
    const instead = isOther
      ? { name: own.file, deployment: own.deployment }
      : { ...embedded, deployment: completedByOwn(embedded.deployment, own) };
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
  if (deployment !== undefined) return { ...options, addr, deployment };
  const network = networkOfDeployment("configured", own?.deployment ?? embedded, own?.file);
  if (addr === undefined) {
    if (own === undefined) return await wayOfHome(io, options, network);
    const isMade = own.service === undefined && await isMadeByVisor(io, options, own);
    if (isMade) return await wayOfHome(io, options, network);
  }
  const home = await chosenNetworkOf(io, options).catch(() => undefined); // a faulty one is not in the way
  if (addr !== undefined) return { ...options, addr, network: home ?? network };
  return home !== undefined && isAnsweredBy(home, network) ? options : { ...options, network };
}

/**
 * Within the network of the home. A faulty file of it that goes anyway is as good as none: then it is `without`. Errors:
 * `ConfigError` for another faulty one.
 */
async function wayOfHome(io: Io, options: ServicesOptions, without: DmsgNetwork): Promise<Way> {
  const { files } = await io.world();
  try {
    await chosenNetworkOf(io, options);
    return options;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { file, field, problem, cause } = error;
    if (options.replaced === undefined || files.absolute(file) !== files.absolute(options.replaced)) {
      const hint = "correct it, or say which services are meant: -a URL, -S FILE, or --nofetch";
      throw new ConfigError(file, field, problem, { hint, cause });
    }
    io.note(`warning: the home's file does not say which network is asked: ${describeError(error)}`);
    return { ...options, network: without };
  }
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
async function fetchDeployment(io: Io, way: Way, own: OwnNetwork | undefined): Promise<Deployment> {
  const asked = way.addr === undefined ? await configuredService(io, way) : parseServiceUrl(way.addr);
  const told = await withService(
    io,
    way,
    "conf",
    (ask, signal) => new ConfigBootstrapperClient(ask).deployment({ signal }),
  ).catch((error) => {
    if (!(error instanceof ServiceUnreachableError)) throw error;
    throw new ServiceUnreachableError(error.message, { cause: error.cause, hint: ELSEWHERE }); // no visor is meant
  });
  if (!namesDiscovery(told)) {
    throw new ServiceAnswerError("The config bootstrapper answered with what is no deployment", {
      cause: new NoDiscoveryError("its answer"),
    });
  }
  return withAddress(told, asked, own);
}

const ELSEWHERE = "ask another service with -a URL, or name the services with -S FILE";

async function configuredService(io: Io, way: Way): Promise<ServiceAddress> {
  const network = await chosenNetworkOf(io, way);
  const service = serviceOfNetwork(network, "conf");
  if (service === undefined) throw new NoServiceError("conf", network, { hint: ELSEWHERE });
  return service;
}

/** A service that does not say where it is stays where the file of its network has it, else where it was asked. */
function withAddress(
  told: Deployment,
  { http, dmsg }: ServiceAddress,
  own: OwnNetwork | undefined,
): Deployment {
  const isOwn = own !== undefined && isSameNetwork(told, own.deployment) && !namesConf(told);
  const asked = { conf: http, confDmsg: dmsg && `dmsg://${dmsg.publicKey}:${dmsg.port}` };
  const { conf, confDmsg }: ServiceUrls = (isOwn ? own.service : undefined) ?? asked;
  const known = present({ conf, confDmsg });
  return isMoved("conf", known, told) ? told : { ...known, ...told };
}

function namesConf({ conf, confDmsg }: ServiceUrls): boolean {
  return conf !== undefined || confDmsg !== undefined;
}

/** Whether a service is in one way elsewhere than it was: then its other way is not what it was either. */
function isMoved(service: Service, before: ServiceUrls, now: ServiceUrls): boolean {
  const [url, urlNow] = [before[service], now[service]];
  const [key, keyNow] = [before, now].map((urls) => keyOfDmsgUrl(urls[`${service}Dmsg`]));
  return (key !== undefined && keyNow !== undefined && key !== keyNow) ||
    (url !== undefined && urlNow !== undefined && URL.parse(url)?.href !== URL.parse(urlNow)?.href);
}

/**
 * What an answer about a file's own network leaves open stays as the file has it. Of the embedded network, the embedded
 * deployment knows it better.
 */
function completedByOwn(told: Deployment, own: OwnNetwork | undefined): Deployment {
  if (own === undefined || isSameNetwork(own.deployment, embeddedDeployment())) return told;
  if (!isSameNetwork(own.deployment, told)) return told;
  const moved = SERVICES.map(([, service]) => service).filter((service) =>
    isMoved(service, own.deployment, told)
  );
  const left = Object.fromEntries(
    moved.flatMap((service) => [[service, undefined], [`${service}Dmsg`, undefined]]),
  );
  return merged(told, { ...own.deployment, ...left });
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
