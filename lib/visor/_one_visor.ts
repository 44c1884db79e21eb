/** One home, one visor. @module */
import { TimedOutError } from "../base/mod.ts";
import { controlFilePath, readControlFile } from "../control/file/mod.ts";
import { withTimeout, type World } from "../runtime/mod.ts";
import { VisorRunningError } from "./errors.ts";

/** A visor that is asked whether it runs answers from memory; one that does not answer is busy, not gone. */
const SECOND_VISOR_TIMEOUT_MS = 2_000;

/** Whoever answers at the address of the control file to its token is a visor of this home. */
export async function refuseSecondVisor(world: World, home: string): Promise<void> {
  const other = await readControlFile(world.files, home).catch(() => undefined);
  if (other === undefined) return; // none, or none that anybody could use: it is written anew
  const { ControlClient, ControlError } = await world.outside(() => import("../control/mod.ts"));
  await using client = new ControlClient(other, home, world);
  const asking = { what: "A look at the visor of this home", afterMs: SECOND_VISOR_TIMEOUT_MS };
  try {
    await withTimeout(world.clock, asking, (signal) => client.call("status", {}, signal));
  } catch (error) {
    const isOurs = error instanceof TimedOutError ||
      (error instanceof ControlError && error.code !== "CONTROL_TOKEN");
    // Left behind by a visor that was killed, and its port perhaps taken by another program, or another visor.
    if (!isOurs) return;
  }
  throw new VisorRunningError(home, controlFilePath(home), other.pid);
}
