/** The deployment that a bootstrapper tells: of a domain by the rules of 2025, or rendered from a file of today. @module */
import { present } from "../../base/mod.ts";
import { type Deployment, readDeployments, SERVICES } from "../../deployment/mod.ts";

/** The only domain whose service discovery is not below it. */
const PRODUCTION = "skywire.skycoin.com";
const PRODUCTION_SD = "http://sd.skycoin.com";
const DNS_SERVER = "1.1.1.1";

/** Host labels by service, below the domain. */
const LABELS = {
  dmsg_discovery: "dmsgd",
  transport_discovery: "tpd",
  address_resolver: "ar",
  route_finder: "rf",
  uptime_tracker: "ut",
  service_discovery: "sd",
} as const;

/**
 * The deployment below a domain; `lists` is the parsed configuration file of a bootstrapper of 2025:
 * `{stun_servers, route_setup_nodes, survey_whitelist, transport_setup}`. Errors: `DeploymentError`.
 */
export function deploymentOfDomain(domain: string, lists: object = {}): Deployment {
  const urls = Object.fromEntries(
    Object.entries(LABELS).map(([service, label]) => [service, `http://${label}.${domain}`]),
  );
  if (domain === PRODUCTION) urls["service_discovery"] = PRODUCTION_SD;
  return readDeployments({ it: { dns_server: DNS_SERVER, ...lists, ...urls } })["it"]!;
}

/** The services object as JSON: first what 2024 has, in its order, then what came later. */
export function renderServices(deployment: Deployment): string {
  const { dmsgDiscovery, transportDiscovery, addressResolver, routeFinder, uptimeTracker, serviceDiscovery } =
    deployment;
  const { dmsgServers } = deployment;
  return JSON.stringify(present({
    dmsg_discovery: dmsgDiscovery ?? "",
    transport_discovery: transportDiscovery ?? "",
    address_resolver: addressResolver ?? "",
    route_finder: routeFinder ?? "",
    route_setup_nodes: deployment.routeSetupNodes,
    transport_setup: deployment.transportSetup,
    uptime_tracker: uptimeTracker,
    service_discovery: serviceDiscovery ?? "",
    stun_servers: deployment.stunServers,
    dns_server: deployment.dnsServer ?? "",
    survey_whitelist: deployment.surveyWhitelist,
    conf: deployment.conf,
    geoip: deployment.geoip,
    wss_domain_suffix: deployment.wssDomainSuffix,
    browse_origin_suffix: deployment.browseOriginSuffix,
    allow_loopback_addresses: deployment.allowLoopbackAddresses,
    reward_system: deployment.rewardSystem,
    skycoin_node: deployment.skycoinNode,
    dmsg_servers: dmsgServers.length === 0 ? undefined : dmsgServers.map((server) => ({
      static: server.publicKey,
      server: present({
        address: server.address,
        address_ws: server.addressWs,
        address_udp: server.addressUdp,
        address_wt: server.addressWt,
      }),
    })),
    ...Object.fromEntries(SERVICES.map(([field, member]) => [`${field}_dmsg`, deployment[`${member}Dmsg`]])),
  }));
}
