/** Both ends of a download, each as a role of `tests/bench/_child.ts` in its namespace: a web server, and who reads. @module */
import { serveCommands } from "../bench/_child.ts";
import { hashOfBytes } from "../interop/build.ts";

const CHUNK_BYTES = 64 * 1024;

/** What arrived of an endless body. */
export interface Flow {
  readonly bytes: number;
  readonly seconds: number;
}

let begun: { readonly flow: { bytes: number; startMs: number }; stop(): Promise<void> } | undefined;

await serveCommands({
  /** `/file` is so many random bytes, `/endless` never ends; the port, and the SHA-256 of the file. */
  async serve({ hostname, bytes }: { hostname: string; bytes: number }) {
    const file = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += CHUNK_BYTES) {
      crypto.getRandomValues(file.subarray(at, at + CHUNK_BYTES));
    }
    const server = Deno.serve({ hostname, port: 0, onListen: () => {} }, ({ url }) => {
      if (new URL(url).pathname === "/file") return new Response(file);
      const chunk = new Uint8Array(CHUNK_BYTES).fill(7);
      return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(chunk) }));
    });
    return { port: server.addr.port, hash: await hashOfBytes(file) };
  },

  /** Everything at `url`, through a SOCKS proxy. */
  async get({ proxy, url, withinMs }: { proxy: string; url: string; withinMs: number }) {
    const client = clientOf(proxy);
    const startedMs = performance.now();
    const response = await fetch(url, { client, signal: AbortSignal.timeout(withinMs) });
    const bytes = new Uint8Array(await response.arrayBuffer());
    const seconds = (performance.now() - startedMs) / 1_000;
    client.close();
    return { hash: await hashOfBytes(bytes), bytes: bytes.length, seconds };
  },

  /** Begins to read what never ends. */
  async begin({ proxy, url }: { proxy: string; url: string }) {
    const client = clientOf(proxy);
    const over = new AbortController();
    const response = await fetch(url, { client, signal: over.signal });
    const flow = { bytes: 0, startMs: performance.now() };
    const reading = (async () => {
      for await (const chunk of response.body!) flow.bytes += chunk.length;
    })().catch(() => {});
    begun = {
      flow,
      stop: async () => {
        over.abort();
        await reading;
        client.close();
      },
    };
  },

  /** What came since the last look, or the beginning. */
  look(): Flow {
    const { flow } = begun!;
    const nowMs = performance.now();
    const seen = { bytes: flow.bytes, seconds: (nowMs - flow.startMs) / 1_000 };
    flow.bytes = 0;
    flow.startMs = nowMs;
    return seen;
  },

  async stop() {
    await begun!.stop();
    begun = undefined;
  },
});

function clientOf(proxy: string): Deno.HttpClient {
  return Deno.createHttpClient({ proxy: { url: `socks5h://${proxy}` }, poolMaxIdlePerHost: 0 });
}
