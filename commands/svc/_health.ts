/** What `skyctl svc health` asks and shows. @module */
import { WorldError } from "../../lib/base/mod.ts";
import type { Io } from "../../lib/cli/mod.ts";
import { renderTable } from "../../lib/cli/table.ts";
import { type AskHealthOptions, HealthLooks, type HealthRow } from "./_ask_health.ts";

/** Not every service of the deployment answered. */
export class ServicesDownError extends WorldError {
  readonly code = "SERVICES_DOWN";
}

/** Errors: `ServicesDownError`, once the answer is out. */
export async function runHealth(io: Io, options: AskHealthOptions): Promise<void> {
  await using looks = new HealthLooks(io, options);
  const rows = await looks.look(io.signal);
  io.emit(rows, renderHealth);
  refuseDown(rows, options);
}

/** Errors: `ServicesDownError` where something is down. */
export function refuseDown(rows: readonly HealthRow[], { deployment }: AskHealthOptions): void {
  const down = rows.filter(({ isUp }) => !isUp);
  if (down.length === 0) return;
  throw new ServicesDownError(
    `${down.length} of ${rows.length} ways to the services of ${deployment ?? "the deployment"} are down: ` +
      shortList([...new Set(down.map(nameOf))]),
    { hint: "skyctl svc health --verbose says what was tried" },
  );
}

/** The first few, and how many more: the table has them all. */
function shortList(names: readonly string[]): string {
  const more = names.length - NAMES_MAX;
  return names.slice(0, NAMES_MAX).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** Names in one message. */
const NAMES_MAX = 5;

/** `route-finder over dmsg`. */
export function nameOf({ service, way }: HealthRow): string {
  return `${service} over ${way}`;
}

const right = (head: string) => ({ head, align: "right" as const });
/** Columns of a table of health. */
export const HEALTH_COLUMNS = [
  "service",
  "way",
  "status",
  right("latency"),
  "version",
  right("dmsg servers"),
  "asked by",
  "address",
  "note",
];

/** The cells of one row. */
export function healthCells(row: HealthRow): (string | number)[] {
  const { service, way, isUp, version = "", dmsgServers = "", askedBy, address, failure } = row;
  const by = askedBy === "visor" ? "the visor" : "this command";
  return [
    service,
    way,
    isUp ? "up" : "down",
    latencyText(row),
    version,
    dmsgServers,
    by,
    address,
    failure ?? clockText(row),
  ];
}

/** Of a service that is up and counts uptimes wrong; empty of every other. */
function clockText({ clockAheadMs = 0 }: Pick<HealthRow, "clockAheadMs">): string {
  if (clockAheadMs === 0) return "";
  const by = `${Math.round(Math.abs(clockAheadMs) / 1_000)} s`;
  return `its clock is ${by} ${clockAheadMs > 0 ? "ahead of" : "behind"} that of its store`;
}

/** `12.3 ms`; empty for what did not answer. */
export function latencyText({ latencyMs }: Pick<HealthRow, "latencyMs">): string {
  return latencyMs === undefined ? "" : `${latencyMs.toFixed(1)} ms`;
}

/** A table; what is down has its reason in the last column, and a clock that is off is told there. */
export function renderHealth(rows: readonly HealthRow[]): string {
  return renderTable(HEALTH_COLUMNS, rows.map(healthCells));
}
