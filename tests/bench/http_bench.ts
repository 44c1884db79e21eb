/** HTTP over Conns: small requests (both ends in this process) and a 256 MiB body, in memory and over TCP. */
import process from "node:process";
import type { BenchRow } from "../../scripts/bench.ts";
import { type Conn, memoryPair } from "../../lib/base/mod.ts";
import {
  type AnyHandler,
  HttpClient,
  type RawHandler,
  serveHttp,
  serveHttpConn,
} from "../../lib/http/mod.ts";
import { systemWorld, type World } from "../../lib/runtime/mod.ts";

const REQUESTS = 30_000;
const CONNECTIONS = 16; // over TCP, so that its turns of the event loop carry more than one request
const BODY_BYTES = 256 * 1024 * 1024;
const ROUNDS = 3; // the best counts: the others warm up or were disturbed
const GET = new TextEncoder().encode(
  "GET /dmsg-discovery/entry/0371685a0b4e5f5116871baae315859f456ef7d63c38f7b49315381f63339c0d86 HTTP/1.1\r\n" +
    "Host: discovery:9090\r\nUser-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n\r\n",
);
const ENTRY = JSON.stringify({
  version: "0.0.1",
  sequence: 5,
  client: { delegated_servers: ["02".repeat(33)] },
}).padEnd(600);
const web = () => new Response(ENTRY, { headers: { "content-type": "application/json" } });
const raw: RawHandler = () => ({ status: 200, headers: [["content-type", "application/json"]], body: ENTRY });

export default async function httpBench(): Promise<BenchRow[]> {
  const world = systemWorld();
  const rows: BenchRow[] = [];
  for (const [name, handler] of [["raw handler", { raw }], ["web handler", web]] as const) {
    rows.push(...await small(`http: GET in memory, ${name}`, () => inMemory(world, handler)));
    rows.push(...await small(`http: GET over TCP, ${name}`, () => overTcp(world, handler)));
  }
  rows.push(...await small("http: GET over TCP, Deno.serve", () => overDenoServe(world)));
  for (const by of ["reader", "web stream"] as const) {
    rows.push(
      await large(`http: 256 MiB in memory, ${by}`, by, async (_, handler) => {
        const [near, far] = memoryPair();
        serveHttpConn(far, handler, { clock: world.clock, remote: "bench" });
        return near;
      }),
    );
    const listener = await world.network.listen({ hostname: "127.0.0.1", port: 0 });
    const server = serveHttp(listener, { raw: bodyHandler }, { world });
    rows.push(await large(`http: 256 MiB over TCP, ${by}`, by, () => world.network.dial(listener.address)));
    await server.close();
  }
  return rows;
}

async function small(
  name: string,
  start: () => Promise<{ conns: Conn[]; end: () => Promise<void> }>,
): Promise<BenchRow[]> {
  const { conns, end } = await start();
  let seconds = Infinity, cpuSeconds = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    const startedMs = performance.now();
    await Promise.all(conns.map((conn) => ask(conn, REQUESTS / conns.length)));
    seconds = Math.min(seconds, (performance.now() - startedMs) / 1000);
    const { user, system } = process.cpuUsage(before);
    cpuSeconds = Math.min(cpuSeconds, (user + system) / 1e6);
  }
  for (const conn of conns) conn.close();
  await end();
  return [
    { name, value: Math.round(REQUESTS / seconds), unit: "requests/s" },
    {
      name: `${name}, CPU of both ends`,
      value: Math.round(cpuSeconds / REQUESTS * 1e7) / 10,
      unit: "us",
      lessIsBetter: true,
    },
  ];
}

/** One request after the other; an answer has always the same length. */
async function ask(conn: Conn, times: number): Promise<void> {
  let answerBytes = 0;
  for (let time = 0; time < times; time++) {
    await conn.write(GET);
    let left = answerBytes;
    do {
      const view = await conn.read();
      if (view === null) throw new Error("The server ended the connection");
      if (answerBytes === 0) answerBytes = left = view.length;
      left -= view.length;
    } while (left > 0);
  }
}

async function inMemory({ clock }: World, handler: AnyHandler) {
  const [near, far] = memoryPair();
  const served = serveHttpConn(far, handler, { clock, remote: "bench" });
  return { conns: [near], end: () => served };
}

async function overTcp(world: World, handler: AnyHandler) {
  const listener = await world.network.listen({ hostname: "127.0.0.1", port: 0 });
  const server = serveHttp(listener, handler, { world });
  return { conns: await dialMany(world, listener.address.port), end: () => server.close() };
}

async function overDenoServe(world: World) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, web);
  return { conns: await dialMany(world, server.addr.port), end: () => server.shutdown() };
}

function dialMany({ network }: World, port: number): Promise<Conn[]> {
  return Promise.all(
    Array.from({ length: CONNECTIONS }, () => network.dial({ hostname: "127.0.0.1", port })),
  );
}

const bodyHandler: RawHandler = () => {
  const block = new Uint8Array(64 * 1024);
  let left = BODY_BYTES;
  return {
    status: 200,
    bodyBytes: BODY_BYTES,
    body: { read: async () => (left -= block.length) >= 0 ? block : null },
  };
};

async function large(
  name: string,
  by: "reader" | "web stream",
  dial: (authority: string, handler: AnyHandler) => Promise<Conn>,
): Promise<BenchRow> {
  const client = new HttpClient({
    clock: systemWorld().clock,
    dial: (authority) => dial(authority, { raw: bodyHandler }),
  });
  let seconds = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const startedMs = performance.now();
    const answer = await client.send({ url: "http://bench/" });
    let bytes = 0;
    if (by === "web stream") { for await (const chunk of answer.toWeb().body!) bytes += chunk.length; }
    else {for (
        let view = await answer.bodyReader.read();
        view !== null;
        view = await answer.bodyReader.read()
      ) bytes += view.length;}
    if (bytes !== BODY_BYTES) throw new Error(`${bytes} bytes came`);
    seconds = Math.min(seconds, (performance.now() - startedMs) / 1000);
  }
  await client.close();
  return { name, value: Math.round(BODY_BYTES / seconds / 1e6), unit: "MB/s" };
}
