/** Both ends of a SOCKS connection: a web server, and a program that reads from it through a proxy. @module */
import { connectSocks } from "../../lib/proxy/mod.ts";
import { systemWorld } from "../../lib/runtime/mod.ts";
import { serveCommands } from "./_child.ts";

const CHUNK = new Uint8Array(256 * 1024).fill(7);
const world = systemWorld();

await serveCommands({
  /** A web server on a free port: the path of a request is the number of bytes that it wants. */
  listen(): number {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    void (async () => {
      for await (const conn of listener) void answer(conn).catch(() => conn.close());
    })();
    return (listener.addr as Deno.NetAddr).port;
  },

  /** Gets `bytes` from `127.0.0.1:port` through a proxy, on so many connections; seconds from first to last byte. */
  async get({ proxy, port, bytes, connections }: {
    proxy: string;
    port: number;
    bytes: number;
    connections: number;
  }): Promise<number> {
    const at = proxy.lastIndexOf(":");
    const address = { hostname: proxy.slice(0, at), port: Number(proxy.slice(at + 1)) };
    const target = { hostname: "127.0.0.1", port };
    const conns = await Promise.all(Array.from({ length: connections }, async () => {
      return (await connectSocks(await world.network.dial(address), target, { clock: world.clock })).conn;
    }));
    const each = Math.ceil(bytes / connections);
    const startedMs = performance.now();
    const request = new TextEncoder().encode(`GET /${each} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    await Promise.all(conns.map(async (conn) => {
      await conn.write(request);
      let got = 0;
      for (let view = await conn.read(); view !== null; view = await conn.read()) got += view.length;
      if (got <= each) throw new Error(`Got ${got} bytes of ${each} and a head`);
      conn.close();
    }));
    return (performance.now() - startedMs) / 1000;
  },
});

async function answer(conn: Deno.TcpConn): Promise<void> {
  const request = new Uint8Array(4_096);
  let bytes = 0;
  while (!new TextDecoder().decode(request.subarray(0, bytes)).includes("\r\n\r\n")) {
    const count = await conn.read(request.subarray(bytes));
    if (count === null) return conn.close();
    bytes += count;
  }
  let left = Number(new TextDecoder().decode(request).split(" ")[1]!.slice(1));
  await write(conn, new TextEncoder().encode(`HTTP/1.1 200 OK\r\nContent-Length: ${left}\r\n\r\n`));
  for (; left > 0; left -= CHUNK.length) await write(conn, CHUNK.subarray(0, left));
  await conn.closeWrite();
  await conn.read(request);
  conn.close();
}

async function write(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}
