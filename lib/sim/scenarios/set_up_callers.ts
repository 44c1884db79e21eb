/**
 * Who asks for routes: a hundred callers who all want what nobody can reach, and those who leave, or are gone, before
 * they have what they asked for (RT-4, RT-6).
 *
 * @module
 */
import { silentLog } from "../../base/mod.ts";
import { keyPairFromSeed, type PublicKey } from "../../crypto/mod.ts";
import { AWAIT_SETUP_PORT, SETUP_NODE_PORT } from "../../dmsg/mod.ts";
import { type Hop, RULE_KEEP_ALIVE_NS } from "../../routing/mod.ts";
import {
  type BidirectionalRoute,
  CIRCUIT_FAILURES,
  CIRCUIT_OPEN_MS,
  SetupClient,
} from "../../routing/setup/mod.ts";
import { transportId } from "../../transport/mod.ts";
import {
  GROUP_WITHOUT_PEER_MS,
  KNOWN_AFTER_MS,
  ping,
  type RoutedFleet,
  type WholeVisor,
} from "../routed/mod.ts";
import type { RoutedScenario } from "../scenario.ts";
import { AROUND, FOUR_VISORS, fourOf, POLL_MS, STEADY_MS } from "./_four_visors.ts";
import { mustBeRefused, mustHaveFailed } from "./_set_up_counts.ts";

const CALLERS = 100;
/**
 * In which they come, when not at once: a visor that nobody knows is given up within half of it, one that died just
 * now after it.
 */
const CALLERS_COME_MS = 8_000;

export const breakerProbe: RoutedScenario = {
  name: "breaker-probe",
  summary: "a hundred callers want a dead visor when its breaker is half-open: one is let through",
  ...FOUR_VISORS,
  async run(fleet) {
    const [one, other, relay, to] = fourOf(fleet);
    await fleet.settle();
    for (const end of [one, other, to]) await fleet.link(end, relay);
    await fleet.sleep(KNOWN_AFTER_MS);
    to.kill("silent");
    const call = (index: number, over = relay.publicKey) =>
      askForRoute(index % 2 === 0 ? one : other, over, to.publicKey);
    await Promise.all(Array.from({ length: CIRCUIT_FAILURES }, (_, index) => call(index)));
    mustHaveFailed(fleet, CIRCUIT_FAILURES);
    await call(0);
    mustBeRefused(fleet, 1);
    const dials = watchDials(fleet, to.publicKey);
    await fleet.sleep(CIRCUIT_OPEN_MS);
    fleet.say("a hundred callers come");
    await Promise.all(Array.from({ length: CALLERS }, (_, index) => call(index)));
    mustHaveFailed(fleet, CIRCUIT_FAILURES + 1 + CALLERS);
    mustBeRefused(fleet, CALLERS);
    await to.start();
    await to.ready(new AbortController().signal);
    await fleet.sleep(CIRCUIT_OPEN_MS);
    to.kill("silent");
    fleet.say("a hundred callers come, each by way of a visor that never was");
    await Promise.all(Array.from({ length: CALLERS }, async (_, index) => {
      await fleet.sleep(fleet.random.integer(0, CALLERS_COME_MS));
      await call(index, inventedKey(index));
    }));
    await fleet.until("no dial is under way", () => dials.now === 0, CIRCUIT_OPEN_MS);
    if (dials.most !== 1) throw new TypeError(`${dials.most} dials at once while the circuit was half-open`);
    mustHaveFailed(fleet, CIRCUIT_FAILURES + 1 + 2 * CALLERS);
    mustBeRefused(fleet, 2 * CALLERS - 1);
    await to.start();
    await to.ready(new AbortController().signal);
    await fleet.link(to, relay);
    await fleet.sleep(KNOWN_AFTER_MS);
    await fleet.retried("a route to a visor that is back", () => ping(one, to, AROUND), CIRCUIT_OPEN_MS);
    const circuit = fleet.setupNode.stats()!.top_destinations?.find(({ pk }) => pk === to.publicKey)?.circuit;
    if (circuit !== undefined) throw new TypeError(`the circuit of a visor that is back is ${circuit}`);
  },
};

/** Counts the setup node's dials of a visor that are under way, from now on. */
function watchDials({ setupNode }: RoutedFleet, visor: PublicKey): { now: number; most: number } {
  const counts = { now: 0, most: 0 };
  const { dmsg } = setupNode;
  const dial = dmsg!.dial.bind(dmsg);
  const counted: typeof dial = async (to, options) => {
    if (to.publicKey !== visor || to.port !== AWAIT_SETUP_PORT) return await dial(to, options);
    counts.most = Math.max(counts.most, ++counts.now);
    return await dial(to, options).finally(() => counts.now--);
  };
  Object.assign(dmsg!, { dial: counted });
  return counts;
}

function inventedKey(index: number): PublicKey {
  return keyPairFromSeed(new TextEncoder().encode(`invented ${index}`)).publicKey;
}

/** One request to the setup node, as a visor's dialler makes it, without another try. Never rejects. */
async function askForRoute(from: WholeVisor, relay: PublicKey, to: PublicKey): Promise<void> {
  const { world, node: { router }, running: { visor: { dmsg } } } = from;
  const hop = (a: PublicKey, b: PublicKey): Hop => ({
    transportId: transportId(a, b, "stcpr"),
    from: a,
    to: b,
  });
  const route: BidirectionalRoute = {
    descriptor: {
      source: { publicKey: from.publicKey, port: router.ephemeralPort() },
      destination: { publicKey: to, port: 58 },
    },
    keepAliveNs: RULE_KEEP_ALIVE_NS,
    forward: [hop(from.publicKey, relay), hop(relay, to)],
    reverse: [hop(to, relay), hop(relay, from.publicKey)],
  };
  const client = new SetupClient({
    world,
    log: silentLog,
    setupNodes: () => from.running.network.setupNodes ?? [],
    dial: (publicKey, options) => dmsg.dial({ publicKey, port: SETUP_NODE_PORT }, options),
  });
  await client.dialRouteGroup(route).catch(() => {}); // the setup node's counters say how it went
}

/**
 * A source that leaves, or is gone, has its route taken back within this and the time that a set-up takes: its own
 * answer may have to come first. It is less than the far end needs to give up a source that never comes, and relays
 * behind it, so that nobody can rely on that.
 */
const TAKEN_BACK_WITHIN_MS = 3_000;
const LEAVES = 20;
/** The far end of a visor's links with servers: at most so far, as the seed decides. Some are slow to answer. */
const SERVER_AWAY_MS_MIN = 100;
const SERVER_AWAY_MS_MAX = 600;
/** And when the faults are over. */
const SERVER_NEAR_MS = 20;

export const callerGivesUp: RoutedScenario = {
  name: "caller-gives-up",
  summary: "a source leaves at any moment of its set-ups: no visor keeps a rule of them",
  ...FOUR_VISORS,
  async run(fleet) {
    const { from, to, needsMs, mustBeClean, comeNear } = await farFromServers(fleet);
    let left = 0;
    for (let round = 0; round < LEAVES; round++) {
      const leaving = new AbortController();
      const dial = ping(from, to, { ...AROUND, signal: leaving.signal }).then(() => {}, () => left++);
      await fleet.sleep(fleet.random.integer(0, needsMs));
      leaving.abort(new TypeError("the user went away"));
      await dial;
      await mustBeClean();
    }
    if (left === 0) throw new TypeError(`nobody left in ${needsMs} ms`);
    fleet.say(`left ${left} of ${LEAVES} set-ups`, from.name);
    await ping(from, to, AROUND);
    comeNear();
  },
};

const LOSSES = 8;
/** Of a set-up by way of whichever server is left, with everything to be dialled anew. */
const SET_UP_WITHIN_MS = 30_000;
/** A visor that stops says goodbye to everybody at once, and waits for nobody longer. */
const STOPS_WITHIN_MS = 2_000;

export const callerDies: RoutedScenario = {
  name: "caller-dies",
  summary:
    "a source loses its sessions, or dies, at any moment of its set-ups: no visor keeps a rule of them",
  ...FOUR_VISORS,
  async run(fleet) {
    const { from, next, to, others, needsMs, mustBeClean, comeNear } = await farFromServers(fleet);
    for (let round = 0; round < LOSSES; round++) {
      await fleet.sleep(STEADY_MS);
      const dial = ping(from, to, AROUND).catch(() => {});
      await someMoment(fleet, needsMs, round % 2 === 0);
      for (const server of fleet.servers) fleet.simulation.reset(from.name, server.name);
      fleet.say("its sessions are lost while it asks for a route", from.name);
      await dial;
      await mustBeClean();
    }
    for (const how of fleet.shuffled(["stop", "reset", "silent"] as const)) {
      await from.ready(new AbortController().signal);
      void ping(from, to, AROUND).catch(() => {}); // ends with its visor, without a word
      await someMoment(fleet, needsMs, fleet.random.chance(50));
      fleet.say(`ends while it asks for a route: ${how}`, from.name);
      const startedMs = fleet.simulation.nowMs;
      if (how === "stop") await from.stop();
      else from.kill(how);
      const tookMs = fleet.simulation.nowMs - startedMs;
      if (tookMs > STOPS_WITHIN_MS) throw new TypeError(`${from.name} took ${tookMs} ms to stop`);
      if (how !== "silent") await mustBeClean(others);
      else await mustBeClean(others, GROUP_WITHOUT_PEER_MS); // it may have been in use, and nobody is told
      await from.start();
      await from.ready(new AbortController().signal);
      await fleet.link(from, next);
      await fleet.sleep(KNOWN_AFTER_MS);
    }
    await fleet.retried("a route of a source that is back", () => ping(from, to, AROUND), CIRCUIT_OPEN_MS);
    comeNear();
  },
};

/** Any moment of a set-up that is under way; or the one when its answer is. */
async function someMoment(fleet: RoutedFleet, needsMs: number, isAnswered: boolean): Promise<void> {
  if (!isAnswered) return await fleet.sleep(fleet.random.integer(0, needsMs));
  const { successful } = fleet.setupNode.stats()!;
  const isSent = () => fleet.setupNode.stats()!.successful > successful;
  await fleet.until("the setup node has set a route up", isSent, SET_UP_WITHIN_MS, POLL_MS);
}

/** A chain of visors from whom servers are far, and how long a route of it needs to be made, used and closed. */
async function farFromServers(fleet: RoutedFleet) {
  const row = fourOf(fleet);
  const [from, next, , to] = row;
  await fleet.settle();
  await fleet.chain(row);
  const awayMs = fleet.random.integer(SERVER_AWAY_MS_MIN, SERVER_AWAY_MS_MAX);
  for (const { name } of row) {
    for (const server of fleet.servers) {
      fleet.simulation.link(name, server.name, { latencyMs: fleet.random.integer(1, awayMs) });
    }
  }
  let needsMs = 0;
  const mustBeClean = (visors: readonly WholeVisor[] = row, withinMs = needsMs + TAKEN_BACK_WITHIN_MS) => {
    const isClean = () =>
      visors.every(({ node: { router } }) => router.rules().length + router.groups().length === 0);
    return fleet.until("no visor holds a rule of a route that nobody wants", isClean, withinMs);
  };
  for (let time = 0; time < 2; time++) { // the first has connections to be made
    const startedMs = fleet.simulation.nowMs;
    await ping(from, to, AROUND);
    needsMs = Math.ceil(fleet.simulation.nowMs - startedMs);
    await mustBeClean();
  }
  fleet.say(`a route needs ${needsMs} ms`, from.name);
  /** A visor that stops waits a moment only until its transports are deregistered. */
  const comeNear = () => {
    for (const { name } of row) {
      for (const server of fleet.servers) {
        fleet.simulation.link(name, server.name, { latencyMs: SERVER_NEAR_MS });
      }
    }
  };
  return { from, next, to, others: row.slice(1), needsMs, mustBeClean, comeNear };
}
