/**
 * The asking side of the deployment's services.
 *
 * ```ts
 * import { silentLog } from "../base/mod.ts";
 * import { HttpDiscovery } from "../dmsg/mod.ts";
 * import { HttpClient } from "../http/mod.ts";
 * import { systemWorld } from "../runtime/mod.ts";
 * import { askOver, tcpHttpClient } from "./mod.ts";
 *
 * const world = systemWorld();
 * const client = tcpHttpClient(world, "example/1");
 * const ways = [{ name: "http", origin: "http://127.0.0.1:9090", client, isReady: () => true }];
 * const discovery = new HttpDiscovery(askOver("dmsg discovery", ways, world.clock, silentLog));
 * console.log(typeof discovery.entry);
 * await client.close();
 * ```
 *
 * @module
 */
export * from "./address_resolver_client.ts";
export * from "./ask_service.ts";
export * from "./config_bootstrapper_client.ts";
export * from "./daily_uptimes.ts";
export * from "./dmsg_network.ts";
export * from "./errors.ts";
export * from "./first_session.ts";
export * from "./http_services.ts";
export * from "./join_network.ts";
export * from "./location_client.ts";
export { type Place, PLACE_CHARS_MAX } from "./place.ts";
export * from "./request_signer.ts";
export * from "./route_finder_client.ts";
export * from "./service_clocks.ts";
export * from "./service_discovery_client.ts";
export * from "./service_health.ts";
export {
  isType,
  isVersion,
  LOCAL_IPS_MAX,
  parseServiceName,
  readService,
  SERVICE_TYPES,
  type ServiceName,
  type ServiceRecord,
  wireService,
} from "./service_record.ts";
export * from "./tcp_http.ts";
export * from "./transport_discovery_client.ts";
export * from "./transport_record.ts";
export * from "./uptime_tracker_client.ts";
export * from "./visor_uptimes.ts";
