/** Waiting for a skysocks client. @module */
import { PeerError, WorldError } from "../../lib/base/mod.ts";
import type { Io } from "../../lib/cli/mod.ts";
import type { AppSummary } from "../../lib/control/mod.ts";
import { sleep } from "../../lib/runtime/mod.ts";
import { callVisor } from "../_visor.ts";

const POLL_MS = 100;

/** A skysocks client is not connected with its server. */
export class ProxyNotConnectedError extends PeerError {
  readonly code = "PROXY_NOT_CONNECTED";
}

/** A skysocks client cannot do its work here, for instance because its port is taken. */
export class ProxyFailedError extends WorldError {
  readonly code = "PROXY_FAILED";
}

/**
 * Resolves with the app once it is connected. Errors: `ProxyFailedError` as soon as it has ended by itself;
 * a client that the configuration does not have is removed then. `ProxyNotConnectedError` when it was stopped, or was
 * not connected in time: it is left as it is, and goes on trying; whoever interrupts the wait is told.
 */
export async function untilConnected(
  io: Io,
  { home, name, timeoutMs }: { readonly home: string; readonly name: string; readonly timeoutMs: number },
): Promise<AppSummary> {
  const { clock } = await io.world();
  const untilMs = clock.monotonicMs() + timeoutMs;
  const stop = `skyctl proxy stop -n ${name}`;
  let told = "";
  for (;;) {
    const app = (await callVisor(io, home, "apps", {})).find((each) => each.name === name);
    if (app?.proxy?.connected === true) return app;
    const state = app === undefined ? "gone" : `${app.status}: ${app.detailedStatus}`;
    if (app?.status === "errored") {
      const isGone = await isRemoved(io, home, name);
      throw new ProxyFailedError(`${name} does not run: ${app.detailedStatus}`, {
        hint: `choose another --addr where a port is taken${
          isGone ? "" : `; it is tried again until ${stop}`
        }`,
      });
    }
    if (state !== told) io.note(told = state);
    if (app === undefined || app.status === "stopped" || clock.monotonicMs() >= untilMs) {
      throw new ProxyNotConnectedError(
        `${name} is not connected (${app?.proxy?.lastFailure ?? state})`,
        { hint: `skyctl proxy status; it goes on trying until ${stop}` },
      );
    }
    try {
      await sleep(clock, POLL_MS, io.signal);
    } catch (error) {
      io.note(`${name} goes on trying: ${stop} ends it`);
      throw error;
    }
  }
}

/** Whether a client that failed could be removed: nobody knows of it but by a failed start. */
async function isRemoved(io: Io, home: string, name: string): Promise<boolean> {
  try {
    await callVisor(io, home, "appRemove", { name });
    return true;
  } catch {
    return false; // of the configuration, or gone with the visor: what failed first is told
  }
}
