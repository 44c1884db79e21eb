/** How commands reach the running visor of a home. @module */
import { TimedOutError } from "../lib/base/mod.ts";
import type { Io } from "../lib/cli/mod.ts";
import {
  ControlClient,
  type ControlInput,
  type ControlName,
  type ControlOutput,
  readControlFile,
} from "../lib/control/mod.ts";
import { sleep, withTimeout } from "../lib/runtime/mod.ts";

/** A visor that was told to stop is gone within this (2 s by its own promise), or something is wrong. */
const STOP_TIMEOUT_MS = 10_000;
const STOP_POLL_MS = 50;

/** One call. Errors: `NoVisorError`, those of the call. */
export async function callVisor<Name extends ControlName>(
  io: Io,
  home: string,
  name: Name,
  input: ControlInput<Name>,
): Promise<ControlOutput<Name>> {
  await using client = await ControlClient.open(home, await io.world());
  return await client.call(name, input, io.signal);
}

/**
 * Asks the visor to stop and waits until its control file is gone. Errors: `NoVisorError`, those of the call; a
 * `TimedOutError` takes nothing back: what was asked for is done when the visor goes on.
 */
export async function stopVisor(io: Io, home: string): Promise<{ stopped: true; publicKey: string }> {
  const world = await io.world();
  await using client = await ControlClient.open(home, world);
  const { publicKey, token } = client.control;
  await client.call("stop", {}, io.signal).catch((error) => {
    if (!(error instanceof TimedOutError)) throw error;
    // The request waits in its socket, also without us.
    const hint = `${error.hint}; the visor has been asked, and stops as soon as it goes on`;
    throw new TimedOutError(`Stop of visor ${publicKey}`, error.afterMs, { hint });
  });
  const limit = { what: `Stop of visor ${publicKey}`, afterMs: STOP_TIMEOUT_MS, signal: io.signal };
  await withTimeout(world.clock, limit, async (signal) => {
    for (;;) {
      const control = await readControlFile(world.files, home).catch(() => undefined);
      if (control?.token !== token) return;
      await sleep(world.clock, STOP_POLL_MS, signal);
    }
  });
  return { stopped: true, publicKey };
}
