/**
 * Signed requests per second of a transport discovery and an address resolver, over HTTP on loopback: the servers
 * in a process of their own, this one asks over 16 connections that stay open, each with a key of its own. A
 * registration renews ten transports; 10,000 others are stored.
 */
import type { BenchRow } from "../../scripts/bench.ts";
import { type KeyPair, keyPairFromSeed, sign, toHex } from "../../lib/crypto/mod.ts";
import { type TransportRecord, wireTransport } from "../../lib/directory/mod.ts";
import { transportId } from "../../lib/transport/mod.ts";

const CONNECTIONS = 16;
const REQUESTS = 100; // per connection and run
const RUNS = 3;
const OWN_TRANSPORTS = 10;
const OTHER_VISORS = 100; // each with each other, by two types

const pairOf = (name: string) => keyPairFromSeed(new TextEncoder().encode(name));

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
}

export default async function transportDiscoveryBench(): Promise<BenchRow[]> {
  const folder = await Deno.makeTempDir();
  const rows = [...await benchStore("memory"), ...await benchStore("file", folder)];
  await Deno.remove(folder, { recursive: true });
  return rows;
}

async function benchStore(store: string, folder?: string): Promise<BenchRow[]> {
  await using server = await ServerProcess.start(folder);
  await fill(await Requester.open(server.transportsPort)); // before the others, whose first request must come soon
  const visors = Array.from({ length: CONNECTIONS }, (_, index) => pairOf(`bench visor ${index}`));
  const open = async (port: number) =>
    await Promise.all(visors.map(async (visor) => (await Requester.open(port)).as(visor)));

  const registration = visors.map((visor) => {
    const own = Array.from(
      { length: OWN_TRANSPORTS },
      (_, index) => transportOf(visor, pairOf(`peer ${index}`)),
    );
    return JSON.stringify(own.map(wireTransport)) + "\n";
  });
  const bind = JSON.stringify({ port: "7777", addresses: ["127.0.0.1"] }) + "\n";
  const next = (index: number) => visors[(index + 1) % CONNECTIONS]!.publicKey;
  const register = { method: "POST", path: "/v3/transports/" };
  const groups: [number, [string, (index: number) => Asked, number][]][] = [
    [server.transportsPort, [
      ["register 10 transports", (index) => ({ ...register, body: registration[index] }), 201],
      ["transports by edge", (index) => ({ method: "GET", path: `/transports/edge:${next(index)}` }), 200],
    ]],
    [server.addressesPort, [
      ["bind stcpr", () => ({ method: "POST", path: "/bind/stcpr", body: bind }), 200],
      ["resolve stcpr", (index) => ({ method: "GET", path: `/resolve/stcpr/${next(index)}` }), 200],
    ]],
  ];
  const rows: BenchRow[] = [];
  for (const [port, measured] of groups) {
    const requesters = await open(port); // not before they are used: a server waits 10 s for a first request
    for (const [name, make, status] of measured) {
      const runs: { perSecond: number; cpuUs: number }[] = [];
      for (let run = 0; run <= RUNS; run++) {
        // Signing is the client's work: done before, so that it is not measured.
        const prepared = requesters.map((each, index) =>
          each.prepare(Array(REQUESTS).fill(make(index)), status)
        );
        const cpuBeforeMs = await server.cpuMs();
        const startedMs = performance.now();
        await Promise.all(requesters.map((each, index) => each.ask(prepared[index]!, status)));
        const tookMs = performance.now() - startedMs;
        const count = CONNECTIONS * REQUESTS;
        const cpuUs = 1_000 * (await server.cpuMs() - cpuBeforeMs) / count;
        if (run > 0) runs.push({ perSecond: 1_000 * count / tookMs, cpuUs }); // the first warms up
      }
      const { perSecond, cpuUs } = runs.sort((a, b) => a.perSecond - b.perSecond)[RUNS >> 1]!;
      rows.push(
        { name: `${name}, ${store}`, value: perSecond, unit: "requests/s" },
        { name: `${name}, ${store}, server CPU`, value: cpuUs, unit: "us", lessIsBetter: true },
      );
    }
    for (const requester of requesters) requester.close();
  }
  return rows;
}

/** Stores the transports of a network, in the name of its visors. */
async function fill(requester: Requester): Promise<void> {
  const visors = Array.from({ length: OTHER_VISORS }, (_, index) => pairOf(`other ${index}`));
  for (const [index, visor] of visors.entries()) {
    const own = visors.slice(index + 1).flatMap((peer) =>
      ["stcpr", "dmsg"].map((type) => transportOf(visor, peer, type))
    );
    const body = JSON.stringify(own.map(wireTransport)) + "\n";
    const asVisor = requester.as(visor);
    await asVisor.ask(asVisor.prepare([{ method: "POST", path: "/v3/transports/", body }], 201), 201);
  }
  requester.close();
}

function transportOf(one: KeyPair, other: KeyPair, type = "stcpr"): TransportRecord {
  const edges = [one.publicKey, other.publicKey].sort() as unknown as TransportRecord["edges"];
  return { id: transportId(...edges, type), edges, type, label: "automatic" };
}

/** A kept-open connection that asks one signed request after another. Fails at any answer but the expected one. */
class Requester {
  #nonce = 0;
  readonly #buffer = new Uint8Array(64 * 1024);

  private constructor(readonly conn: Deno.TcpConn, readonly owner?: KeyPair) {}

  static async open(port: number): Promise<Requester> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay(true);
    return new Requester(conn);
  }

  /** The same connection with another key, from its first number on. */
  as(owner: KeyPair): Requester {
    return new Requester(this.conn, owner);
  }

  /** Signed requests in their order; an answer of 200 counts, another does not. */
  prepare(requests: readonly Asked[], status: number): Uint8Array[] {
    const { publicKey, secretKey } = this.owner!;
    return requests.map(({ method, path, body = "" }) => {
      const nonce = status === 200 ? this.#nonce++ : this.#nonce;
      const signature = toHex(sign(encoder.encode(`${body}${nonce}`), secretKey));
      return encoder.encode(
        `${method} ${path} HTTP/1.1\r\nHost: bench\r\nSw-Public: ${publicKey}\r\nSw-Nonce: ${nonce}\r\n` +
          `Sw-Sig: ${signature}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    });
  }

  async ask(requests: readonly Uint8Array[], status: number): Promise<void> {
    for (const bytes of requests) {
      for (let at = 0; at < bytes.length;) at += await this.conn.write(bytes.subarray(at));
      let answer = "";
      while (!isWhole(answer)) {
        const read = await this.conn.read(this.#buffer);
        if (read === null) throw new Error(`The service hung up: ${answer}`);
        answer += decoder.decode(this.#buffer.subarray(0, read));
      }
      if (!answer.startsWith(`HTTP/1.1 ${status} `)) throw new Error(`The service answered ${answer}`);
    }
  }

  close(): void {
    this.conn.close();
  }
}

/** Answers are ASCII here, so that characters are bytes. */
function isWhole(answer: string): boolean {
  const end = answer.indexOf("\r\n\r\n");
  const length = /\r\ncontent-length: ([0-9]+)\r\n/i.exec(answer)?.[1];
  return end >= 0 && answer.length === end + 4 + Number(length);
}

class ServerProcess implements AsyncDisposable {
  private constructor(
    readonly transportsPort: number,
    readonly addressesPort: number,
    readonly process: Deno.ChildProcess,
    readonly lines: ReadableStreamDefaultReader<string>,
    readonly stdin: WritableStreamDefaultWriter<Uint8Array>,
  ) {}

  static async start(folder?: string): Promise<ServerProcess> {
    const script = new URL("services_server.ts", import.meta.url).href;
    const process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", script, ...(folder === undefined ? [] : [folder])],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const [transports, addresses] = (await lines.read()).value!.split(" ").map(Number);
    return new ServerProcess(transports!, addresses!, process, lines, process.stdin.getWriter());
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
