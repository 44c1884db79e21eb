/** What `skyctl svc run setup-node` takes from its configuration. @module */
import type { World } from "../../lib/runtime/mod.ts";
import { parseSetupNodeConfig } from "../../lib/services/setup_node/mod.ts";
import { configuredKey, type ServiceChoice, type ServiceOptions } from "./_service.ts";

/** Nothing without a file. Errors: `ConfigError`, those of reading files. */
export async function configuredSetupNode(
  { files }: Pick<World, "files">,
  options: ServiceOptions & { readonly config?: string | undefined },
): Promise<Pick<ServiceChoice, "key" | "network">> {
  const { config: file } = options;
  if (file === undefined) return {};
  const config = parseSetupNodeConfig(new TextDecoder().decode(await files.read(file)), file);
  return { key: configuredKey(file, config, options), network: config.network };
}
