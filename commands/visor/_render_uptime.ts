/** A visor's uptime for people. @module */
import { renderDuration } from "../../lib/cli/mod.ts";
import { renderFields, renderTable } from "../../lib/cli/table.ts";
import type { UptimeSummary } from "../../lib/control/mod.ts";

type Times = UptimeSummary["retained"];

export function renderUptime(
  { sampleIntervalMs, now, panel, retained, hours, failure }: UptimeSummary,
): string {
  const parts = [renderFields([
    ["now", `dmsg ${now.dmsg ? "up" : "down"}, skynet ${now.skynet ? "up" : "down"}`],
    ["24 hours", renderTimes(panel)],
    ["30 days", renderTimes(retained)],
    [
      "looks every",
      sampleIntervalMs === 0 ? "never: switched off (stats.disabled)" : renderDuration(sampleIntervalMs),
    ],
  ])];
  if (hours.length > 0) {
    parts.push(renderTable(
      [
        "hour (UTC)",
        { head: "ran", align: "right" },
        { head: "dmsg", align: "right" },
        { head: "skynet", align: "right" },
        { head: "skynet without dmsg", align: "right" },
      ],
      hours.map((hour) => [
        new Date(hour.startMs).toISOString().slice(0, 16).replace("T", " "),
        renderDuration(hour.runningMs),
        share(hour.dmsgMs, hour),
        share(hour.skynetMs, hour),
        share(hour.skynetWithoutDmsgMs, hour),
      ]),
    ));
  }
  if (panel.skynetWithoutDmsgMs > 0) {
    parts.push(
      "Skynet without dmsg: other transports than those over dmsg were up while no dmsg server was connected.",
    );
  }
  if (failure !== undefined) parts.push(`Warning: the newest samples are not on disk: ${failure}`);
  return parts.join("\n\n");
}

function renderTimes(times: Times): string {
  if (times.runningMs === 0) return "no sample yet";
  return `ran ${renderDuration(times.runningMs)}: dmsg ${share(times.dmsgMs, times)}, ` +
    `skynet ${share(times.skynetMs, times)}`;
}

function share(ms: number, { runningMs }: Times): string {
  return `${(100 * ms / runningMs).toFixed(1)} %`;
}
