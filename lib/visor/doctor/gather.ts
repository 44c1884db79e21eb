/** The facts of a running visor. @module */
import { describeError } from "../../base/mod.ts";
import type { NetworkClient } from "../../directory/mod.ts";
import { sleep, type World } from "../../runtime/mod.ts";
import type { Visor } from "../visor.ts";
import type { PresenceState } from "../presence/mod.ts";
import { signedTimes } from "./clock.ts";
import { type KeyFacts, whoPublished } from "./key.ts";
import { looked } from "./looked.ts";
import type { PresenceFacts, VisorFacts } from "./running.ts";

/** An entry of ours may be in the discovery before its answer is here: it is waited for so long. */
export const POST_ANSWER_MS = 2_000;

export async function gatherFacts(
  visor: Visor,
  { world, configFile, sessionsWanted, clocks, signal }: {
    readonly world: Pick<World, "clock" | "network">;
    readonly configFile: string;
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
  const [published, registered, stcpr, udp, servers] = await Promise.all([
    looked(
      "A look at the own entry",
      clock,
      signal,
      async (ended) => {
        const entry = await dmsg.discovery.published(publicKey, ended);
        return entry && { sequence: entry.sequence, servers: entry.client?.delegatedServers ?? [] };
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
  const posted = "value" in published ? published.value?.sequence : undefined;
  if (posted !== undefined && publishedBy(visor, posted) !== "us") await sleep(clock, POST_ANSWER_MS, signal);
  const { uptimeMs, warnings, dmsg: { entry, lastFailure } } = visor.status(); // now, after the looks
  const { sessions, ...ends } = dmsg.status();
  return {
    publicKey,
    configFile,
    uptimeMs,
    wallMs: clock.wallMs(),
    clocks: [...clocks.recent()].map(([name, aheadMs]) => ({ name, aheadMs })).sort((a, b) =>
      a.name < b.name ? -1 : 1
    ),
    signed: "value" in servers ? signedTimes(servers.value, clock.wallMs()) : [],
    sessionsWanted,
    sessions: sessions.map(({ remote }) => remote),
    oldestSessionMs: sessions.length === 0
      ? undefined
      : Math.max(...sessions.map(({ uptimeMs }) => uptimeMs)),
    ends,
    publishedBy: publishedBy(visor, posted),
    lastSessionFailure: lastFailure,
    entryFailure: entry.failure,
    isPublished: entry.published,
    publishedServers: "value" in published ? { value: published.value?.servers } : published,
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

/** Whose an entry is, by what this visor has published until now. */
function publishedBy({ dmsg }: Visor, postedSequence: bigint | undefined): KeyFacts["publishedBy"] {
  const { entry, held: { unansweredPosts } } = dmsg.status();
  return whoPublished(postedSequence, { sequence: entry?.sequence, unanswered: unansweredPosts });
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
