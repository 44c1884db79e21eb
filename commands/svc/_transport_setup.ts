/** What `skyctl svc run transport-setup` takes from its configuration. @module */
import { ConfigError } from "../../lib/deployment/mod.ts";
import type { World } from "../../lib/runtime/mod.ts";
import { parseServiceMode } from "../../lib/services/hosting/mod.ts";
import { parseTransportSetupConfig, PORT_DEFAULT } from "../../lib/services/transport_setup/mod.ts";
import { keyOf, parseListenAddress, type ServiceChoice, type ServiceOptions } from "./_service.ts";

/** Errors: `ConfigError`, those of reading files. */
export async function chosenTransportSetup(
  { files }: Pick<World, "files">,
  options: ServiceOptions & { readonly config?: string | undefined },
): Promise<ServiceChoice> {
  const { config: file } = options;
  const config = file === undefined
    ? undefined
    : parseTransportSetupConfig(new TextDecoder().decode(await files.read(file)), file);
  const own = config?.secretKey && { secretKey: config.secretKey };
  if (file !== undefined && own === undefined && keyOf(options) === undefined) {
    throw new ConfigError(file, "secret_key", "it is missing", {
      hint: "give --keyfile, or put the key there",
    });
  }
  const port = config?.port ?? PORT_DEFAULT;
  return {
    address: parseListenAddress(options.addr ?? `127.0.0.1:${port}`, port, "127.0.0.1"),
    key: own,
    network: config?.network,
    mode: options.mode === undefined ? "dual" : parseServiceMode(options.mode),
  };
}
