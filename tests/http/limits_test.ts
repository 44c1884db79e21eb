import assert from "node:assert/strict";
import { HTTP_LIMITS } from "../../lib/http/mod.ts";
import { type RawClient, Rig } from "./_rig.ts";

const GET = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/** What the server has said by now, and whether it has ended. */
async function state(rig: Rig, client: RawClient): Promise<{ said: () => string; ended: () => boolean }> {
  let said = "", ended = false;
  client.readToEnd().then((all) => {
    said = all;
    ended = true;
  });
  await rig.clock.advance(0);
  return { said: () => said, ended: () => ended };
}

Deno.test("limits are those of dmsg.md 12", () => {
  const { headMs, readMs, writeMs, idleMs, headBytesMax } = HTTP_LIMITS;
  assert.deepEqual({ headMs, readMs, writeMs, idleMs, headBytesMax }, {
    headMs: 10_000,
    readMs: 30_000,
    writeMs: 60_000,
    idleMs: 115_000,
    headBytesMax: 16_384,
  });
});

Deno.test("a connection on which nothing comes ends without a word after the head's limit", async () => {
  const rig = new Rig();
  const { said, ended } = await state(rig, rig.connect(() => new Response()));
  await rig.clock.advance(9_999);
  assert.equal(ended(), false);
  await rig.clock.advance(1);
  assert.deepEqual([ended(), said()], [true, ""]);
  await rig.end();
});

Deno.test("a head that trickles in is refused with 408 at its limit, however often a byte comes", async () => {
  const rig = new Rig();
  const client = rig.connect(() => new Response());
  const { said, ended } = await state(rig, client);
  for (let at = 0; at < 99; at++) {
    await client.send("GET / HTTP/1.1\r\nHost: h\r\nX: ".charAt(at) || "y");
    await rig.clock.advance(100);
  }
  await rig.clock.advance(99);
  assert.equal(ended(), false);
  await rig.clock.advance(1);
  assert.match(said(), /^HTTP\/1.1 408 Request Timeout\r\n/);
  assert.equal(ended(), true);
  await rig.end();
});

Deno.test("a later head has the same limit, from its first byte", async () => {
  const rig = new Rig();
  const client = rig.connect(() => new Response("x"));
  await client.send(GET);
  await client.readUntil("x");
  await rig.clock.advance(60_000);
  await client.send("G");
  const { said, ended } = await state(rig, client);
  await rig.clock.advance(9_999);
  assert.equal(ended(), false);
  await rig.clock.advance(1);
  assert.match(said(), /^HTTP\/1.1 408/);
  await rig.end();
});

Deno.test("a body that trickles in is refused with 408 at the read limit of the whole request", async () => {
  for (const kind of ["web", "raw"] as const) {
    const rig = new Rig();
    let failure: unknown;
    const client = rig.connect(
      kind === "web" ? async (request) => new Response(await request.text()) : {
        raw: async ({ body }) => {
          try {
            while (await body.read() !== null);
          } catch (error) {
            failure = error;
            throw error;
          }
          return { status: 200 };
        },
      },
    );
    const { said, ended } = await state(rig, client);
    await rig.clock.advance(5_000);
    await client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
    for (let at = 0; at < 24; at++) {
      await client.send("y");
      await rig.clock.advance(1_000);
    }
    await rig.clock.advance(999);
    assert.equal(ended(), false);
    await rig.clock.advance(1);
    assert.match(said(), /^HTTP\/1.1 408/);
    assert.equal(failure !== undefined, kind === "raw");
    await rig.end();
  }
});

Deno.test("the read limit ends with the body: a handler may take its time", async () => {
  const rig = new Rig();
  const client = rig.connect(async (request) => {
    await request.text();
    await new Promise<void>((resolve) => rig.clock.timer(10 * 60_000, resolve));
    return new Response("slow");
  });
  await client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
  await rig.clock.advance(10 * 60_000);
  await client.readUntil("slow");
  client.conn.close();
  await rig.end();
});

Deno.test("a client that does not read is dropped at the write limit, and a slow one is not", async () => {
  const rig = new Rig();
  const body = new Uint8Array(1_000_000);
  const stuck = rig.connect({ raw: () => ({ status: 200, body }) });
  await stuck.send(GET);
  let gone = false;
  stuck.conn.write(new Uint8Array(200_000)).catch(() => gone = true);
  await rig.clock.advance(59_999);
  assert.equal(gone, false);
  await rig.clock.advance(1);
  assert.equal(gone, true);
  stuck.conn.close();

  const slow = rig.connect({ raw: () => ({ status: 200, body }) });
  await slow.send(GET);
  let read = 0;
  while (read < body.length) {
    await rig.clock.advance(11_000); // ten minutes or so in all
    read += (await slow.conn.read())!.length;
  }
  slow.conn.close();
  await rig.end();
});

Deno.test("an idle connection ends without a word after the idle limit", async () => {
  const rig = new Rig();
  const client = rig.connect(() => new Response("x"));
  for (let round = 0; round < 3; round++) {
    await client.send(GET);
    await client.readUntil("x");
    await rig.clock.advance(114_999);
  }
  await client.send(GET);
  await client.readUntil("x");
  const { said, ended } = await state(rig, client);
  await rig.clock.advance(114_999);
  assert.equal(ended(), false);
  await rig.clock.advance(1);
  assert.deepEqual([ended(), said()], [true, ""]);
  await rig.end();
});

Deno.test("a refused client that neither reads on nor leaves is gone after the linger", async () => {
  const rig = new Rig();
  const client = rig.connect(() => new Response());
  await client.send("BROKEN\r\n\r\n");
  await rig.clock.advance(0);
  assert.equal(rig.ledger.count("http-conn"), 1);
  await rig.clock.advance(HTTP_LIMITS.lingerMs);
  assert.equal(rig.ledger.count("http-conn"), 0);
  client.conn.close();
  await rig.end();
});

Deno.test("one connection holds at most two timers, and none after its end", async () => {
  const rig = new Rig();
  const client = rig.connect(() => new Response("x"));
  for (let round = 0; round < 100; round++) {
    await client.send(GET);
    await client.readUntil("x");
    assert.ok(rig.clock.pendingTimers <= 2, `${rig.clock.pendingTimers} timers`);
  }
  client.conn.close();
  await rig.clock.advance(0);
  assert.equal(rig.clock.pendingTimers, 0);
  await rig.end();
});
