import assert from "node:assert/strict";
import { memoryPair } from "../../lib/base/mod.ts";
import { HttpClient } from "../../lib/http/mod.ts";
import { bytes, Rig, text } from "./_rig.ts";

// One exchange of a dmsg client with a Go server, as recorded (dmsg.md 12): one frame each way.
const HOST = "0371685a0b4e5f5116871baae315859f456ef7d63c38f7b49315381f63339c0d86:80";
const { REQUEST, ANSWER } = recorded();
const ANSWER_BODY = ANSWER.slice(ANSWER.indexOf("\r\n\r\n") + 4);
const REMOTE = / remote=(\S+) /.exec(ANSWER_BODY)![1]!;

function recorded(): { REQUEST: string; ANSWER: string } {
  const file = new URL("../vectors/dmsg/session-decoded.json", import.meta.url);
  const { streams } = JSON.parse(Deno.readTextFileSync(file)).connections.client_a_to_server;
  const found = streams.flatMap((stream: Record<string, string[] | undefined>) => {
    const request = text(fromHex(stream.frames_initiator_to_responder?.[0] ?? ""));
    const answer = text(fromHex(stream.frames_responder_to_initiator?.[0] ?? ""));
    return request.startsWith("POST ") ? [{ REQUEST: request, ANSWER: answer }] : [];
  });
  assert.equal(found.length, 1);
  return found[0];
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

Deno.test("HttpClient sends the recorded POST byte for byte, in one write, and reads its answer", async () => {
  for (const url of [`dmsg://${HOST}/hello?x=1`, `http://${HOST}/hello?x=1`]) {
    const rig = new Rig();
    const [near, far] = memoryPair({ ledger: rig.ledger });
    const client = new HttpClient({
      clock: rig.clock,
      ledger: rig.ledger,
      userAgent: "vector",
      dial: async (authority) => {
        assert.equal(authority, HOST);
        return near;
      },
    });
    const answering = client.send({ url, method: "POST", body: "body!" });
    assert.equal(text((await far.read())!), REQUEST);
    await far.write(bytes(ANSWER));
    const answer = await answering;
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("content-type"), "text/plain");
    assert.equal(await answer.text(1000), ANSWER_BODY);
    far.close();
    await client.close();
    await rig.end();
  }
});

Deno.test("serveHttpConn() answers the recorded POST byte for byte, in one write", async () => {
  const rig = new Rig();
  const client = rig.connect(async (request, { remote }) => {
    const host = request.headers.get("host");
    const body = await request.text();
    const answer = `host=${host} remote=${remote} method=${request.method} body=${JSON.stringify(body)}`;
    return new Response(answer, { headers: { "content-type": "text/plain" } });
  }, { remote: REMOTE });
  await client.send(REQUEST);
  assert.equal(text((await client.conn.read())!), ANSWER);
  client.conn.close();
  await rig.end();
});

Deno.test("HttpClient and serveHttpConn() agree on the recorded exchange", async () => {
  const rig = new Rig();
  const client = rig.client({
    raw: () => ({ status: 200, headers: [["content-type", "text/plain"]], body: ANSWER_BODY }),
  });
  const answer = await client.fetch({ url: `dmsg://${HOST}/hello?x=1`, method: "POST", body: "body!" });
  assert.equal(await answer.text(), ANSWER_BODY);
  await client.close();
  await rig.end();
});

Deno.test("serveHttpConn() dates answers with the wall clock of the world", async () => {
  const rig = new Rig();
  rig.clock.setWallMs(Date.UTC(1994, 10, 15, 8, 12, 31, 500));
  const client = rig.connect(() => new Response(null), { sendDate: true });
  const request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  await client.send(request);
  const head = await client.readUntil("\r\n\r\n");
  assert.equal(head, "HTTP/1.1 200 OK\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\nContent-Length: 0\r\n\r\n");
  await rig.clock.advance(1000);
  await client.send(request);
  assert.match(await client.readUntil("\r\n\r\n"), /Date: Tue, 15 Nov 1994 08:12:32 GMT/);
  client.conn.close();
  await rig.end();
});
