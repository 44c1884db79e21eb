import assert from "node:assert/strict";
import { type Conn, memoryPair } from "../../lib/base/mod.ts";
import { type AnyHandler, type HttpServer, serveHttp, type ServeHttpOptions } from "../../lib/http/mod.ts";
import type { SocketAddress } from "../../lib/runtime/mod.ts";
import { RawClient, Rig } from "./_rig.ts";

const GET = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
type Accepted = Conn & { readonly remote: SocketAddress };

/** A listener whose connections, and failures, the test makes. */
class FakeListener {
  readonly #queue: (Accepted | Error)[] = [];
  #waiting: { resolve: (conn: Accepted | null) => void; reject: (error: Error) => void } | undefined;
  #closed = false;
  accepts = 0;
  constructor(readonly rig: Rig) {}
  accept(): Promise<Accepted | null> {
    this.accepts++;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#serve();
    });
  }
  close(): void {
    this.#closed = true;
    this.#serve();
  }
  fail(error: Error): void {
    this.#queue.push(error);
    this.#serve();
  }
  connect(): RawClient {
    const [near, far] = memoryPair({ ledger: this.rig.ledger });
    this.#queue.push(Object.assign(far, { remote: { hostname: "::1", port: 5 } }));
    this.#serve();
    return new RawClient(near);
  }
  #serve(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    const next = this.#queue.shift();
    if (next === undefined && !this.#closed) return;
    this.#waiting = undefined;
    if (next instanceof Error) waiting.reject(next);
    else waiting.resolve(next ?? null);
  }
}

function start(
  handler: AnyHandler,
  options: Partial<ServeHttpOptions> = {},
): { rig: Rig; listener: FakeListener; server: HttpServer } {
  const rig = new Rig();
  const listener = new FakeListener(rig);
  const server = serveHttp(listener, handler, { world: rig, log: rig.log, sendDate: false, ...options });
  return { rig, listener, server };
}

Deno.test("serveHttp() serves what it accepts, names the remote, and closes with everything joined", async () => {
  const { rig, listener, server } = start((_, { remote }) => new Response(remote));
  const clients = [listener.connect(), listener.connect()];
  for (const client of clients) {
    await client.send(GET);
    await client.readUntil("[::1]:5");
  }
  assert.equal(server.connections, 2);
  await server.close();
  assert.equal(server.connections, 0);
  for (const client of clients) assert.equal(await client.readToEnd(), "");
  await server.close();
  await rig.end();
});

Deno.test("serveHttp() survives bad connections, failing handlers and failing accepts, and backs off", async () => {
  const { rig, listener, server } = start(() => {
    throw new Error("broken");
  });
  const bad = listener.connect();
  await bad.send("BAD\r\n\r\n");
  assert.match(await bad.readToEnd(), /^HTTP\/1.1 400/);
  listener.connect().conn.close(new Error("gone at once"));
  for (const delayMs of [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]) {
    listener.fail(new Error("too many open files"));
    await rig.clock.advance(delayMs - 1);
    const before = listener.accepts;
    await rig.clock.advance(1);
    assert.equal(listener.accepts, before + 1, `after ${delayMs} ms`);
  }
  const client = listener.connect();
  await client.send(GET);
  assert.match(await client.readUntil("\r\n\r\n"), /^HTTP\/1.1 500/);
  client.conn.close();
  await server.close();
  await rig.end();
});

Deno.test("serveHttp() holds its bound: idle connections make room, busy ones keep it", async () => {
  const held: ((answer: Response) => void)[] = [];
  const { rig, listener, server } = start(
    (request) =>
      request.url.endsWith("/hold") ? new Promise((resolve) => held.push(resolve)) : new Response("x"),
    { connectionsMax: 2 },
  );
  const busy = listener.connect();
  await busy.send(GET.replace("/ ", "/hold "));
  const idle = listener.connect();
  await idle.send(GET);
  await idle.readUntil("x");
  const third = listener.connect();
  await third.send(GET.replace("/ ", "/hold "));
  assert.equal(await idle.readToEnd(), "");
  await rig.clock.advance(0);
  const fourth = listener.connect();
  await fourth.send(GET);
  await rig.clock.advance(1000);
  assert.deepEqual([server.connections, held.length], [2, 2]);
  held[0]!(new Response("done"));
  assert.match(await busy.readToEnd(), /done$/); // idle now, so it makes room
  await fourth.readUntil("x");
  third.conn.close();
  held[1]!(new Response());
  fourth.conn.close();
  await server.close();
  await rig.end();
});

Deno.test("serveHttp().close() lets a request end, and cuts off what takes longer than its bound", async () => {
  for (const takesMs of [4_999, 60_000]) {
    let signal!: AbortSignal;
    const { rig, listener, server } = start(async (request) => {
      signal = request.signal;
      await new Promise<void>((resolve) => {
        const timer = rig.clock.timer(takesMs, resolve);
        signal.addEventListener("abort", () => {
          timer.cancel();
          resolve();
        });
      });
      return new Response("done");
    });
    const client = listener.connect();
    await client.send(GET);
    await rig.clock.advance(0);
    let closed = false;
    const closing = server.close().then(() => closed = true);
    await rig.clock.advance(4_998);
    assert.equal(closed, false);
    await rig.clock.advance(2);
    await closing;
    assert.equal(rig.ledger.live().timer, undefined);
    assert.equal(signal.aborted, takesMs > 5_000);
    if (takesMs < 5_000) assert.match(await client.readToEnd(), /Connection: close\r\n\r\ndone$/);
    else await assert.rejects(client.readToEnd(), { code: "CONN_RESET" });
    client.conn.close();
    await rig.end();
  }
});

Deno.test("serveHttp().close() names a handler that ignores its signal, and leaves it alone", async () => {
  const { promise: late, resolve: end } = Promise.withResolvers<Response>();
  let signal!: AbortSignal;
  const { rig, listener, server } = start((request) => {
    if (new URL(request.url).pathname !== "/stuck") return new Response("x");
    signal = request.signal;
    return late;
  });
  const [stuck, quick] = [listener.connect(), listener.connect()];
  await stuck.send("POST /stuck HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
  await quick.send(GET);
  await quick.readUntil("x");
  let closed = 0;
  const closing = [server.close(), server.close(), server.closed].map((each) => each.then(() => closed++));
  await rig.clock.advance(5_999);
  assert.deepEqual([closed, signal.aborted], [0, true]);
  await assert.rejects(stuck.readToEnd(), { code: "CONN_RESET" });
  await rig.clock.advance(1);
  await Promise.all(closing);
  const [told, ...others] = rig.records.filter(({ level }) => level === "error");
  assert.match(told!.message, /did not end/);
  assert.deepEqual(told!.fields, { method: "POST", target: "/stuck", remote: "[::1]:5" });
  assert.deepEqual(others, []);
  const [running] = Object.keys(rig.ledger.live()); // the ledger tells the truth
  assert.equal(running, "http-conn");
  end(new Response("late"));
  stuck.conn.close();
  quick.conn.close();
  await rig.end();
});

Deno.test("serveHttp() ends when its listener does", async () => {
  const { rig, listener, server } = start(() => new Response("x"));
  await rig.clock.advance(0);
  listener.close();
  await server.closed;
  await server[Symbol.asyncDispose]();
  await rig.end();
});

Deno.test("serveHttp().close() ends a connection that was accepted in the same moment", async () => {
  const { rig, listener, server } = start(() => assert.fail("served"));
  const client = listener.connect();
  const closed = server.close();
  assert.equal(await client.readToEnd(), "");
  await closed;
  assert.equal(rig.clock.monotonicMs(), 0, "without waiting for any limit");
  await rig.end();
});
