/** Visors on simulated machines, and what is asked of them. @module */
import type { LogRecord } from "../../lib/base/mod.ts";
import { ControlClient, type VisorStatus } from "../../lib/control/mod.ts";
import { sleep, type World } from "../../lib/runtime/mod.ts";
import { type RunningVisor, runVisor, type RunVisorOptions } from "../../lib/visor/mod.ts";

/** What was said while a visor ran. */
export interface Heard {
  readonly steps: string[];
  readonly records: LogRecord[];
}

/** A visor of home `/home` with a network of its own, unless told otherwise. */
export async function startVisor(
  world: World,
  options: Partial<RunVisorOptions> = {},
  { steps, records }: Heard = { steps: [], records: [] },
): Promise<RunningVisor> {
  return await runVisor({
    world,
    version: "1.2.3",
    home: "/home",
    local: true,
    pid: 4711,
    onStep: (step) => steps.push(step),
    onRecord: (record) => records.push(record),
    ...options,
  });
}

/** Waits, at most ten virtual minutes, for a status of which `holds` is true. */
export async function statusThat(
  running: RunningVisor,
  world: World,
  holds: (status: VisorStatus) => boolean,
): Promise<VisorStatus> {
  for (let waitedMs = 0; waitedMs < 600_000; waitedMs += 500) {
    const status = running.visor.status();
    if (holds(status)) return status;
    await sleep(world.clock, 500);
  }
  throw new Error(`Never became true: ${JSON.stringify(running.visor.status())}`);
}

/** One call of the control API of `home`. */
export async function withControl<T>(
  world: World,
  work: (client: ControlClient) => Promise<T>,
  home = "/home",
): Promise<T> {
  await using client = await ControlClient.open(home, world);
  return await work(client);
}

/** The content of a file as text. */
export async function textOf({ files }: World, path: string): Promise<string> {
  return new TextDecoder().decode(await files.read(path));
}

/** A signal that never is aborted. */
export const never = new AbortController().signal;
