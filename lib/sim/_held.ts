/**
 * What nodes hold beside what is explained: sessions in no table, streams without anybody at their end, maps that
 * grow.
 *
 * @module
 */
import { ENTRY_CACHE_MAX, PAIR_FAILURES_MAX, UNANSWERED_MAX } from "../dmsg/mod.ts";
import { HTTP_CLIENT_LIMITS } from "../http/mod.ts";
import type { World } from "../runtime/mod.ts";
import type { Fleet } from "./fleet.ts";

/**
 * Looks in a row at which a server holds more sessions than are in its tables. A session that was evicted or has
 * just ended is held for its last bytes, up to 1 s: one look may see it, and each look another one.
 */
export const SURPLUS_LOOKS_MAX = 4;

/** Watches whether the sessions that servers hold are those in their tables, while everything happens (DS-1). */
export class SurplusWatch {
  readonly #looks = new Map<string, number[]>();

  /** Complaints of servers whose surplus was there at each of the last looks. */
  look({ servers }: Fleet): string[] {
    return servers.flatMap((server) => {
      if (!server.isUp) {
        this.#looks.delete(server.name);
        return [];
      }
      const known = server.sessions().length + server.transitSessions().length;
      const surplus = server.world.ledger.count("yamux-session") - known;
      const looks = [...this.#looks.get(server.name) ?? [], surplus].slice(-SURPLUS_LOOKS_MAX);
      this.#looks.set(server.name, looks);
      const isLasting = looks.length === SURPLUS_LOOKS_MAX && Math.min(...looks) > 0;
      return isLasting ? [`${server.name} goes on holding sessions that are in none of its tables`] : [];
    });
  }
}

/** At any time: what clients remember is within its limits. */
export function checkMaps(fleet: Fleet): string[] {
  return fleet.up.flatMap(({ name, client }) => {
    const { failedPairs, cachedEntries, unansweredPosts } = client.status().held;
    return ([
      ["failed pairs", failedPairs, PAIR_FAILURES_MAX],
      ["looked-up entries", cachedEntries, ENTRY_CACHE_MAX],
      ["unanswered posts", unansweredPosts, UNANSWERED_MAX],
    ] as const).filter(([, count, most]) => count > most)
      .map(([what, , most]) => `${name} remembers more than ${most} ${what}`);
  });
}

/**
 * At rest, without traffic: the streams alive are connections of HTTP to the discovery that a pool keeps, one stream
 * each at its visor, and two at servers, one in either session (DS-5). A ping may be under way: look again.
 */
export function checkStreams(fleet: Fleet): string[] {
  const servers = fleet.servers.filter(({ isUp }) => isUp);
  const complaints: string[] = [];
  let pooledInAll = servers.reduce((total, { world }) => total + pooledOf(world), 0);
  for (const { name, world, client } of fleet.up) {
    const streams = sum(client.sessions());
    pooledInAll += pooledOf(world);
    if (streams > pooledOf(world)) complaints.push(`${name} holds ${streams} streams at rest`);
  }
  const streams = servers.reduce((total, server) => total + sum(server.sessions()), 0);
  if (streams > 2 * pooledInAll) {
    complaints.push(`the servers hold streams at rest that belong to nothing: ${streams - 2 * pooledInAll}`);
  }
  return complaints;
}

/** Idle connections that a client keeps at most; above it they are no reason for a stream. */
function pooledOf({ ledger }: World): number {
  return Math.min(ledger.count("http-client-conn"), HTTP_CLIENT_LIMITS.idlePerHostMax);
}

function sum(sessions: readonly { readonly streams: number }[]): number {
  return sessions.reduce((total, { streams }) => total + streams, 0);
}
