/** Idle connections of a client, by host. @module */
import type { Clock, Timer } from "../runtime/mod.ts";
import type { HttpClientLimits } from "./limits.ts";
import type { ClientConn } from "./_client_conn.ts";

interface Idle {
  readonly key: string;
  readonly conn: ClientConn;
  readonly timer: Timer;
}

/** Keeps connections for the next request and watches each for its end: O24 servers end every one at once. */
export class IdlePool {
  /** Oldest first, over all hosts. */
  readonly #idle = new Map<ClientConn, Idle>();
  readonly #byHost = new Map<string, Idle[]>();
  readonly #clock: Clock;
  readonly #limits: HttpClientLimits;

  constructor({ clock, limits }: { clock: Clock; limits: HttpClientLimits }) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get size(): number {
    return this.#idle.size;
  }

  /** Takes the connection in, or ends it when there is no room for its host. */
  put(key: string, conn: ClientConn): void {
    const siblings = this.#byHost.get(key) ?? [];
    if (siblings.length >= this.#limits.idlePerHostMax || this.#limits.idleMax === 0) return conn.close();
    if (this.#idle.size >= this.#limits.idleMax) this.#end(this.#idle.values().next().value!);
    const idle: Idle = { key, conn, timer: this.#clock.timer(this.#limits.idleMs, () => this.#end(idle)) };
    siblings.push(idle);
    this.#byHost.set(key, siblings);
    this.#idle.set(conn, idle);
    conn.watch(() => this.#end(idle));
  }

  /** The connection used last, which is the least likely to be stale. */
  take(key: string): ClientConn | undefined {
    const idle = this.#byHost.get(key)?.at(-1);
    if (idle === undefined) return undefined;
    this.#remove(idle);
    return idle.conn;
  }

  clear(): void {
    for (const idle of [...this.#idle.values()]) this.#end(idle);
  }

  #end(idle: Idle): void {
    if (this.#idle.get(idle.conn) !== idle) return; // in use: the exchange learns of the end by itself
    this.#remove(idle);
    idle.conn.close();
  }

  #remove(idle: Idle): void {
    idle.timer.cancel();
    this.#idle.delete(idle.conn);
    const left = this.#byHost.get(idle.key)!.filter((each) => each !== idle);
    if (left.length > 0) this.#byHost.set(idle.key, left);
    else this.#byHost.delete(idle.key);
  }
}
