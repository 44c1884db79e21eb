/**
 * The services that the routed part of a visor asks, each over dmsg first and over HTTP where that is not ready.
 *
 * @module
 */
import {
  AddressResolverClient,
  type DmsgNetwork,
  type FindLimits,
  type FoundHop,
  type NetworkClient,
  RouteFinderClient,
  type ServiceAddress,
  ServiceDiscoveryClient,
  TransportDiscoveryClient,
  UptimeTrackerClient,
} from "../directory/mod.ts";
import type { AskService } from "../dmsg/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { NoRouteError } from "../routing/setup/mod.ts";
import { withTimeout, type World } from "../runtime/mod.ts";

/** From its start on a visor waits so long for dmsg before it asks the transport discovery otherwise (TP-4). */
export const DMSG_WAIT_MS = 60_000;

export interface NodeServices {
  /** Undefined, as the next: the network has none. */
  readonly transportDiscovery: TransportDiscoveryClient | undefined;
  readonly addressResolver: AddressResolverClient | undefined;
  readonly serviceDiscovery: ServiceDiscoveryClient | undefined;
  readonly uptimeTracker: UptimeTrackerClient | undefined;
  /** Rejects with `NoRouteError` where the network has no route finder. */
  readonly findRoutes: (
    pairs: readonly (readonly [PublicKey, PublicKey])[],
    limits: FindLimits,
    signal?: AbortSignal,
  ) => Promise<FoundHop[][][]>;
}

export interface NodeServicesOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger" | "network">;
  readonly network: DmsgNetwork;
  readonly client: NetworkClient;
  /** For one question to the route finder; 0: the default. */
  readonly settings: { readonly routeFinderTimeoutMs: number };
  readonly version: string;
}

export function openServices(
  { world, network, client, settings, version }: NodeServicesOptions,
): NodeServices {
  const startedMs = world.clock.monotonicMs();

  function askOf(name: string, address: ServiceAddress | undefined): AskService | undefined {
    return address === undefined ? undefined : client.askService(name, address);
  }

  /** The first question waits for dmsg, for a bounded time; the others come after it. */
  function afterDmsg(ask: AskService): AskService {
    let waited: Promise<void> | undefined;
    return async (question, signal) => {
      if (!client.dmsg.isConnected && question.isUrgent !== true) {
        const afterMs = Math.max(0, startedMs + DMSG_WAIT_MS - world.clock.monotonicMs());
        const limit = { what: "Waiting for dmsg", afterMs }; // the client's close ends it, too
        waited ??= withTimeout(world.clock, limit, (ended) => client.dmsg.whenReady(ended)).catch(() => {}); // then over plain HTTP, or the question fails and is repeated
        await Promise.race([waited, aborted(signal)]);
      }
      return await ask(question, signal);
    };
  }

  const discovery = askOf("transport discovery", network.transportDiscovery);
  const resolver = askOf("address resolver", network.addressResolver);
  const services = askOf("service discovery", network.serviceDiscovery);
  const tracker = askOf("uptime tracker", network.uptimeTracker);
  const finder = askOf("route finder", network.routeFinder);
  const timeoutMs = settings.routeFinderTimeoutMs || undefined;
  const routes = finder === undefined
    ? undefined
    : new RouteFinderClient(finder, { world, timeoutMs, waitsForUnknown: true });
  return {
    transportDiscovery: discovery === undefined
      ? undefined
      : new TransportDiscoveryClient(afterDmsg(discovery), { version }),
    addressResolver: resolver === undefined ? undefined : new AddressResolverClient(resolver),
    serviceDiscovery: services === undefined ? undefined : new ServiceDiscoveryClient(afterDmsg(services)),
    uptimeTracker: tracker === undefined ? undefined : new UptimeTrackerClient(tracker),
    findRoutes(pairs, limits, signal) {
      if (routes !== undefined) return routes.routes(pairs, limits, signal);
      return Promise.reject(new NoRouteError(pairs[0]![1], "this network has no route finder"));
    },
  };
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => signal?.addEventListener("abort", () => resolve(), { once: true }));
}
