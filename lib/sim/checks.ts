/**
 * What must hold whatever happened: looked at while a scenario runs, and when its faults are over.
 *
 * Each checker gives complaints, one line each; none is a good answer.
 *
 * @module
 */
import { describeError } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { askOver, tcpHttpClient } from "../directory/mod.ts";
import {
  HttpDiscovery,
  LIVENESS_DEADLINE_MS,
  LIVENESS_INTERVAL_MS,
  SERVER_ENTRY_REFRESH_MS,
  SERVER_SESSIONS_MAX,
  SESSION_STREAMS_MAX,
} from "../dmsg/mod.ts";
import { sleep, withTimeout, type World } from "../runtime/mod.ts";
import { silentLog } from "../base/mod.ts";
import { checkMaps, checkStreams } from "./_held.ts";
import { DISCOVERY_URL, ECHO_PORT, SIM_VERSION } from "./_places.ts";
import type { Fleet } from "./fleet.ts";
import type { VisorNode } from "./_visor_node.ts";

/** Every peer reaches every other within this after the faults end. */
export const REACHABLE_WITHIN_MS = 60_000;
/** An idle session that is half dead is noticed within this: two pings, each in its time, and a little (DC-8). */
export const DEAD_SEEN_WITHIN_MS = 2 * (LIVENESS_INTERVAL_MS + LIVENESS_DEADLINE_MS) + 5_000;
const REST_LOOK_MS = 1_000;
/** Nothing is left of a stream so long after both ends closed it: below every time-out that would clear it away. */
export const STREAMS_GONE_WITHIN_MS = 5_000;
/** A server that runs is listed within this after the faults end: as it is reached, and its next post. */
export const LISTED_WITHIN_MS = REACHABLE_WITHIN_MS + SERVER_ENTRY_REFRESH_MS;
/** A peer that was not reached is asked again after so long. */
const REACH_RETRY_MS = 2_000;
/** One attempt to reach a peer. */
const REACH_TIMEOUT_MS = 30_000;

/** At any time: nobody holds more than it may, and one session per key and server. */
export function checkBounds(fleet: Fleet): string[] {
  const complaints = checkMaps(fleet);
  const tables = [
    ...fleet.servers.filter((server) => server.isUp).map((server) => ({
      name: server.name,
      sessions: server.sessions(),
      most: SERVER_SESSIONS_MAX,
    })),
    ...fleet.servers.filter((server) => server.isUp).map((server) => ({
      name: `${server.name}, as a client,`,
      sessions: server.transitSessions(),
      most: fleet.servers.length,
    })),
    ...fleet.up.map((visor) => ({
      name: visor.name,
      sessions: visor.client.sessions(),
      most: fleet.servers.length,
    })),
  ];
  for (const { name, sessions, most } of tables) {
    if (sessions.length > most) complaints.push(`${name} has ${sessions.length} sessions, more than ${most}`);
    if (new Set(sessions.map(({ remote }) => remote)).size < sessions.length) {
      complaints.push(`${name} has two sessions with one key`);
    }
    for (const { remote, streams } of sessions) {
      if (streams > SESSION_STREAMS_MAX) {
        complaints.push(`${name} has ${streams} streams in its session with ${remote}`);
      }
    }
  }
  return complaints;
}

/** At rest: both ends agree on who has a session with whom, and nothing is held beside those. */
export function checkSessions(fleet: Fleet): string[] {
  const complaints: string[] = [];
  const names = new Map<PublicKey, string>(fleet.nodes.map(({ publicKey, name }) => [publicKey, name]));
  const servers = fleet.servers.filter(({ isUp }) => isUp);
  const clients = [
    ...fleet.up.map(({ name, publicKey, client }) => ({ name, publicKey, sessions: client.sessions() })),
    ...servers.map((server) => ({ ...nameAndKey(server), sessions: server.transitSessions() })),
  ];
  for (const server of servers) {
    const held = server.world.ledger.count("yamux-session");
    const sessions = server.sessions();
    const known = sessions.length + server.transitSessions().length;
    if (held !== known) complaints.push(`${server.name} holds ${held} sessions, ${known} in its tables`);
    const peers = new Set(sessions.map(({ remote }) => remote));
    for (const client of clients) {
      const isThere = client.sessions.some(({ remote }) => remote === server.publicKey);
      if (isThere && !peers.has(client.publicKey)) {
        complaints.push(`${client.name} has a session with ${server.name}, which knows nothing of it`);
      }
      if (peers.delete(client.publicKey) && !isThere) {
        complaints.push(`${server.name} has a session of ${client.name}, which knows nothing of it`);
      }
    }
    peers.delete(fleet.discovery.publicKey);
    for (const key of peers) {
      const name = names.get(key) ?? key;
      if (fleet.nodes.some((node) => node.publicKey === key && node.isUp)) continue;
      complaints.push(`${server.name} has a session of ${name}, which does not run`);
    }
  }
  for (const visor of fleet.up) {
    const held = visor.world.ledger.count("yamux-session");
    const sessions = visor.client.sessions().length;
    if (held !== sessions) complaints.push(`${visor.name} holds ${held} sessions, ${sessions} in its table`);
  }
  return complaints;
}

/** A discovery that runs has a session with every server that runs: others reach it through any of them. */
export function checkDiscovery({ discovery, servers }: Fleet): string[] {
  if (!discovery.isUp) return [];
  const connected = new Set(discovery.connected());
  return servers.filter((server) => server.isUp && !connected.has(server.publicKey))
    .map(({ name }) => `the discovery has no session with ${name}`);
}

/**
 * Waits until both checks have nothing to say. The discovery has {@link REACHABLE_WITHIN_MS}, from `sinceMs` on,
 * and an idle session whose other end is gone the two pings that it takes to notice; what is said then stays.
 */
export async function untilAtRest(fleet: Fleet, sinceMs: number): Promise<string[]> {
  for (;;) {
    const sessions = [...checkSessions(fleet), ...checkStreams(fleet)];
    const discovery = checkDiscovery(fleet);
    const passedMs = fleet.simulation.nowMs - sinceMs;
    if (discovery.length > 0 && passedMs > REACHABLE_WITHIN_MS) return [...discovery, ...sessions];
    if (sessions.length > 0 && passedMs > DEAD_SEEN_WITHIN_MS) return sessions;
    if (sessions.length + discovery.length === 0) return [];
    await fleet.sleep(REST_LOOK_MS);
  }
}

function nameAndKey({ name, publicKey }: { readonly name: string; readonly publicKey: PublicKey }) {
  return { name, publicKey };
}

export interface Reach {
  readonly complaints: readonly string[];
  /** From the end of the faults until the last pair had met. */
  readonly afterMs: number;
}

/**
 * Every pair, or `pairsMax` of them by chance: dialled, spoken to and heard, within {@link REACHABLE_WITHIN_MS}.
 * Dials are those of an application that tries again: what the client remembers of failures counts against it.
 * Visors that were cut off dial only when all others have reached them, as their own dials would help them.
 */
export async function checkReach(fleet: Fleet, pairsMax = Infinity): Promise<Reach> {
  const startedMs = fleet.simulation.nowMs;
  const all = fleet.up.flatMap((from) => fleet.up.filter((to) => to !== from).map((to) => ({ from, to })));
  const pairs = all.length > pairsMax ? fleet.shuffled(all).slice(0, pairsMax) : all;
  const talkers = fleet.talkers();
  const complaints: string[] = [];
  for (const isTalker of [true, false]) {
    await Promise.all(pairs.map(async ({ from, to }) => {
      if (talkers.includes(from) !== isTalker) return;
      const failure = await reach(from, to, startedMs + REACHABLE_WITHIN_MS);
      if (failure === undefined) return;
      complaints.push(
        `${from.name} does not reach ${to.name} in ${REACHABLE_WITHIN_MS / 1000} s: ${failure}`,
      );
    }));
  }
  return { complaints, afterMs: Math.round(fleet.simulation.nowMs - startedMs) };
}

/** Undefined once it was reached; else why not. */
async function reach(from: VisorNode, to: VisorNode, untilMs: number): Promise<string | undefined> {
  const { clock } = from.world;
  const what = `Reaching ${to.name}`;
  for (;;) {
    const leftMs = untilMs - clock.monotonicMs();
    const afterMs = Math.max(1, Math.min(REACH_TIMEOUT_MS, leftMs));
    try {
      await withTimeout(clock, { what, afterMs }, (signal) => sayHello(from, to, signal));
      return undefined;
    } catch (error) {
      if (clock.monotonicMs() + REACH_RETRY_MS > untilMs) return describeError(error);
      await sleep(clock, REACH_RETRY_MS);
    }
  }
}

async function sayHello(from: VisorNode, to: VisorNode, signal: AbortSignal): Promise<void> {
  const stream = await from.client.dial({ publicKey: to.publicKey, port: ECHO_PORT }, { signal });
  const onAbort = () => stream.close(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const word = from.world.random.bytes(8);
    await stream.write(word);
    const heard: number[] = [];
    while (heard.length < word.length) {
      const bytes = await stream.read();
      if (bytes === null) throw new TypeError("the stream ended before the echo");
      heard.push(...bytes);
    }
    if (heard.join() !== word.join()) throw new TypeError("the echo is not what was said");
  } finally {
    signal.removeEventListener("abort", onAbort);
    stream.close();
  }
}

/** Streams between random pairs in a network without faults: each must be complete, and nothing left of it. */
export async function checkCalmTraffic(fleet: Fleet, count: number): Promise<string[]> {
  const { up } = fleet;
  if (up.length < 2) return [];
  const flows = await Promise.all(Array.from({ length: count }, () => {
    const from = fleet.random.integer(0, up.length - 1);
    const to = (from + fleet.random.integer(1, up.length - 1)) % up.length;
    return fleet.traffic.run(up[from]!, up[to]!, { pauses: false });
  }));
  const failed = flows.filter(({ outcome }) => outcome !== "complete").map(({ from, to, failure }) =>
    `a stream from ${from.name} to ${to.name} failed while nothing was wrong: ${failure}`
  );
  const endedMs = fleet.simulation.nowMs;
  for (;;) {
    const held = checkStreams(fleet);
    if (held.length === 0 || fleet.simulation.nowMs - endedMs > STREAMS_GONE_WITHIN_MS) {
      return [...failed, ...held];
    }
    await fleet.sleep(REST_LOOK_MS);
  }
}

/** What the discovery says when asked over HTTP, from a machine that no fault touches. */
export class Observer {
  readonly #discovery: HttpDiscovery;
  readonly #client;

  constructor(world: World) {
    this.#client = tcpHttpClient(world, `skyctl/${SIM_VERSION}`);
    const way = { name: "http", origin: DISCOVERY_URL, client: this.#client, isReady: () => true };
    this.#discovery = new HttpDiscovery(askOver("dmsg discovery", [way], world.clock, silentLog));
  }

  /** Complaints about entries of `nodes`, which are closed. */
  async checkGone(
    nodes: readonly { readonly name: string; readonly publicKey: PublicKey }[],
  ): Promise<string[]> {
    const found = await Promise.all(
      nodes.map(async ({ name, publicKey }) =>
        await this.#discovery.entry(publicKey) === undefined
          ? []
          : [`the discovery has an entry of ${name}, which is closed`]
      ),
    );
    return found.flat();
  }

  /**
   * Complaints about servers that run and are not listed, or do not know that they are. They have
   * {@link LISTED_WITHIN_MS} from `sinceMs` on.
   */
  async checkListed(fleet: Fleet, sinceMs: number): Promise<string[]> {
    for (;;) {
      const listed = new Set((await this.#discovery.allServers()).map((entry) => entry.static));
      const complaints = fleet.servers.flatMap((server) => {
        if (!server.isUp || fleet.unlisted.has(server)) return [];
        if (!listed.has(server.publicKey)) return [`the discovery does not list ${server.name}, which runs`];
        return server.isRegistered ? [] : [`${server.name} is listed, and does not know it`];
      });
      if (complaints.length === 0 || fleet.simulation.nowMs - sinceMs > LISTED_WITHIN_MS) return complaints;
      await fleet.sleep(REST_LOOK_MS);
    }
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}
