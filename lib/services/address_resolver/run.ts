/** An address resolver that runs: a store, plain HTTP, dmsg port 80. @module */
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
import { openBindingStore } from "../store/mod.ts";
import { createAddressResolver } from "./api.ts";
import { type AddressResolverSettings, BINDING_TTL_MS } from "./settings.ts";

export interface RunAddressResolverSettings extends AddressResolverSettings {
  /** Where plain HTTP listens. Port 0 takes any free one. Unused in mode `dmsg`. */
  readonly address: SocketAddress;
  /** `memory`, or the path of a SQLite file. */
  readonly store: string;
  readonly mode: ServiceMode;
}

export interface RunAddressResolverOptions {
  readonly world: Pick<World, "clock" | "ledger" | "network">;
  readonly log: Log;
  readonly settings: RunAddressResolverSettings;
  /** Needed by modes `dmsg` and `dual`, unused by `http`. */
  readonly dmsg?: AttachService;
}

/**
 * Starts an address resolver; it answers when this resolves. Errors: `InvalidServiceSettingError`,
 * `InvalidStoreNameError`, `StoreError`, and those of `Network.listen`. Nothing is left open then.
 */
export async function runAddressResolver(
  { world, log, settings, dmsg }: RunAddressResolverOptions,
): Promise<RunningService> {
  checkEntryTimeout(settings.entryTimeoutMs ?? BINDING_TTL_MS);
  await checkServiceAddress(world, settings);
  const store = openBindingStore(settings.store, world);
  return await runService({
    world,
    log,
    name: "address resolver",
    mode: settings.mode,
    address: settings.address,
    dmsg,
    api: (dmsgStatus, refused) => createAddressResolver({ store, world, settings, dmsgStatus, refused }),
    holds: store,
  });
}
