/** Sessions for people. @module */
import { renderBytes, renderDuration } from "../lib/cli/mod.ts";
import { renderTable } from "../lib/cli/table.ts";
import type { SessionSummary } from "../lib/control/mod.ts";

/** The table of `dmsg sessions` (CL-1). */
export function renderSessions(sessions: readonly SessionSummary[]): string {
  if (sessions.length === 0) return "no dmsg session";
  return renderTable(
    [
      "server",
      "remote key",
      "address",
      "post-quantum",
      { head: "streams", align: "right" },
      "uptime",
      "in",
      "out",
    ],
    sessions.map(({ server, remote, address, postQuantum, streams, uptimeMs, bytesIn, bytesOut }) => [
      server,
      remote,
      address,
      postQuantum ? "yes" : "no",
      streams,
      renderDuration(uptimeMs),
      renderBytes(bytesIn),
      renderBytes(bytesOut),
    ]),
  );
}
