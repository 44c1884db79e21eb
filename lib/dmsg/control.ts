/**
 * dmsgctrl on port 7: is the other key there? A ping byte is answered with a pong byte (dmsg.md 5.9).
 *
 * @module
 */
import { type Conn, describeError, type Log, MalformedError, type Scope } from "../base/mod.ts";
import { type Clock, withTimeout } from "../runtime/mod.ts";
import { ConnReader } from "../wire/mod.ts";
import type { DmsgClient } from "./client.ts";
import { DMSGCTRL_PORT } from "./ports.ts";

const PING = 0x09;
const PONG = 0x0a;

/** Answer to one ping on an open stream. */
export const CONTROL_PING_TIMEOUT_MS = 10_000;

/** Answers pings of whoever dials port 7, until `scope` ends. */
export function serveControl(client: DmsgClient, scope: Scope, log: Log): void {
  const listener = client.listen(DMSGCTRL_PORT);
  scope.spawn("dmsgctrl", async (signal) => {
    if (signal.aborted) listener.close(); // a scope that has ended tells nobody again
    signal.addEventListener("abort", () => listener.close(), { once: true });
    const serving = new Set<Promise<void>>();
    for (let stream = await listener.accept(); stream !== null; stream = await listener.accept()) {
      const conn = stream;
      const onAbort = () => conn.close(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort(); // the scope ended while the stream was handed over
      const served = answerPings(conn)
        .catch((error) => log.debug("dmsgctrl ended", { cause: describeError(error) }))
        .finally(() => {
          conn.close();
          signal.removeEventListener("abort", onAbort);
          serving.delete(served);
        });
      serving.add(served);
    }
    await Promise.all(serving);
  });
}

/** Answers each ping byte until the peer ends. Errors: `MalformedError` for any other byte. */
export async function answerPings(conn: Conn): Promise<void> {
  for (let bytes = await conn.read(); bytes !== null; bytes = await conn.read()) {
    for (const byte of bytes) {
      if (byte === PONG) continue;
      if (byte !== PING) throw new MalformedError(`dmsgctrl byte ${byte} is neither ping nor pong`);
    }
    const pings = bytes.filter((byte) => byte === PING).length;
    await conn.write(new Uint8Array(pings).fill(PONG));
  }
}

/** One ping over an open stream, in milliseconds. Errors: timed out, ended, another byte than a pong. */
export async function pingOnce(
  conn: Conn,
  reader: ConnReader,
  clock: Clock,
  signal?: AbortSignal,
): Promise<number> {
  const limit = { what: "dmsgctrl ping", afterMs: CONTROL_PING_TIMEOUT_MS, signal };
  return await withTimeout(clock, limit, async (ended) => {
    const onAbort = () => conn.close(ended.reason);
    ended.addEventListener("abort", onAbort, { once: true });
    try {
      const startedMs = clock.monotonicMs();
      await conn.write(Uint8Array.of(PING));
      const answer = await reader.readExactly(1, "the answer to a ping");
      if (answer[0] !== PONG) throw new MalformedError(`dmsgctrl byte ${answer[0]} is no pong`);
      return clock.monotonicMs() - startedMs;
    } finally {
      ended.removeEventListener("abort", onAbort);
    }
  });
}
