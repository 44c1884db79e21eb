/**
 * Which network a configuration joins.
 *
 * @module
 */
import { type DmsgNetwork, embeddedNetwork } from "../directory/mod.ts";
import { parseDmsgUrl } from "../dmsg/mod.ts";
import type { VisorConfig } from "./config.ts";

/**
 * The network of a configuration: what it says itself, the rest from the embedded deployment (DC-12). A
 * configuration that names another discovery brings its own servers, or none: deployments are never mixed.
 */
export function networkOfConfig(config: VisorConfig): DmsgNetwork {
  const embedded = embeddedNetwork();
  const { discovery, discoveryDmsg, servers } = config.dmsg;
  if (discovery === undefined && discoveryDmsg === undefined) {
    return servers.length === 0 ? embedded : { ...embedded, servers };
  }
  // A 2024 configuration made with -d has the dmsg address in `discovery`.
  const dmsgUrl = discoveryDmsg ?? (discovery?.startsWith("dmsg:") ? discovery : undefined);
  const discoveryHttp = discovery?.startsWith("dmsg:") ? undefined : discovery;
  const address = dmsgUrl === undefined ? undefined : parseDmsgUrl(dmsgUrl).address;
  const isEmbedded = address?.publicKey === embedded.discoveryDmsg?.publicKey ||
    (address === undefined && discoveryHttp === embedded.discoveryHttp);
  return {
    name: isEmbedded ? embedded.name : "configured",
    file: undefined,
    servers: servers.length > 0 ? servers : isEmbedded ? embedded.servers : [],
    discoveryHttp,
    discoveryDmsg: address ?? (isEmbedded ? embedded.discoveryDmsg : undefined),
  };
}
