/** Scenarios, timelines and verdicts for people. @module */
import { renderBytes, renderDuration } from "../../lib/cli/mod.ts";
import { renderFields, renderTable } from "../../lib/cli/table.ts";
import type { Scenario, TimelineEvent, Verdict } from "../../lib/sim/mod.ts";

/** `skyctl sim ls`. */
export function renderScenarios(
  scenarios: readonly Pick<Scenario, "name" | "servers" | "visors" | "summary">[],
): string {
  return renderTable(
    ["SCENARIO", { head: "SERVERS", align: "right" }, { head: "VISORS", align: "right" }, "WHAT HAPPENS"],
    scenarios.map(({ name, servers, visors, summary }) => [name, servers, visors, summary]),
  );
}

/** `skyctl sim run`: what happened, then how it went. */
export function renderRehearsal(
  { timeline, leftOut, verdict }: {
    readonly timeline: readonly TimelineEvent[];
    readonly leftOut: number;
    readonly verdict: Verdict;
  },
): string {
  const width = Math.max(0, ...timeline.map(({ node }) => node.length));
  const lines = timeline.map(({ atMs, node, event }) => `${timeOf(atMs)}  ${node.padEnd(width)}  ${event}`);
  if (leftOut > 0) lines.push(`... and ${leftOut} events more`);
  if (lines.length > 0) lines.push("");
  return [...lines, renderVerdict(verdict)].join("\n");
}

function renderVerdict(verdict: Verdict): string {
  const { scenario, seed, servers, visors, good, complaints, reachableAfterMs, streams } = verdict;
  const fields = renderFields([
    ["scenario", scenario],
    ["seed", seed],
    ["fleet", `discovery, ${servers} servers, ${visors} visors`],
    ["virtual time", renderDuration(verdict.virtualMs)],
    [
      "all reached",
      reachableAfterMs === undefined ? "no" : `${renderDuration(reachableAfterMs)} after the faults`,
    ],
    [
      "streams",
      `${streams.complete} complete, ${streams.unopened} not opened, ${streams.cut} cut with an error, ` +
      `${streams.lost} with their visor`,
    ],
    ["bytes", `${renderBytes(streams.bytes)} arrived, each as it was sent`],
    ["trace", `${verdict.hash}, ${verdict.events} events`],
    ["verdict", good ? "good" : `bad: ${complaints.length} complaints`],
  ]);
  return [fields, ...complaints.map((complaint) => `  - ${complaint}`)].join("\n");
}

/** `mm:ss.mmm` of virtual time; minutes go on past an hour. */
function timeOf(atMs: number): string {
  const minutes = Math.floor(atMs / 60_000);
  const seconds = ((atMs % 60_000) / 1000).toFixed(3);
  return `${String(minutes).padStart(2, "0")}:${seconds.padStart(6, "0")}`;
}
