/**
 * A dmsg discovery that runs: a store, plain HTTP, and in mode `dual` the same answers on dmsg port 80.
 *
 * @module
 */
import type { Log } from "../../base/mod.ts";
import type { RawHandler } from "../../http/mod.ts";
import type { SocketAddress, World } from "../../runtime/mod.ts";
import {
  checkServiceAddress,
  checkServiceMode,
  InvalidServiceSettingError,
  type RunningService,
  runService,
  type ServiceDmsgSide,
  type ServiceMode,
} from "../hosting/mod.ts";
import { type EntryStore, openEntryStore } from "../store/mod.ts";
import { createDmsgDiscovery } from "./api.ts";
import {
  CLIENT_TTL_MAX_MS,
  CLIENT_TTL_MIN_MS,
  CLIENT_TTL_MS,
  type DmsgDiscoverySettings,
} from "./settings.ts";

export interface RunDmsgDiscoverySettings extends DmsgDiscoverySettings {
  /** Where plain HTTP listens. Port 0 takes any free one. */
  readonly address: SocketAddress;
  /** `memory`, the path of a SQLite file, or a `redis://` URL, for several instances on one. */
  readonly store: string;
  /** Connections to Redis at most. Default 10. */
  readonly redisPoolSize?: number;
  /** `dmsg` alone is refused (DD-1). */
  readonly mode: ServiceMode;
}

/** Starts the dmsg side: serves `handler` on dmsg port 80. Returns at once; sessions come by and by (DD-2). */
export type AttachDmsg = (
  options: { readonly handler: RawHandler; readonly store: EntryStore },
) => ServiceDmsgSide;

export interface RunDmsgDiscoveryOptions {
  readonly world: World;
  readonly log: Log;
  readonly settings: RunDmsgDiscoverySettings;
  /** Needed by mode `dual`, unused by mode `http`. */
  readonly dmsg?: AttachDmsg;
}

/** Is never without plain HTTP. */
export interface RunningDmsgDiscovery extends RunningService {
  readonly address: SocketAddress;
}

/**
 * Starts a discovery; it answers when this resolves. Errors: `InvalidServiceSettingError`, `StoreError`, and
 * those of `Network.listen`. Nothing is left open then.
 */
export async function runDmsgDiscovery(
  { world, log, settings, dmsg }: RunDmsgDiscoveryOptions,
): Promise<RunningDmsgDiscovery> {
  const { address, mode } = settings;
  if (mode === "dmsg") {
    throw new InvalidServiceSettingError(
      "A dmsg discovery cannot run in mode dmsg: whoever joins the network needs it before dmsg works",
      { hint: "use dual, or http" },
    );
  }
  if (mode === "http") {
    log.warn("A dmsg discovery in mode http: servers that register over dmsg alone cannot reach it");
  }
  checkServiceMode({ name: NAME, mode, dmsg });
  const { clientTtlMs = CLIENT_TTL_MS } = settings;
  checkClientTtl(clientTtlMs);
  await checkServiceAddress(world, settings);
  await using starting = new AsyncDisposableStack();
  const store = starting.use(await openEntryStore(settings.store, world, settings));
  await store.shortenClients(clientTtlMs); // what a run with a longer time left ends in this one's
  const service = await runService({
    world,
    log,
    name: NAME,
    mode,
    address,
    dmsg: dmsg && ((handler) => dmsg({ handler, store })),
    api: (dmsgStatus, refused) => createDmsgDiscovery({ store, world, log, settings, dmsgStatus, refused }),
    holds: starting.move(), // ends it itself, also when it cannot start
    kept: async () => ({ ...await store.counts() }),
  });
  return service as RunningDmsgDiscovery; // no mode of it is without plain HTTP
}

function checkClientTtl(ms: number): void {
  if (ms >= CLIENT_TTL_MIN_MS && ms <= CLIENT_TTL_MAX_MS) return;
  throw new InvalidServiceSettingError(`A client's entry cannot live for ${ms} ms`, {
    hint: "give it between 1 s and 366 days",
  });
}

const NAME = "dmsg discovery";
