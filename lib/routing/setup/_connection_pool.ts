/**
 * Connections to visors that a setup node may need again: kept for a while, taken out while in use (RT-5).
 *
 * Nothing here waits for a peer. Closing tells a connection to end and goes on at once, so one dead visor cannot
 * hold up the others; the ends are waited for when the pool itself is closed.
 *
 * @module
 */
import { type Conn, ConnClosedError } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import type { Timer, World } from "../../runtime/mod.ts";
import { withDeadlines } from "../../wire/mod.ts";
import { RpcClient } from "../../wire/rpc/mod.ts";

/** How long an unused connection is kept (routing.md 8.5). */
export const POOL_IDLE_MS = 5 * 60_000;
/**
 * An older connection is not given out any more: visors end theirs after 2 min, whatever is under way on it, and a
 * request may take 30 s.
 */
export const POOL_LIFE_MS = 85_000;
/** How often the pool looks for those that are too old. */
export const POOL_SWEEP_MS = 30_000;
/** A connection that says nothing for so long is at its end: visors close theirs after that time. */
export const POOL_READ_IDLE_MS = 2 * 60_000;
/** Of one call's bytes, until the peer took them. */
export const POOL_WRITE_MS = 30_000;
/** Unused connections to one visor; requests that overlap need more, and close them again. */
export const POOL_PER_VISOR_MAX = 4;
/** Unused connections in all; the oldest goes first. */
export const POOL_CONNECTIONS_MAX = 1_024;

/** A connection in somebody's hands: it is given back by `release`, or closed by `discard`, once. */
export interface Lease {
  readonly visor: PublicKey;
  readonly client: RpcClient;
  /** It was used before: its visor may have ended it meanwhile. */
  readonly wasPooled: boolean;
  readonly bornMs: number;
}

/** A connection that waits to be used. */
export interface PooledConnection {
  readonly visor: PublicKey;
  /** Since it was dialled. */
  readonly ageMs: number;
}

interface Idle {
  readonly client: RpcClient;
  readonly bornMs: number;
  readonly sinceMs: number;
}

/** Ledger kinds: connections that are open, for whatever reason, and those in somebody's hands. */
export const SETUP_CONNECTION = "setup-connection";
export const SETUP_LEASE = "setup-lease";

/** Where a pool runs; it is counted where there is a ledger. */
export type PoolWorld = Pick<World, "clock"> & Partial<Pick<World, "ledger">>;

export class ConnectionPool {
  readonly #world: PoolWorld;
  readonly #lent = new Map<RpcClient, () => void>(); // in somebody's hands; uncounts it
  readonly #idle = new Map<PublicKey, Idle[]>(); // in the order of their last use, roughly: oldest first
  readonly #ending = new Set<Promise<void>>();
  #count = 0;
  #sweep: Timer | undefined;
  #isClosed = false;

  constructor(world: PoolWorld) {
    this.#world = world;
  }

  /** Connections that wait to be used. */
  get idleCount(): number {
    return this.#count;
  }

  /** Every one of them. */
  idle(): PooledConnection[] {
    const nowMs = this.#world.clock.monotonicMs();
    return [...this.#idle].flatMap(([visor, idle]) =>
      idle.map(({ bornMs }) => ({ visor, ageMs: nowMs - bornMs }))
    );
  }

  /** An unused connection to `visor` that is not known to be at its end; undefined when there is none. */
  take(visor: PublicKey): Lease | undefined {
    for (;;) {
      const idle = this.#remove(visor, (idle) => idle.pop());
      if (idle === undefined) return undefined;
      const { client, bornMs } = idle;
      const isYoung = this.#world.clock.monotonicMs() - bornMs < POOL_LIFE_MS;
      if (client.isOpen && isYoung) return this.#lend({ visor, client, wasPooled: true, bornMs });
      this.#end(client);
    }
  }

  /** A connection that was dialled now, in the hands of whoever dialled it. */
  adopt(visor: PublicKey, conn: Conn): Lease {
    const { clock, ledger } = this.#world;
    const timed = withDeadlines(conn, clock, { readIdleMs: POOL_READ_IDLE_MS, writeMs: POOL_WRITE_MS });
    const client = new RpcClient(timed, { world: this.#world });
    if (ledger !== undefined) void client.closed.then(ledger.open(SETUP_CONNECTION));
    return this.#lend({ visor, client, wasPooled: false, bornMs: clock.monotonicMs() });
  }

  /** Gives a connection back that worked. */
  release({ visor, client, bornMs }: Lease): void {
    this.#takeBack(client);
    if (this.#isClosed || !client.isOpen) return this.#end(client);
    const idle = this.#idle.get(visor) ?? [];
    this.#idle.delete(visor); // to the end: the visor was just used
    this.#idle.set(visor, idle);
    idle.push({ client, bornMs, sinceMs: this.#world.clock.monotonicMs() });
    this.#count++;
    if (idle.length > POOL_PER_VISOR_MAX) this.#endOldest(visor);
    if (this.#count > POOL_CONNECTIONS_MAX) this.#endOldest(this.#idle.keys().next().value!);
    this.#sweep ??= this.#world.clock.timer(POOL_SWEEP_MS, this.#onSweep);
  }

  /** Ends a connection that failed. Returns at once. */
  discard({ client }: Lease, reason?: unknown): void {
    this.#takeBack(client);
    this.#end(client, reason);
  }

  /** Ends every unused connection and waits for them, and for those that were ended before. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#sweep?.cancel();
    this.#sweep = undefined;
    for (const visor of [...this.#idle.keys()]) while (this.#idle.has(visor)) this.#endOldest(visor);
    while (this.#ending.size > 0) await Promise.all(this.#ending);
  }

  #lend(lease: Lease): Lease {
    this.#lent.set(lease.client, this.#world.ledger?.open(SETUP_LEASE) ?? (() => {}));
    return lease;
  }

  #takeBack(client: RpcClient): void {
    this.#lent.get(client)?.();
    this.#lent.delete(client);
  }

  readonly #onSweep = () => {
    this.#sweep = undefined;
    const beforeMs = this.#world.clock.monotonicMs() - POOL_IDLE_MS;
    for (const visor of [...this.#idle.keys()]) {
      for (const { client, sinceMs } of [...this.#idle.get(visor)!]) {
        if (client.isOpen && sinceMs > beforeMs) continue;
        this.#remove(visor, (idle) => idle.splice(idle.findIndex((each) => each.client === client), 1)[0]);
        this.#end(client);
      }
    }
    if (this.#count > 0) this.#sweep = this.#world.clock.timer(POOL_SWEEP_MS, this.#onSweep);
  };

  #endOldest(visor: PublicKey): void {
    const oldest = this.#remove(visor, (idle) => idle.shift());
    if (oldest !== undefined) this.#end(oldest.client);
  }

  #remove(visor: PublicKey, take: (idle: Idle[]) => Idle | undefined): Idle | undefined {
    const idle = this.#idle.get(visor);
    if (idle === undefined) return undefined;
    const taken = take(idle);
    if (idle.length === 0) this.#idle.delete(visor);
    if (taken !== undefined) this.#count--;
    return taken;
  }

  /** Tells it to end, and waits for nothing. */
  #end(client: RpcClient, reason: unknown = new ConnClosedError(undefined, "Not needed any more")): void {
    client.close(reason);
    const ended: Promise<void> = client.closed.finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
  }
}
