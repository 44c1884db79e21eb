/** A route finder that runs: plain HTTP, dmsg port 80, or both, on a graph that it keeps. @module */
import type { Log } from "../../base/mod.ts";
import { TransportGraph } from "../../routing/paths/mod.ts";
import type { SocketAddress, World } from "../../runtime/mod.ts";
import {
  type AttachService,
  type BuildInfo,
  type RunningService,
  runService,
  type ServiceMode,
} from "../hosting/mod.ts";
import { createRouteFinder } from "./api.ts";
import type { GraphSource } from "./source.ts";

export interface RouteFinderSettings {
  /** Where plain HTTP listens; port 0 takes any free one. */
  readonly address: SocketAddress;
  readonly mode: ServiceMode;
  /** What `/health` says about the program. */
  readonly build?: BuildInfo;
}

export interface RunRouteFinderOptions {
  readonly world: Pick<World, "clock" | "ledger" | "network">;
  readonly log: Log;
  readonly settings: RouteFinderSettings;
  /** Feeds the graph as long as the service runs. */
  readonly transports: GraphSource;
  /** Needed by modes `dmsg` and `dual`. */
  readonly dmsg?: AttachService;
}

/** Starts a route finder; it answers when this resolves. Errors: those of `runService`. */
export async function runRouteFinder(
  { world, log, settings, transports, dmsg }: RunRouteFinderOptions,
): Promise<RunningService> {
  const graph = new TransportGraph();
  const { address, mode, build } = settings;
  return await runService({
    world,
    log,
    name: "route finder",
    mode,
    address,
    dmsg,
    api: (dmsgStatus, refused) =>
      createRouteFinder({ graph, clock: world.clock, build, dmsgStatus, refused }),
    kept: () => Promise.resolve({ transports: graph.size }),
    holds: transports(graph),
  });
}
