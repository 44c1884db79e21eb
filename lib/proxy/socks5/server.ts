/**
 * The server's side of a SOCKS5 session, up to the request (RFC 1928, 1929).
 *
 *     C -> greeting     S -> choice     [ C -> credentials     S -> verdict ]     C -> request     ... S -> reply
 *
 * @module
 */
import { type Conn, withPrefix } from "../../base/mod.ts";
import { type Clock, type SocketAddress, withTimeout } from "../../runtime/mod.ts";
import { ConnReader } from "../../wire/mod.ts";
import { SOCKS_METHOD, SOCKS_REPLY, type SocksReplyCode } from "./codes.ts";
import { SocksRequestError } from "./errors.ts";
import {
  encodeChoice,
  encodeReply,
  encodeVerdict,
  readCredentials,
  readGreeting,
  readRequest,
} from "./messages.ts";

/** From the first byte to the end of the request. A client sends them in one go; the way there may be long. */
export const SOCKS_HANDSHAKE_TIMEOUT_MS = 15_000;

/** Which of a client's methods a server takes. */
export type SocksAdmission =
  /** Only "none". */
  | { readonly passcode?: undefined }
  /** Only user and password; either may hold the passcode (routing.md 11.1). */
  | { readonly passcode: string }
  /** "none" and any password: for an answer that is a refusal anyway. */
  | { readonly anybody: true };

/** A request that waits for its reply. `conn` goes on behind the request; its owner is whoever asked for it. */
export interface SocksRequest {
  readonly target: SocketAddress;
  readonly conn: Conn;
}

/**
 * Reads one session's handshake up to its request. Owns `conn` when it fails: what the protocol has an answer for
 * is answered and ends in order, everything else ends at once. Errors: `SocksRequestError`, `TruncatedError`,
 * `TimedOutError`, the Conn's own.
 */
export async function acceptSocks(
  conn: Conn,
  { clock, admission = {}, signal }: {
    readonly clock: Clock;
    readonly admission?: SocksAdmission;
    readonly signal?: AbortSignal;
  },
): Promise<SocksRequest> {
  const limits = { what: "A SOCKS handshake", afterMs: SOCKS_HANDSHAKE_TIMEOUT_MS, signal };
  const reader = new ConnReader(conn);
  let isAnswered = false;
  try {
    return await withTimeout(clock, limits, async (ended) => {
      const onAbort = () => conn.close(ended.reason);
      ended.addEventListener("abort", onAbort, { once: true });
      try {
        await chooseMethod(reader, conn, admission);
        const target = await readRequest(reader);
        return { target, conn: withPrefix(conn, reader.rest()) };
      } catch (error) {
        if (error instanceof SocksRequestError) {
          await conn.write(answerTo(error));
          isAnswered = true;
        }
        throw error;
      } finally {
        ended.removeEventListener("abort", onAbort);
      }
    });
  } catch (error) {
    conn.close(isAnswered ? undefined : error);
    throw error;
  }
}

/** Answers a request with no, and ends the connection in order. Never rejects. */
export async function refuseRequest(conn: Conn, reply: SocksReplyCode): Promise<void> {
  try {
    await conn.write(encodeReply(reply));
    conn.close();
  } catch (error) {
    conn.close(error); // the client has gone: nobody is left to tell
  }
}

/** Takes part in a handshake only to answer `reply`, so that the program behind it can say what failed. */
export async function refuseSocks(conn: Conn, clock: Clock, reply: SocksReplyCode): Promise<void> {
  try {
    const request = await acceptSocks(conn, { clock, admission: { anybody: true } });
    await refuseRequest(request.conn, reply);
  } catch { /* it is closed: a client that speaks no SOCKS can be told nothing */ }
}

async function chooseMethod(reader: ConnReader, conn: Conn, admission: SocksAdmission): Promise<void> {
  const methods = await readGreeting(reader);
  const { none, password } = SOCKS_METHOD;
  const isAnybody = "anybody" in admission;
  const passcode = isAnybody ? undefined : admission.passcode;
  const takesNone = isAnybody || passcode === undefined;
  if (takesNone && methods.includes(none)) return await conn.write(encodeChoice(none));
  if ((!takesNone || isAnybody) && methods.includes(password)) {
    await conn.write(encodeChoice(password));
    const { user, password: word } = await readCredentials(reader);
    const isRight = isAnybody || isSame(user, passcode!) || isSame(word, passcode!);
    if (isRight) return await conn.write(encodeVerdict(true));
    throw new MethodRefusedError("the passcode is wrong", encodeVerdict(false));
  }
  const wanted = takesNone ? "none" : "user and password";
  throw new MethodRefusedError(
    `it does not offer the method that is wanted, ${wanted}`,
    encodeChoice(SOCKS_METHOD.noneAcceptable),
  );
}

/** Refused before there was a request: the answer is another message. */
class MethodRefusedError extends SocksRequestError {
  constructor(problem: string, readonly answer: Uint8Array) {
    super(problem, SOCKS_REPLY.notAllowed);
    this.name = "SocksRequestError";
  }
}

function answerTo(error: SocksRequestError): Uint8Array {
  return error instanceof MethodRefusedError ? error.answer : encodeReply(error.reply);
}

/** How long it takes does not tell how much of the passcode is right. */
function isSame(given: Uint8Array, passcode: string): boolean {
  const wanted = new TextEncoder().encode(passcode);
  let difference = given.length ^ wanted.length;
  for (let index = 0; index < wanted.length; index++) difference |= (given[index] ?? 0) ^ wanted[index]!;
  return difference === 0;
}
