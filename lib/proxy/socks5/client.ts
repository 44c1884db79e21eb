/** The client's side of SOCKS5: one CONNECT over a Conn that leads to the server. @module */
import { type Conn, withPrefix } from "../../base/mod.ts";
import { type Clock, type SocketAddress, withTimeout } from "../../runtime/mod.ts";
import { ConnReader } from "../../wire/mod.ts";
import { SOCKS_METHOD, SOCKS_REPLY } from "./codes.ts";
import { SocksRefusedError } from "./errors.ts";
import {
  encodeCredentials,
  encodeGreeting,
  encodeRequest,
  readChoice,
  readReply,
  readVerdict,
} from "./messages.ts";

/** Greeting to reply: the server dials in between, for at most 30 s. */
export const SOCKS_CONNECT_TIMEOUT_MS = 60_000;

/**
 * Asks the SOCKS5 server behind `conn` for `target`. Owns `conn` when it fails. Errors: `SocksRefusedError`
 * (with the reply), `MalformedError`, `TruncatedError`, `TimedOutError`, `RangeError` for a target or passcode
 * that fits no field, the Conn's own, the signal's reason.
 */
export async function connectSocks(
  conn: Conn,
  target: SocketAddress,
  { clock, passcode, timeoutMs = SOCKS_CONNECT_TIMEOUT_MS, signal }: {
    readonly clock: Clock;
    readonly passcode?: string;
    readonly timeoutMs?: number;
    readonly signal?: AbortSignal;
  },
): Promise<{ conn: Conn; bound: SocketAddress }> {
  const limits = { what: `A SOCKS request for ${target.hostname}`, afterMs: timeoutMs, signal };
  const reader = new ConnReader(conn);
  try {
    return await withTimeout(clock, limits, async (ended) => {
      const onAbort = () => conn.close(ended.reason);
      ended.addEventListener("abort", onAbort, { once: true });
      try {
        const request = encodeRequest(target);
        await authenticate(reader, conn, passcode);
        await conn.write(request);
        const { reply, bound } = await readReply(reader);
        const what = `a connection to ${target.hostname} port ${target.port}`;
        if (reply !== SOCKS_REPLY.succeeded) throw new SocksRefusedError(what, reply);
        return { conn: withPrefix(conn, reader.rest()), bound };
      } finally {
        ended.removeEventListener("abort", onAbort);
      }
    });
  } catch (error) {
    conn.close(error);
    throw error;
  }
}

async function authenticate(reader: ConnReader, conn: Conn, passcode: string | undefined): Promise<void> {
  const method = passcode === undefined ? SOCKS_METHOD.none : SOCKS_METHOD.password;
  await conn.write(encodeGreeting([method]));
  if (await readChoice(reader) !== method) {
    throw new SocksRefusedError(passcode === undefined ? "to work without a passcode" : "a passcode");
  }
  if (passcode === undefined) return;
  const password = new TextEncoder().encode(passcode);
  await conn.write(encodeCredentials({ user: new TextEncoder().encode("u"), password }));
  if (!await readVerdict(reader)) throw new SocksRefusedError("the passcode");
}
