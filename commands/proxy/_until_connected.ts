/** Waiting for a skysocks client. @module */
import { PeerError } from "../../lib/base/mod.ts";
import type { Io } from "../../lib/cli/mod.ts";
import type { AppSummary } from "../../lib/control/mod.ts";
import { sleep } from "../../lib/runtime/mod.ts";
import { callVisor } from "../_visor.ts";

const POLL_MS = 100;

/** A skysocks client is not connected with its server. */
export class ProxyNotConnectedError extends PeerError {
  readonly code = "PROXY_NOT_CONNECTED";
}

/** Resolves with the app once it is connected. Errors: `ProxyNotConnectedError` when it ended, or in time was not. */
export async function untilConnected(
  io: Io,
  { home, name, timeoutMs }: { readonly home: string; readonly name: string; readonly timeoutMs: number },
): Promise<AppSummary> {
  const { clock } = await io.world();
  const untilMs = clock.monotonicMs() + timeoutMs;
  let told = "";
  for (;;) {
    const app = (await callVisor(io, home, "apps", {})).find((each) => each.name === name);
    if (app?.proxy?.connected === true) return app;
    const state = app === undefined ? "gone" : `${app.status}: ${app.detailedStatus}`;
    if (state !== told) io.note(told = state);
    if (app === undefined || app.status === "stopped" || clock.monotonicMs() >= untilMs) {
      throw new ProxyNotConnectedError(
        `${name} is not connected (${app?.proxy?.lastFailure ?? state})`,
        { hint: `skyctl proxy status, or skyctl proxy stop -n ${name}` },
      );
    }
    await sleep(clock, POLL_MS, io.signal);
  }
}
