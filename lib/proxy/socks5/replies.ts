/** Why a dial failed, as SOCKS5 says it. @module */
import { SkyError, TimedOutError } from "../../base/mod.ts";
import { NotPermittedError, UnreachableError } from "../../runtime/mod.ts";
import { SOCKS_REPLY, type SocksReplyCode } from "./codes.ts";

// The system gives no more than a text: Linux, macOS and Windows agree in these words.
const REFUSED = /refused/i;
const NO_NETWORK = /network is unreachable|unreachable network/i;
const NO_ANSWER = /timed out|no answer|did not properly respond/i;

/**
 * The reply for a target that could not be dialled: refused 5, no route to its network 3, no answer in time 6
 * ("TTL expired", as Tor and Dante say it), not permitted 2, any other address that leads nowhere 4, ours 1.
 */
export function replyToDialFailure(error: unknown): SocksReplyCode {
  if (error instanceof TimedOutError) return SOCKS_REPLY.ttlExpired;
  if (error instanceof NotPermittedError) return SOCKS_REPLY.notAllowed;
  if (error instanceof UnreachableError) {
    const why = error.cause instanceof Error ? error.cause.message : "";
    if (REFUSED.test(why)) return SOCKS_REPLY.connectionRefused;
    if (NO_NETWORK.test(why)) return SOCKS_REPLY.networkUnreachable;
    if (NO_ANSWER.test(why)) return SOCKS_REPLY.ttlExpired;
    return SOCKS_REPLY.hostUnreachable;
  }
  if (error instanceof SkyError && error.fault === "caller") return SOCKS_REPLY.hostUnreachable;
  return SOCKS_REPLY.generalFailure;
}
