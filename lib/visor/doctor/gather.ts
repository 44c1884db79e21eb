/** The facts of a running visor. @module */
import { describeError } from "../../base/mod.ts";
import type { NetworkClient } from "../../directory/mod.ts";
import type { World } from "../../runtime/mod.ts";
import type { Visor } from "../visor.ts";
import type { Entry } from "../../dmsg/mod.ts";
import type { PresenceState } from "../presence/mod.ts";
import { CLOCK_NOTED_MS, type OtherClock } from "./clock.ts";
import { looked } from "./looked.ts";
import type { PresenceFacts, VisorFacts } from "./running.ts";

export async function gatherFacts(
  visor: Visor,
  { world, sessionsWanted, clocks, signal }: {
    readonly world: Pick<World, "clock" | "network">;
    readonly sessionsWanted: number;
    /** Those of services that answered, asked for after the looks: each look tells one anew. */
    readonly clocks: NetworkClient["clocks"];
    readonly signal: AbortSignal;
  },
): Promise<VisorFacts> {
  const { publicKey, dmsg, node: { transports, services, presence, sudph, stcprAddress } } = visor;
  const { clock } = world;
  const { transportDiscovery, addressResolver } = services;
  const resolved = (type: "stcpr" | "sudph") =>
    addressResolver && looked(
      "A look at the address resolver",
      clock,
      signal,
      (ended) => addressResolver.resolve(type, publicKey, ended),
    );
  const [publishedServers, registered, stcpr, udp, servers] = await Promise.all([
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
    resolved("stcpr"),
    resolved("sudph"),
    looked(
      "A look at the dmsg servers",
      clock,
      signal,
      (ended) => dmsg.discovery.allServers(ended),
    ),
  ]);
  const { entry, lastFailure, dmsg: { sessions }, warnings } = present(visor);
  return {
    publicKey,
    wallMs: clock.wallMs(),
    clocks: [
      ...[...clocks.recent()].map(([name, aheadMs]) => ({ name, aheadMs })).sort((a, b) =>
        a.name < b.name ? -1 : 1
      ),
      ...("value" in servers ? aheadIn(servers.value, clock.wallMs()) : []),
    ],
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
    bindings: stcpr === undefined || udp === undefined ? [] : [
      { type: "stcpr", port: stcprAddress?.port, known: stcpr },
      {
        type: "sudph",
        port: sudph?.address?.port,
        known: udp,
        isBound: sudph?.isBound === true,
        isSymmetric: sudph?.nat === "symmetric",
      },
    ],
    transports: transports.transports().map(({ id, type, remote, ageMs, latencyMs }) => ({
      id,
      type,
      remote,
      ageMs,
      isMeasured: latencyMs !== undefined,
    })),
    registered,
    presence: presenceFacts(presence.state()),
  };
}

/** An entry proves that its server's clock was past that time; one that is not of later than now says nothing. */
function aheadIn(entries: readonly Entry[], nowMs: number): OtherClock[] {
  return entries
    .map(({ static: server, timestamp }) => ({
      name: `dmsg server ${server}`,
      aheadMs: Number(timestamp / 1_000_000n) - nowMs,
    }))
    .filter(({ aheadMs }) => aheadMs >= CLOCK_NOTED_MS);
}

function presenceFacts({ services, heartbeat }: PresenceState): PresenceFacts[] {
  return [
    ...services.map(({ type, registeredAgoMs, failure }) => ({
      at: `the service discovery, as ${type}`,
      agoMs: registeredAgoMs,
      failure,
    })),
    ...(heartbeat === undefined ? [] : [{
      at: `the ${heartbeat.service}`,
      agoMs: heartbeat.lastAgoMs,
      failure: heartbeat.failure,
    }]),
  ];
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
