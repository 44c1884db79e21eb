/**
 * `deno task soak [--minutes N] [--clients N] [--processes N] [--rate N] [--churn PCT] [--json]`: a server under a
 * fleet that comes and goes. `deno task soak streams [--count N] [--json]`: so many bridged streams through one.
 *
 * The rows go to stderr as they come, the report to stdout, a verdict last. Exit code 1 for a bad one.
 *
 * @module
 */
import {
  BadArgumentError,
  decimalNumber,
  parseTask,
  runTask,
  wholeNumber,
} from "../../scripts/_arguments.ts";
import { type ChurnReport, type MinuteRow, soakChurn } from "./churn.ts";

const COLUMNS: readonly (keyof MinuteRow)[] = [
  "minute",
  "rssMb",
  "heapMb",
  "handles",
  "sessions",
  "muxStreams",
  "cpuPct",
  "streams",
  "errors",
  "churnFailures",
  "late",
];

function renderRow(row: MinuteRow): string {
  return COLUMNS.map((column) => String(row[column]).padStart(column.length + 1)).join(" ");
}

function renderReport(
  { rssMbPerHour, heapMbPerHour, streams, errors, reasons, before, atRest }: ChurnReport,
): string {
  return [
    `${streams} streams, ${errors} errors`,
    ...Object.entries(reasons).map(([reason, count]) => `  ${count} x ${reason}`),
    `server: RSS ${rssMbPerHour.toFixed(1)} MB/h over the second half, heap ${
      heapMbPerHour.toFixed(1)
    } MB/h beside the streams`,
    `server at rest: heap ${atRest.heapMb} MB (before: ${before.heapMb}), ${atRest.handles} handles (before: ${before.handles})`,
  ].join("\n");
}

async function main(argv: string[]): Promise<number> {
  const { values, positionals } = parseTask({
    args: argv,
    allowPositionals: true,
    options: {
      minutes: { type: "string", default: "10" },
      clients: { type: "string", default: "200" },
      processes: { type: "string", default: "4" },
      rate: { type: "string", default: "2" },
      churn: { type: "string", default: "1" },
      count: { type: "string", default: "100000" },
      json: { type: "boolean", default: false },
    },
  });
  const [what] = positionals;
  if (positionals.length > 1 || (what !== undefined && what !== "streams")) {
    throw new BadArgumentError(`${positionals.join(" ")}: the only word that the soak knows is "streams"`);
  }
  if (what === "streams") {
    const { renderStreams, soakStreams } = await import("./streams.ts");
    const report = await soakStreams({
      count: wholeNumber("count", values.count),
      onProgress: (row) => console.error(renderStreams(row)),
    });
    console.log(values.json ? JSON.stringify(report) : verdict(report.complaints));
    return report.complaints.length > 0 ? 1 : 0;
  }
  const settings = {
    minutes: decimalNumber("minutes", values.minutes, "above 0"),
    clients: wholeNumber("clients", values.clients),
    processes: wholeNumber("processes", values.processes),
    perSecond: decimalNumber("rate", values.rate, "above 0"),
    churnPct: decimalNumber("churn", values.churn, "0 or more"),
  };
  console.error(COLUMNS.map((column) => column.padStart(column.length + 1)).join(" "));
  const report = await soakChurn({
    ...settings,
    onMinute: (row) => console.error(renderRow(row)),
  });
  console.log(
    values.json ? JSON.stringify(report) : `${renderReport(report)}\n${verdict(report.complaints)}`,
  );
  return report.complaints.length > 0 ? 1 : 0;
}

function verdict(complaints: readonly string[]): string {
  return complaints.length === 0
    ? "GOOD"
    : ["BAD", ...complaints.map((complaint) => `  - ${complaint}`)].join("\n");
}

if (import.meta.main) await runTask(main);
