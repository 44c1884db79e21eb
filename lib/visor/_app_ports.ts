/**
 * Ports of a visor's apps: what arrives over a route and what arrives directly on a transport, in one queue.
 *
 * @module
 */
import type { Scope } from "../base/mod.ts";
import type { RouteGroup, Router } from "../routing/mod.ts";
import type { TakeAppConn } from "../routing/setup/mod.ts";
import type { AppConn, AppListener } from "./apps/mod.ts";

/** Direct streams that wait for an app to accept them; further ones are closed. */
export const DIRECT_WAITING_MAX = 256;

export class AppPorts {
  readonly #router: Pick<Router, "listen">;
  readonly #scope: Scope;
  readonly #open = new Map<number, AppPort>();
  #refused = 0;

  constructor(router: Pick<Router, "listen">, scope: Scope) {
    this.#router = router;
    this.#scope = scope;
  }

  /** Streams and routes that were closed because an app did not accept them in time. */
  get refused(): number {
    return this.#refused;
  }

  /** Errors: `RoutePortTakenError`. */
  listen(port: number): AppListener {
    const routes = this.#router.listen(port);
    const listener = new AppPort(routes, {
      onClose: () => {
        if (this.#open.get(port) === listener) this.#open.delete(port);
      },
      onRefused: () => this.#refused++,
    });
    this.#open.set(port, listener);
    this.#scope.spawn(`routes to port ${port}`, async (signal) => {
      const onAbort = () => listener.close();
      if (signal.aborted) onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      await listener.pump();
      signal.removeEventListener("abort", onAbort); // apps come and go, and the visor stays
    });
    return listener;
  }

  /** Who takes direct streams for a port; undefined: nobody listens. */
  taker(port: number): TakeAppConn | undefined {
    const listener = this.#open.get(port);
    return listener === undefined ? undefined : (conn) => listener.take(conn);
  }
}

class AppPort implements AppListener {
  readonly #routes: { accept(): Promise<RouteGroup | null>; close(): void };
  readonly #on: { readonly onClose: () => void; readonly onRefused: () => void };
  readonly #waiting: AppConn[] = [];
  #wake: (() => void) | undefined;
  #isClosed = false;

  constructor(
    routes: { accept(): Promise<RouteGroup | null>; close(): void },
    on: { readonly onClose: () => void; readonly onRefused: () => void },
  ) {
    this.#routes = routes;
    this.#on = on;
  }

  async accept(): Promise<AppConn | null> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) return next;
      if (this.#isClosed) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** False: there is no room. */
  take(conn: AppConn): boolean {
    if (this.#isClosed || this.#waiting.length >= DIRECT_WAITING_MAX) {
      this.#on.onRefused();
      return false;
    }
    this.#waiting.push(conn);
    this.#ring();
    return true;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#on.onClose();
    this.#routes.close();
    for (const conn of this.#waiting.splice(0)) conn.close();
    this.#ring();
  }

  /** Moves groups into the queue until the port is closed. */
  async pump(): Promise<void> {
    for (let group = await this.#routes.accept(); group !== null; group = await this.#routes.accept()) {
      if (!this.take(group)) group.close();
    }
    this.close();
  }

  #ring(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
