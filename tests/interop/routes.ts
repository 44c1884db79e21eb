/**
 * Fills the cells about transports and routes: two visors of each side on one deployment.
 *
 *     our first -- their first -- our second -- their second        one stcpr transport each
 *                       \________________________/                  only for the last routes of 2 hops
 *
 * So there is one route for every number of hops that is asked for, and it is known who relays it.
 *
 * @module
 */
import { cellFiller, type FillCell } from "./cells.ts";
import { SkipError } from "./build.ts";
import { fileFetcher } from "./file_fetcher.ts";
import { poll } from "./lab.ts";
import type { LiveOptions } from "./live.ts";
import { type RouteNetworkPlan, type RouteRole, routeRowsOf, type Side } from "./matrix.ts";
import { OurBuild } from "./ours.ts";
import { OurRoutes } from "./ours_routes.ts";
import { PeerRoutes } from "./peer_routes.ts";
import type { Deployment, RouteBuild, RouteVisor } from "./route_build.ts";

/** Ours registers 5 s after a transport is up, and asks again where a service was busy. */
const REGISTERED_MS = 20_000;
const GONE_MS = 10_000;
/** Each look is a command, and two cells look at once. */
const ASK_MS = 400;

/** One network of one column. Never rejects: what cannot be tried is a failed or skipped cell. */
export async function tryRoutes(network: RouteNetworkPlan, options: LiveOptions): Promise<void> {
  const { lab, ours, theirs } = options;
  const rows = routeRowsOf(network);
  const cell = cellFiller<RouteRole>(rows, options);
  try {
    const isControl = theirs instanceof OurBuild;
    if (isControl && network.deployment === "theirs") {
      throw new SkipError("ours against ours has one deployment: ours");
    }
    const builds: Record<Side, RouteBuild> = {
      ours: new OurRoutes(lab, ours),
      theirs: isControl ? new OurRoutes(lab, theirs) : new PeerRoutes(lab, theirs),
    };
    await meet(network, builds, options, cell);
  } catch (error) {
    for (const { role, from, to } of rows) await cell(role, from, () => Promise.reject(error), to);
  }
}

async function meet(
  network: RouteNetworkPlan,
  builds: Record<Side, RouteBuild>,
  options: LiveOptions,
  cell: FillCell<RouteRole>,
): Promise<void> {
  await using ends = new AsyncDisposableStack();
  const deployment = await builds[network.deployment].startDeployment();
  ends.defer(() => deployment.end());
  const start = async (side: Side, minHops: number) => {
    const visor = await builds[side].startRouteVisor(deployment, { minHops });
    ends.defer(() => visor.end());
    return visor;
  };
  const [our1, our2, their1, their2] = await Promise.all([
    start("ours", 1),
    start("ours", 1),
    start("theirs", 2), // the one that dials over relays
    start("theirs", 1),
  ]);
  const record = discoveryOf(options, deployment);

  /** Both ends have it, and it can be found. */
  const isUp = async (id: string, ...visors: RouteVisor[]) => {
    for (const visor of visors) {
      await poll(async () => (await visor.transports()).some((each) => each.id === id) || undefined, {
        withinMs: GONE_MS,
        everyMs: ASK_MS,
        what: () => `${visor.publicKey} does not list ${id}`,
      });
    }
    const startedMs = performance.now();
    await poll(async () => await record(id) ? true : undefined, {
      withinMs: REGISTERED_MS,
      everyMs: ASK_MS,
      what: () => `The discovery does not know ${id}`,
    });
    return `registered after ${Math.round(performance.now() - startedMs)} ms`;
  };
  const isGone = async (id: string, visor: RouteVisor) => {
    await poll(async () => (await visor.transports()).every((each) => each.id !== id) || undefined, {
      withinMs: GONE_MS,
      everyMs: ASK_MS,
      what: () => `${visor.publicKey} still lists ${id}`,
    });
    await poll(async () => await record(id) ? undefined : true, {
      withinMs: GONE_MS,
      everyMs: ASK_MS,
      what: () => `The discovery still has ${id}`,
    });
  };

  const dmsg = (from: RouteVisor, to: RouteVisor) => async () => {
    const id = await from.addTransport(to.publicKey, "dmsg");
    const registered = await isUp(id, from, to);
    const { ms } = await from.ping(to.publicKey, 1);
    await from.removeTransport(id);
    await isGone(id, to);
    return `${registered}, ${ms.toFixed(2)} ms over a route on it, gone`;
  };
  const sudph = (from: RouteVisor, to: RouteVisor) => async () => {
    const id = await from.addTransport(to.publicKey, "sudph");
    const registered = await isUp(id, from, to);
    const { ms } = await from.ping(to.publicKey, 1);
    await from.removeTransport(id);
    // KCP has no close: a visor of 2024 keeps its end for ever unless it is told.
    if ((await to.transports()).some((each) => each.id === id)) await to.removeTransport(id);
    await isGone(id, to);
    return `${registered}, ${ms.toFixed(2)} ms over a route on it, gone`;
  };
  const stcpr = (from: RouteVisor, to: RouteVisor) => async () =>
    await isUp(await from.addTransport(to.publicKey, "stcpr"), from, to);
  const redial = (from: RouteVisor, to: RouteVisor) => async () => {
    const before = (await from.transports()).find((each) =>
      each.remote === to.publicKey && each.type === "stcpr"
    );
    if (before === undefined) throw new Error("There is no transport to close");
    await from.removeTransport(before.id);
    await isGone(before.id, to);
    const id = await from.addTransport(to.publicKey, "stcpr");
    return `gone; ${await isUp(id, from, to)}`;
  };
  await Promise.all([
    cell("dmsg transport", "ours", dmsg(our1, their1)),
    cell("dmsg transport", "theirs", dmsg(their2, our2)),
  ]);
  await Promise.all([
    cell("sudph transport", "ours", sudph(our1, their1)),
    cell("sudph transport", "theirs", sudph(their2, our2)),
  ]);
  await Promise.all([
    cell("stcpr transport", "ours", stcpr(our1, their1)),
    cell("stcpr transport", "theirs", stcpr(their1, our2)),
    stcpr(our2, their2)(),
  ]);
  await Promise.all([
    cell("stcpr redial", "ours", redial(our1, their1)),
    cell("stcpr redial", "theirs", redial(their1, our2)),
  ]);

  const ping = (from: RouteVisor, ...way: RouteVisor[]) => async () => {
    const { ms, way: took } = await from.ping(way.at(-1)!.publicKey, way.length);
    const wanted = way.map(({ publicKey }) => publicKey);
    if (took !== undefined && `${took}` !== `${wanted}`) throw new Error(`It went by ${took}`);
    return `${ms.toFixed(2)} ms`;
  };
  await cell("route, 1 hop", "ours", ping(our1, their1));
  await cell("route, 1 hop", "theirs", ping(their2, our2));
  await cell("route, 2 hops", "ours", ping(our1, their1, our2));
  await cell("route, 3 hops", "ours", ping(our1, their1, our2, their2));

  const fetchFile = fileFetcher(options);
  const socks = (from: RouteVisor, ...way: RouteVisor[]) => async () => {
    const address = await from.startProxy(way.at(-1)!.publicKey, way.length);
    try {
      const rate = await fetchFile(address);
      for (const relay of way.slice(0, -1)) {
        if (await relay.relayRules() === 0) throw new Error(`${relay.publicKey} has no rule that passes on`);
      }
      return rate;
    } finally {
      await from.stopProxy();
    }
  };
  await cell("SOCKS, 1 hop", "ours", socks(our1, their1));
  await cell("SOCKS, 1 hop", "theirs", socks(their2, our2));
  await cell("SOCKS, 2 hops", "ours", socks(our1, their1, our2), "ours");
  await cell("SOCKS, 2 hops", "theirs", socks(their1, our2, their2), "theirs");
  await stcpr(their1, their2)(); // a visor of 2024 has made it by itself when it dialled that way
  await cell("SOCKS, 2 hops", "ours", socks(our2, their2, their1), "theirs");
  await cell("SOCKS, 2 hops", "theirs", socks(their1, their2, our2), "ours");
}

/** Whether the transport discovery has a transport, asked with our command. */
function discoveryOf({ ours }: LiveOptions, { file, services }: Deployment) {
  return async (id: string): Promise<boolean> => {
    const result = await ours.run([
      ...["tp", "disc", "-i", id, "--addr", services.transport_discovery, "--deployment", file, "--json"],
    ]);
    if (result.code === 0) return true;
    if (result.code === NOT_THERE) return false;
    throw new Error(`tp disc ended with ${result.code}: ${result.stderr.slice(-300)}`);
  };
}

/** Exit code of a service that says no. */
const NOT_THERE = 4;
