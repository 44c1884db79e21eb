/** What `skyctl sim run` does. @module */
import type { Io } from "../../lib/cli/mod.ts";
import { RehearsalFailedError, rehearse, scenarioNamed, type TimelineEvent } from "../../lib/sim/mod.ts";
import { renderRehearsal } from "./_render.ts";

export interface RehearsalCommandOptions {
  readonly seed: number;
  readonly servers?: number | undefined;
  readonly visors?: number | undefined;
  readonly timeline: "all" | "faults" | "none";
}

/** Events of one rehearsal that are kept; a thousand clients that reconnect have more to say than is read. */
const EVENTS_MAX = 5_000;

/**
 * Rehearses, prints, and rejects with `RehearsalFailedError` on a bad verdict. The timeline is printed at the
 * end: while a simulation runs the machine's clocks are out of reach, those of a terminal too.
 */
export async function runRehearsal(io: Io, name: string, options: RehearsalCommandOptions): Promise<void> {
  const scenario = scenarioNamed(name);
  const timeline: TimelineEvent[] = [];
  let leftOut = 0;
  const keep = (event: TimelineEvent) => {
    if (options.timeline === "faults" && !FAULT_TELLERS.has(event.node) && !STATES.test(event.event)) return;
    if (timeline.length < EVENTS_MAX) timeline.push(event);
    else leftOut++;
  };
  const { seed, servers, visors } = options;
  const verdict = await rehearse(scenario, {
    seed,
    servers,
    visors,
    onEvent: options.timeline === "none" ? undefined : keep,
  });
  io.emit({ timeline, leftOut, verdict }, renderRehearsal);
  if (!verdict.good) throw new RehearsalFailedError(verdict);
}

/** Who speaks of faults and findings, and what nodes say of their own coming and going. */
const FAULT_TELLERS: ReadonlySet<string> = new Set(["scenario", "check"]);
const STATES =
  /^(started|told to stop|stopped|killed|died|its |cut off|joined|stalls|goes on|reads|is steady|what it)/;
