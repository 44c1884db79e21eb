/** HTTP over dmsg: the caller's proven key, limits, kept streams, and servers that end them behind each answer. */
import assert from "node:assert/strict";
import { Scope } from "../../lib/base/mod.ts";
import {
  type DmsgCaller,
  DmsgError,
  dmsgHttpClient,
  type DmsgHttpHandler,
  pingOnce,
  serveControl,
  serveDmsgHttp,
} from "../../lib/dmsg/mod.ts";
import { HTTP_LIMITS, HttpClient, type RawHandler } from "../../lib/http/mod.ts";
import { sleep } from "../../lib/runtime/mod.ts";
import { ConnReader } from "../../lib/wire/mod.ts";
import { far, near, type Trio, withTrio } from "./_trio.ts";

const URL_BASE = `http://${far.publicKey}`;

interface Bench {
  readonly trio: Trio;
  readonly scope: Scope;
  readonly http: HttpClient;
}

/** Runs `test` with `handler` on port 80 of far, and a client at near. */
async function withHttp(
  handler: DmsgHttpHandler | { readonly raw: RawHandler } | undefined,
  test: (bench: Bench) => Promise<void>,
): Promise<void> {
  await withTrio(async (trio) => {
    const scope = new Scope();
    const http = dmsgHttpClient(trio.near, trio.world, "skyctl/test");
    if (handler !== undefined) {
      serveDmsgHttp({ client: trio.far, world: trio.world, handler, scope, log: trio.log });
    }
    await test({ trio, scope, http });
    await http.close();
    await scope[Symbol.asyncDispose]();
    assert.equal(scope.failure, undefined);
  });
}

Deno.test("a handler learns the caller's proven key and address, and answers", () => {
  const callers: DmsgCaller[] = [];
  return withHttp(async (request, caller) => {
    callers.push(caller);
    const { pathname, search } = new URL(request.url);
    const about = `${request.method} ${pathname}${search} ${request.headers.get("host")}`;
    return new Response(`${about} ${await request.text()}`, { status: 201 });
  }, async ({ http }) => {
    const response = await http.send({ method: "POST", url: `${URL_BASE}:80/hello?x=1`, body: "body!" });
    assert.equal(response.status, 201);
    assert.equal(await response.text(1_000), `POST /hello?x=1 ${far.publicKey}:80 body!`);
    assert.deepEqual(callers, [{ key: near.publicKey, remote: `${near.publicKey}:49153` }]);
  });
});

Deno.test("a raw handler finds the caller in `remote`", () =>
  withHttp({
    raw: ({ remote, target, host }) => ({ status: 200, body: `${remote} ${target} ${host}` }),
  }, async ({ http }) => {
    const response = await http.send({ url: `${URL_BASE}/a%20b` });
    assert.equal(await response.text(1_000), `${near.publicKey}:49153 /a%20b ${far.publicKey}`);
  }));

Deno.test("two requests go over one stream; its port tells", () =>
  withHttp((_, { remote }) => new Response(remote), async ({ trio, http }) => {
    for (let count = 0; count < 3; count++) {
      const response = await http.send({ url: `${URL_BASE}/` });
      assert.equal(await response.text(1_000), `${near.publicKey}:49153`);
    }
    assert.equal(trio.near.sessions()[0]!.streams, 1);
    assert.equal(http.idle, 1);
  }));

Deno.test("requests at the same time have a stream each; a kept one ends after 90 s", () =>
  withHttp(async (_, { remote }) => new Response(remote), async ({ trio, http }) => {
    const remotes = await Promise.all(
      Array.from({ length: 3 }, async () => (await http.send({ url: `${URL_BASE}/` })).text(1_000)),
    );
    assert.equal(new Set(remotes).size, 3);
    assert.equal(http.idle, 3);
    await trio.clock.advance(90_000);
    assert.equal(http.idle, 0);
    assert.deepEqual([trio.near, trio.far].map((client) => client.sessions()[0]!.streams), [0, 0]);
  }));

Deno.test("a head above the limit is answered with 431, and only its stream ends", () =>
  withHttp(() => new Response("fine"), async ({ trio, http }) => {
    const headers: [string, string][] = [["x-long", "x".repeat(HTTP_LIMITS.headBytesMax)]];
    const refused = await http.send({ url: `${URL_BASE}/`, headers });
    assert.equal(refused.status, 431);
    await refused.discard();
    const response = await http.send({ url: `${URL_BASE}/` });
    assert.equal(await response.text(100), "fine");
    await trio.clock.advance(1_000);
    assert.equal(trio.near.sessions().length, 1);
    assert.equal(trio.far.sessions()[0]!.streams, 1);
  }));

Deno.test("a body of 3 MB goes there and back", () =>
  withHttp((request) => new Response(request.body), async ({ http }) => {
    const body = new Uint8Array(3_000_000).map((_, index) => index * 31 >> 3);
    const response = await http.send({ method: "POST", url: `${URL_BASE}/`, body });
    const back = await response.bytes(4_000_000);
    assert.equal(back.length, body.length);
    assert.ok(back.every((byte, index) => byte === body[index]));
  }));

Deno.test("a handler that throws is answered with 500, and the next request is served", () => {
  let calls = 0;
  return withHttp(() => {
    if (calls++ === 0) throw new Error("test");
    return new Response("fine");
  }, async ({ http }) => {
    const failed = await http.send({ url: `${URL_BASE}/` });
    assert.equal(failed.status, 500);
    await failed.discard();
    assert.equal(await (await http.send({ url: `${URL_BASE}/` })).text(100), "fine");
  });
});

/** Serves as peers of 2024 do: each answer is followed by the stream's end, which no header announces. */
function serveAs2024({ trio, scope }: Bench, endsAfterMs: number): { served: string[] } {
  const listener = trio.far.listen(80);
  const served: string[] = [];
  scope.spawn("2024", async (signal) => {
    signal.addEventListener("abort", () => listener.close(), { once: true });
    for (let stream = await listener.accept(); stream !== null; stream = await listener.accept()) {
      const conn = stream;
      const reader = new ConnReader(conn);
      const line = new TextDecoder().decode(await reader.readUntil(10, { bytesMax: 1_000 }));
      let header = line;
      while (header.trim() !== "") {
        header = new TextDecoder().decode(await reader.readUntil(10, { bytesMax: 1_000 }));
      }
      served.push(line.trim());
      await conn.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"));
      scope.spawn("2024 end", async () => {
        await sleep(trio.clock, endsAfterMs);
        conn.close();
      });
    }
  });
  return { served };
}

Deno.test("the pool drops a stream that its server ended behind the answer (2024)", () =>
  withHttp(undefined, async (bench) => {
    const { served } = serveAs2024(bench, 2);
    for (let count = 0; count < 3; count++) {
      const response = await bench.http.send({ url: `${URL_BASE}/${count}` });
      assert.equal(await response.text(100), "fine");
      await bench.trio.clock.advance(10);
      assert.equal(bench.http.idle, 0);
    }
    assert.deepEqual(served, [0, 1, 2].map((count) => `GET /${count} HTTP/1.1`));
  }));

Deno.test("a request that crosses the server's end of a kept stream is repeated on a fresh one (2024)", () =>
  withHttp(undefined, async (bench) => {
    const { served } = serveAs2024(bench, 50);
    const first = await bench.http.send({ url: `${URL_BASE}/first` });
    assert.equal(await first.text(100), "fine");
    assert.equal(bench.http.idle, 1);
    const second = bench.http.send({ url: `${URL_BASE}/second` });
    await bench.trio.clock.advance(50);
    assert.equal(await (await second).text(100), "fine");
    assert.deepEqual(served, ["GET /first HTTP/1.1", "GET /second HTTP/1.1"]);
    await bench.trio.clock.advance(50);
  }));

Deno.test("without a port, and with port 0, a URL means port 80; another port is another server", () =>
  withHttp(() => new Response("80"), async ({ trio, scope, http }) => {
    const handler = () => new Response("81");
    serveDmsgHttp({ client: trio.far, world: trio.world, handler, scope, log: trio.log, port: 81 });
    for (
      const [authority, answer] of [["", "80"], [":0", "80"], [":80", "80"], [":81", "81"]]
    ) {
      const response = await http.send({ url: `${URL_BASE}${authority}/` });
      assert.equal(await response.text(10), answer, authority);
    }
    assert.throws(
      () => serveDmsgHttp({ client: trio.far, world: trio.world, handler, scope, log: trio.log, port: 81 }),
      (error: DmsgError) => error.dmsgCode === 400,
    );
  }));

Deno.test("where nobody serves, the request fails with 202 at once", () =>
  withHttp(undefined, async ({ http }) => {
    const error = await http.send({ url: `${URL_BASE}/` }).catch((error: unknown) => error);
    assert.ok(error instanceof DmsgError && error.dmsgCode === 202, String(error));
  }));

Deno.test("a server whose scope ends frees its port, ends its streams, and is joined", () => {
  const waiting = Promise.withResolvers<void>();
  return withHttp(async (request) => {
    waiting.resolve();
    await new Promise((resolve) => request.signal.addEventListener("abort", resolve, { once: true }));
    return new Response("too late");
  }, async ({ trio, scope, http }) => {
    const outcome = http.send({ url: `${URL_BASE}/` }).then(() => "answered", () => "failed");
    await waiting.promise;
    scope.end();
    await trio.clock.advance(1_000);
    assert.equal(await outcome, "failed");
    assert.equal(scope.live, 0);
    assert.deepEqual([trio.near, trio.far].map((client) => client.sessions()[0]!.streams), [0, 0]);
    trio.far.listen(80).close();
  });
});

Deno.test("serving in a scope that has ended serves nobody, frees the port, and holds nothing up", () =>
  withTrio(async (trio) => {
    const scope = new Scope();
    scope.end();
    const handler = () => new Response("never");
    serveDmsgHttp({ client: trio.far, world: trio.world, handler, scope, log: trio.log });
    serveControl(trio.far, scope, trio.log);
    await trio.settle();
    assert.equal(scope.live, 0);
    for (const port of [7, 80]) trio.far.listen(port).close();
    await scope[Symbol.asyncDispose]();
  }));

Deno.test("a request's signal ends the request, and its stream, and nothing else", () => {
  const asked = Promise.withResolvers<void>();
  return withHttp(async (request) => {
    if (new URL(request.url).pathname === "/fine") return new Response("fine");
    asked.resolve();
    await new Promise((resolve) => request.signal.addEventListener("abort", resolve, { once: true }));
    return new Response("nobody reads this");
  }, async ({ trio, http }) => {
    const controller = new AbortController();
    const reason = new Error("changed my mind");
    const outcome = http.send({ url: `${URL_BASE}/` }, { signal: controller.signal })
      .catch((error: unknown) => error);
    await asked.promise;
    controller.abort(reason);
    assert.equal(await outcome, reason);
    await trio.clock.advance(1_000);
    assert.equal(trio.far.sessions()[0]!.streams, 0);
    assert.equal(await (await http.send({ url: `${URL_BASE}/fine` })).text(100), "fine");
  });
});

Deno.test("serveControl() answers pings of whoever dials port 7, drops who says else, and ends with its scope", () =>
  withTrio(async (trio) => {
    const scope = new Scope();
    serveControl(trio.far, scope, trio.log);
    const dial = () => trio.near.dial({ publicKey: far.publicKey, port: 7 });
    const [good, bad] = [await dial(), await dial()];
    const reader = new ConnReader(good);
    assert.equal(await pingOnce(good, reader, trio.clock), 0);
    await bad.write(Uint8Array.of(11));
    assert.equal(await bad.read(), null);
    bad.close();
    assert.equal(await pingOnce(good, reader, trio.clock), 0);
    scope.end();
    await trio.settle();
    await assert.rejects(pingOnce(good, reader, trio.clock));
    good.close();
    await scope[Symbol.asyncDispose]();
    assert.equal(scope.failure, undefined);
    const error = await dial().catch((error: unknown) => error);
    assert.ok(error instanceof DmsgError && error.dmsgCode === 202, String(error));
  }));
