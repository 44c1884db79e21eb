/**
 * How a setup node gets into its network: by the servers that it is configured with, never by asking a discovery
 * over HTTP (SV-6; operations, section 5).
 *
 * @module
 */
import { type DmsgNetwork, embeddedNetwork } from "../../directory/mod.ts";

/**
 * `network` as a setup node uses it. The production network is joined by the embedded servers, too, after the
 * configured ones. A discovery over HTTP is left out wherever there is one over dmsg.
 */
export function setupNodeNetwork(
  network: DmsgNetwork,
  embedded: DmsgNetwork = embeddedNetwork(),
): DmsgNetwork {
  const isEmbedded = network.name === embedded.name;
  const known = new Set(network.servers.map(({ publicKey }) => publicKey));
  const more = isEmbedded ? embedded.servers.filter(({ publicKey }) => !known.has(publicKey)) : [];
  const discoveryDmsg = network.discoveryDmsg ?? (isEmbedded ? embedded.discoveryDmsg : undefined);
  return {
    ...network,
    servers: [...network.servers, ...more],
    discoveryDmsg,
    discoveryHttp: discoveryDmsg === undefined ? network.discoveryHttp : undefined,
  };
}
