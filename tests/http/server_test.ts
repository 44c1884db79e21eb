import assert from "node:assert/strict";
import { Hono } from "hono";
import { streamText } from "hono/streaming";
import type { RawRequest } from "../../lib/http/mod.ts";
import { Rig, text } from "./_rig.ts";

const GET = "GET /a?b=c HTTP/1.1\r\nHost: h:80\r\n\r\n";
const get = (path: string, fields = "") => `GET ${path} HTTP/1.1\r\nHost: h\r\n${fields}\r\n`;

Deno.test("serveHttpConn() gives the web handler the request, its remote and its target", async () => {
  const rig = new Rig();
  const client = rig.connect(async (request, { remote, target }) =>
    Response.json({
      url: request.url,
      method: request.method,
      nm: request.headers.get("NM-PK"),
      body: await request.text(),
      aborted: request.signal.aborted,
      remote,
      target,
    })
  );
  await client.send("POST /x/../a?b HTTP/1.1\r\nhost: h:8080\r\nnm-pk: key\r\nContent-Length: 2\r\n\r\nhi");
  const answer = await client.readUntil("}");
  assert.match(answer, /^HTTP\/1.1 200 OK\r\nContent-Type: application\/json\r\nContent-Length: \d+\r\n\r\n/);
  assert.deepEqual(JSON.parse(answer.slice(answer.indexOf("{"))), {
    url: "http://h:8080/a?b",
    method: "POST",
    nm: "key",
    body: "hi",
    aborted: false,
    remote: "tester:1",
    target: "/x/../a?b",
  });
  client.conn.close();
  await rig.end();
});

Deno.test("serveHttpConn() answers pipelined requests in order, one at a time", async () => {
  const rig = new Rig();
  let now = 0, most = 0;
  const client = rig.connect(async (request) => {
    most = Math.max(most, ++now);
    await new Promise<void>((resolve) => rig.clock.timer(request.url.endsWith("0") ? 100 : 1, resolve));
    now--;
    return new Response(new URL(request.url).pathname);
  });
  await client.send(Array.from({ length: 20 }, (_, index) => get(`/${index}`)).join(""));
  await rig.clock.advance(1000);
  const answers = await client.readUntil("/19");
  assert.deepEqual(
    answers.match(/\/\d+$|\/\d+(?=HTTP)/g),
    Array.from({ length: 20 }, (_, index) => `/${index}`),
  );
  assert.equal(most, 1);
  client.conn.close();
  await rig.end();
});

Deno.test("serveHttpConn() ends the connection where the client or the answer says so", async () => {
  const cases: [string, Record<string, string>][] = [
    [get("/", "Connection: close\r\n"), {}],
    [get("/", "Connection: x, Close\r\n"), {}],
    ["GET / HTTP/1.0\r\nHost: h\r\n\r\n", {}],
    [get("/"), { connection: "close" }],
  ];
  for (const [request, headers] of cases) {
    const rig = new Rig();
    const client = rig.connect(() => new Response("x", { headers }));
    await client.send(request);
    assert.match(await client.readToEnd(), /^HTTP\/1.1 200 OK\r\n.*Connection: close\r\n\r\nx$/s);
    await rig.end();
  }
});

Deno.test("serveHttpConn() sends a known body with its length in one write, however it is given", async () => {
  const whole = "y".repeat(1000);
  const stream = () =>
    new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(whole));
        controller.close();
      },
    });
  const bodies: (() => BodyInit)[] = [
    () => whole,
    () => new TextEncoder().encode(whole),
    () => new Blob([whole]).size > 0 ? whole : "",
    stream,
  ];
  for (const body of bodies) {
    const rig = new Rig();
    const client = rig.connect(() => new Response(body()));
    await client.send(GET);
    const view = await client.conn.read();
    const first = String.fromCharCode(...view!);
    assert.ok(first.endsWith(`Content-Length: 1000\r\n\r\n${whole}`), first);
    client.conn.close();
    await rig.end();
  }
});

Deno.test("serveHttpConn() sends a large known body whole, beyond one buffer", async () => {
  const rig = new Rig();
  const body = new Uint8Array(1_000_003).map((_, index) => index % 251);
  const client = rig.client({ raw: () => ({ status: 200, body }) });
  const answer = await client.send({ url: "http://h/" });
  assert.equal(answer.headers.get("content-length"), "1000003");
  assert.deepEqual(await answer.bytes(2_000_000), body);
  await client.close();
  await rig.end();
});

Deno.test("serveHttpConn() chunks a body that comes in time, its head first", async () => {
  const rig = new Rig();
  let controller!: ReadableStreamDefaultController;
  const client = rig.connect(() =>
    new Response(new ReadableStream({ start: (given) => controller = given }))
  );
  await client.send(GET);
  const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  assert.equal(await client.readUntil("\r\n\r\n"), head);
  controller.enqueue(new TextEncoder().encode("hello"));
  assert.equal(await client.readUntil("o\r\n"), "5\r\nhello\r\n");
  controller.enqueue(new Uint8Array(0)); // an empty chunk would be the end
  controller.enqueue(new TextEncoder().encode("x".repeat(17)));
  controller.close();
  assert.equal(await client.readUntil("0\r\n\r\n"), `11\r\n${"x".repeat(17)}\r\n0\r\n\r\n`);
  client.conn.close();
  await rig.end();
});

Deno.test("serveHttpConn() keeps to a streamed body's own length, and ends by the connection for HTTP/1.0", async () => {
  const reader = (...parts: string[]) => ({
    read: async () => {
      const part = parts.shift();
      return part === undefined ? null : new TextEncoder().encode(part);
    },
  });
  const rig = new Rig();
  const exact = rig.connect({ raw: () => ({ status: 200, body: reader("ab", "c"), bodyBytes: 3 }) });
  await exact.send(get("/", "Connection: close\r\n"));
  assert.match(await exact.readToEnd(), /Content-Length: 3\r\nConnection: close\r\n\r\nabc$/);

  const old = rig.connect({ raw: () => ({ status: 200, body: reader("ab", "c") }) });
  await old.send("GET / HTTP/1.0\r\nHost: h\r\n\r\n");
  assert.equal(await old.readToEnd(), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc");

  for (const bodyBytes of [2, 4]) {
    const wrong = rig.connect({ raw: () => ({ status: 200, body: reader("ab", "c"), bodyBytes }) });
    await wrong.send(GET);
    await assert.rejects(wrong.readToEnd(), { code: "CONN_RESET" });
    wrong.conn.close();
  }
  assert.equal(rig.records.filter(({ level }) => level === "error").length, 2);
  await rig.end();
});

Deno.test("serveHttpConn() sends no body for HEAD, 204 and 304, and no length where none may be", async () => {
  const cases: [string, () => Response, string][] = [
    [get("/").replace("GET", "HEAD"), () => new Response("hello"), ""],
    [
      get("/").replace("GET", "HEAD"),
      () => new Response(null, { headers: { "content-length": "7" } }),
      "Content-Length: 7\r\n",
    ],
    [get("/"), () => new Response(null, { status: 204 }), ""],
    [get("/"), () => new Response(null, { status: 304 }), ""],
    [get("/"), () => new Response(null), "Content-Length: 0\r\n"],
    [get("/"), () => new Response(""), "Content-Length: 0\r\n"],
  ];
  for (const [request, handler, length] of cases) {
    const rig = new Rig();
    const client = rig.connect(handler);
    await client.send(request + request);
    const one = `HTTP/1.1 ${handler().status} [A-Za-z ]+\r\n(Content-Type: .*\r\n)?${length}\r\n`;
    let answers = await client.readUntil("\r\n\r\n");
    if (answers.match(/HTTP/g)!.length < 2) answers += await client.readUntil("\r\n\r\n");
    assert.match(answers, new RegExp(`^${one}${one}$`));
    client.conn.close();
    await rig.end();
  }
});

Deno.test("serveHttpConn() writes header names as Go, one field per value, and lets no handler break the framing", async () => {
  const rig = new Rig();
  const client = rig.connect({
    raw: () => ({
      status: 200,
      headers: [["x-a-bc", "1"], ["SET-COOKIE", "a"], ["set-cookie", "b"], ["content-length", "99"], [
        "Transfer-Encoding",
        "gzip",
      ], ["etag", '"\xe9"']],
      body: "ok",
    }),
  });
  await client.send(GET);
  assert.equal(
    await client.readUntil("ok"),
    'HTTP/1.1 200 OK\r\nX-A-Bc: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nEtag: "\xe9"\r\nContent-Length: 2\r\n\r\nok',
  );
  client.conn.close();
  await rig.end();
});

Deno.test("serveHttpConn() answers 500 for a failing handler, logs it, and goes on", async () => {
  const failing: (() => Response | Promise<Response>)[] = [
    () => {
      throw new Error("broken\r\nSet-Cookie: x");
    },
    () => Promise.reject(new Error("broken")),
    () => "no response" as unknown as Response,
    () => {
      const used = new Response("x");
      used.body!.getReader();
      return used;
    },
  ];
  for (const handler of failing) {
    const rig = new Rig();
    let calls = 0;
    const client = rig.connect(() => calls++ === 0 ? handler() : new Response("fine"));
    await client.send(GET);
    assert.equal(
      await client.readUntil("\r\n\r\n"),
      "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    );
    await client.send(GET);
    await client.readUntil("fine");
    assert.equal(rig.records.filter(({ level }) => level === "error").length, 1);
    client.conn.close();
    await rig.end();
  }
});

Deno.test("serveHttpConn() answers 500 for an answer that cannot be sent", async () => {
  const bad = [{ status: 99 }, { status: 1000 }, { status: 200.5 }, { status: 101 }, {
    status: 200,
    headers: [["a b", "c"]],
  }, {
    status: 200,
    headers: [["a", "b\r\nInjected: yes"]],
  }];
  for (const answer of bad) {
    const rig = new Rig();
    const client = rig.connect({ raw: () => answer as never });
    await client.send(GET);
    assert.match(
      await client.readUntil("\r\n\r\n"),
      /^HTTP\/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n$/,
    );
    client.conn.close();
    await rig.end();
  }
});

Deno.test("serveHttpConn() resets where a body fails under way: no end may look complete", async () => {
  const rig = new Rig();
  const client = rig.connect(() =>
    new Response(
      new ReadableStream({
        async pull(controller) {
          await new Promise<void>((resolve) => rig.clock.timer(10, resolve));
          controller.error(new Error("disk gone"));
        },
      }),
    )
  );
  await client.send(GET);
  await client.readUntil("\r\n\r\n");
  await rig.clock.advance(10);
  await assert.rejects(client.readToEnd(), { code: "CONN_RESET" });
  assert.match(rig.records.find(({ level }) => level === "error")!.fields.reason as string, /disk gone/);
  client.conn.close();
  await rig.end();
});

Deno.test("serveHttpConn() says 100 Continue once the handler reads, and not otherwise", async () => {
  const fields = "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n";
  const rig = new Rig();
  const reading = rig.connect({
    raw: async ({ body }) => {
      const view = await body.read();
      return { status: 200, body: view!.slice() };
    },
  });
  await reading.send(`POST / HTTP/1.1\r\nHost: h\r\n${fields}`);
  assert.equal(await reading.readUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  await reading.send("abc");
  assert.match(await reading.readUntil("abc"), /^HTTP\/1.1 200 OK/);
  reading.conn.close();

  const refusing = rig.connect({ raw: () => ({ status: 403, body: "no" }) });
  await refusing.send(`POST / HTTP/1.1\r\nHost: h\r\n${fields}`);
  assert.equal(
    await refusing.readUntil("no"),
    "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno",
  );
  refusing.conn.close();

  const eager = rig.connect({
    raw: async ({ body }) => ({ status: 200, body: (await body.read())!.slice() }),
  });
  await eager.send(`POST / HTTP/1.1\r\nHost: h\r\n${fields}abc`);
  assert.match(await eager.readUntil("abc"), /^HTTP\/1.1 200 OK/);
  eager.conn.close();
  await rig.end();
});

Deno.test("serveHttpConn() drains a small unread body and ends the connection over a large one", async () => {
  const rig = new Rig();
  const small = rig.connect(() => new Response("x"));
  await small.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n`);
  const rest = small.send("b".repeat(100_000) + GET);
  await small.readUntil("x");
  await rest;
  await small.readUntil("x");
  small.conn.close();

  const large = rig.connect({ raw: () => ({ status: 200, body: "x" }) });
  const sending = large.send(
    `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n${"b".repeat(1_000_000)}`,
  )
    .catch(() => {});
  assert.match(await large.readToEnd(), /Connection: close\r\n\r\nx$/);
  await sending;

  const chunked = rig.connect({ raw: () => ({ status: 200, body: "x" }) });
  const chunk = `10000\r\n${"b".repeat(65536)}\r\n`;
  const sendingChunks = chunked.send(
    `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(10)}0\r\n\r\n${GET}`,
  ).catch(() => {});
  assert.equal((await chunked.readToEnd()).match(/HTTP/g)!.length, 1);
  await sendingChunks;
  await rig.end();
});

Deno.test("serveHttpConn() streams a request back while it comes, and holds the client back when nobody reads", async () => {
  const rig = new Rig();
  const client = rig.connect((request) => new Response(request.body), { limits: { bodyBytesMax: 1e9 } });
  await client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  await client.readUntil("5\r\nhello\r\n");
  await client.send("5\r\nworld\r\n");
  await client.readUntil("5\r\nworld\r\n");
  let sent = 0;
  const sending = (async () => {
    for (const chunk = `4000\r\n${"z".repeat(0x4000)}\r\n`; sent < 100; sent++) await client.send(chunk);
    await client.send("0\r\n\r\n");
  })();
  await rig.clock.advance(100);
  assert.ok(sent < 40, `${sent} chunks of 16 KiB taken in without a reader`);
  let echoed = 0;
  while (echoed < 100 * 0x4000) echoed += (await client.conn.read())!.length;
  await sending;
  client.conn.close();
  await rig.end();
});

Deno.test("serveHttpConn() aborts the request's signal when the client leaves", async () => {
  for (const leave of ["close", "reset", "closeWrite"] as const) {
    const rig = new Rig();
    let signal!: AbortSignal;
    const client = rig.connect((request) => {
      signal = request.signal;
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve(new Response("late"))));
    });
    await client.send(GET);
    await rig.clock.advance(10);
    assert.equal(signal.aborted, false);
    if (leave === "close") client.conn.close();
    if (leave === "reset") client.conn.close(new Error("gone"));
    if (leave === "closeWrite") {
      await client.conn.closeWrite();
      assert.match(await client.readToEnd(), /late$/); // whoever only ended its half still gets the answer
    }
    await rig.clock.advance(10);
    assert.equal(signal.aborted, true);
    await rig.end();
  }
});

Deno.test("serveHttpConn() cancels the answer's stream when the client leaves", async () => {
  const rig = new Rig();
  let cancelled: unknown;
  const client = rig.connect(() =>
    new Response(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(10_000)),
        cancel: (reason) => {
          cancelled = reason;
        },
      }),
    )
  );
  await client.send(GET);
  await client.conn.read();
  client.conn.close(new Error("enough"));
  await rig.end();
  assert.ok(cancelled instanceof Error);
});

Deno.test("serveHttpConn() frees an answer that it does not send: a body that failed, a head that cannot be", async () => {
  const rig = new Rig();
  const done: unknown[] = [];
  const body = { read: () => Promise.reject(new Error("never read")) };
  const onDone = (failure?: unknown) => done.push(failure);
  const swallowing = rig.connect({
    raw: async (request) => {
      await request.body.read().catch(() => {});
      return { status: 200, body, onDone };
    },
  });
  await swallowing.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n");
  assert.match(await swallowing.readToEnd(), /^HTTP\/1.1 400 /);
  const unsendable = rig.connect({ raw: () => ({ status: 1, body, onDone }) });
  await unsendable.send(get("/", "Connection: close\r\n"));
  assert.match(await unsendable.readToEnd(), /^HTTP\/1.1 500 /);
  assert.equal(done.length, 2);
  assert.match(String(done[0]), /chunk has no proper size/);

  let cancelled = 0;
  const stream = new ReadableStream({ cancel: () => void cancelled++ });
  const web = rig.connect(() => new Response(stream, { headers: { "x-control": "\x01" } }));
  await web.send(get("/", "Connection: close\r\n"));
  assert.match(await web.readToEnd(), /^HTTP\/1.1 500 /);
  assert.equal(cancelled, 1);
  await rig.end();
});

Deno.test("serveHttpConn() feeds hono's app.fetch", async () => {
  const app = new Hono();
  app.get("/entry/:key", (c) => c.json({ key: c.req.param("key"), remote: c.env }));
  app.post("/entry", async (c) => c.text(`${(await c.req.json()).sequence}`, 201));
  app.get("/events", (c) =>
    streamText(c, async (stream) => {
      await stream.write("one,");
      await stream.write("two");
    }));
  const rig = new Rig();
  const client = rig.client((request) => app.fetch(request));
  const text = async (path: string, method = "GET", body?: string) => {
    const answer = await client.send({ url: `http://a:80${path}`, method, body });
    return `${answer.status} ${await answer.text(1000)}`;
  };
  assert.equal(await text("/entry/k"), '200 {"key":"k"}');
  assert.equal(await text("/entry", "POST", '{"sequence":7}'), "201 7");
  assert.equal(await text("/events"), "200 one,two");
  assert.equal(await text("/entry/k", "HEAD"), "200 ");
  assert.equal(await text("/nowhere"), "404 404 Not Found");
  assert.equal(client.dials(), 2, "the POST has one of its own");
  await client.close();
  await rig.end();
});

Deno.test("serveHttpConn() ends at once with its signal", async () => {
  for (const when of ["before", "waiting", "serving"] as const) {
    const rig = new Rig();
    const controller = new AbortController();
    const client = rig.connect(() => new Response("unused"));
    client.conn.close();
    const { memoryPair } = await import("../../lib/base/mod.ts");
    const [near, far] = memoryPair({ ledger: rig.ledger });
    if (when === "before") controller.abort(new Error("over"));
    let request: RawRequest | undefined;
    rig.serve(far, {
      raw: (given) => {
        request = given;
        return new Promise((_, reject) =>
          given.signal.addEventListener("abort", () => reject(given.signal.reason))
        );
      },
    }, { signal: controller.signal });
    if (when === "serving") await near.write(new TextEncoder().encode(GET));
    await rig.clock.advance(1);
    assert.equal(request !== undefined, when === "serving");
    controller.abort(new Error("over"));
    await assert.rejects(near.read(), { code: "CONN_RESET" });
    near.close();
    await rig.end();
  }
});

Deno.test("serveHttpConn() hands the connection over behind a 101, with what came too early", async () => {
  for (const early of [true, false]) {
    const rig = new Rig();
    const client = rig.connect({
      raw: () => ({
        status: 101,
        headers: [["connection", "Upgrade"], ["upgrade", "echo"]],
        takeOver: async (conn) => {
          for (let view = await conn.read(); view !== null; view = await conn.read()) await conn.write(view);
          conn.close();
        },
      }),
    });
    await client.send(get("/", "Connection: Upgrade\r\nUpgrade: echo\r\n") + (early ? "early" : ""));
    const head = await client.readUntil(early ? "early" : "\r\n\r\n");
    assert.match(head, /^HTTP\/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n/);
    await client.send("later");
    await client.readUntil("later");
    await rig.clock.advance(3_600_000); // no limit of HTTP holds any more
    await client.send("much later");
    await client.readUntil("much later");
    await client.conn.closeWrite();
    assert.equal(await client.conn.read(), null);
    client.conn.close();
    await rig.end();
  }
});

Deno.test("serveHttpConn() hands nothing over while a body is on its way: it would pass for the other protocol", async () => {
  const rig = new Rig();
  const ends: unknown[] = [];
  const refused = rig.connect({
    raw: () => ({
      status: 101,
      headers: [["upgrade", "echo"]],
      takeOver: () => assert.fail("taken over"),
      onDone: (failure) => ends.push(failure),
    }),
  });
  await refused.send("POST / HTTP/1.1\r\nHost: h\r\nUpgrade: echo\r\nContent-Length: 9\r\n\r\nhalf");
  const answer = refused.readToEnd();
  await rig.clock.advance(60_000);
  assert.match(await answer, /^HTTP\/1\.1 400 .*switches protocols has a body$/s);
  assert.equal(ends.length, 1);

  const read = rig.connect({
    raw: async ({ body }) => {
      while (await body.read() !== null);
      return {
        status: 101,
        takeOver: async (conn) => {
          assert.equal(text((await conn.read())!), "other");
          conn.close();
        },
      };
    },
  });
  await read.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbodyother");
  assert.match(await read.readToEnd(), /^HTTP\/1\.1 101 /);
  await rig.end();
});

Deno.test("serveHttpConn() gives a web handler no method that a Request cannot have", async () => {
  const rig = new Rig();
  for (const method of ["TRACE", "TRACK", "CONNECT"]) {
    const client = rig.connect(() => assert.fail(method));
    await client.send(`${method} / HTTP/1.1\r\nHost: h\r\n\r\n`);
    assert.match(await client.readToEnd(), /^HTTP\/1\.1 501 /, method);
  }
  await rig.end();
});
