/** A service discovery that runs: a store, plain HTTP, dmsg port 80. @module */
import { type Log, Scope } from "../../base/mod.ts";
import { SERVICE_TYPES } from "../../directory/mod.ts";
import type { SocketAddress, World } from "../../runtime/mod.ts";
import {
  type AttachService,
  checkEntryTimeout,
  checkServiceAddress,
  type Locations,
  type RunningService,
  runService,
  type ServiceMode,
} from "../hosting/mod.ts";
import { openServiceStore, openUptimeStore } from "../store/mod.ts";
import { keepTidy } from "../uptimes/mod.ts";
import { createServiceDiscovery } from "./api.ts";
import { SERVICE_TTL_MS, type ServiceDiscoverySettings } from "./settings.ts";

export interface RunServiceDiscoverySettings extends ServiceDiscoverySettings {
  /** Where plain HTTP listens. Port 0 takes any free one. Unused in mode `dmsg`. */
  readonly address: SocketAddress;
  /** `memory`, the path of a SQLite file, or a `redis://` URL, for several instances on one. */
  readonly store: string;
  /** Connections to Redis at most. Default 10. */
  readonly redisPoolSize?: number;
  readonly mode: ServiceMode;
}

export interface RunServiceDiscoveryOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger" | "network">;
  readonly log: Log;
  readonly settings: RunServiceDiscoverySettings;
  /** Needed by modes `dmsg` and `dual`, unused by `http`. */
  readonly dmsg?: AttachService;
  /** Where public IP addresses are: ended with the service. Default: nobody knows, and records stay without a place. */
  readonly locations?: Locations;
}

/**
 * Starts a service discovery; it answers when this resolves. Errors: `InvalidServiceSettingError`,
 * `InvalidStoreNameError`, `StoreError`, and those of `Network.listen`. Nothing is left open then.
 */
export async function runServiceDiscovery(
  { world, log, settings, dmsg, locations }: RunServiceDiscoveryOptions,
): Promise<RunningService> {
  await using starting = new AsyncDisposableStack();
  if (locations !== undefined) starting.use(locations);
  const ttlMs = settings.entryTimeoutMs ?? SERVICE_TTL_MS;
  checkEntryTimeout(ttlMs);
  await checkServiceAddress(world, settings);
  const store = starting.use(await openServiceStore(settings.store, world, settings));
  await store.shorten(ttlMs); // what a run with a longer time left ends in this one's
  const { store: place, redisPoolSize } = settings;
  const uptimes = starting.use(
    await openUptimeStore(place, world, { redisPoolSize, of: "service_uptime", log }),
  );
  const scope = starting.use(new Scope());
  const { clock } = world;
  scope.spawn("keeping uptimes tidy", (signal) => keepTidy([uptimes], { clock, log }, signal));
  const locate = locations?.locate;
  return await runService({
    world,
    log,
    name: "service discovery",
    mode: settings.mode,
    address: settings.address,
    dmsg,
    api: (dmsgStatus, refused, reach) =>
      createServiceDiscovery({ store, uptimes, world, settings, dmsgStatus, refused, locate, reach, log }),
    kept: async () => {
      const listed = SERVICE_TYPES.map(async (type) => [type, (await store.keys(type)).length] as const);
      return Object.fromEntries(await Promise.all(listed));
    },
    holds: starting.move(), // ends it itself, also when it cannot start
  });
}
