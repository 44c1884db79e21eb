/**
 * Connections to every visor of a route, and route ids at each (protocol: routing, section 8.3, steps 3 and 4;
 * operations, section 3).
 *
 *     dial     all at once, 10 s each; a transient dmsg 202 is tried 3 times, 1 s and 2 s apart; 60 s for all
 *     reserve  all at once, 10 s; a kept connection that turns out to be shut down is dialled anew, once
 *
 * The first failure is the request's; visors that did not fail are left to finish, and their connections kept. Of
 * each visor its own dial is told, at its end (RT-6).
 *
 * @module
 */
import { type Conn, describeError, TimedOutError } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { AWAIT_SETUP_PORT, DMSG_ERRORS, DmsgError } from "../../dmsg/mod.ts";
import { sleep, withTimeout, type World } from "../../runtime/mod.ts";
import { RpcError, RpcShutDownError } from "../../wire/rpc/mod.ts";
import type { DialResults } from "./admit_route.ts";
import { RouteSetupError, type SetupFailure } from "./errors.ts";
import type { ConnectionPool, Lease } from "./_connection_pool.ts";
import { ID_COUNT, ROUTE_IDS } from "./wire_types.ts";

/** Of one attempt to dial a visor (routing.md 8.5). */
export const HOP_DIAL_TIMEOUT_MS = 10_000;
/** Attempts to dial a visor that a server could not reach just now (RT-2). */
export const HOP_DIAL_ATTEMPTS = 3;
/** Before the second attempt; twice as much before the third. */
export const HOP_DIAL_BACKOFF_MS = 1_000;
/** For the dials of all visors together. */
export const HOP_DIALS_TIMEOUT_MS = 60_000;
/**
 * For a visor's answer: it only counts. A visor that died in silence has a kept connection that looks open, and its
 * source, which waits 30 s, is to hear which hop it was.
 */
export const RESERVE_TIMEOUT_MS = 10_000;

/** Opens a connection to port 136 of a visor. `bypassCaches`: ask again where a failure is remembered. */
export type DialVisor = (
  visor: PublicKey,
  options: { readonly signal: AbortSignal; readonly bypassCaches: boolean },
) => Promise<Conn>;

export interface ReservationContext {
  readonly world: Pick<World, "clock">;
  readonly pool: ConnectionPool;
  readonly dial: DialVisor;
  /** Ends the request. */
  readonly signal: AbortSignal;
  /** Takes over what goes on after a failure of another visor. */
  readonly leave: (work: Promise<void>) => void;
  /** What a visor that cannot be dialled is counted as. */
  readonly unreachable: (visor: PublicKey) => SetupFailure;
  /** Told what became of each visor. */
  readonly results: DialResults;
}

/** Every visor's connection and ids. The connections are this object's until `release`. */
export interface Reservation {
  readonly leases: ReadonlyMap<PublicKey, Lease>;
  readonly ids: ReadonlyMap<PublicKey, readonly number[]>;
}

/** Dials and reserves. Errors: `RouteSetupError`, the signal's reason; every connection is given back then. */
export async function reserveRoute(
  counts: ReadonlyMap<PublicKey, number>,
  context: ReservationContext,
): Promise<Reservation> {
  const { world, pool, results } = context;
  const leases = new Map<PublicKey, Lease>();
  const giveBack = () => {
    for (const lease of leases.values()) pool.release(lease);
    leases.clear();
  };
  const dialling = { ...context, dialUntilMs: world.clock.monotonicMs() + HOP_DIALS_TIMEOUT_MS };
  const dialled = [...counts.keys()].map(async (visor) => {
    leases.set(visor, pool.take(visor) ?? await dialVisor(visor, dialling));
  });
  await allOrFirstFailure(dialled, {
    leave: context.leave,
    atFailure: () => {
      // Nothing is asked of them any more.
      for (const { visor, wasPooled } of leases.values()) if (wasPooled) results.settle(visor, "abandoned");
    },
    afterFailure: giveBack,
  });
  const ids = new Map<PublicKey, readonly number[]>();
  await allOrFirstFailure(
    [...counts].map(async ([visor, count]) =>
      void ids.set(visor, await reserveAt(visor, count, leases, context))
    ),
    { leave: context.leave, afterFailure: giveBack },
  );
  return { leases, ids };
}

/** A failure that may be gone a moment later: a server lost the visor, and another one may have it. */
export function isTransient(error: unknown): boolean {
  if (error instanceof DmsgError && error.dmsgCode === 202) return true;
  return describeError(error).includes(DMSG_ERRORS[202]);
}

interface Dialling extends ReservationContext {
  readonly dialUntilMs: number;
}

/** A new connection to a visor. Its result is told at the end of the last attempt. */
async function dialVisor(visor: PublicKey, context: Dialling): Promise<Lease> {
  const { results, signal } = context;
  const failures: unknown[] = [];
  try {
    const lease = await attemptDials(visor, context, failures);
    results.settle(visor, "reached");
    return lease;
  } catch (error) {
    // Attempts that fail slowly never come to their end: the request's time is over before. One failure before its
    // caller left says little: it may have been transient.
    const hasLeft = signal.aborted && !(signal.reason instanceof TimedOutError);
    const hasFailed = !hasLeft || failures.length > 1;
    results.settle(visor, hasFailed ? "failed" : "abandoned");
    throw error;
  }
}

/** Attempts that failed by themselves are added to `failures`. */
async function attemptDials(visor: PublicKey, context: Dialling, failures: unknown[]): Promise<Lease> {
  const { world: { clock }, pool, dial, signal, unreachable, dialUntilMs } = context;
  for (let attempt = 1;; attempt++) {
    try {
      const conn = await withTimeout(
        clock,
        {
          what: `A dial of ${visor}`,
          afterMs: Math.min(HOP_DIAL_TIMEOUT_MS, Math.max(0, dialUntilMs - clock.monotonicMs())),
          signal,
        },
        (signal) => dial(visor, { signal, bypassCaches: attempt > 1 }),
      );
      return pool.adopt(visor, conn);
    } catch (cause) {
      signal.throwIfAborted();
      failures.push(cause);
      const waitMs = attempt * HOP_DIAL_BACKOFF_MS;
      const hasTime = clock.monotonicMs() + waitMs < dialUntilMs;
      if (attempt < HOP_DIAL_ATTEMPTS && hasTime && isTransient(cause)) {
        await sleep(clock, waitMs, signal);
        continue;
      }
      throw new RouteSetupError(
        `failed to instantiate route id reserver: a dial attempt failed with: ` +
          `dial ${visor}@${AWAIT_SETUP_PORT}: ${describeError(cause)}`,
        { reason: unreachable(visor), visor, cause },
      );
    }
  }
}

async function reserveAt(
  visor: PublicKey,
  count: number,
  leases: Map<PublicKey, Lease>,
  context: ReservationContext,
): Promise<readonly number[]> {
  let lease = leases.get(visor)!;
  try {
    let ids: readonly number[];
    try {
      ids = await callReserve(lease, count, context);
    } catch (error) {
      if (!(error instanceof RpcShutDownError) || !lease.wasPooled) throw error;
      // The visor had ended a connection that was kept. The new one stands for it from here on (RT-3).
      leases.delete(visor);
      context.pool.discard(lease);
      lease = await dialVisor(visor, { ...context, dialUntilMs: Infinity });
      leases.set(visor, lease);
      ids = await callReserve(lease, count, context);
    }
    context.results.settle(visor, "reached");
    if (ids.length === count && new Set(ids).size === count) return ids;
    throw new RouteSetupError(`${ids.length} of ${count} route ids came`);
  } catch (cause) {
    // Also when the caller left: an answer that is still to come makes a connection useless to others.
    if (leases.get(visor) === lease) leases.delete(visor);
    // One that refuses is there; one that a kept connection does not reach may be, by another.
    context.results.settle(visor, cause instanceof RpcError ? "reached" : "abandoned");
    context.pool.discard(lease, cause);
    context.signal.throwIfAborted();
    if (cause instanceof RouteSetupError && cause.visor !== undefined) throw cause; // of the dial
    throw new RouteSetupError(
      `failed to reserve route ids: reserve routeID from ${visor} failed: ${describeError(cause)}`,
      { reason: "id_reservation", visor, cause },
    );
  }
}

function callReserve(
  { client }: Lease,
  count: number,
  { world: { clock }, signal }: ReservationContext,
): Promise<readonly number[]> {
  const limit = { what: "A reservation of route ids", afterMs: RESERVE_TIMEOUT_MS, signal };
  return withTimeout(
    clock,
    limit,
    (signal) => client.call("RPCGateway.ReserveIDs", ID_COUNT, count, ROUTE_IDS, { signal }),
  );
}

/**
 * Waits until all have ended well, or one failed: then rejects at once with the first failure, behind `atFailure`. The
 * others go on; `afterFailure` runs when the last of them has ended.
 */
export async function allOrFirstFailure(
  works: readonly Promise<void>[],
  { leave, atFailure, afterFailure }: {
    readonly leave: (work: Promise<void>) => void;
    readonly atFailure?: () => void;
    readonly afterFailure: () => void;
  },
): Promise<void> {
  try {
    await Promise.all(works);
  } catch (error) {
    atFailure?.();
    leave(Promise.allSettled(works).then(afterFailure));
    throw error;
  }
}
