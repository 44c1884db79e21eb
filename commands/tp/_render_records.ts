/** Transports of the network for people. @module */
import { renderDuration } from "../../lib/cli/mod.ts";
import { renderTable } from "../../lib/cli/table.ts";
import type { TransportRecord } from "../../lib/directory/mod.ts";

/** One line each; latencies come in microseconds. */
export function renderRecords(records: readonly TransportRecord[]): string {
  if (records.length === 0) return "no transport";
  return renderTable(
    ["type", "id", "edge", "edge", "label", "latency"],
    records.map(({ type, id, edges: [first, second], label, latency }) => [
      type,
      id,
      first,
      second,
      label,
      latency === undefined ? "-" : renderDuration(latency.avg / 1_000),
    ]),
  );
}
