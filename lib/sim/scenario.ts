/** What a scenario is, and what a rehearsal of one comes to. @module */
import type { Fleet } from "./fleet.ts";
import type { RoutedFleet } from "./routed/mod.ts";
import type { TrafficCounts } from "./traffic.ts";

/** One thing that may happen to a fleet. */
export type Scenario = DmsgScenario | RoutedScenario;

interface ScenarioHead {
  /** As it is named on the command line. */
  readonly name: string;
  /** One line for a list. */
  readonly summary: string;
  /** Of the fleet, unless whoever rehearses says otherwise. */
  readonly servers: number;
  readonly visors: number;
  /** Virtual time that it may take. */
  readonly untilMs?: number;
}

/** To a fleet of dmsg clients. */
export interface DmsgScenario extends ScenarioHead {
  readonly routed?: undefined;
  /**
   * Starts what it wants of the fleet and lets things happen to it. When it resolves the faults are over, and
   * the checks begin. Rejects, with an error in words, when something is wrong already.
   */
  readonly run: (fleet: Fleet) => Promise<void>;
  /** Sessions that each visor keeps, when not those of a visor's configuration. */
  readonly visorSessions?: number;
  /** False: visors ask the discovery over plain HTTP only, which costs less of the machine. Default true. */
  readonly discoveryOverDmsg?: boolean;
  /** Everything for a server passes a gate in front of it, which may tamper with it. Default false. */
  readonly gated?: boolean;
  /** Pairs of visors that are tried at the end; all unless told. For large fleets. */
  readonly reachPairsMax?: number;
}

/** To a fleet of whole visors, with transports and routes. */
export interface RoutedScenario extends ScenarioHead {
  readonly routed: true;
  /** As that of a {@link DmsgScenario}. */
  readonly run: (fleet: RoutedFleet) => Promise<void>;
}

/** How a rehearsal went. */
export interface Verdict {
  readonly scenario: string;
  readonly seed: string;
  readonly servers: number;
  readonly visors: number;
  readonly good: boolean;
  /** What was not as it must be, one line each. */
  readonly complaints: readonly string[];
  /** From the end of the faults until every peer had reached every other. */
  readonly reachableAfterMs: number | undefined;
  readonly streams: TrafficCounts;
  /** Virtual time of the whole rehearsal. */
  readonly virtualMs: number;
  readonly events: number;
  /** Equal for two runs in which the same happened. */
  readonly hash: string;
}
