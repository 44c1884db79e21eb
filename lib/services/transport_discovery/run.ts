/** A transport discovery that runs: a store, plain HTTP, dmsg port 80, and a feed for readers beside it. @module */
import type { Log } from "../../base/mod.ts";
import type { SocketAddress, World } from "../../runtime/mod.ts";
import {
  type AttachService,
  checkEntryTimeout,
  checkServiceAddress,
  type RunningService,
  runService,
  type ServiceMode,
} from "../hosting/mod.ts";
import { openTransportStore } from "../store/mod.ts";
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
  const store = await openTransportStore(settings.store, world, settings);
  let feed: TransportFeed;
  try {
    await store.shorten(ttlMs); // what a run with a longer time left ends in this one's
    feed = new TransportFeed(world.clock, log, await store.allWithLives());
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
  const following = store.follow?.(feed, { clock: world.clock, log });
  const service = await runService({
    world,
    log,
    name: "transport discovery",
    mode: settings.mode,
    address: settings.address,
    dmsg,
    api: (dmsgStatus, refused) =>
      createTransportDiscovery({
        store,
        feed: following === undefined ? feed : undefined,
        world,
        settings,
        dmsgStatus,
        refused,
      }),
    holds: {
      async [Symbol.asyncDispose]() {
        await following?.[Symbol.asyncDispose]();
        feed.close();
        await store[Symbol.asyncDispose]();
      },
    },
  });
  return Object.assign(service, { transports: feed });
}
