/**
 * Listeners on ports of a visor's route space: accepted groups wait in a bounded queue.
 *
 * @module
 */
import { ConnClosedError } from "../base/mod.ts";
import { RoutePortTakenError } from "./errors.ts";
import type { RouteGroup } from "./group.ts";

/** Groups that wait for `accept`; further ones are told so and closed. */
export const ROUTE_LISTENER_QUEUE_MAX = 256;

const EPHEMERAL_START = 49_152;
const PORT_MAX = 65_535;

/** Made by `Router.listen`. */
export class RouteListener {
  readonly #queue: RouteGroup[] = [];
  readonly #onClose: (listener: RouteListener) => void;
  #waiter: ((group: RouteGroup | null) => void) | undefined;
  #isClosed = false;

  constructor(readonly port: number, onClose: (listener: RouteListener) => void) {
    this.#onClose = onClose;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The next group, or null once the listener is closed. One accept at a time. */
  accept(): Promise<RouteGroup | null> {
    if (this.#waiter !== undefined) return Promise.reject(new TypeError("An accept is already pending"));
    const next = this.#queue.shift();
    if (next !== undefined) return Promise.resolve(next);
    if (this.#isClosed) return Promise.resolve(null);
    return new Promise((resolve) => this.#waiter = resolve);
  }

  /** Hands a group over; false when the queue is full: it is then the caller's to close. */
  deliver(group: RouteGroup): boolean {
    if (this.#isClosed || this.#queue.length >= ROUTE_LISTENER_QUEUE_MAX) return false;
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (waiter === undefined) this.#queue.push(group);
    else waiter(group);
    return true;
  }

  /** Frees the port and closes what nobody accepted. Groups that were accepted live on. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClose(this);
    for (const group of this.#queue.splice(0)) {
      group.close(new ConnClosedError(undefined, "The listener is closed"));
    }
    this.#waiter?.(null);
    this.#waiter = undefined;
  }
}

/** Who listens where, and which port a dial uses next. */
export class RoutePorts {
  readonly #listeners = new Map<number, RouteListener>();
  readonly #used = new Map<number, number>(); // ephemeral port -> groups of ours that have it
  #last = EPHEMERAL_START - 1;

  listener(port: number): RouteListener | undefined {
    return this.#listeners.get(port);
  }

  listeners(): RouteListener[] {
    return [...this.#listeners.values()];
  }

  /** Errors: `RoutePortTakenError`; `RangeError` for 0 or above 65535. */
  listen(port: number): RouteListener {
    if (!Number.isInteger(port) || port < 1 || port > PORT_MAX) {
      throw new RangeError(`A port of routes is a whole number from 1 to ${PORT_MAX}, not ${port}`);
    }
    if (this.#listeners.has(port)) throw new RoutePortTakenError(`Port ${port} of the routes has a listener`);
    const listener = new RouteListener(port, () => this.#listeners.delete(port));
    this.#listeners.set(port, listener);
    return listener;
  }

  /** The next port from 49152 up that no listener and no group of ours has. Not reserved: dial with it. */
  ephemeral(): number {
    for (let tried = 0; tried <= PORT_MAX - EPHEMERAL_START; tried++) {
      this.#last = this.#last >= PORT_MAX ? EPHEMERAL_START : this.#last + 1;
      if (!this.#used.has(this.#last) && !this.#listeners.has(this.#last)) return this.#last;
    }
    throw new RoutePortTakenError("No port is free for another route");
  }

  use(port: number): void {
    this.#used.set(port, (this.#used.get(port) ?? 0) + 1);
  }

  free(port: number): void {
    const left = (this.#used.get(port) ?? 0) - 1;
    if (left > 0) this.#used.set(port, left);
    else this.#used.delete(port);
  }
}

/** The app that is expected on a port, in Skywire's words. */
const SERVICES: Readonly<Record<number, string>> = {
  1: "skychat",
  3: "skysocks",
  13: "skysocks-client",
  43: "vpn-client",
  44: "vpn-server",
};

/** What a dialler is told whose port nobody serves. */
export function noListenerText(port: number): string {
  return `no listener on port ${port}, ${SERVICES[port] ?? "service"} offline`;
}
