/** An address resolver that runs: a store, plain HTTP, dmsg port 80, UDP. @module */
import type { Log } from "../../base/mod.ts";
import {
  AddressInUseError,
  type DatagramSocket,
  type Network,
  renderSocketAddress,
  type SocketAddress,
  type World,
} from "../../runtime/mod.ts";
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
import { type UdpCounters, UdpSide, type UdpSideSettings } from "./udp_side.ts";

export interface RunAddressResolverSettings extends AddressResolverSettings {
  /** Where plain HTTP listens. Port 0 takes any free one. Unused in mode `dmsg`. */
  readonly address: SocketAddress;
  /** `memory`, the path of a SQLite file, or a `redis://` URL, for several instances on one. */
  readonly store: string;
  /** Connections to Redis at most. Default 10. */
  readonly redisPoolSize?: number;
  readonly mode: ServiceMode;
  /**
   * Where the UDP side listens, whatever the mode; absent: there is none. Port 0 takes the number of HTTP's port
   * where that is free, as visors expect, else any.
   */
  readonly udpAddress?: SocketAddress;
  readonly udp?: UdpSideSettings;
}

export interface RunningAddressResolver extends RunningService {
  /** Where the UDP side is bound. */
  readonly udpAddress: SocketAddress | undefined;
  udpCounters(): UdpCounters | undefined;
}

export interface RunAddressResolverOptions {
  readonly world: Pick<World, "clock" | "ledger" | "network" | "random">;
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
): Promise<RunningAddressResolver> {
  const ttlMs = settings.entryTimeoutMs ?? BINDING_TTL_MS;
  checkEntryTimeout(ttlMs);
  await checkServiceAddress(world, settings);
  await using starting = new AsyncDisposableStack();
  const store = starting.use(await openBindingStore(settings.store, world, settings));
  await store.shorten(ttlMs); // what a run with a longer time left ends in this one's
  const stores = starting.move();
  let udp: UdpSide | undefined;
  const service = await runService({
    world,
    log,
    name: "address resolver",
    mode: settings.mode,
    address: settings.address,
    dmsg,
    api: (dmsgStatus, refused) =>
      createAddressResolver({ store, world, settings, dmsgStatus, refused, udp: () => udp }),
    kept: async () => ({
      stcpr: (await store.keys("stcpr")).length,
      sudph: (await store.keys("sudph")).length,
    }),
    holds: {
      async [Symbol.asyncDispose]() {
        await udp?.[Symbol.asyncDispose](); // its sessions take their bindings out of the store
        await stores[Symbol.asyncDispose]();
      },
    },
  });
  if (settings.udpAddress !== undefined) {
    try {
      const socket = await bindUdp(world.network, settings.udpAddress, service.address?.port ?? 0);
      udp = new UdpSide(socket, { world, log, store, settings: { ...settings.udp, ...settings } });
    } catch (error) {
      await service.close();
      throw error;
    }
    service.alsoServedOver("UDP", udp.closed);
    log.info("Service is serving over UDP", { address: renderSocketAddress(udp.address) });
  }
  return Object.assign(service, { udpAddress: udp?.address, udpCounters: () => udp?.counters() });
}

/** `at`, with `preferred` in the place of port 0 where that is free. */
async function bindUdp(network: Network, at: SocketAddress, preferred: number): Promise<DatagramSocket> {
  if (at.port !== 0) return await network.datagrams(at);
  try {
    return await network.datagrams({ ...at, port: preferred });
  } catch (error) {
    if (error instanceof AddressInUseError) return await network.datagrams(at);
    throw error;
  }
}
