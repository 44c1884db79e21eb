import assert from "node:assert/strict";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { type HttpClient, HttpClient as Client, serveHttp } from "../../lib/http/mod.ts";
import { sleep, type World } from "../../lib/runtime/mod.ts";
import { withSystemWorld } from "../support/world.ts";

interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  /** The body comes and goes in chunks. */
  readonly chunked?: boolean;
}
/** What both servers answer: the request as they saw it. */
interface Seen {
  readonly method: string;
  readonly url: string;
  readonly token: string;
  readonly bytes: number;
}

const EXCHANGES: readonly Exchange[] = [
  { method: "GET", path: "/" },
  { method: "GET", path: "/a%20b?c=d&e=%2F" },
  { method: "GET", path: "/chunked", chunked: true },
  { method: "DELETE", path: "/x" },
  { method: "POST", path: "/", body: "" },
  { method: "POST", path: "/", body: "hello" },
  { method: "PUT", path: "/", body: "y".repeat(1_000_000) },
  { method: "POST", path: "/chunked", body: "z".repeat(100_000), chunked: true },
  { method: "PATCH", path: "/", body: "é€" },
];

Deno.test("node:http's client understands serveHttp(), on one kept connection", () =>
  withSystemWorld(async (world) => {
    const listener = await world.network.listen({ hostname: "127.0.0.1", port: 0 });
    await using server = serveHttp(listener, async (request) => {
      const { pathname, search } = new URL(request.url);
      const seen: Seen = {
        method: request.method,
        url: pathname + search,
        token: request.headers.get("x-token") ?? "",
        bytes: (await request.arrayBuffer()).byteLength,
      };
      const text = JSON.stringify(seen);
      const body = pathname === "/chunked" ? inPieces(text, world) : text;
      return new Response(body, { status: 201, headers: { "x-answer": "yes" } });
    }, { world });
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set<number>();
    for (const exchange of EXCHANGES) {
      const { status, names, body, localPort } = await askWithNode(exchange, listener.address.port, agent);
      ports.add(localPort);
      check(exchange, body);
      assert.equal(status, 201);
      assert.ok(names.includes("X-Answer") && names.includes("Date"), names.join());
      assert.equal(names.includes("Transfer-Encoding"), exchange.path === "/chunked");
      assert.equal(names.includes("Content-Length"), exchange.path !== "/chunked");
    }
    assert.equal(ports.size, 1);
    agent.destroy();
    assert.equal(server.connections <= 1, true);
  }));

Deno.test("HttpClient understands node:http's server, and keeps its connection", () =>
  withSystemWorld(async (world) => {
    const sockets = new Set<unknown>();
    const server = http.createServer((request, response) => {
      sockets.add(request.socket);
      let bytes = 0;
      request.on("data", (chunk: Uint8Array) => bytes += chunk.length);
      request.on("end", () => {
        const seen: Seen = {
          method: request.method!,
          url: request.url!,
          token: String(request.headers["x-token"] ?? ""),
          bytes,
        };
        const text = JSON.stringify(seen);
        response.statusCode = 201;
        if (request.url !== "/chunked") response.setHeader("Content-Length", text.length);
        response.write(text.slice(0, 5));
        response.end(text.slice(5));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const client = systemClient(world);
    for (const { method, path, body, chunked } of EXCHANGES) {
      const url = `http://127.0.0.1:${port}${path}`;
      const sent = body === undefined || !chunked ? body : () => inPieces(body);
      const answer = await client.send({
        url,
        method,
        body: sent,
        headers: [["x-token", "t"]],
        repeatable: true,
      });
      assert.equal(answer.status, 201);
      check({ method, path, body }, await answer.text(1000));
    }
    const head = await client.send({ url: `http://127.0.0.1:${port}/`, method: "HEAD" });
    assert.equal((await head.bytes(10)).length, 0);
    assert.equal(sockets.size, 1);
    await client.close();
    await new Promise((resolve) => server.close(resolve));
  }));

Deno.test("HttpClient and serveHttp() move a large body over TCP, both ways", () =>
  withSystemWorld(async (world) => {
    const listener = await world.network.listen({ hostname: "127.0.0.1", port: 0 });
    await using server = serveHttp(listener, (request) => new Response(request.body), {
      world,
      limits: { bodyBytesMax: 1e9 },
    });
    const client = systemClient(world);
    const block = new Uint8Array(65_536).map((_, index) => index * 7);
    let left = 300;
    const body = { read: async () => left-- > 0 ? block.slice() : null };
    const url = `http://127.0.0.1:${listener.address.port}/`;
    const answer = await client.send({ url, method: "POST", body });
    let read = 0, wrong = 0;
    for (let view = await answer.bodyReader.read(); view !== null; view = await answer.bodyReader.read()) {
      for (let at = 0; at < view.length; at += 997) {
        if (view[at] !== ((read + at) % 65_536 * 7) % 256) wrong++;
      }
      read += view.length;
    }
    assert.deepEqual([read, wrong], [300 * 65_536, 0]);
    await client.close();
    assert.equal(server.connections <= 1, true);
  }));

function check({ method, path, body }: Exchange, answer: string): void {
  const bytes = new TextEncoder().encode(body ?? "").length;
  assert.deepEqual(JSON.parse(answer), { method, url: path, token: "t", bytes });
}

/** With a world each piece is an event of its own: what is there at once would be sent with its length. */
function inPieces(text: string, world?: World): ReadableStream<Uint8Array<ArrayBuffer>> {
  const pieces = (text.match(/[^]{1,30000}/g) ?? []).map((piece) => new TextEncoder().encode(piece));
  return new ReadableStream({
    async pull(controller) {
      if (world !== undefined) await sleep(world.clock, 0);
      const piece = pieces.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(piece);
    },
  }, { highWaterMark: 0 });
}

function systemClient(world: World): HttpClient {
  return new Client({
    clock: world.clock,
    ledger: world.ledger,
    dial: (authority, signal) => {
      const [hostname, port] = authority.split(":") as [string, string];
      return world.network.dial({ hostname, port: Number(port) }, { signal });
    },
  });
}

function askWithNode(
  { method, path, body, chunked }: Exchange,
  port: number,
  agent: http.Agent,
): Promise<{ status: number; names: string[]; body: string; localPort: number }> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, string> = { "X-Token": "t" };
    if (body !== undefined && !chunked) {
      headers["Content-Length"] = `${new TextEncoder().encode(body).length}`;
    }
    const request = http.request({ host: "127.0.0.1", port, method, path, agent, headers }, (response) => {
      const localPort = response.socket.localPort!;
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => text += chunk);
      response.on("error", reject);
      response.on("end", () => {
        const names = response.rawHeaders.filter((_, index) => index % 2 === 0);
        resolve({ status: response.statusCode!, names, body: text, localPort });
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}
