/** The facts of a running visor. @module */
import { describeError } from "../../base/mod.ts";
import type { World } from "../../runtime/mod.ts";
import type { Visor } from "../visor.ts";
import { looked, type VisorFacts } from "./running.ts";

export async function gatherFacts(
  visor: Visor,
  { world, sessionsWanted, discoveryAheadMs, signal }: {
    readonly world: Pick<World, "clock" | "network">;
    readonly sessionsWanted: number;
    /** Asked after the discovery was. */
    readonly discoveryAheadMs: () => number | undefined;
    readonly signal: AbortSignal;
  },
): Promise<VisorFacts> {
  const { publicKey, dmsg, node: { transports, services } } = visor;
  const { clock } = world;
  const { transportDiscovery, addressResolver } = services;
  const [publishedServers, registered, binding] = await Promise.all([
    looked(
      "A look at the own entry",
      clock,
      signal,
      async (ended) => {
        const entry = await dmsg.discovery.published(publicKey, ended);
        return entry === undefined ? undefined : entry.client?.delegatedServers ?? [];
      },
    ),
    transportDiscovery && looked(
      "A look at the transport discovery",
      clock,
      signal,
      async (ended) => (await transportDiscovery.byEdge(publicKey, ended)).map(({ id }) => id),
    ),
    addressResolver && looked(
      "A look at the address resolver",
      clock,
      signal,
      (ended) => addressResolver.resolve("stcpr", publicKey, ended),
    ),
  ]);
  const { entry, lastFailure, dmsg: { sessions }, warnings } = present(visor);
  return {
    publicKey,
    wallMs: clock.wallMs(),
    discoveryAheadMs: discoveryAheadMs(),
    sessionsWanted,
    sessions,
    lastSessionFailure: lastFailure,
    entryFailure: entry.failure,
    isPublished: entry.published,
    publishedServers,
    warnings,
    carrierFailures: [...transports.carrierFailures].map(([type, error]) => ({
      type,
      failure: describeError(error),
    })),
    types: transports.types,
    ownAddresses: world.network.addresses(),
    binding,
    transports: transports.transports().map(({ id, type, remote, ageMs, latencyMs }) => ({
      id,
      type,
      remote,
      ageMs,
      isMeasured: latencyMs !== undefined,
    })),
    registered,
  };
}

/** What its status says now, after the looks. */
function present(visor: Visor) {
  const { dmsg: { entry, lastFailure }, warnings } = visor.status();
  return {
    entry,
    lastFailure,
    warnings,
    dmsg: { sessions: visor.dmsg.sessions().map(({ remote }) => remote) },
  };
}
