/** What chance decides: how long to wait, and which server is asked first. @module */
import type { World } from "../runtime/mod.ts";
import type { Entry } from "./entry.ts";

/**
 * Servers in the order in which to try them: by u^(1/free sessions), descending, so that a server with more
 * room is asked more often (peer-announce.md 8). A missing or odd count weighs 1.
 */
export function byRandomWeight(servers: readonly Entry[], random: World["random"]): Entry[] {
  return servers
    .map((entry) => {
      const free = Math.max(1, entry.server?.availableSessions ?? 1);
      return { entry, rank: Math.pow(unit(random), 1 / free) };
    })
    .sort((a, b) => b.rank - a.rank)
    .map(({ entry }) => entry);
}

/** A number from 0 up to, not including, 1. */
export function unit(random: World["random"]): number {
  const bytes = random.bytes(4);
  return (((bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!) >>> 0) / 2 ** 32;
}
