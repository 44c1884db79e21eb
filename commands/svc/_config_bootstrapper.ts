/** What the config bootstrapper of `skyctl svc run` tells. @module */
import {
  type Deployment,
  embeddedDeployment,
  parseConfigText,
  parseDeployments,
} from "../../lib/deployment/mod.ts";
import { NoDiscoveryError } from "../../lib/directory/mod.ts";
import type { World } from "../../lib/runtime/mod.ts";
import { deploymentOfDomain } from "../../lib/services/config_bootstrapper/mod.ts";

export interface ToldOptions {
  readonly domain?: string | undefined;
  readonly config?: string | undefined;
  readonly deployment?: string | undefined;
}

/** Errors: `DeploymentError`, `NoDiscoveryError`, `ConfigError`, those of reading files. */
export async function toldDeployment(
  { files }: Pick<World, "files">,
  { domain, config, deployment: file }: ToldOptions,
): Promise<Deployment> {
  const text = async (path: string) => new TextDecoder().decode(await files.read(path));
  if (domain !== undefined) {
    return deploymentOfDomain(
      domain,
      config === undefined ? {} : parseConfigText(await text(config), config),
    );
  }
  return file === undefined ? embeddedDeployment("prod") : deploymentOf(await text(file), file);
}

/** Of several in the file `prod`, else the first. */
function deploymentOf(text: string, file: string): Deployment {
  const deployments = parseDeployments(text, file);
  const deployment = deployments["prod"] ?? Object.values(deployments)[0];
  if (deployment !== undefined) return deployment;
  throw new NoDiscoveryError(file);
}
