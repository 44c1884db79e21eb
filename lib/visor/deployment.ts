/**
 * Which network a configuration joins.
 *
 * @module
 */
import { present } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { type DmsgNetwork, embeddedNetwork, type ServiceAddress } from "../directory/mod.ts";
import { parseDmsgUrl } from "../dmsg/mod.ts";
import type { ServiceUrlPair, VisorConfig } from "./config/mod.ts";

/**
 * The network of a configuration: what it says itself, the rest from the embedded deployment (DC-12). A
 * configuration that names another discovery brings its own servers, or none: deployments are never mixed.
 */
export function networkOfConfig(config: VisorConfig): DmsgNetwork {
  const embedded = embeddedNetwork();
  const network = dmsgOfConfig(config, embedded);
  const isEmbedded = network.name === embedded.name;
  const { transportDiscovery, addressResolver, routeFinder, configuration, routeSetupNodes } = config.node;
  const { serviceDiscovery, uptimeTracker, transportSetupNodes, allowLoopbackAddresses } = config.node;
  const nodesOf = (own: readonly PublicKey[], deployed: readonly PublicKey[] | undefined) =>
    own.length > 0 ? own : isEmbedded ? deployed : undefined;
  return {
    ...network,
    ...present({
      transportDiscovery: serviceOf(transportDiscovery, isEmbedded && embedded.transportDiscovery),
      addressResolver: serviceOf(addressResolver, isEmbedded && embedded.addressResolver),
      routeFinder: serviceOf(routeFinder, isEmbedded && embedded.routeFinder),
      serviceDiscovery: serviceOf(serviceDiscovery, isEmbedded && embedded.serviceDiscovery),
      uptimeTracker: serviceOf(uptimeTracker, isEmbedded && embedded.uptimeTracker),
      conf: serviceOf(configuration, isEmbedded && embedded.conf),
      setupNodes: nodesOf(routeSetupNodes, embedded.setupNodes),
      transportSetup: nodesOf(transportSetupNodes, embedded.transportSetup),
      allowLoopbackAddresses: allowLoopbackAddresses || undefined,
    }),
  };
}

/** A service that the configuration names, else the deployment's. */
function serviceOf(
  { http, dmsg }: ServiceUrlPair,
  deployed: ServiceAddress | false | undefined,
): ServiceAddress | undefined {
  if (http === undefined && dmsg === undefined) return deployed || undefined;
  return present({ http, dmsg: dmsg === undefined ? undefined : parseDmsgUrl(dmsg).address });
}

function dmsgOfConfig(config: VisorConfig, embedded: DmsgNetwork): DmsgNetwork {
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
