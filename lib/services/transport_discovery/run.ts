/** A transport discovery that runs: a store, plain HTTP, dmsg port 80, and a feed for readers beside it. @module */
import { type Log, Scope } from "../../base/mod.ts";
import type { SocketAddress, World } from "../../runtime/mod.ts";
import {
  type AttachService,
  checkEntryTimeout,
  checkServiceAddress,
  type RunningService,
  runService,
  type ServiceMode,
} from "../hosting/mod.ts";
import { openTransportStore, openUptimeStore } from "../store/mod.ts";
import { keepTidy } from "../uptimes/mod.ts";
import { createTransportDiscovery } from "./api.ts";
import { TransportFeed, type TransportSource } from "./feed.ts";
import { TRANSPORT_TTL_MS, type TransportDiscoverySettings } from "./settings.ts";

export interface RunTransportDiscoverySettings extends TransportDiscoverySettings {
  /** Where plain HTTP listens. Port 0 takes any free one. Unused in mode `dmsg`. */
  readonly address: SocketAddress;
  /** `memory`, the path of a SQLite file, or a `redis://` URL, for several instances on one. */
  readonly store: string;
  /** Connections to Redis at most. Default 10. */
  readonly redisPoolSize?: number;
  readonly mode: ServiceMode;
}

export interface RunTransportDiscoveryOptions {
  readonly world: Pick<World, "clock" | "ledger" | "network">;
  readonly log: Log;
  readonly settings: RunTransportDiscoverySettings;
  /** Needed by modes `dmsg` and `dual`, unused by `http`. */
  readonly dmsg?: AttachService;
}

export interface RunningTransportDiscovery extends RunningService {
  /** Its transports, for a route finder in this process. */
  readonly transports: TransportSource;
}

/**
 * Starts a transport discovery; it answers when this resolves. Errors: `InvalidServiceSettingError`,
 * `InvalidStoreNameError`, `StoreError`, and those of `Network.listen`. Nothing is left open then.
 */
export async function runTransportDiscovery(
  { world, log, settings, dmsg }: RunTransportDiscoveryOptions,
): Promise<RunningTransportDiscovery> {
  const ttlMs = settings.entryTimeoutMs ?? TRANSPORT_TTL_MS;
  checkEntryTimeout(ttlMs);
  await checkServiceAddress(world, settings);
  await using starting = new AsyncDisposableStack();
  const store = starting.use(await openTransportStore(settings.store, world, settings));
  const { store: place, redisPoolSize } = settings;
  const uptimes = {
    visors: starting.use(await openUptimeStore(place, world, { redisPoolSize, of: "visor_uptime", log })),
    transports: starting.use(
      await openUptimeStore<string>(place, world, { redisPoolSize, of: "transport_uptime" }),
    ),
  };
  await store.shorten(ttlMs); // what a run with a longer time left ends in this one's
  const feed = new TransportFeed(world.clock, log, await store.allWithLives());
  starting.defer(() => feed.close());
  const following = store.follow?.(feed, { clock: world.clock, log });
  if (following !== undefined) starting.use(following);
  const scope = starting.use(new Scope());
  const { clock } = world;
  scope.spawn(
    "keeping uptimes tidy",
    (signal) => keepTidy([uptimes.visors, uptimes.transports], { clock, log }, signal),
  );
  const holds = starting.move();
  const service = await runService({ // ends `holds` itself, also when it cannot start
    world,
    log,
    name: "transport discovery",
    mode: settings.mode,
    address: settings.address,
    dmsg,
    api: (dmsgStatus, refused) =>
      createTransportDiscovery({
        store,
        uptimes,
        feed: following === undefined ? feed : undefined,
        world,
        settings,
        dmsgStatus,
        refused,
        log,
      }),
    kept: () => Promise.resolve({ transports: feed.entries().length }),
    holds,
  });
  return Object.assign(service, { transports: feed });
}
