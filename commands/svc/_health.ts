/** What `skyctl svc health` asks and shows. @module */
import { logTo, renderLogRecord, silentLog, WorldError } from "../../lib/base/mod.ts";
import type { Io } from "../../lib/cli/mod.ts";
import { renderTable } from "../../lib/cli/table.ts";
import { checkHealth, type ServiceHealth } from "../../lib/directory/mod.ts";
import { chosenNetworkOf, type NetworkOptions } from "../_look_up.ts";
import { postQuantumOf } from "../_post_quantum.ts";

/** Not every service of the deployment answered. */
export class ServicesDownError extends WorldError {
  readonly code = "SERVICES_DOWN";
}

/** Errors: `ServicesDownError`, once the answer is out. */
export async function runHealth(
  io: Io,
  options: NetworkOptions & { readonly timeout: number },
): Promise<void> {
  const { signal } = io;
  const world = await io.world();
  const network = await chosenNetworkOf(io, options);
  const log = options.verbose === true
    ? logTo((record) => io.note(renderLogRecord(record)), () => world.clock.wallMs())
    : silentLog;
  const rows = await checkHealth({
    world,
    network,
    log,
    userAgent: `skyctl/${io.version}`,
    timeoutMs: options.timeout,
    postQuantum: postQuantumOf(io, world, options),
    signal,
  });
  io.emit(rows, renderHealth);
  const down = rows.filter(({ isUp }) => !isUp);
  if (down.length === 0) return;
  throw new ServicesDownError(
    `${down.length} of ${rows.length} ways to the services of ${network.file ?? network.name} are down: ` +
      [...new Set(down.map(({ service, way }) => `${service} over ${way}`))].join(", "),
    { hint: "skyctl svc health --verbose says what was tried" },
  );
}

/** A table; what is down has its reason in the last column. */
export function renderHealth(rows: readonly ServiceHealth[]): string {
  const right = (head: string) => ({ head, align: "right" as const });
  return renderTable(
    ["service", "way", "status", right("latency"), "version", right("dmsg servers"), "address", "because"],
    rows.map(({ service, way, isUp, latencyMs, version = "", dmsgServers = "", address, failure = "" }) => [
      service,
      way,
      isUp ? "up" : "down",
      latencyMs === undefined ? "" : `${latencyMs.toFixed(1)} ms`,
      version,
      dmsgServers,
      address,
      failure,
    ]),
  );
}
