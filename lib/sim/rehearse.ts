/**
 * One rehearsal: a fleet, a scenario, and the checks after it.
 *
 *     scenario -> faults end -> every peer reached in 60 s -> rest -> sessions agree -> calm streams complete
 *              -> all stop in order -> no entry is left -> nothing is alive
 *
 * @module
 */
import { Simulation } from "../runtime/simulated/mod.ts";
import { describeError } from "../base/mod.ts";
import { checkBounds, checkCalmTraffic, checkReach, Observer, type Reach, untilAtRest } from "./checks.ts";
import { SurplusWatch } from "./_held.ts";
import { Fleet, type FleetOptions } from "./fleet.ts";
import { checkRoutedReach, routedFinale, RoutedFleet, RoutedWatch } from "./routed/mod.ts";
import type { DmsgScenario, RoutedScenario, Scenario, Verdict } from "./scenario.ts";
import { type EventSink, Timeline } from "./timeline.ts";

/** Virtual time of a scenario unless it says otherwise; the checks take the same again. */
const UNTIL_MS = 2 * 3_600_000;
/** How often the bounds are looked at. */
const BOUNDS_EVERY_MS = 2_000;
/** What was under way when the faults ended has ended by then. */
const REST_MS = 15_000;
const CALM_STREAMS = 12;
/** The longest life of an entry whose owner cannot delete it, and a little. */
const ENTRY_LIFE_MS = 61 * 60_000;

export interface RehearsalOptions {
  readonly seed: number | string;
  readonly servers?: number;
  readonly visors?: number;
  /** Given each event of the timeline as it happens. */
  readonly onEvent?: EventSink;
  /** Macrotask turns beyond those needed: for a test that a run does not depend on them. */
  readonly extraTurns?: number;
}

/** Rehearses `scenario`. Never rejects: what goes wrong is in the verdict. One at a time in a process. */
export async function rehearse(scenario: Scenario, options: RehearsalOptions): Promise<Verdict> {
  const { servers = scenario.servers, visors = scenario.visors, seed, extraTurns, onEvent } = options;
  const simulation = new Simulation({ seed: `${scenario.name}/${seed}`, extraTurns });
  const timeline = new Timeline(() => simulation.nowMs, onEvent);
  const about = { simulation, timeline, servers, visors };
  const rehearsal = scenario.routed ? routedRehearsal(scenario, about) : dmsgRehearsal(scenario, about);
  const { fleet } = rehearsal;
  const complaints = new Complaints(timeline);
  let reachableAfterMs: number | undefined;
  try {
    await simulation.run(async () => {
      await watched(rehearsal, complaints);
      fleet.say("the faults are over");
      fleet.hush();
      const faultsEndedMs = simulation.nowMs;
      const reach = await rehearsal.reach();
      complaints.add(reach.complaints);
      if (reach.complaints.length === 0) {
        reachableAfterMs = reach.afterMs;
        fleet.say("every peer has reached every other");
      }
      await rehearsal.finale(faultsEndedMs, (lines) => complaints.add(lines));
    }, { untilMs: (scenario.untilMs ?? UNTIL_MS) + UNTIL_MS });
    const alive = Object.entries(simulation.live()).map(([what, count]) => `${what} ${count}`);
    if (alive.length > 0) complaints.add([`alive at the end: ${alive.join(", ")}`]);
  } catch (error) {
    complaints.add([`the rehearsal broke off: ${describeError(error)}`]);
  }
  complaints.add(fleet.traffic.violations);
  return {
    scenario: scenario.name,
    seed: String(seed),
    servers,
    visors,
    good: complaints.lines.length === 0,
    complaints: complaints.lines,
    reachableAfterMs,
    streams: fleet.traffic.counts,
    virtualMs: Math.round(simulation.nowMs),
    events: simulation.trace.count,
    hash: simulation.hash,
  };
}

type AddComplaints = (lines: readonly string[]) => void;

/** What is done with a kind of fleet. */
interface Rehearsal {
  readonly fleet: Fleet;
  readonly scenario: () => Promise<void>;
  /** Looked at while the scenario runs. */
  readonly look: () => string[];
  readonly reach: () => Promise<Reach>;
  /** Everything in order, with a look at each step. */
  readonly finale: (faultsEndedMs: number, add: AddComplaints) => Promise<void>;
}

type About = Pick<FleetOptions, "simulation" | "timeline" | "servers" | "visors">;

function dmsgRehearsal(scenario: DmsgScenario, about: About): Rehearsal {
  const { visorSessions, discoveryOverDmsg, gated } = scenario;
  const fleet = new Fleet({ ...about, visorSessions, discoveryOverDmsg, gated });
  const surplus = new SurplusWatch();
  return {
    fleet,
    scenario: () => scenario.run(fleet),
    look: () => [...checkBounds(fleet), ...surplus.look(fleet)],
    reach: () => checkReach(fleet, scenario.reachPairsMax),
    finale: (faultsEndedMs, add) => finale(fleet, add, faultsEndedMs),
  };
}

function routedRehearsal(scenario: RoutedScenario, about: About): Rehearsal {
  const fleet = new RoutedFleet(about);
  const watch = new RoutedWatch();
  return {
    fleet,
    scenario: () => scenario.run(fleet),
    look: () => [...checkBounds(fleet), ...watch.look(fleet)],
    reach: () => checkRoutedReach(fleet),
    finale: (faultsEndedMs, add) => routedFinale(fleet, { watch, faultsEndedMs, add }),
  };
}

async function finale(fleet: Fleet, add: AddComplaints, faultsEndedMs: number): Promise<void> {
  await fleet.stopTraffic();
  await fleet.sleep(REST_MS);
  add(checkBounds(fleet));
  add(await untilAtRest(fleet, faultsEndedMs));
  const observer = new Observer(fleet.director);
  if (fleet.discovery.isUp) add(await observer.checkListed(fleet, faultsEndedMs));
  add(await checkCalmTraffic(fleet, CALM_STREAMS));
  const hadDied = fleet.nodes.filter(({ state }) => state === "dead");
  const visors = fleet.up;
  await Promise.all(visors.map((visor) => visor.stop()));
  add(await observer.checkGone(visors));
  const servers = fleet.servers.filter(({ isUp }) => isUp);
  await Promise.all(servers.map((server) => server.stop()));
  add(await observer.checkGone(servers));
  if (hadDied.length > 0) {
    await fleet.sleep(ENTRY_LIFE_MS);
    add(await observer.checkGone(hadDied));
  }
  await observer.close();
  if (fleet.discovery.isUp) await fleet.discovery.stop();
  await Promise.all(fleet.gates.map((gate) => gate.stop()));
}

/** Runs the scenario and looks at the fleet all the while. */
async function watched({ fleet, scenario, look }: Rehearsal, complaints: Complaints): Promise<void> {
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      complaints.add(look());
      await fleet.sleep(BOUNDS_EVERY_MS);
    }
  })();
  watching.catch(() => {}); // told below
  try {
    await scenario();
  } finally {
    isOver = true;
    await watching;
  }
}

/** Most lines of one verdict: one fault can show in every pair of a fleet. */
const COMPLAINTS_MAX = 40;

/** Each complaint once, and told when it is first seen. */
class Complaints {
  readonly #lines = new Set<string>();
  readonly #timeline: Timeline;

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  get lines(): string[] {
    return [...this.#lines];
  }

  add(lines: readonly string[]): void {
    for (const line of lines) {
      if (this.#lines.has(line) || this.#lines.size >= COMPLAINTS_MAX) continue;
      this.#lines.add(line);
      this.#timeline.add("check", line);
    }
  }
}
