/** An uptime tracker that runs: a store, plain HTTP, dmsg port 80, and a listener for its operator. @module */
import { type Log, Scope } from "../../base/mod.ts";
import type { SocketAddress, World } from "../../runtime/mod.ts";
import {
  type AttachService,
  checkServiceAddress,
  type Locations,
  type RunningService,
  runService,
  type ServiceMode,
} from "../hosting/mod.ts";
import { openUptimeStore } from "../store/mod.ts";
import { keepTidy } from "../uptimes/mod.ts";
import { archiveYesterday } from "./_archive.ts";
import { createUptimeTracker, uptimesOf } from "./api.ts";
import { createPrivateUptimeTracker } from "./private_api.ts";
import type { UptimeTrackerSettings } from "./settings.ts";

export interface RunUptimeTrackerSettings extends UptimeTrackerSettings {
  /** Where plain HTTP listens. Port 0 takes any free one. Unused in mode `dmsg`. */
  readonly address: SocketAddress;
  /** Where the operator asks, without any proof: an address of this machine. Default: nowhere. */
  readonly privateAddress?: SocketAddress;
  /** `memory`, the path of a SQLite file, or a `redis://` URL, for several instances on one. */
  readonly store: string;
  /** Connections to Redis at most. Default 10. */
  readonly redisPoolSize?: number;
  readonly mode: ServiceMode;
  /** A folder for a file of each day. Default: none is written. */
  readonly archive?: string;
}

export interface RunUptimeTrackerOptions {
  readonly world: Pick<World, "clock" | "files" | "ledger" | "network" | "outside">;
  readonly log: Log;
  readonly settings: RunUptimeTrackerSettings;
  /** Needed by modes `dmsg` and `dual`, unused by `http`. */
  readonly dmsg?: AttachService;
  /** Where public IP addresses are: ended with the service. Default: nobody knows. */
  readonly locations?: Locations;
}

export interface RunningUptimeTracker extends RunningService {
  /** Where the operator asks; undefined without such a listener. */
  readonly privateAddress: SocketAddress | undefined;
}

/**
 * Starts an uptime tracker; it answers when this resolves. Errors: `InvalidServiceSettingError`,
 * `InvalidStoreNameError`, `StoreError`, and those of `Network.listen`. Nothing is left open then.
 */
export async function runUptimeTracker(
  { world, log, settings, dmsg, locations }: RunUptimeTrackerOptions,
): Promise<RunningUptimeTracker> {
  const { address, privateAddress, archive, mode, redisPoolSize } = settings;
  await using starting = new AsyncDisposableStack();
  if (locations !== undefined) starting.use(locations);
  const locate = locations?.locate;
  await checkServiceAddress(world, settings);
  const store = starting.use(await openUptimeStore(settings.store, world, { redisPoolSize, log }));
  const uptimes = uptimesOf(store, world);
  const scope = starting.use(new Scope());
  const { clock } = world;
  const before = async () => {
    if (archive !== undefined) await archiveYesterday(uptimes, { world, folder: archive });
  };
  scope.spawn("keeping uptimes tidy", (signal) => keepTidy([store], { clock, log, before }, signal));
  const operator = privateAddress && starting.use(
    await runService({
      world,
      log,
      name: "uptime tracker for its operator",
      mode: "http",
      address: privateAddress,
      api: () => createPrivateUptimeTracker(store),
      holds: { [Symbol.asyncDispose]: () => Promise.resolve() },
    }),
  );
  const holds = starting.move();
  const service = await runService({ // ends `holds` itself, also when it cannot start
    world,
    log,
    name: "uptime tracker",
    mode,
    address,
    dmsg,
    api: (dmsgStatus, refused) =>
      createUptimeTracker({ store, world, uptimes, settings, dmsgStatus, refused, locate, log }),
    holds,
    kept: async () => ({ visors: (await store.visors()).length }),
  });
  if (operator !== undefined) service.alsoServedOver("operator's HTTP", operator.closed);
  return Object.assign(service, { privateAddress: operator?.address });
}
