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
import { checkBounds, checkCalmTraffic, checkReach, Observer, untilAtRest } from "./checks.ts";
import { SurplusWatch } from "./_held.ts";
import { Fleet } from "./fleet.ts";
import type { Scenario, Verdict } from "./scenario.ts";
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
  const fleet = new Fleet({
    simulation,
    timeline,
    servers,
    visors,
    visorSessions: scenario.visorSessions,
    discoveryOverDmsg: scenario.discoveryOverDmsg,
    gated: scenario.gated,
  });
  const complaints = new Complaints(timeline);
  let reachableAfterMs: number | undefined;
  try {
    await simulation.run(async () => {
      await watched(fleet, complaints, () => scenario.run(fleet));
      fleet.say("the faults are over");
      fleet.hush();
      const faultsEndedMs = simulation.nowMs;
      const reach = await checkReach(fleet, scenario.reachPairsMax);
      complaints.add(reach.complaints);
      if (reach.complaints.length === 0) {
        reachableAfterMs = reach.afterMs;
        fleet.say("every peer has reached every other");
      }
      await finale(fleet, complaints, faultsEndedMs);
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

/** Everything in order, with a look at each step. */
async function finale(fleet: Fleet, complaints: Complaints, faultsEndedMs: number): Promise<void> {
  await fleet.stopTraffic();
  await fleet.sleep(REST_MS);
  complaints.add(checkBounds(fleet));
  complaints.add(await untilAtRest(fleet, faultsEndedMs));
  const observer = new Observer(fleet.director);
  if (fleet.discovery.isUp) complaints.add(await observer.checkListed(fleet, faultsEndedMs));
  complaints.add(await checkCalmTraffic(fleet, CALM_STREAMS));
  const hadDied = fleet.nodes.filter(({ state }) => state === "dead");
  const visors = fleet.up;
  await Promise.all(visors.map((visor) => visor.stop()));
  complaints.add(await observer.checkGone(visors));
  const servers = fleet.servers.filter(({ isUp }) => isUp);
  await Promise.all(servers.map((server) => server.stop()));
  complaints.add(await observer.checkGone(servers));
  if (hadDied.length > 0) {
    await fleet.sleep(ENTRY_LIFE_MS);
    complaints.add(await observer.checkGone(hadDied));
  }
  await observer.close();
  if (fleet.discovery.isUp) await fleet.discovery.stop();
  await Promise.all(fleet.gates.map((gate) => gate.stop()));
}

/** Runs `work` and looks at the bounds all the while. */
async function watched(fleet: Fleet, complaints: Complaints, work: () => Promise<void>): Promise<void> {
  let isOver = false;
  const surplus = new SurplusWatch();
  const watching = (async () => {
    while (!isOver) {
      complaints.add([...checkBounds(fleet), ...surplus.look(fleet)]);
      await fleet.sleep(BOUNDS_EVERY_MS);
    }
  })();
  try {
    await work();
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
