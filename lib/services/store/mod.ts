/**
 * Where services keep their state: SQLite embedded, in memory or in a file, or Redis.
 *
 * ```ts
 * import { Ledger } from "../../base/mod.ts";
 * import { VirtualClock } from "../../runtime/simulated/virtual_clock.ts";
 * import { openEntryStore } from "./mod.ts";
 * await using store = await openEntryStore("memory", { clock: new VirtualClock(), ledger: new Ledger() });
 * console.log(await store.counts());
 * ```
 *
 * @module
 */
export * from "./binding_store.ts";
export * from "./entry_store.ts";
export * from "./nonce_store.ts";
export {
  openBindingStore,
  openEntryStore,
  openServiceStore,
  type OpenStoreOptions,
  openTransportStore,
  openUptimeStore,
} from "./open_store.ts";
export * from "./service_store.ts";
export { SqliteBindingStore, type SqliteBindingStoreOptions } from "./sqlite_binding_store.ts";
export { SqliteServiceStore, type SqliteServiceStoreOptions } from "./sqlite_service_store.ts";
export { SqliteUptimeStore, type SqliteUptimeStoreOptions } from "./sqlite_uptime_store.ts";
export { SqliteEntryStore } from "./sqlite_store.ts";
export { SqliteTransportStore, type SqliteTransportStoreOptions } from "./sqlite_transport_store.ts";
export * from "./store.ts";
export * from "./transport_store.ts";
export {
  type AddressOfMonth,
  type Beat,
  type BeatResult,
  CLOCK_DIFFERENCE_MAX_MS,
  DAY_MS,
  dayOf,
  type DayOfVisor,
  type SeenVisor,
  SLOT_BYTES,
  slotOf,
  SLOTS_OF_DAY,
  type UptimesOf,
  type UptimeStore,
} from "./uptime_store.ts";
