/**
 * `visor ping --watch`: a route that is kept up, pinged at even times, and made anew when it ends.
 *
 *     dialling ─▶ route ─▶ reply, lost, hops ... ─▶ routeEnded ─▶ dialling
 *        └─▶ unreachable, again after a while
 *
 * Pings are under way side by side: one that is late holds up none behind it.
 *
 * @module
 */
import { CallerError, describeError, Scope, SkyError, untilAborted } from "../base/mod.ts";
import type { HopSummary, PingEvent } from "../control/mod.ts";
import type { RouteGroup } from "../routing/mod.ts";
import { type Clock, sleep } from "../runtime/mod.ts";

/** Between two pings unless asked otherwise. */
export const PING_EVERY_DEFAULT_MS = 1_000;
/** Between two looks at the latencies of the hops: those of other visors' transports are the discovery's to tell. */
export const HOPS_EVERY_MS = 10_000;
/** So many pings in a row without a pong, and the route is taken for dead. */
export const LOST_IN_A_ROW_MAX = 3;
/** Before a new dial after a failed one; twice as long after each further one. */
export const REDIAL_FIRST_MS = 1_000;
/** The longest of these: each dial asks services and visors, and somebody is waiting. */
export const REDIAL_MS_MAX = 10_000;

export interface PingWatchOptions {
  readonly clock: Clock;
  readonly intervalMs?: number;
  /** Makes a route to the port that answers, with what it took. */
  readonly dial: (signal: AbortSignal) => Promise<{ readonly group: RouteGroup; readonly dialMs: number }>;
  /** The hops of a route, with what is known of their transports now. */
  readonly hops: (
    group: RouteGroup,
    signal: AbortSignal,
  ) => Promise<{ readonly forward: HopSummary[]; readonly reverse: HopSummary[] }>;
  readonly tell: (event: PingEvent) => void;
}

/**
 * Watches until `signal`. Rejects for hops that nobody can have meant, before there was any route; everything else
 * is told.
 */
export async function watchPing(options: PingWatchOptions, signal: AbortSignal): Promise<void> {
  const { clock, dial, tell } = options;
  const counter = { sequence: 0 };
  let retryMs = REDIAL_FIRST_MS;
  let hadRoute = false;
  while (!signal.aborted) {
    tell({ event: "dialling", atMs: clock.wallMs() });
    try {
      const { group, dialMs } = await dial(signal);
      hadRoute = true;
      retryMs = REDIAL_FIRST_MS;
      const failure = await watchRoute(group, { ...options, dialMs, counter }, signal);
      if (signal.aborted) return;
      tell({ event: "routeEnded", atMs: clock.wallMs(), failure });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof SkyError) || error instanceof CallerError && !hadRoute) throw error;
      const { code } = error;
      tell({ event: "unreachable", atMs: clock.wallMs(), code, failure: describeError(error), retryMs });
      await sleep(clock, retryMs, signal).catch(() => {});
      retryMs = Math.min(REDIAL_MS_MAX, retryMs * 2);
    }
  }
}

/** Pings over one route until it ends, and closes it; why it ended. */
async function watchRoute(
  group: RouteGroup,
  { clock, intervalMs = PING_EVERY_DEFAULT_MS, hops, tell, dialMs, counter }: PingWatchOptions & {
    readonly dialMs: number;
    readonly counter: { sequence: number };
  },
  signal: AbortSignal,
): Promise<string> {
  const scope = new Scope();
  const leave = () => scope.end(signal.reason);
  if (signal.aborted) leave();
  signal.addEventListener("abort", leave, { once: true });
  let why = "";
  let lostInARow = 0;
  const end = (failure: string) => {
    if (why === "") why = failure;
    scope.end();
  };
  const ping = async (sequence: number) => {
    try {
      const roundTripMs = await group.ping({ signal: scope.signal }).then(([first]) => first!);
      lostInARow = 0;
      tell({ event: "reply", atMs: clock.wallMs(), sequence, roundTripMs });
    } catch (error) {
      if (scope.signal.aborted) return; // what is under way when the route ends is no loss of its own
      tell({ event: "lost", atMs: clock.wallMs(), sequence, failure: describeError(error) });
      if (++lostInARow >= LOST_IN_A_ROW_MAX) end(`${lostInARow} pings in a row were not answered`);
    }
  };
  try {
    tell({ event: "route", atMs: clock.wallMs(), dialMs, ...await hops(group, scope.signal) });
    scope.spawn("end of the route", async () => {
      try {
        while (await group.read() !== null); // nobody sends on it: what ends it is what is waited for
        end("the far visor closed it");
      } catch (error) {
        end(describeError(error));
      }
    });
    scope.spawn("latencies of the hops", async (ended) => {
      for (;;) {
        await sleep(clock, HOPS_EVERY_MS, ended);
        tell({ event: "hops", atMs: clock.wallMs(), ...await hops(group, ended) });
      }
    });
    scope.spawn("pings", async (ended) => {
      for (;;) {
        const sequence = ++counter.sequence;
        scope.spawn("ping", () => ping(sequence));
        await sleep(clock, intervalMs, ended);
      }
    });
    await untilAborted(scope.signal);
  } finally {
    signal.removeEventListener("abort", leave);
    group.close();
    await scope[Symbol.asyncDispose]();
    await group.closed;
  }
  if (scope.failure !== undefined) throw scope.failure;
  return why;
}
