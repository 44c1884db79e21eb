/**
 * Stores in Redis, behind the interfaces of the folder around: several instances of a service on one Redis are one.
 *
 * ```ts
 * import { RedisTransportStore } from "./mod.ts";
 * const open = (url: string) => RedisTransportStore.open({ url, poolSize: 10 });
 * console.log(typeof open);
 * ```
 *
 * One Redis, not a cluster of them: scripts touch keys of every kind. Each service has a prefix of its own, but for the
 * dmsg discovery, whose keys are those of other implementations. Deployments on one Redis are told apart by
 * the number of the data base, or by the prefix in the URL, which every key and channel has.
 *
 * @module
 */
export { RedisBindingStore, type RedisBindingStoreOptions } from "./binding_store.ts";
export { RedisEntryStore } from "./entry_store.ts";
export { POOL_SIZE, POOL_SIZE_MAX, type RedisOptions } from "./_pool.ts";
export { RedisServiceStore, type RedisServiceStoreOptions } from "./service_store.ts";
export { RedisTransportStore, type RedisTransportStoreOptions } from "./transport_store.ts";
export { RedisUptimeStore, type RedisUptimeStoreOptions } from "./uptime_store.ts";
