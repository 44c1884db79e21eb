/** What the config bootstrapper of `skyctl svc run` tells, and how it asks the services. @module */
import type { Io } from "../../lib/cli/mod.ts";
import {
  type Deployment,
  embeddedDeployment,
  parseConfigText,
  parseDeployments,
} from "../../lib/deployment/mod.ts";
import { HttpServices, NoDiscoveryError, type ServiceAddress } from "../../lib/directory/mod.ts";
import { deploymentOfDomain } from "../../lib/services/config_bootstrapper/mod.ts";
import type { ServiceStart } from "./_service.ts";

export interface ToldOptions {
  readonly domain?: string | undefined;
  readonly config?: string | undefined;
  readonly deployment?: string | undefined;
}

/** Errors: `DeploymentError`, `NoDiscoveryError`, `ConfigError`, those of reading files. */
export async function toldDeployment(
  io: Io,
  { world, log }: Pick<ServiceStart, "world" | "log">,
  options: ToldOptions,
) {
  const text = async (file: string) => new TextDecoder().decode(await world.files.read(file));
  const { domain, config, deployment: file } = options;
  const deployment = domain !== undefined
    ? deploymentOfDomain(domain, config === undefined ? {} : parseConfigText(await text(config), config))
    : file === undefined
    ? embeddedDeployment("prod")
    : deploymentOf(await text(file), file);
  const services = new HttpServices({ world, log, userAgent: `skyctl/${io.version}` });
  const ask = (name: string, { http }: ServiceAddress) => services.askService(name, http!);
  return { deployment, ask, owned: services };
}

/** Of several in the file `prod`, else the first. */
function deploymentOf(text: string, file: string): Deployment {
  const deployments = parseDeployments(text);
  const deployment = deployments["prod"] ?? Object.values(deployments)[0];
  if (deployment !== undefined) return deployment;
  throw new NoDiscoveryError(file);
}
