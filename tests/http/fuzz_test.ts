import assert from "node:assert/strict";
import fc from "fast-check";
import { SkyError } from "../../lib/base/mod.ts";
import type { RawHandler } from "../../lib/http/mod.ts";
import { bytes, readRequest, Rig } from "./_rig.ts";

const RUNS = 300;

const reads: RawHandler = async ({ body }) => {
  let length = 0;
  for (let view = await body.read(); view !== null; view = await body.read()) length += view.length;
  return { status: 200, body: `${length}` };
};

/** Pieces of requests and answers, whole and broken, so that random order gets past the first line. */
const piece = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      "GET / HTTP/1.1\r\n",
      "POST /a HTTP/1.1\r\n",
      "Host: a\r\n",
      "\r\n",
      "\r\n\r\n",
    ),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      "Content-Length: 3\r\n",
      "Transfer-Encoding: chunked\r\n",
      "HTTP/1.1 200 OK\r\n",
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom("3\r\nabc\r\n", "0\r\n", "0\r\n\r\n", "ffffffffffff\r\n", "5;x\r\n", "abc"),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "\n",
      "\r",
      " ",
      "\0",
      ":",
      "Expect: 100-continue\r\n",
      "Connection: close\r\n",
    ),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((view) => String.fromCharCode(...view)) },
);
const message = fc.tuple(
  fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join("")),
  fc.integer({ min: 1, max: 9 }),
);

function split(text: string, size: number): string[] {
  return text.match(new RegExp(`[^]{1,${size * size}}`, "g")) ?? [];
}

Deno.test("serveHttpConn() ends in time on any bytes, answers with whole heads only, and keeps nothing", async () => {
  let ran = 0;
  await fc.assert(
    fc.asyncProperty(message, async ([text, size]) => {
      ran++;
      const rig = new Rig();
      const client = rig.connect({ raw: reads });
      const sending = (async () => {
        for (const part of split(text, size)) await client.send(part);
        await client.conn.closeWrite();
      })().catch((error) => assert.ok(error instanceof SkyError));
      const reading = client.readToEnd().catch((error) => {
        assert.ok(error instanceof SkyError);
        return "";
      });
      await rig.clock.advance(200_000);
      for (const answer of (await reading).split(/(?=HTTP\/1\.1 )/)) {
        assert.match(answer, /^$|^HTTP\/1\.1 (100|200|400|408|413|414|417|431|501|505) [^]*\r\n\r\n/);
      }
      await sending;
      client.conn.close();
      await rig.end();
      assert.deepEqual(rig.records.filter(({ level }) => level === "error"), []);
    }),
    { numRuns: RUNS },
  );
  assert.equal(ran, RUNS);
});

Deno.test("HttpClient ends any answer in a value or a SkyError, within its bounds, and keeps nothing", async () => {
  let ran = 0;
  await fc.assert(
    fc.asyncProperty(message, fc.boolean(), async ([text, size], begins) => {
      ran++;
      const rig = new Rig();
      const client = rig.scripted([async (far) => {
        await readRequest(far);
        const answer = (begins ? "HTTP/1.1 200 OK\r\n" : "") + text;
        for (const part of split(answer, size)) await far.write(bytes(part)).catch(() => {});
        far.close();
      }]);
      try {
        assert.ok((await (await client.send({ url: "http://a/" })).bytes(10_000)).length <= 10_000);
      } catch (error) {
        assert.ok(error instanceof SkyError, String(error));
      }
      await client.close();
      await rig.end();
    }),
    { numRuns: RUNS },
  );
  assert.equal(ran, RUNS);
});

Deno.test("a client and a server agree on any request and any answer", async () => {
  const token = fc.stringMatching(/^[A-Za-z0-9-]{1,12}$/).map((name) => `x-${name}`);
  const value = fc.stringMatching(/^[\x21-\x7e\x80-\xff]([\x20-\x7e\xa0-\xff]{0,20}[\x21-\x7e])?$/);
  const headers = fc.uniqueArray(fc.tuple(token, value), {
    maxLength: 8,
    selector: ([name]) => name.toLowerCase(),
  });
  const body = fc.array(fc.uint8Array({ minLength: 1, maxLength: 3000 }), { maxLength: 6 });
  const exchange = fc.record({
    headers,
    body,
    streams: fc.boolean(),
    status: fc.constantFrom(200, 201, 404, 503),
  });
  const source = (parts: Uint8Array[]) => {
    const left = [...parts];
    return { read: async () => left.shift() ?? null };
  };
  const join = (parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
  await fc.assert(
    fc.asyncProperty(exchange, exchange, async (asked, answered) => {
      const rig = new Rig();
      let got: { headers: [string, string][]; body: Uint8Array } | undefined;
      const client = rig.client({
        raw: async (request) => {
          const parts: Uint8Array[] = [];
          for (let view = await request.body.read(); view !== null; view = await request.body.read()) {
            parts.push(view.slice());
          }
          got = {
            headers: [...request.headers].filter(([name]) => name.startsWith("x-")),
            body: join(parts),
          };
          const body = answered.streams ? source(answered.body) : join(answered.body);
          return { status: answered.status, headers: answered.headers, body };
        },
      });
      for (let round = 0; round < 2; round++) {
        const answer = await client.send({
          url: "http://a/",
          method: "POST",
          headers: asked.headers,
          body: asked.streams ? () => source(asked.body) : join(asked.body),
          repeatable: true,
        });
        const body = await answer.bytes(100_000);
        const lower = (pairs: [string, string][]) =>
          pairs.map(([name, text]) => [name.toLowerCase(), text]).sort();
        assert.equal(answer.status, answered.status);
        assert.deepEqual(
          [...answer.headers].filter(([name]) => name.startsWith("x-")).sort(),
          lower(answered.headers),
        );
        assert.deepEqual(body, join(answered.body));
        assert.deepEqual(got!.headers.sort(), lower(asked.headers));
        assert.deepEqual(got!.body, join(asked.body));
      }
      assert.equal(client.dials(), 1);
      await client.close();
      await rig.end();
    }),
    { numRuns: 100 },
  );
});
