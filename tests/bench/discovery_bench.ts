/**
 * Requests per second of a discovery on each store, over HTTP on loopback: the server in a process of its own,
 * this one asks over 32 connections that stay open. Posts are iterations of 32 keys, each with its signature.
 */
import type { BenchRow } from "../../scripts/bench.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { renderEntry, signEntry } from "../../lib/dmsg/mod.ts";
import { redisMissing, TestRedis } from "../support/redis.ts";

const CONNECTIONS = 32;
const POSTS = 80; // per connection and run
const GETS = 400;
const RUNS = 3;
/** The Go original on this kind of machine. */
const GO = { GET: 13_800, POST: 3_400 };

export default async function discoveryBench(): Promise<BenchRow[]> {
  const folder = await Deno.makeTempDir();
  const rows = [
    ...await benchStore("SQLite in memory", "memory"),
    ...await benchStore("SQLite in a file", `${folder}/entries.db`),
  ];
  await Deno.remove(folder, { recursive: true });
  if (redisMissing !== undefined) {
    console.error(`discovery on Redis: skipped, ${redisMissing}`);
    return rows;
  }
  await using redis = await TestRedis.start();
  return [...rows, ...await benchStore("Redis", redis.url)];
}

async function benchStore(name: string, store: string): Promise<BenchRow[]> {
  await using server = await ServerProcess.start(store);
  const connections = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => Requester.open(server.port)),
  );
  const owners = connections.map((_, index) => keyPairFromSeed(encoder.encode(`bench ${name} ${index}`)));
  let sequence = 0n;
  const posts = () => {
    sequence += BigInt(POSTS);
    return owners.map(({ publicKey, secretKey }) =>
      Array.from(
        { length: POSTS },
        (_, index) =>
          request(
            "POST",
            "/dmsg-discovery/entry/",
            renderEntry(signEntry({
              version: "0.0.1",
              sequence: sequence + BigInt(index),
              timestamp: 1n,
              static: publicKey,
              client: { delegatedServers: [owners[0]!.publicKey, owners[1]!.publicKey] },
              clientType: "visor",
            }, secretKey)),
          ),
      )
    );
  };
  const gets = () =>
    owners.map(({ publicKey }) =>
      Array<Uint8Array>(GETS).fill(request("GET", `/dmsg-discovery/entry/${publicKey}`))
    );
  const rows: BenchRow[] = [];
  for (const [method, make] of [["POST", posts], ["GET", gets]] as const) {
    const runs: { perSecond: number; cpuUs: number }[] = [];
    for (let run = 0; run <= RUNS; run++) {
      const requests = make();
      const count = requests.flat().length;
      const cpuBeforeMs = await server.cpuMs();
      const startedMs = performance.now();
      await Promise.all(connections.map((connection, index) => connection.ask(requests[index]!)));
      const tookMs = performance.now() - startedMs;
      const cpuUs = 1_000 * (await server.cpuMs() - cpuBeforeMs) / count;
      if (run > 0) runs.push({ perSecond: 1_000 * count / tookMs, cpuUs }); // the first warms up
    }
    const { perSecond, cpuUs } = runs.sort((a, b) => a.perSecond - b.perSecond)[RUNS >> 1]!;
    rows.push(
      { name: `discovery: ${method}, ${name}`, value: perSecond, unit: "requests/s", reference: GO[method] },
      { name: `discovery: ${method}, ${name}, server CPU`, value: cpuUs, unit: "us", lessIsBetter: true },
    );
  }
  for (const connection of connections) connection.close();
  return rows;
}

/** A kept-open connection that asks one request after another. Fails at any answer but 200. */
class Requester {
  readonly #conn: Deno.TcpConn;
  readonly #buffer = new Uint8Array(64 * 1024);

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  static async open(port: number): Promise<Requester> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay(true);
    return new Requester(conn);
  }

  async ask(requests: readonly Uint8Array[]): Promise<void> {
    for (const bytes of requests) {
      for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
      let answer = "";
      while (!isWhole(answer)) {
        const read = await this.#conn.read(this.#buffer);
        if (read === null) throw new Error(`The discovery hung up: ${answer}`);
        answer += decoder.decode(this.#buffer.subarray(0, read));
      }
      if (!answer.startsWith("HTTP/1.1 200 ")) throw new Error(`The discovery answered ${answer}`);
    }
  }

  close(): void {
    this.#conn.close();
  }
}

/** Answers are ASCII here, so that characters are bytes. */
function isWhole(answer: string): boolean {
  const end = answer.indexOf("\r\n\r\n");
  const length = /\r\ncontent-length: ([0-9]+)\r\n/i.exec(answer)?.[1];
  return end >= 0 && answer.length === end + 4 + Number(length);
}

function request(method: string, path: string, body = ""): Uint8Array {
  const length = method === "POST" ? `Content-Length: ${body.length}\r\n` : "";
  return encoder.encode(`${method} ${path} HTTP/1.1\r\nHost: discovery\r\n${length}\r\n${body}`);
}

class ServerProcess implements AsyncDisposable {
  private constructor(
    readonly port: number,
    readonly process: Deno.ChildProcess,
    readonly lines: ReadableStreamDefaultReader<string>,
    readonly stdin: WritableStreamDefaultWriter<Uint8Array>,
  ) {}

  static async start(store: string): Promise<ServerProcess> {
    const process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", new URL("discovery_server.ts", import.meta.url).href, store],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value } = await lines.read();
    return new ServerProcess(Number(value), process, lines, process.stdin.getWriter());
  }

  async cpuMs(): Promise<number> {
    await this.stdin.write(encoder.encode("\n"));
    return Number((await this.lines.read()).value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stdin.close();
    await this.process.status;
    await this.lines.cancel();
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
