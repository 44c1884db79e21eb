/**
 * A TCP proxy on loopback whose open connections can be frozen: they stay open, and nothing comes through any more, in
 * either direction; new ones pass. So does a middlebox that forgot its connections.
 *
 * @module
 */
export class FreezingProxy implements AsyncDisposable {
  /** Connections that were accepted. */
  accepted = 0;
  readonly #listener: Deno.TcpListener;
  readonly #port: number;
  readonly #open = new Set<{ isFrozen: boolean; readonly near: Deno.TcpConn; readonly far: Deno.TcpConn }>();
  readonly #tasks = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;

  private constructor(port: number) {
    this.#port = port;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#accepting = this.#accept();
  }

  static start(port: number): Promise<FreezingProxy> {
    return Promise.resolve(new FreezingProxy(port));
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#listener.addr.port}`;
  }

  freeze(): void {
    for (const each of this.#open) each.isFrozen = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    for (const { near, far } of this.#open) for (const conn of [near, far]) close(conn);
    await Promise.all(this.#tasks);
  }

  async #accept(): Promise<void> {
    for await (const near of this.#listener) {
      const far = await Deno.connect({ hostname: "127.0.0.1", port: this.#port });
      this.accepted++;
      const each = { isFrozen: false, near, far };
      this.#open.add(each);
      for (const [from, to] of [[near, far], [far, near]] as const) {
        const task = pump(from, to, () => each.isFrozen).finally(() => this.#tasks.delete(task));
        this.#tasks.add(task);
      }
    }
  }
}

async function pump(from: Deno.TcpConn, to: Deno.TcpConn, isFrozen: () => boolean): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  try {
    for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
      if (isFrozen()) continue; // the other side is told nothing, not even of an end
      for (let at = 0; at < count;) at += await to.write(buffer.subarray(at, count));
    }
    if (!isFrozen()) close(to);
  } catch {
    close(to); // one side is gone, or the test is over
  }
}

function close(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch {
    // it is closed
  }
}
