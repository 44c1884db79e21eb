/** One queue for what arrives over routes and what arrives directly: in order, within its bound, closed with its port. */
import assert from "node:assert/strict";
import { type Conn, ConnClosedError, Scope } from "../../lib/base/mod.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import type { RouteGroup, Router } from "../../lib/routing/mod.ts";
import { RoutePortTakenError } from "../../lib/routing/mod.ts";
import { AppDirectConn } from "../../lib/routing/setup/mod.ts";
import { AppPorts, DIRECT_WAITING_MAX } from "../../lib/visor/_app_ports.ts";

const key = keyPairFromSeed(new TextEncoder().encode("far")).publicKey;

/** A Conn that only knows whether it was closed. */
class Marked implements Conn {
  readonly halfClose = false;
  readonly closed = Promise.resolve();
  isClosed = false;
  readonly remote = { publicKey: key, port: 0 };
  read(): Promise<Uint8Array | null> {
    return Promise.resolve(null);
  }
  write(): Promise<void> {
    return Promise.resolve();
  }
  closeWrite(): Promise<void> {
    return Promise.resolve();
  }
  close(): void {
    this.isClosed = true;
  }
}

/** The listeners of a router, fed by hand. */
class Routes implements Pick<Router, "listen"> {
  readonly listeners = new Map<number, { deliver(group: unknown): void; close(): void }>();

  listen(port: number): ReturnType<Router["listen"]> {
    if (this.listeners.has(port)) throw new RoutePortTakenError(`Port ${port} of the routes has a listener`);
    const queue: unknown[] = [];
    let waiter: ((group: unknown) => void) | undefined;
    let isClosed = false;
    const listener = {
      accept: () => {
        const next = queue.shift();
        if (next !== undefined || isClosed) return Promise.resolve(next ?? null);
        return new Promise((resolve) => waiter = resolve);
      },
      deliver: (group: unknown) => {
        if (waiter === undefined) queue.push(group);
        else waiter(group);
        waiter = undefined;
      },
      close: () => {
        isClosed = true;
        this.listeners.delete(port);
        waiter?.(null);
      },
    };
    this.listeners.set(port, listener);
    return listener as unknown as ReturnType<Router["listen"]>;
  }
}

function directConn(): { marked: Marked; conn: AppDirectConn } {
  const marked = new Marked();
  const address = { publicKey: key, port: 0 };
  return { marked, conn: new AppDirectConn(marked, address, address) };
}

async function withPorts(test: (ports: AppPorts, routes: Routes) => Promise<void>): Promise<void> {
  const [routes, scope] = [new Routes(), new Scope()];
  await test(new AppPorts(routes, scope), routes);
  await scope[Symbol.asyncDispose]();
  assert.equal(routes.listeners.size, 0, "the scope's end closes every port");
}

Deno.test("an app accepts routes and direct streams in the order in which they came", () =>
  withPorts(async (ports, routes) => {
    const listener = ports.listen(3);
    const group = new Marked() as unknown as RouteGroup;
    const first = listener.accept();
    routes.listeners.get(3)!.deliver(group);
    assert.equal(await first, group);
    const { conn } = directConn();
    assert.equal(ports.taker(3)!(conn), true);
    assert.equal(await listener.accept(), conn);
    assert.equal(ports.taker(4), undefined);
    assert.equal(ports.refused, 0);
  }));

Deno.test("what no app accepts is bounded, counted, and closed with the port", () =>
  withPorts(async (ports, routes) => {
    const listener = ports.listen(3);
    const waiting = Array.from({ length: DIRECT_WAITING_MAX }, directConn);
    for (const { conn } of waiting) assert.equal(ports.taker(3)!(conn), true);
    assert.equal(ports.taker(3)!(directConn().conn), false);
    const group = new Marked();
    routes.listeners.get(3)!.deliver(group as unknown as RouteGroup);
    await Promise.resolve().then(() => {}).then(() => {});
    assert.equal(group.isClosed, true, "a route beyond the bound is closed");
    assert.equal(ports.refused, 2);
    const take = ports.taker(3)!;
    listener.close();
    listener.close();
    assert(waiting.every(({ marked }) => marked.isClosed));
    assert.equal(await listener.accept(), null);
    assert.equal(take(directConn().conn), false);
    assert.equal(ports.taker(3), undefined);
  }));

Deno.test("a port is one app's; free again after its close, and a late close does not take the next one's", () =>
  withPorts(async (ports) => {
    const listener = ports.listen(3);
    assert.throws(() => ports.listen(3), { code: "ROUTE_PORT_TAKEN" });
    listener.close();
    const next = ports.listen(3);
    listener.close();
    const { conn } = directConn();
    assert.equal(ports.taker(3)!(conn), true);
    assert.equal(await next.accept(), conn);
    assert.equal(new ConnClosedError().code, "CONN_CLOSED");
  }));

Deno.test("apps that come and go leave nothing at the visor's scope", async () => {
  const scope = new Scope();
  let listeners = 0;
  const { signal } = scope;
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  Object.assign(signal, {
    addEventListener: (...args: Parameters<typeof add>) => (listeners++, add(...args)),
    removeEventListener: (...args: Parameters<typeof remove>) => (listeners--, remove(...args)),
  });
  const ports = new AppPorts(new Routes(), scope);
  for (let round = 0; round < 100; round++) {
    ports.listen(3).close();
    await new Promise<void>((resolve) => queueMicrotask(() => queueMicrotask(() => queueMicrotask(resolve))));
  }
  assert(listeners <= 1, `${listeners} listeners`);
  await scope[Symbol.asyncDispose]();
});
