/** What HTTP tests share: a virtual clock, connections in memory, and bytes as text. */
import assert from "node:assert/strict";
import { type Conn, Ledger, type LogRecord, logTo, memoryPair } from "../../lib/base/mod.ts";
import { type AnyHandler, HttpClient, type HttpClientOptions, serveHttpConn } from "../../lib/http/mod.ts";
import { type ServeOptions } from "../../lib/http/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/virtual_clock.ts";

/** One byte per character, both ways. */
export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
export function text(view: Uint8Array): string {
  let result = "";
  for (const byte of view) result += String.fromCharCode(byte);
  return result;
}

/** A world for one test: `end` moves time past every limit and holds that nothing is left. */
export class Rig {
  readonly ledger = new Ledger();
  readonly clock = new VirtualClock({ ledger: this.ledger });
  readonly records: LogRecord[] = [];
  readonly log = logTo((record) => this.records.push(record), () => this.clock.wallMs());
  readonly #served: Promise<void>[] = [];

  /** A connection to a server with this handler. */
  connect(handler: AnyHandler, options: Partial<ServeOptions> = {}): RawClient {
    const [near, far] = memoryPair({ ledger: this.ledger });
    this.serve(far, handler, options);
    return new RawClient(near);
  }

  serve(
    conn: Conn,
    handler: AnyHandler,
    options: Partial<ServeOptions & { signal: AbortSignal }> = {},
  ): void {
    const { clock, ledger, log } = this;
    this.#served.push(
      serveHttpConn(conn, handler, { clock, ledger, log, remote: "tester:1", sendDate: false, ...options }),
    );
  }

  /** A client of servers with this handler, one per dial. */
  client(handler: AnyHandler, options: Partial<HttpClientOptions & ServeOptions> = {}): CountingClient {
    let dials = 0;
    const client = new HttpClient({
      clock: this.clock,
      ledger: this.ledger,
      userAgent: "skyctl/test",
      dial: async () => {
        dials++;
        const [near, far] = memoryPair({ ledger: this.ledger });
        this.serve(far, handler, { sendDate: options.sendDate });
        return near;
      },
      ...options,
    });
    return Object.assign(client, { dials: () => dials });
  }

  /** A client whose dials give the near ends of pairs; the far ends are the test's. */
  scripted(
    script: ((far: Conn) => Promise<void>)[],
    options: Partial<HttpClientOptions> = {},
  ): CountingClient {
    let dials = 0;
    const client = new HttpClient({
      clock: this.clock,
      ledger: this.ledger,
      userAgent: "skyctl/test",
      dial: async () => {
        const [near, far] = memoryPair({ ledger: this.ledger });
        const play = script[dials++];
        assert.ok(play !== undefined, "more dials than expected");
        this.#served.push(play(far));
        return near;
      },
      ...options,
    });
    return Object.assign(client, { dials: () => dials });
  }

  /** Everything has ended by itself or does now that time passes; nothing is left. */
  async end(): Promise<void> {
    await this.clock.advance(10 * 60_000);
    await Promise.all(this.#served);
    assert.deepEqual(this.ledger.live(), {});
  }
}

export type CountingClient = HttpClient & { dials(): number };

/** The client's end of a connection, in bare bytes. */
export class RawClient {
  constructor(readonly conn: Conn) {}
  async send(request: string): Promise<void> {
    await this.conn.write(bytes(request));
  }
  /** Everything until the server's end. */
  async readToEnd(): Promise<string> {
    let all = "";
    for (let view = await this.conn.read(); view !== null; view = await this.conn.read()) all += text(view);
    this.conn.close();
    return all;
  }
  /** Reads until what came ends with `end`. */
  async readUntil(end: string): Promise<string> {
    let all = "";
    while (!all.endsWith(end)) {
      const view = await this.conn.read();
      assert.ok(view !== null, `ended after ${JSON.stringify(all)}`);
      all += text(view);
    }
    return all;
  }
}

/** Reads on the far side of a scripted connection until `end` was in it; everything that came. */
export async function readRequest(far: Conn, end = "\r\n\r\n"): Promise<string> {
  let all = "";
  while (!all.includes(end)) {
    const view = await far.read();
    assert.ok(view !== null, `ended after ${JSON.stringify(all)}`);
    all += text(view);
  }
  return all;
}
