/** What a SOCKS5 peer can do wrong, and what a proxy can refuse. @module */
import { PeerError, type SkyErrorOptions } from "../../base/mod.ts";
import { REPLY_TEXTS, SOCKS_REPLY, type SocksReplyCode } from "./codes.ts";

/** The client of a SOCKS5 server broke the protocol, asked for what is not offered, or gave a wrong password. */
export class SocksRequestError extends PeerError {
  readonly code = "SOCKS_REQUEST";
  constructor(
    problem: string,
    /** What a client that has got so far is answered. */
    readonly reply: SocksReplyCode = SOCKS_REPLY.generalFailure,
    options: SkyErrorOptions = {},
  ) {
    super(`The SOCKS client was refused: ${problem}`, options);
  }
}

/** A SOCKS5 server said no: to every method, to the password, or to the request. */
export class SocksRefusedError extends PeerError {
  readonly code = "SOCKS_REFUSED";
  constructor(
    what: string,
    /** The number in the reply; undefined when it did not come to a request. */
    readonly reply?: number,
    options: SkyErrorOptions = {},
  ) {
    const text = reply === undefined ? "" : `: ${REPLY_TEXTS[reply] ?? "reply"} (${reply})`;
    super(`The SOCKS server refused ${what}${text}`, options);
  }
}
