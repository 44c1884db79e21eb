/**
 * HTTP over dmsg, both ways (dmsg.md 12): plain HTTP/1.1 on a stream, the caller known by its key.
 *
 * @module
 */
import type { Log, Scope } from "../base/mod.ts";
import type { ProvenKey } from "../crypto/mod.ts";
import { type AnyHandler, HttpClient, type RawHandler, serveHttpConn } from "../http/mod.ts";
import type { World } from "../runtime/mod.ts";
import { parseDmsgAddress, renderDmsgAddress } from "./address.ts";
import type { DialStreamOptions, DmsgClient } from "./client.ts";
import { HTTP_PORT } from "./ports.ts";
import type { DmsgStream } from "./stream.ts";

/** Who asks: the key that the caller proved, and its address as HTTP handlers see it. */
export interface DmsgCaller {
  readonly key: ProvenKey;
  /** `<key>:<port>`. */
  readonly remote: string;
}

/** Answers a request of a caller whose key is proven. */
export type DmsgHttpHandler = (request: Request, caller: DmsgCaller) => Promise<Response> | Response;

export interface ServeDmsgHttpOptions {
  readonly client: DmsgClient;
  readonly world: Pick<World, "clock" | "ledger">;
  /** A raw handler finds the caller's proven key in `remote`, as `<key>:<port>`. */
  readonly handler: DmsgHttpHandler | { readonly raw: RawHandler };
  readonly scope: Scope;
  readonly log: Log;
  /** Default 80. */
  readonly port?: number;
}

/** Serves `handler` on a dmsg port until `scope` or the client ends. Errors, at once: 400 when the port is taken. */
export function serveDmsgHttp(
  { client, world, handler, scope, log, port = HTTP_PORT }: ServeDmsgHttpOptions,
): void {
  const listener = client.listen(port);
  scope.spawn(`http on dmsg port ${port}`, async (signal) => {
    if (signal.aborted) listener.close(); // a scope that has ended tells nobody again
    signal.addEventListener("abort", () => listener.close(), { once: true });
    const serving = new Set<Promise<void>>();
    for (let stream = await listener.accept(); stream !== null; stream = await listener.accept()) {
      const served = serveOne(stream, { world, handler, log, signal }).finally(() => serving.delete(served));
      serving.add(served);
    }
    await Promise.all(serving);
  });
}

/** Serves one stream to its end, and joins it. Never rejects. */
function serveOne(
  stream: DmsgStream,
  { world: { clock, ledger }, handler, log, signal }: {
    world: Pick<World, "clock" | "ledger">;
    handler: DmsgHttpHandler | { readonly raw: RawHandler };
    log: Log;
    signal: AbortSignal;
  },
): Promise<void> {
  const caller = { key: stream.remote.publicKey, remote: renderDmsgAddress(stream.remote) };
  const bound: AnyHandler = typeof handler === "function" ? (request) => handler(request, caller) : handler;
  return serveHttpConn(stream, bound, { clock, ledger, remote: caller.remote, log, signal });
}

/**
 * An HTTP client whose hosts are dmsg addresses: `http://<key>[:<port>]/...`; its streams are dialled with `options`. Close
 * it with its owner.
 */
export function dmsgHttpClient(
  client: DmsgClient,
  world: Pick<World, "clock" | "ledger">,
  userAgent: string,
  options: Pick<DialStreamOptions, "via" | "bypassCaches"> = {},
): HttpClient {
  return new HttpClient({
    clock: world.clock,
    ledger: world.ledger,
    userAgent,
    dial: (authority, signal) => {
      const { publicKey, port } = parseDmsgAddress(authority);
      return client.dial({ publicKey, port: port === 0 ? HTTP_PORT : port }, { signal, ...options });
    },
  });
}
