/** A service discovery that runs: a store, plain HTTP, dmsg port 80. @module */
import type { Log } from "../../base/mod.ts";
import type { SocketAddress, World } from "../../runtime/mod.ts";
import {
  type AttachService,
  checkEntryTimeout,
  type Locate,
  type RunningService,
  runService,
  type ServiceMode,
} from "../hosting/mod.ts";
import { openServiceStore } from "../store/mod.ts";
import { createServiceDiscovery } from "./api.ts";
import { SERVICE_TTL_MS, type ServiceDiscoverySettings } from "./settings.ts";

export interface RunServiceDiscoverySettings extends ServiceDiscoverySettings {
  /** Where plain HTTP listens. Port 0 takes any free one. Unused in mode `dmsg`. */
  readonly address: SocketAddress;
  /** `memory`, or the path of a SQLite file. */
  readonly store: string;
  readonly mode: ServiceMode;
}

export interface RunServiceDiscoveryOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger" | "network">;
  readonly log: Log;
  readonly settings: RunServiceDiscoverySettings;
  /** Needed by modes `dmsg` and `dual`, unused by `http`. */
  readonly dmsg?: AttachService;
  /** Where a public IP address is. Default: nobody knows, and records without a place stay without. */
  readonly locate?: Locate;
}

/**
 * Starts a service discovery; it answers when this resolves. Errors: `InvalidServiceSettingError`,
 * `InvalidStoreNameError`, `StoreError`, and those of `Network.listen`. Nothing is left open then.
 */
export async function runServiceDiscovery(
  { world, log, settings, dmsg, locate }: RunServiceDiscoveryOptions,
): Promise<RunningService> {
  checkEntryTimeout(settings.entryTimeoutMs ?? SERVICE_TTL_MS);
  const store = await openServiceStore(settings.store, world);
  return await runService({
    world,
    log,
    name: "service discovery",
    mode: settings.mode,
    address: settings.address,
    dmsg,
    api: (dmsgStatus) => createServiceDiscovery({ store, world, settings, dmsgStatus, locate, log }),
    holds: store,
  });
}
