/**
 * What happens to routes while they are set up: hops that are dead, slow, restarting or unwilling, and connections
 * that the setup node keeps for too long (RT-2 to RT-5, RT-11).
 *
 * @module
 */
import { CIRCUIT_OPEN_MS } from "../../routing/setup/mod.ts";
import { KNOWN_AFTER_MS, ping, type RoutedFleet, type WholeVisor } from "../routed/mod.ts";
import type { RoutedScenario } from "../scenario.ts";
import { AROUND, FOUR_VISORS, fourOf, POLL_MS, STEADY_MS } from "./_four_visors.ts";
import { mustHaveFailed } from "./_set_up_counts.ts";

/** One dial goes around a dead hop within this: the hop is given up after 10 s, or the far end after 6 s. */
const AROUND_WITHIN_MS = 30_000;
/** Rules of a route that failed are deleted at once, by connections that are open. */
const UNDONE_WITHIN_MS = 3_000;
/** Of a visor that died in silence: the setup node waits 30 s for its answer, and deletes what others have. */
const TAKEN_BACK_WITHIN_MS = 34_000;
/** The setup node says which hop is dead: 10 s for a dial or for its answer, or three dials in a row. */
const NAMED_WITHIN_MS = 20_000;
/** A set-up over hops that are well. */
const SET_UP_WITHIN_MS = 3_000;

/** Two ways from the first visor to the last, with a visor on each. */
async function diamond(fleet: RoutedFleet) {
  const [from, near, far, to] = fourOf(fleet);
  await fleet.settle();
  for (const [relay, latencyMs] of [[near, 5], [far, 40]] as const) {
    for (const end of [from, to]) {
      fleet.simulation.link(relay.name, end.name, { latencyMs });
      await fleet.link(end, relay);
    }
  }
  await fleet.sleep(KNOWN_AFTER_MS);
  return { from, near, far, to };
}

export const deadHopFirst: RoutedScenario = {
  name: "dead-hop-first",
  summary: "the visor of the best route is dead; one dial finds the other route",
  ...FOUR_VISORS,
  async run(fleet) {
    const { from, near, to } = await diamond(fleet);
    await ping(from, to, AROUND);
    if (near.node.router.counters().packetsForwarded === 0) {
      throw new TypeError(`${near.name} is not ranked first`);
    }
    from.route = to.route = AROUND;
    fleet.startTraffic(2, [from, to]);
    await fleet.sleep(fleet.random.integer(0, 5_000));
    const how = fleet.pick(["silent", "reset", "stop"] as const);
    if (how === "stop") await near.stop();
    else near.kill(how);
    const startedMs = fleet.simulation.nowMs;
    await ping(from, to, AROUND);
    const tookMs = fleet.simulation.nowMs - startedMs;
    if (tookMs > AROUND_WITHIN_MS) throw new TypeError(`the way around took ${tookMs / 1000} s`);
    fleet.say(`${to.name} was reached around ${near.name} in ${Math.round(tookMs)} ms`);
    if (fleet.random.chance(50)) {
      await fleet.sleep(fleet.random.integer(0, 60_000));
      await near.start();
      await near.ready(new AbortController().signal);
      await fleet.sleep(CIRCUIT_OPEN_MS); // routes over it may be refused until then
    }
  },
};

export const partialSetUp: RoutedScenario = {
  name: "partial-set-up",
  summary: "a visor of a route refuses its rules, or dies, when others have theirs: none keeps any",
  ...FOUR_VISORS,
  async run(fleet) {
    const row = fourOf(fleet);
    const [from, one, other, to] = row;
    await fleet.settle();
    await fleet.chain(row);
    for (const refusing of [to, fleet.pick([one, other])]) {
      const isEnd = refusing === to;
      const { router } = refusing.node;
      const method = isEnd ? "addEdgeRules" : "addIntermediaryRules";
      Object.assign(router, {
        [method]: () => {
          throw new TypeError("no room for rules");
        },
      });
      fleet.say("refuses rules", refusing.name);
      await mustFail(ping(from, to, AROUND));
      await fleet.until(
        "no visor holds a rule of a route that failed",
        () => row.every(({ node }) => node.router.rules().length === 0),
        UNDONE_WITHIN_MS,
      );
      delete (router as unknown as Record<string, unknown>)[method];
      await ping(from, to, AROUND);
      await fleet.until(
        "no visor holds a rule of a route that was closed",
        () => row.every(({ node }) => node.router.rules().length === 0),
        UNDONE_WITHIN_MS,
      );
    }
    const deaths = [
      { dying: to, how: "silent" },
      { dying: to, how: "reset" },
      { dying: fleet.pick([one, other]), how: fleet.pick(["silent", "reset"] as const) },
    ] as const;
    for (const death of fleet.shuffled(deaths)) await diesWhenOthersHaveTheirs(fleet, { row, ...death });
    const dying = fleet.pick([one, other, to]);
    const dial = ping(from, to, AROUND).then(() => "reached", () => "failed");
    await fleet.sleep(fleet.random.integer(0, 600));
    dying.kill(fleet.pick(["silent", "reset"]));
    fleet.say(`the set-up ${await dial}`);
    await fleet.sleep(fleet.random.integer(0, 20_000));
    await dying.start();
  },
};

/** A visor of the route dies in the moment in which a relay has its rules, and before it says so to the setup node. */
async function diesWhenOthersHaveTheirs(
  fleet: RoutedFleet,
  { row, dying, how }: {
    readonly row: readonly WholeVisor[];
    readonly dying: WholeVisor;
    readonly how: "silent" | "reset";
  },
): Promise<void> {
  const [from, to] = [row[0]!, row.at(-1)!];
  const relay = fleet.pick(row.slice(1, -1).filter((each) => each !== dying));
  let isDead = false;
  afterRules(relay, () => {
    dying.kill(how);
    isDead = true;
  });
  const leaving = new AbortController();
  const dial = ping(from, to, { ...AROUND, signal: leaving.signal }).then(() => "reached", () => "failed");
  await fleet.until(`${relay.name} has rules`, () => isDead, SET_UP_WITHIN_MS, POLL_MS);
  const alive = row.filter((each) => each !== dying);
  if (alive.every(({ node }) => node.router.rules().length === 0)) throw new TypeError("nobody has rules");
  await fleet.until(
    "no visor holds a rule of a route that one of its visors did not live to see",
    () => alive.every(({ node }) => node.router.rules().length === 0),
    TAKEN_BACK_WITHIN_MS,
  );
  leaving.abort(new TypeError("enough was tried"));
  fleet.say(`the set-up ${await dial}`);
  await dying.start();
  await dying.ready(new AbortController().signal);
  await fleet.retried("a route over a visor that was restarted", async () => {
    for (let at = 1; at < row.length; at++) await fleet.link(row[at - 1]!, row[at]!);
    await ping(from, to, AROUND);
  }, 2 * CIRCUIT_OPEN_MS);
}

/** Has something happen once, when a relay has saved rules and has told nobody yet. */
function afterRules({ node: { router } }: WholeVisor, event: () => void): void {
  const save = router.addIntermediaryRules.bind(router);
  Object.assign(router, {
    addIntermediaryRules: (rules: Parameters<typeof save>[0]) => {
      delete (router as { addIntermediaryRules?: unknown }).addIntermediaryRules;
      save(rules);
      event();
    },
  });
}

async function mustFail(work: Promise<void>): Promise<void> {
  const isDone = await work.then(() => true, () => false);
  if (isDone) throw new TypeError("a route was set up though one of its visors refused it");
}

/** A server tells the setup node of an end when it knows of it: a link's latency later. */
const STALE_MS = 10;
/** Visors end the connections that the setup node keeps after two minutes. */
const KEPT_MS = 120_000;

export const stalePooled: RoutedScenario = {
  name: "stale-pooled",
  summary: "routes are asked for just when the connections end that the setup node keeps to visors",
  ...FOUR_VISORS,
  visors: 3,
  async run(fleet) {
    const row = fleet.shuffled(fleet.whole) as [WholeVisor, WholeVisor, WholeVisor];
    const [from, relay, to] = row;
    await fleet.settle();
    await fleet.chain(row);
    for (let round = 0; round < 3; round++) { // the visors' own time for a connection is over
      await ping(from, to, AROUND);
      await fleet.sleep(KEPT_MS + fleet.random.integer(-400, 100));
    }
    for (let round = 0; round < 3; round++) { // its session is lost
      await ping(from, to, AROUND);
      const startedMs = fleet.simulation.nowMs;
      const dial = ping(from, to, AROUND);
      const isAsked = () => fleet.setupNode.stats()!.active_requests > 0;
      await fleet.until("the setup node is asked", isAsked, SET_UP_WITHIN_MS, POLL_MS);
      const needsMs = fleet.simulation.nowMs - startedMs;
      await dial;
      const losing = ping(from, to, AROUND);
      await fleet.sleep(needsMs - STALE_MS);
      const ending = fleet.pick([relay, to]);
      for (const server of fleet.servers) fleet.simulation.reset(ending.name, server.name);
      fleet.say("its sessions are lost while it is asked", ending.name);
      await losing;
      await fleet.sleep(STEADY_MS);
    }
    mustHaveFailed(fleet, 0);
    const restarting = fleet.pick([relay, to]);
    restarting.kill(fleet.pick(["silent", "reset"])); // and the setup node keeps what it had with it
    await restarting.start();
    await restarting.ready(new AbortController().signal);
    await fleet.retried("a route over visors that were restarted", async () => {
      for (let at = 1; at < row.length; at++) await fleet.link(row[at - 1]!, row[at]!);
      await ping(from, to, AROUND);
    }, 60_000);
  },
};

/** A route whose only relay is this. */
function overRelay(relay: WholeVisor, to: WholeVisor) {
  return { forward: [{ publicKey: relay.publicKey }, { publicKey: to.publicKey }] } as const;
}

export const slowDeadHop: RoutedScenario = {
  name: "slow-dead-hop",
  summary: "a visor of kept connections hears nothing any more; set-ups over others are as quick as before",
  ...FOUR_VISORS,
  async run(fleet) {
    const { from, near, far, to } = await diamond(fleet);
    const over = (relay: WholeVisor) => overRelay(relay, to);
    await ping(from, to, over(near));
    await ping(from, to, over(far));
    const how = fleet.pick(["silent", "cut off", "slow"] as const);
    fleet.say(`is ${how}`, near.name);
    if (how === "silent") near.kill("silent");
    else if (how === "cut off") fleet.simulation.partition(near.name);
    else fleet.simulation.slowReader(near.name, 0);
    const hangsSinceMs = fleet.simulation.nowMs;
    let hungMs = 0;
    const hanging = Promise.allSettled([1, 2, 3].map(async () => {
      await ping(from, to, over(near)).finally(() => hungMs = fleet.simulation.nowMs - hangsSinceMs);
    }));
    for (let round = 0; round < 5; round++) {
      await fleet.sleep(fleet.random.integer(500, 4_000));
      const startedMs = fleet.simulation.nowMs;
      await ping(from, to, over(far));
      const tookMs = fleet.simulation.nowMs - startedMs;
      if (tookMs > SET_UP_WITHIN_MS) throw new TypeError(`a route over ${far.name} took ${tookMs / 1000} s`);
    }
    const results = await hanging;
    if (results.some(({ status }) => status === "fulfilled")) {
      throw new TypeError(`${near.name} was not dead`);
    }
    if (hungMs > NAMED_WITHIN_MS) throw new TypeError(`a dead hop was named after ${hungMs / 1000} s`);
    const startedMs = fleet.simulation.nowMs;
    await ping(from, to, AROUND);
    const tookMs = fleet.simulation.nowMs - startedMs;
    if (tookMs > AROUND_WITHIN_MS) throw new TypeError(`the way around took ${tookMs / 1000} s`);
    if (how === "silent") return;
    await fleet.sleep(fleet.pick([10_000, 100_000]));
    if (how === "cut off") fleet.simulation.heal(near.name);
    else fleet.simulation.slowReader(near.name, Infinity);
    fleet.say("is well again", near.name);
  },
};

/** Below what the setup node waits between its first and its third dial. */
const OFF_DMSG_MS = 800;

export const hopChurn: RoutedScenario = {
  name: "hop-churn",
  summary: "the visors between two ends restart all the while routes over them are set up",
  ...FOUR_VISORS,
  async run(fleet) {
    const [from, near, far, to] = fourOf(fleet);
    for (const end of [from, to]) {
      end.config = {
        persistent_transports: [near, far].map(({ publicKey }) => ({ pk: publicKey, type: "stcpr" })),
      };
      end.route = AROUND;
    }
    await fleet.settle();
    await fleet.sleep(KNOWN_AFTER_MS + 10_000);
    fleet.startTraffic(2, [from, to]);
    let isOver = false;
    const dialling = Promise.all([1, 2].map(async () => {
      while (!isOver) {
        await ping(from, to, AROUND).catch(() => {}); // as a relay may go at any moment
        await fleet.sleep(fleet.random.integer(0, 2_000));
      }
    }));
    for (let round = fleet.random.integer(3, 5); round > 0; round--) {
      await fleet.sleep(fleet.random.integer(200, 8_000));
      const relay = fleet.pick([near, far]);
      const how = fleet.pick(["silent", "reset", "stop"] as const);
      if (how === "stop") await relay.stop();
      else relay.kill(how);
      await fleet.sleep(fleet.random.integer(0, 3_000));
      await relay.start();
    }
    isOver = true;
    await dialling;
    await fleet.stopTraffic();
    const steady = fleet.pick([near, far]);
    const over = overRelay(steady, to);
    await fleet.retried("a route over a relay that is steady", () => ping(from, to, over), 120_000);
    await fleet.sleep(STEADY_MS);
    for (const server of fleet.servers) {
      fleet.simulation.reset(steady.name, server.name);
      fleet.simulation.partition(steady.name, server.name);
    }
    fleet.say("is on no server for a second", steady.name);
    await fleet.sleep(OFF_DMSG_MS / 4); // until all have heard it
    const route = ping(from, to, over); // the setup node tries three times
    await fleet.sleep(OFF_DMSG_MS);
    for (const server of fleet.servers) fleet.simulation.heal(steady.name, server.name);
    await route;
  },
};
