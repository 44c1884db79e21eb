/** A route finder that runs: plain HTTP, dmsg port 80, or both, on a graph that it keeps. @module */
import type { Log } from "../../base/mod.ts";
import { TransportGraph } from "../../routing/paths/mod.ts";
import type { SocketAddress, World } from "../../runtime/mod.ts";
import {
  type AttachService,
  type BuildInfo,
  checkEntryTimeout,
  type RunningService,
  runService,
  type ServiceMode,
} from "../hosting/mod.ts";
import { createRouteFinder } from "./api.ts";
import type { GraphSource, ListState } from "./source.ts";

export interface RouteFinderSettings {
  /** Where plain HTTP listens; port 0 takes any free one. */
  readonly address: SocketAddress;
  readonly mode: ServiceMode;
  /**
   * Life of transports at the discovery whose list is read: an older list is told of in `/health`. 0: they do not
   * expire, nor does the list. Default: that of a discovery of which nothing else is said.
   */
  readonly entryTimeoutMs?: number;
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

export interface RunningRouteFinder extends RunningService {
  /** How old the list of transports is that it reads; undefined where it reads none. */
  list(): ListState | undefined;
}

/** Starts a route finder; it answers when this resolves. Errors: those of `runService`. */
export async function runRouteFinder(
  { world, log, settings, transports, dmsg }: RunRouteFinderOptions,
): Promise<RunningRouteFinder> {
  const { address, mode, build, entryTimeoutMs } = settings;
  if (entryTimeoutMs !== undefined) checkEntryTimeout(entryTimeoutMs);
  const graph = new TransportGraph();
  const feed = transports(graph, { entryTimeoutMs });
  const list = () => feed.list?.();
  const service = await runService({
    world,
    log,
    name: "route finder",
    mode,
    address,
    dmsg,
    api: (dmsgStatus, refused) =>
      createRouteFinder({ graph, clock: world.clock, build, dmsgStatus, refused, list }),
    kept: () => Promise.resolve({ transports: graph.size }),
    holds: feed,
  });
  return Object.assign(service, { list });
}
