/** Waiting until a client has a session with any server: what a command needs before it asks over dmsg. @module */
import { describeError, WorldError } from "../base/mod.ts";
import type { DmsgClient } from "../dmsg/mod.ts";
import { type Clock, withTimeout } from "../runtime/mod.ts";

/** A look-up that could be made over dmsg waits so long for a session. */
const FIRST_SESSION_TIMEOUT_MS = 5_000;

/** No dmsg server of the network could be reached. */
export class NoServerError extends WorldError {
  readonly code = "NO_SERVER";
}

/** Waits for a session, so that what follows can ask over dmsg first; without one in time it asks by plain HTTP. */
export async function awaitSession(dmsg: DmsgClient, clock: Clock, signal: AbortSignal): Promise<void> {
  const limit = { what: "Connecting to a dmsg server", afterMs: FIRST_SESSION_TIMEOUT_MS, signal };
  await withTimeout(clock, limit, (ended) => connectToAny(dmsg, ended)).catch(() => signal.throwIfAborted());
}

/** Resolves when the client has a session with any server. Errors: `NoServerError` once each one has failed. */
export async function connectToAny(dmsg: DmsgClient, signal: AbortSignal): Promise<void> {
  let servers = dmsg.discovery.seededServers();
  if (servers.length === 0) servers = await dmsg.discovery.availableServers(signal);
  const reasons: string[] = [];
  for (const { static: server, server: about } of servers) {
    if (dmsg.isReady) return;
    try {
      await dmsg.connect(server, signal); // the client's own dial to it, if one is under way
      return;
    } catch (error) {
      signal.throwIfAborted();
      reasons.push(`${about?.address}: ${describeError(error)}`);
    }
  }
  if (dmsg.isReady) return;
  throw new NoServerError(
    servers.length === 0
      ? "The network has no dmsg server"
      : `Cannot reach any of the ${servers.length} dmsg servers of the network`,
    {
      cause: reasons.length === 0 ? undefined : new Error(reasons.join("; ")),
      hint: "check this machine's network, and which network is meant: --deployment FILE",
    },
  );
}
