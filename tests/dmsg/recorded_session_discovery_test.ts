/** The recorded requests of the Go parties to a Go discovery: our client asks alike, our discovery answers alike. */
import assert from "node:assert/strict";
import { parsePublicKey } from "../../lib/crypto/mod.ts";
import { type Entry, HttpDiscovery, parseEntry, renderEntry } from "../../lib/dmsg/mod.ts";
import { DiscoveryUnderTest } from "../services/discovery_support.ts";
import { discoveryHttp, keyOf } from "./_recording.ts";

type Exchange = (typeof discoveryHttp)[number];

/** Does with `discovery` what the recorded request did; the entry or entries that came of it. */
async function doAsRecorded(discovery: HttpDiscovery, { method, path, request_body }: Exchange) {
  if (method === "POST") return await discovery.post(parseEntry(request_body!));
  if (method === "DELETE") return await discovery.remove(parseEntry(request_body!));
  if (path.endsWith("/available_servers")) return await discovery.availableServers();
  return await discovery.entry(parsePublicKey(path.split("/").at(-1)!));
}

Deno.test("HttpDiscovery asks as the recorded parties did, and takes every recorded answer", async () => {
  let ran = 0;
  for (const exchange of discoveryHttp) {
    const asked: { method: string; path: string; body?: string }[] = [];
    const discovery = new HttpDiscovery(({ isUrgent: _ours, ...request }) => {
      asked.push(request);
      return Promise.resolve({ status: exchange.status, text: exchange.response_body });
    });
    const result = await doAsRecorded(discovery, exchange);
    const { method, path, request_body: body } = exchange;
    assert.deepEqual(asked, [body === undefined ? { method, path } : { method, path, body }], exchange.note);
    if (method !== "GET") assert.equal(result, undefined);
    else if (exchange.status === 404) assert.equal(result, undefined);
    else if (Array.isArray(result)) {
      assert.equal(`[${result.map((entry) => renderEntry(entry)).join(",")}]`, exchange.response_body);
      assert.equal(result.length, 1);
    } else assert.equal(renderEntry(result as Entry), exchange.response_body);
    ran++;
  }
  assert.equal(ran, 26);
});

Deno.test("our discovery answers the recorded requests as the Go discovery did", async () => {
  const startMs = Number(1_795_245_150_402n);
  await using discovery = new DiscoveryUnderTest({
    wallMs: startMs,
    settings: { allowLoopbackAddresses: true, officialServers: [keyOf("server")] },
  });
  const counts = new Map<string, number>();
  for (const exchange of discoveryHttp) {
    const { method, path, note, status } = exchange;
    const { request_body: body } = exchange;
    discovery.clock.setWallMs(startMs + exchange.t_ms);
    const answer = await discovery.ask(path, {
      method,
      body,
      ...(body !== undefined && { headers: { "content-type": "application/json" } }),
    });
    assert.equal(answer.status, status, `${note}: ${method} ${path}: ${answer.body}`);
    assert.equal(answer.contentType, exchange.response_headers["Content-Type"]);
    // The Go discovery of the recording called one server official at first and then never again.
    assert.equal(withoutType(answer.body), withoutType(exchange.response_body), `${note}: ${method} ${path}`);
    const kind = `${method} ${status}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  assert.deepEqual([...counts].sort(), [["DELETE 200", 3], ["GET 200", 13], ["GET 404", 3], ["POST 200", 7]]);
});

function withoutType(body: string): string {
  return body.trimEnd().replace(/,"serverType":"[a-z]+"/g, "");
}
