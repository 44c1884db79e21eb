/**
 * A redis-server of its own for a test: loopback, a free port, nothing on disk.
 *
 * ```ts
 * await using redis = await TestRedis.start();
 * const store = await RedisEntryStore.open({ url: redis.url });
 * ```
 *
 * @module
 */
import { Redis } from "ioredis";

/** Undefined when there is a `redis-server`; else why tests that need it are skipped, for their names. */
export const redisMissing: string | undefined = await isInstalled()
  ? undefined
  : "redis-server is not installed";

export class TestRedis implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #drained: Promise<void>;
  readonly #client: Redis;
  #ended: Promise<unknown> | undefined;

  private constructor(readonly port: number, process: Deno.ChildProcess, drained: Promise<void>) {
    this.#process = process;
    this.#drained = drained;
    this.#client = new Redis(this.url, { lazyConnect: true });
    this.#client.on("error", () => {}); // a test may stop the server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /**
   * Starts a server and waits until it accepts, on a free port, or on that of one that is gone. In `folder` it keeps
   * what it acknowledges.
   */
  static async start(at?: number, { folder }: { readonly folder?: string } = {}): Promise<TestRedis> {
    for (let attempt = 0; attempt < PORT_ATTEMPTS_MAX; attempt++) {
      const port = at ?? freePort();
      const process = new Deno.Command("redis-server", {
        args: [
          ...["--port", String(port), "--bind", "127.0.0.1", "--save", ""],
          ...(folder === undefined
            ? ["--appendonly", "no"]
            : ["--appendonly", "yes", "--appendfsync", "always", "--dir", folder]),
        ],
        stdout: "piped",
        stderr: "null",
      }).spawn();
      const { ready, drained } = watch(process.stdout);
      if (await ready) return new TestRedis(port, process, drained);
      await Promise.all([process.status, drained]); // somebody took the port meanwhile
    }
    throw new Error("redis-server does not start");
  }

  /** Plain commands, for looking at what a store has written and for writing as others would. */
  get client(): Redis {
    return this.#client;
  }

  /**
   * Ages everything by `ms`: each time to live is that much shorter, what has none left is gone, and times in sorted
   * sets are that much earlier.
   */
  async age(ms: number): Promise<void> {
    await this.#client.eval(AGE, 0, ms, TIME_MIN_MS, Number.MAX_SAFE_INTEGER);
  }

  /** Ends the server at once, as a crash would. */
  async kill(): Promise<void> {
    if (this.#ended === undefined) {
      this.#client.disconnect();
      this.#process.kill("SIGKILL");
      this.#ended = Promise.all([this.#process.status, this.#drained]);
    }
    await this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

/** Reads the server's talk to its end; `ready` is false when it ends before it accepts. */
function watch(stdout: ReadableStream<Uint8Array>): { ready: Promise<boolean>; drained: Promise<void> } {
  const { promise: ready, resolve } = Promise.withResolvers<boolean>();
  const drained = (async () => {
    let talk = "";
    for await (const chunk of stdout.pipeThrough(new TextDecoderStream())) {
      talk += chunk;
      if (talk.includes("Ready to accept connections")) resolve(true);
    }
    resolve(false);
  })();
  return { ready, drained };
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

async function isInstalled(): Promise<boolean> {
  try {
    return (await new Deno.Command("redis-server", { args: ["--version"], stdout: "null", stderr: "null" })
      .output())
      .success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const PORT_ATTEMPTS_MAX = 5;
/** Lower numbers are no times of this century, in ms. */
const TIME_MIN_MS = 1e12;
const AGE = `
for _, key in ipairs(redis.call('KEYS', '*')) do
  if redis.call('TYPE', key).ok == 'zset' then
    local members = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
    for at = 1, #members, 2 do
      local score = tonumber(members[at + 1])
      if score > tonumber(ARGV[2]) and score < tonumber(ARGV[3]) then
        redis.call('ZINCRBY', key, '-' .. ARGV[1], members[at])
      end
    end
  end
  local left = redis.call('PTTL', key)
  if left > tonumber(ARGV[1]) then
    redis.call('PEXPIRE', key, string.format('%.0f', left - tonumber(ARGV[1])))
  elseif left >= 0 then
    redis.call('DEL', key)
  end
end
return 0
`;
