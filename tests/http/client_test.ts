import assert from "node:assert/strict";
import { type Conn, memoryPair } from "../../lib/base/mod.ts";
import { type HttpRequest, type RawHandler, streamBody } from "../../lib/http/mod.ts";
import { bytes, readRequest, Rig, text } from "./_rig.ts";

const URL_A = "http://a:80/";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** Answers `answers` in turn, one per request, then waits for the client's end. */
const answering = (...answers: string[]) => async (far: Conn) => {
  for (const answer of answers) {
    await readRequest(far);
    await far.write(bytes(answer));
  }
  while (await far.read().catch(() => null) !== null);
  far.close();
};
/** An O24 server: ends the stream right behind the answer. */
const endsBehind = (answer: string) => async (far: Conn) => {
  await readRequest(far);
  await far.write(bytes(answer));
  far.close();
};
const echo: RawHandler = async ({ method, target, headers, body }) => {
  let length = 0;
  for (let view = await body.read(); view !== null; view = await body.read()) length += view.length;
  return { status: 200, body: JSON.stringify([method, target, [...headers], length]) };
};

Deno.test("HttpClient adds Host, User-Agent and the body's framing, in Go's order, and nothing else", async () => {
  const cases: [HttpRequest, string][] = [
    [{ url: "http://a:80/x?y#z" }, "GET /x?y HTTP/1.1\r\nHost: a:80\r\nUser-Agent: skyctl/test\r\n\r\n"],
    [{ url: "dmsg://K" }, "GET / HTTP/1.1\r\nHost: K\r\nUser-Agent: skyctl/test\r\n\r\n"],
    [{ url: "http://[::1]:8/?q" }, "GET /?q HTTP/1.1\r\nHost: [::1]:8\r\nUser-Agent: skyctl/test\r\n\r\n"],
    [{ url: "http://a/ä b" }, "GET /%C3%A4%20b HTTP/1.1\r\nHost: a\r\nUser-Agent: skyctl/test\r\n\r\n"],
    [{ url: "http://a/%zz/../b" }, "GET /%zz/../b HTTP/1.1\r\nHost: a\r\nUser-Agent: skyctl/test\r\n\r\n"],
    [
      { url: URL_A, method: "POST" },
      "POST / HTTP/1.1\r\nHost: a:80\r\nUser-Agent: skyctl/test\r\nContent-Length: 0\r\n\r\n",
    ],
    [
      {
        url: URL_A,
        method: "DELETE",
        body: "é",
        headers: [["sw-sig", "s"], ["NM-PK", "k"], ["content-length", "9"]],
      },
      "DELETE / HTTP/1.1\r\nHost: a:80\r\nUser-Agent: skyctl/test\r\nContent-Length: 2\r\nNm-Pk: k\r\nSw-Sig: s\r\n\r\n\xc3\xa9",
    ],
    [
      { url: URL_A, headers: new Headers({ host: "virtual", "user-agent": "" }) },
      "GET / HTTP/1.1\r\nHost: virtual\r\n\r\n",
    ],
  ];
  for (const [request, wire] of cases) {
    const rig = new Rig();
    const client = rig.scripted([async (far) => {
      assert.equal(text((await far.read())!), wire);
      await far.write(bytes(OK));
      far.close();
    }]);
    assert.equal(await (await client.send(request)).text(100), "ok");
    await client.close();
    await rig.end();
  }
});

Deno.test("HttpClient refuses what cannot be sent before it dials", async () => {
  const rig = new Rig();
  const client = rig.scripted([]);
  const bad: HttpRequest[] = [
    { url: "" },
    { url: "/path" },
    { url: "http:///x" },
    { url: "http://user@a/" },
    { url: "http://a b/" },
    { url: "http://a:99999999/" },
    { url: "http://a\r\nX: y/" },
    { url: "http://a\\b/" },
    { url: URL_A, method: "GET /" },
    { url: URL_A, method: "" },
    { url: URL_A, headers: [["a b", "c"]] },
    { url: URL_A, headers: [["a", "b\r\nc: d"]] },
    { url: URL_A, headers: [["a", "€"]] },
    { url: URL_A, headers: [["host", "a\r\nc: d"]] },
    { url: URL_A, body: new ReadableStream(), bodyBytes: -1 },
    { url: URL_A, body: new ReadableStream(), bodyBytes: 1.5 },
  ];
  for (const request of bad) {
    await assert.rejects(
      client.send(request),
      { code: "HTTP_BAD_REQUEST", fault: "caller" },
      JSON.stringify(request),
    );
  }
  assert.equal(client.dials(), 0);
  await client.close();
  await rig.end();
});

Deno.test("HttpClient reads bodies by length, chunks and end, and skips 1xx", async () => {
  const cases: [string, string][] = [
    ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"],
    ["HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", "hello"],
    [
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\nT: x\r\n\r\n",
      "hello",
    ],
    ["HTTP/1.1 200 OK\r\n\r\nhello", "hello"],
    ["HTTP/1.0 200 OK\r\nX: y\r\n\r\nhello", "hello"],
    [
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
      "hello",
    ],
    ["HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", ""],
    ["HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", ""],
  ];
  for (const [answer, body] of cases) {
    for (const byByte of [false, true]) {
      const rig = new Rig();
      const client = rig.scripted([async (far) => {
        await readRequest(far);
        for (const piece of byByte ? [...answer] : [answer]) await far.write(bytes(piece));
        far.close();
      }]);
      assert.equal(await (await client.fetch({ url: URL_A })).text(), body);
      await client.close();
      await rig.end();
    }
  }
});

Deno.test("HttpClient refuses malformed answers and ends their connection", async () => {
  const bad: [string, string][] = [
    ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok", "HTTP_BAD_RESPONSE"],
    ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", "HTTP_BAD_RESPONSE"],
    ["HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "HTTP_BAD_RESPONSE"],
    ["HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok", "HTTP_BAD_RESPONSE"],
    ["HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP_BAD_RESPONSE"],
    ["HTTP/1.1 20 OK\r\n\r\n", "HTTP_BAD_RESPONSE"],
    ["HTTP/1.1 099 OK\r\n\r\n", "HTTP_BAD_RESPONSE"],
    ["HTTP/1.1 101 Switching Protocols\r\n\r\n", "HTTP_BAD_RESPONSE"],
    ["HTTP/1.1 100 Continue\r\n\r\n".repeat(9), "HTTP_BAD_RESPONSE"],
    [`HTTP/1.1 200 OK\r\nX: ${"y".repeat(70_000)}\r\n\r\n`, "HTTP_BAD_RESPONSE"],
    [`HTTP/1.1 200 OK\r\n${"X: y\r\n".repeat(300)}\r\n`, "HTTP_BAD_RESPONSE"],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "HTTP_BAD_RESPONSE"],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok", "TRUNCATED"],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "TRUNCATED"],
    ["HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", "TRUNCATED"],
    ["HTTP/1.1 200 OK\r\nContent-Le", "TRUNCATED"],
    ["HTTP/1.1 100 Continue\r\n\r\n", "TRUNCATED"],
    ["", "HTTP_NO_RESPONSE"],
    ["junk\r\n\r\n", "HTTP_BAD_RESPONSE"],
  ];
  for (const [answer, code] of bad) {
    const rig = new Rig();
    const client = rig.scripted([async (far) => {
      await readRequest(far);
      await far.write(bytes(answer)).catch(() => {}); // refused before its end
      far.close();
    }]);
    await assert.rejects(
      client.send({ url: URL_A }).then((response) => response.bytes(1000)),
      { code },
      answer,
    );
    assert.equal(client.idle, 0);
    assert.equal(rig.ledger.count("http-client-conn"), 0);
    await client.close();
    await rig.end();
  }
});

Deno.test("HttpClient uses a connection again once the body was read, and not while it is being read", async () => {
  const rig = new Rig();
  const client = rig.client({ raw: echo });
  for (let round = 0; round < 5; round++) {
    await (await client.send({ url: URL_A, method: "PUT", body: "x" })).text(999);
  }
  assert.deepEqual([client.dials(), client.idle], [1, 1]);
  const open = await client.send({ url: URL_A });
  const other = await client.send({ url: URL_A });
  assert.equal(client.dials(), 2);
  await other.text(999);
  await open.text(999);
  await (await client.send({ url: "http://a/" })).text(999); // another authority, as it is written
  assert.deepEqual([client.dials(), client.idle], [3, 3]);
  await (await client.send({ url: URL_A, method: "HEAD" })).text(999);
  assert.equal(client.dials(), 3);
  await client.close();
  await rig.end();
});

Deno.test("HttpClient keeps four idle connections per host, for 90 s, and no more than its bound in all", async () => {
  const rig = new Rig();
  const client = rig.client({ raw: echo }, { limits: { idleMax: 6 } });
  const many = (url: string, count: number) =>
    Promise.all(Array.from({ length: count }, () => client.send({ url })))
      .then((answers) => Promise.all(answers.map((answer) => answer.text(999))));
  await many("http://a/", 7);
  await rig.clock.advance(0);
  assert.equal(client.idle, 4);
  await many("http://b/", 4);
  await rig.clock.advance(0);
  assert.equal(client.idle, 6);
  await rig.clock.advance(89_999);
  assert.equal(client.idle, 6);
  await rig.clock.advance(1);
  assert.deepEqual([client.idle, rig.ledger.count("http-client-conn")], [0, 0]);
  await client.close();
  await rig.end();
});

Deno.test("HttpClient drops an idle connection that ends or speaks unasked", async () => {
  for (const how of ["end", "reset", "speak"] as const) {
    const rig = new Rig();
    const client = rig.scripted([async (far) => {
      await readRequest(far);
      await far.write(bytes(OK));
      await new Promise<void>((resolve) => rig.clock.timer(1000, resolve));
      if (how === "speak") await far.write(bytes("HTTP/1.1 408 Request Timeout\r\n\r\n"));
      far.close(how === "reset" ? new Error("gone") : undefined);
    }]);
    await (await client.send({ url: URL_A })).text(10);
    assert.equal(client.idle, 1);
    await rig.clock.advance(1000);
    assert.equal(client.idle, 0);
    await client.close();
    await rig.end();
  }
});

Deno.test("HttpClient goes on with servers that end every stream behind the answer", async () => {
  const rig = new Rig();
  const client = rig.scripted(Array.from({ length: 20 }, () => endsBehind(OK)));
  for (let round = 0; round < 20; round++) {
    assert.equal(await (await client.send({ url: URL_A, method: "PUT", body: "x" })).text(10), "ok");
    if (round % 2 === 0) await rig.clock.advance(2); // sometimes the end is seen in time, sometimes not
  }
  assert.equal(client.dials(), 20);
  await client.close();
  await rig.end();
});

/** Answers once; ends at the second request in the given way. */
const stale = (end: (far: Conn) => void | Promise<void>) => async (far: Conn) => {
  await readRequest(far);
  await far.write(bytes(OK));
  await readRequest(far).catch(() => {});
  await end(far);
};

Deno.test("HttpClient repeats a request once when a kept connection ends before the first byte", async () => {
  for (const reason of [undefined, new Error("reset")]) {
    for (
      const body of [
        undefined,
        "again",
        bytes("again"),
        () => streamBody(new Blob(["again"]).stream()),
      ] as const
    ) {
      const rig = new Rig();
      let second = "";
      const client = rig.scripted([stale((far) => far.close(reason)), async (far) => {
        second = await readRequest(
          far,
          body === undefined ? "\r\n\r\n" : typeof body === "function" ? "0\r\n\r\n" : "again",
        );
        await far.write(bytes(OK));
        far.close();
      }]);
      await (await client.send({ url: URL_A })).text(10);
      const answer = await client.send({ url: URL_A, method: body === undefined ? "GET" : "PUT", body });
      assert.equal(await answer.text(10), "ok");
      assert.equal(client.dials(), 2);
      if (body !== undefined) assert.match(second, /again/);
      await client.close();
      await rig.end();
    }
  }
});

Deno.test("HttpClient repeats nothing after a byte of an answer, or on a fresh connection", async () => {
  const partial = async (far: Conn) => {
    await far.write(bytes("H"));
    far.close();
  };
  const cases: {
    claim: string;
    script: ((far: Conn) => Promise<void>)[];
    warm: boolean;
    code: string;
  }[] = [
    { claim: "a byte came", script: [stale(partial)], warm: true, code: "TRUNCATED" },
    { claim: "fresh", script: [endsBehind("")], warm: false, code: "HTTP_NO_RESPONSE" },
    {
      claim: "a second time",
      script: [stale((far) => far.close()), endsBehind("")],
      warm: true,
      code: "HTTP_NO_RESPONSE",
    },
  ];
  for (const { claim, script, warm, code } of cases) {
    const rig = new Rig();
    const client = rig.scripted(script);
    if (warm) await (await client.send({ url: URL_A })).text(10);
    await assert.rejects(client.send({ url: URL_A, method: "PUT" }), { code }, claim);
    await client.close();
    await rig.end();
  }
});

Deno.test("HttpClient starts what must not be done twice on a fresh connection, and so never repeats it", async () => {
  const once: Omit<HttpRequest, "url">[] = [
    { method: "POST", body: "x" },
    { method: "PATCH" },
    { method: "MKCOL" }, // unknown to us
    { method: "PUT", body: new Blob(["x"]).stream() },
    { method: "GET", repeatable: false },
  ];
  for (const request of once) {
    const rig = new Rig();
    let seen = 0;
    const client = rig.scripted([answering(OK, OK), async (far) => {
      await readRequest(far);
      seen++;
      far.close(); // it may have been acted upon
    }]);
    await (await client.send({ url: URL_A })).text(10);
    assert.equal(client.idle, 1);
    await assert.rejects(client.send({ url: URL_A, ...request }), { code: "HTTP_NO_RESPONSE" });
    assert.deepEqual([client.dials(), seen, client.idle], [2, 1, 1], String(request.method));
    const meant = { url: URL_A, method: "POST", body: "x", repeatable: true };
    assert.equal(await (await client.send(meant)).text(10), "ok");
    assert.equal(client.dials(), 2, "whose sender says so goes out on what is kept");
    await client.close();
    await rig.end();
  }
});

Deno.test("HttpClient sends streamed bodies chunked or by their length, and holds the source back", async () => {
  const rig = new Rig();
  const client = rig.client({ raw: echo });
  const parts = () => new Blob([new Uint8Array(300_000)]).stream();
  const chunked = await (await client.send({ url: URL_A, method: "PUT", body: parts() })).text(999);
  assert.match(chunked, /"transfer-encoding","chunked".*,300000\]$/);
  const exact = await (await client.send({ url: URL_A, method: "PUT", body: parts, bodyBytes: 300_000 }))
    .text(999);
  assert.match(exact, /"content-length","300000".*,300000\]$/);
  assert.equal(client.dials(), 1);
  const web = await client.fetch(
    new Request(URL_A, { method: "POST", body: "hello", headers: { "x-y": "z" } }),
  );
  assert.match(await web.text(), /^\["POST","\/",.*"x-y","z".*,5\]$/);

  for (const bodyBytes of [299_999, 300_001]) {
    const body = parts();
    await assert.rejects(client.send({ url: URL_A, method: "PUT", body, bodyBytes }), TypeError);
  }

  let pulled = 0;
  const [near, far] = memoryPair({ ledger: rig.ledger });
  const held = rig.client({ raw: echo }, { dial: async () => near });
  const body = { read: async () => ++pulled > 1000 ? null : new Uint8Array(16_384) };
  const sending = held.send({ url: URL_A, method: "PUT", body });
  await rig.clock.advance(10);
  assert.ok(pulled < 10, `${pulled} chunks of 16 KiB taken without a reader`);
  far.close();
  await assert.rejects(sending, { code: "HTTP_NO_RESPONSE" });
  await held.close();
  await client.close();
  await rig.end();
});

Deno.test("HttpClient gives the body source's own failure and ends the connection", async () => {
  const rig = new Rig();
  const failure = new Error("disk gone");
  const client = rig.client({ raw: echo });
  const body = { read: () => Promise.reject(failure) };
  await assert.rejects(client.send({ url: URL_A, method: "PUT", body }), failure);
  assert.equal(client.idle, 0);
  await client.close();
  await rig.end();
});

Deno.test("HttpClient gives an answer that comes before the request is out, and drops the connection", async () => {
  const rig = new Rig();
  const client = rig.scripted([async (far) => {
    await far.read();
    await far.write(bytes("HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 2\r\n\r\nno"));
    await far.closeWrite();
    await new Promise<void>((resolve) => rig.clock.timer(500, resolve));
    far.close(new Error("linger over"));
  }]);
  const answer = await client.send({ url: URL_A, method: "PUT", body: new Uint8Array(10_000_000) });
  assert.equal(answer.status, 413);
  assert.equal(await answer.text(10), "no");
  assert.equal(client.idle, 0);
  await client.close();
  await rig.end();
});

Deno.test("HttpClient does not keep a connection that still takes the request when its answer is over", async () => {
  const rig = new Rig();
  const early = async (far: Conn) => {
    await far.read();
    await far.write(bytes(OK));
    await new Promise<void>((resolve) => rig.clock.timer(500, resolve)); // open until both are answered
    far.close(new Error("over"));
  };
  const client = rig.scripted([early, answering(OK)]);
  for (const body of [new Uint8Array(10_000_000), undefined]) {
    assert.equal(await (await client.send({ url: URL_A, method: "PUT", body })).text(10), "ok");
  }
  assert.deepEqual([client.dials(), client.idle], [2, 1], "the second request found none to use");
  await client.close();
  await rig.end();
});

Deno.test("HttpClient takes nothing for an answer that came before its question", async () => {
  const planted = OK.replace("ok", "no");
  for (const behind of [planted, "H", "\r\n"]) {
    const rig = new Rig();
    const client = rig.scripted([answering(OK + behind), answering(OK)]);
    for (let round = 0; round < 2; round++) {
      assert.equal(await (await client.send({ url: URL_A })).text(10), "ok");
    }
    assert.deepEqual([client.dials(), client.idle], [2, 1], JSON.stringify(behind));
    await client.close();
    await rig.end();
  }
});

Deno.test("HttpClient ends with its signal: before, dialling, waiting, reading", async () => {
  const reason = new Error("no longer wanted");
  const rig = new Rig();
  const early = rig.scripted([]);
  await assert.rejects(early.send({ url: URL_A }, { signal: AbortSignal.abort(reason) }), reason);
  await early.close();

  const controller = new AbortController();
  const dialling = rig.scripted([], {
    dial: (_, signal) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("dial")))),
  });
  const attempt = assert.rejects(dialling.send({ url: URL_A }, { signal: controller.signal }), reason);
  controller.abort(reason);
  await attempt;
  await dialling.close();

  for (const when of ["waiting", "reading"] as const) {
    const controller = new AbortController();
    const client = rig.scripted([async (far) => {
      await readRequest(far);
      if (when === "reading") await far.write(bytes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"));
      await assert.rejects(far.read(), { code: "CONN_RESET" });
      far.close();
    }]);
    const work = client.send({ url: URL_A }, { signal: controller.signal }).then((answer) =>
      answer.bytes(100)
    );
    const told = assert.rejects(work, reason);
    await rig.clock.advance(10);
    controller.abort(reason);
    await told;
    await client.close();
  }
  await rig.end();
});

Deno.test("HttpClient lets go of the signal with the body's end: a later abort spares the connection", async () => {
  const rig = new Rig();
  const client = rig.client({ raw: echo });
  const controller = new AbortController();
  await (await client.send({ url: URL_A }, { signal: controller.signal })).text(999);
  controller.abort(new Error("late"));
  assert.equal(client.idle, 1);
  await (await client.send({ url: URL_A })).text(999);
  assert.equal(client.dials(), 1);
  await client.close();
  await rig.end();
});

Deno.test("HttpClient.close() ends exchanges and dials and leaves nothing", async () => {
  const rig = new Rig();
  const client = rig.scripted([async (far) => {
    await readRequest(far);
    await assert.rejects(far.read(), { code: "CONN_RESET" });
    far.close();
  }]);
  const told = assert.rejects(client.send({ url: URL_A }), { code: "CONN_CLOSED" });
  await rig.clock.advance(1);
  await client.close();
  await told;
  await assert.rejects(client.send({ url: URL_A }), { code: "CONN_CLOSED" });
  const hanging = rig.scripted([], {
    dial: (_, signal) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  });
  const ended = assert.rejects(hanging.send({ url: URL_A }), { code: "CONN_CLOSED" });
  await hanging.close();
  await ended;
  await rig.end();
});

Deno.test("HttpResponse bounds what it reads, and a dropped body drops its connection", async () => {
  const rig = new Rig();
  const large = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + "x".repeat(100);
  const client = rig.scripted([answering(large), answering(large), answering(large, large), answering()]);
  await assert.rejects((await client.send({ url: URL_A })).bytes(99), { code: "LIMIT_REACHED" });
  assert.equal(client.idle, 0);
  (await client.send({ url: URL_A })).discard();
  assert.equal(client.idle, 0);
  const whole = await client.send({ url: URL_A });
  assert.equal((await whole.bytes(100)).length, 100);
  whole.discard();
  assert.equal(client.idle, 1);
  await assert.rejects((await client.send({ url: URL_A })).json(100), { code: "HTTP_BAD_RESPONSE" });
  assert.equal(client.idle, 1);
  await client.close();
  await rig.end();
});

Deno.test("HttpClient.fetch() cancels with the web stream, and never reads ahead of it", async () => {
  const rig = new Rig();
  let sent = 0;
  const client = rig.client({
    raw: () => ({ status: 200, body: { read: async () => ++sent > 1000 ? null : new Uint8Array(16_384) } }),
  });
  const answer = await client.fetch({ url: URL_A });
  const reader = answer.body!.getReader();
  assert.ok((await reader.read()).value!.length > 0);
  await rig.clock.advance(10);
  assert.ok(sent < 20, `${sent} chunks of 16 KiB sent to a reader that took one`);
  await reader.cancel();
  assert.equal(rig.ledger.count("http-client-conn"), 0);
  await client.close();
  await rig.end();
});
