/** The numbers of SOCKS5 (RFC 1928, RFC 1929). @module */

export const SOCKS_VERSION = 5;
/** Of the exchange of user and password. */
export const PASSWORD_VERSION = 1;

export const SOCKS_METHOD = { none: 0, password: 2, noneAcceptable: 0xff } as const;

/** The one command that is offered; 2 is BIND, 3 UDP ASSOCIATE. */
export const SOCKS_CONNECT = 1;

export const SOCKS_ADDRESS = { ipv4: 1, domain: 3, ipv6: 4 } as const;

export const SOCKS_REPLY = {
  succeeded: 0,
  generalFailure: 1,
  notAllowed: 2,
  networkUnreachable: 3,
  hostUnreachable: 4,
  connectionRefused: 5,
  ttlExpired: 6,
  commandNotSupported: 7,
  addressTypeNotSupported: 8,
} as const;
export type SocksReplyCode = (typeof SOCKS_REPLY)[keyof typeof SOCKS_REPLY];

/** By number, in the words of RFC 1928, section 6. */
export const REPLY_TEXTS: readonly string[] = [
  "succeeded",
  "general SOCKS server failure",
  "connection not allowed by ruleset",
  "network unreachable",
  "host unreachable",
  "connection refused",
  "TTL expired",
  "command not supported",
  "address type not supported",
];
