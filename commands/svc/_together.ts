/** What `skyctl svc run` does with several services: the plan of them. @module */
import { type LogLevel } from "../../lib/base/mod.ts";
import { homeOf, type Io } from "../../lib/cli/mod.ts";
import { parsePublicKey } from "../../lib/crypto/mod.ts";
import { embeddedNetwork } from "../../lib/directory/mod.ts";
import {
  ALL_TYPES,
  completed,
  type FiledService,
  findServiceType,
  isEverywhere,
  parseRunFile,
  type PlanDefaults,
  type RunFile,
  servicesOfTypes,
} from "../../lib/services/assembly/mod.ts";
import { InvalidServiceSettingError, locationsAt, parseServiceMode } from "../../lib/services/hosting/mod.ts";
import { type PostQuantumOptions } from "../post_quantum_option.ts";
import { transportsElsewhere } from "./_route_finder.ts";
import { forcedMode, networkOf, type PlannedRun, runServices, type ServiceStart } from "./_service.ts";

export interface TogetherOptions extends PostQuantumOptions {
  readonly all?: boolean | undefined;
  readonly config?: string | undefined;
  readonly folder?: string | undefined;
  readonly home?: string | undefined;
  readonly host: string;
  readonly publicHost?: string | undefined;
  readonly freePorts?: boolean | undefined;
  readonly servers: number;
  readonly mode: string;
  readonly testing?: boolean | undefined;
  readonly redis?: string | undefined;
  readonly redisPoolSize: number;
  readonly entryTimeout?: number | undefined;
  readonly proxyHeaders: boolean;
  readonly survey?: string | undefined;
  readonly deployment?: string | undefined;
  readonly metrics?: string | undefined;
  readonly logLevel: LogLevel;
}

/** Runs until Ctrl-C, or until a part dies. */
export async function runTogether(
  io: Io,
  names: readonly string[],
  options: TogetherOptions,
): Promise<void> {
  await runServices(io, options, (start) => planOf(io, start, names, options));
}

async function planOf(
  io: Io,
  start: ServiceStart,
  names: readonly string[],
  options: TogetherOptions,
): Promise<PlannedRun> {
  const { world, log } = start;
  const { files } = world;
  const folder = files.absolute(options.folder ?? `${homeOf(io, options)}/deployment`);
  const text = async (file: string) => new TextDecoder().decode(await files.read(file));
  const filed: RunFile | undefined = options.config === undefined
    ? undefined
    : await parseRunFile(await text(options.config), options.config, { read: text });
  for (const field of filed?.passedOver ?? []) {
    io.note(`${options.config}: ${field} is passed over: skyctl has nothing of the kind`);
  }
  for (const field of filed?.otherMetrics ?? []) {
    io.note(
      `${options.config}: ${field} is passed over: services of one process have one listener for metrics`,
    );
  }
  const services = chosen(filed, names, options);
  const isElsewhere = !services.some(({ type }) => type === "dmsg-discovery");
  const given = options.deployment === undefined
    ? filed?.deployment?.network
    : await networkOf(world, options.deployment);
  const network = given ?? (isElsewhere ? embeddedNetwork() : undefined);
  const userAgent = `skyctl/${io.version}`;
  const defaults: PlanDefaults = {
    folder,
    hostname: options.host,
    publicHost: options.publicHost,
    freePorts: options.freePorts,
    forcedMode: forcedMode(io),
    mode: parseServiceMode(options.mode),
    testing: options.testing,
    redis: options.redis,
    redisPoolSize: options.redisPoolSize,
    entryTimeoutMs: options.entryTimeout,
    believeProxies: options.proxyHeaders,
    locationsAt: (url) => locationsAt(url, { world, log: log.child("locations"), userAgent }),
    transportsElsewhere: ({ transportDiscovery, pollMs }) =>
      transportsElsewhere(io, {
        ...start,
        options,
        network: network ?? embeddedNetwork(),
        address: transportDiscovery ?? network?.transportDiscovery,
        pollMs,
      }),
  };
  const plan = completed(services, defaults);
  if (
    options.publicHost !== undefined && !plan.some(({ address }) => isEverywhere(address?.hostname ?? ""))
  ) {
    io.note(
      "--public-host is passed over: nothing listens on every address of this machine (--host 0.0.0.0)",
    );
  }
  await files.makeDirectory(folder, { mode: 0o700 });
  return {
    services: plan,
    network,
    surveyWhitelist: options.survey?.split(",").map((key) => parsePublicKey(key.trim())),
    file: `${folder}/deployment.json`,
    keepsOthers: true,
    portHint: portHintOf(options),
    deploymentName: filed?.deployment?.name ?? "local",
    base: filed?.deployment?.fields,
    metricsAddress: filed?.metricsAddress,
  };
}

/** What moves a service whose port another program has. */
function portHintOf({ config, freePorts }: TogetherOptions): string {
  const ways = [
    ...(freePorts === true ? [] : ["give --free-ports"]),
    config === undefined ? "name a port for each service with --config" : `name another port in ${config}`,
  ];
  return `stop the other program, or ${ways.join(", or ")}`;
}

/** Those of the file, or of the names; of both, those of the file that are named. */
function chosen(
  filed: RunFile | undefined,
  names: readonly string[],
  { all, servers }: TogetherOptions,
): readonly FiledService[] {
  const types = names.map((name) => {
    const type = findServiceType(name)?.type;
    if (type !== undefined) return type;
    throw new InvalidServiceSettingError(`${JSON.stringify(name.slice(0, 80))} is no service`, {
      hint: "skyctl svc ls names them",
    });
  });
  if (filed === undefined) return servicesOfTypes(all === true ? ALL_TYPES : types, servers);
  if (types.length === 0) return filed.services;
  const missing = types.find((type) => !filed.services.some((service) => service.type === type));
  if (missing === undefined) return filed.services.filter(({ type }) => types.includes(type));
  throw new InvalidServiceSettingError(`The file has no service of type ${missing}`, {
    hint: "add it there, or leave its name out",
  });
}
