/** `skyctl svc run` as a process of its own, and connections that ask it. @module */
import { type KeyPair, keyPairFromSeed, sign, toHex } from "../../lib/crypto/mod.ts";
import { type TransportRecord } from "../../lib/directory/mod.ts";
import { transportId } from "../../lib/transport/mod.ts";
import { usageOf } from "./_child.ts";

/** Longest start: a machine that is full of strangers needs some seconds. */
const START_TIMEOUT_MS = 30_000;

/** Services in one process. Leaving its block ends it. */
export class ServicesProcess implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #drained: Promise<void>;
  /** Ports of HTTP, by the name that the service says of itself: `transport discovery`. */
  readonly ports = new Map<string, number>();

  private constructor(process: Deno.ChildProcess, ready: (line: string) => boolean, done: () => void) {
    this.#process = process;
    this.#drained = this.#read(ready, done);
  }

  /** Starts `svc run` with these arguments, until a line `isReady`. */
  static async start(args: readonly string[], isReady: (line: string) => boolean): Promise<ServicesProcess> {
    const process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", MAIN, "svc", "run", ...args, "--log-level", "error"],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(
      () => reject(new Error(`svc run ${args.join(" ")} is not ready`)),
      START_TIMEOUT_MS,
    );
    const services = new ServicesProcess(process, isReady, resolve);
    void services.#drained.then(() => reject(new Error(`svc run ${args.join(" ")} ended`)));
    try {
      await promise;
      return services;
    } catch (error) {
      await services.kill();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async #read(isReady: (line: string) => boolean, done: () => void): Promise<void> {
    await Promise.all([this.#process.stdout, this.#process.stderr].map(async (stream) => {
      let rest = "";
      for await (const text of stream.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split("\n");
        rest = lines.pop()!;
        for (const line of lines) {
          const [, name, port] = /^(.+) on http:\/\/[^:]+:([0-9]+)/.exec(line) ?? [];
          if (name !== undefined) this.ports.set(name, Number(port));
          if (isReady(line)) done();
        }
      }
    }));
  }

  port(name: string): number {
    const port = this.ports.get(name);
    if (port === undefined) throw new Error(`No ${name} among ${[...this.ports.keys()].join(", ")}`);
    return port;
  }

  async cpuSeconds(): Promise<number> {
    return (await usageOf(this.#process.pid)).cpuSeconds;
  }

  async rssBytes(): Promise<number> {
    return (await usageOf(this.#process.pid)).rssBytes;
  }

  /** As `kill -9` does. */
  async kill(): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended
    }
    await Promise.all([this.#process.status, this.#drained]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

/** What is asked, once. */
export interface Asked {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: string;
  readonly headers?: readonly (readonly [string, string])[];
}

/** An answer; all of them are ASCII here, so that characters are bytes. */
export interface Answered {
  readonly status: number;
  readonly text: string;
}

/** The headers by which `owner` proves its key, for a request with this number. */
export function proofOf({ publicKey, secretKey }: KeyPair, body: string, nonce: number): Asked["headers"] {
  const signature = toHex(sign(encoder.encode(`${body}${nonce}`), secretKey));
  return [["Sw-Public", publicKey], ["Sw-Nonce", `${nonce}`], ["Sw-Sig", signature]];
}

export function encodeRequest({ method, path, body = "", headers = [] }: Asked): Uint8Array {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const length = method === "POST" ? `Content-Length: ${body.length}\r\n` : "";
  return encoder.encode(`${method} ${path} HTTP/1.1\r\nHost: bench\r\n${lines}${length}\r\n${body}`);
}

/** A connection that stays open and takes one request after another. Rejects when the service hangs up. */
export class Connection {
  readonly #conn: Deno.TcpConn;
  readonly #buffer = new Uint8Array(64 * 1024);

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  static async open(port: number): Promise<Connection> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay(true);
    return new Connection(conn);
  }

  async ask(request: Uint8Array): Promise<Answered> {
    for (let at = 0; at < request.length;) at += await this.#conn.write(request.subarray(at));
    let answer = "";
    for (let bodyAt = -1, whole = Infinity; answer.length < whole;) {
      const read = await this.#conn.read(this.#buffer);
      if (read === null) throw new Error(`The service hung up: ${answer.slice(0, 200)}`);
      answer += decoder.decode(this.#buffer.subarray(0, read));
      if (bodyAt < 0) {
        bodyAt = answer.indexOf("\r\n\r\n");
        const length = /\r\ncontent-length: ([0-9]+)\r\n/i.exec(answer)?.[1];
        if (bodyAt >= 0) whole = bodyAt + 4 + Number(length ?? 0);
      }
    }
    return { status: Number(answer.slice(9, 12)), text: answer.slice(answer.indexOf("\r\n\r\n") + 4) };
  }

  close(): void {
    this.#conn.close();
  }
}

export const pairOf = (name: string): KeyPair => keyPairFromSeed(encoder.encode(name));

export function transportOf(one: KeyPair, other: KeyPair): TransportRecord {
  const edges = [one.publicKey, other.publicKey].sort() as unknown as TransportRecord["edges"];
  return { id: transportId(...edges, "stcpr"), edges, type: "stcpr", label: "automatic" };
}

const MAIN = new URL("../../main.ts", import.meta.url).href;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
