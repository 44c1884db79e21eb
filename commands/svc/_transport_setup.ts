/** What `skyctl svc run transport-setup` takes from its configuration. @module */
import type { World } from "../../lib/runtime/mod.ts";
import { parseServiceMode } from "../../lib/services/hosting/mod.ts";
import { parseTransportSetupConfig, PORT_DEFAULT } from "../../lib/services/transport_setup/mod.ts";
import { configuredKey, parseListenAddress, type ServiceChoice, type ServiceOptions } from "./_service.ts";

/** Errors: `ConfigError`, those of reading files. */
export async function chosenTransportSetup(
  { files }: Pick<World, "files">,
  options: ServiceOptions & { readonly config?: string | undefined },
): Promise<ServiceChoice> {
  const { config: file } = options;
  const config = file === undefined
    ? undefined
    : parseTransportSetupConfig(new TextDecoder().decode(await files.read(file)), file);
  const own = configuredKey(file, config, options);
  const port = config?.port ?? PORT_DEFAULT;
  return {
    address: parseListenAddress(options.addr ?? `127.0.0.1:${port}`, port, "127.0.0.1"),
    key: own,
    network: config?.network,
    mode: options.mode === undefined ? "dual" : parseServiceMode(options.mode),
  };
}
