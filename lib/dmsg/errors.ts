/**
 * The numbered errors of dmsg (dmsg.md 10). A code travels in a refusing StreamResponse, nowhere else; most
 * are verdicts of our own about a peer.
 *
 * @module
 */
import { PeerError, type SkyErrorOptions } from "../base/mod.ts";

/** Every code with its text; part of the protocol, so never reworded. */
export const DMSG_ERRORS = {
  100: "entry is not found in discovery",
  101: "entry is not of server in discovery",
  102: "entry is not of client in discovery",
  103: "client entry in discovery has no delegated servers",
  200: "local entity closed",
  201: "local session closed",
  202: "cannot connect to delegated server",
  203: "extra bytes received during session handshake",
  300: "request has invalid signature",
  301: "request timestamp should be higher than last",
  302: "request has invalid source public key",
  303: "request has invalid destination public key",
  304: "request has invalid source port",
  305: "request has invalid destination port",
  306: "request has no associated listener",
  307: "request cannot be forwarded because the next session is non-existent",
  308: "server is at its peer-relay stream capacity",
  350: "response has invalid signature",
  351: "response has invalid hash of associated request",
  352: "response rejected associated request without reason",
  370: "signed object is invalid",
  400: "port already occupied",
  401: "listener accept chan maxed",
} as const;

/** A code of the table. */
export type DmsgCode = keyof typeof DMSG_ERRORS;

/** The same request may well succeed a moment later. */
const TEMPORARY: ReadonlySet<number> = new Set([306, 308, 401]);

/** True for a number that the table knows, for instance one that a peer sent. */
export function isDmsgCode(code: number): code is DmsgCode {
  return Object.hasOwn(DMSG_ERRORS, code);
}

/** A failure that dmsg has a number for. Its message is `dmsg error <code> - <text>`, as at every peer. */
export class DmsgError extends PeerError {
  /** `DMSG_202` and so on: one stable code per number. */
  readonly code: `DMSG_${DmsgCode}`;
  readonly dmsgCode: DmsgCode;
  /** True when trying again later is sensible. */
  readonly temporary: boolean;

  constructor(dmsgCode: DmsgCode, options: SkyErrorOptions = {}) {
    super(`dmsg error ${dmsgCode} - ${DMSG_ERRORS[dmsgCode]}`, options);
    this.code = `DMSG_${dmsgCode}`;
    this.dmsgCode = dmsgCode;
    this.temporary = TEMPORARY.has(dmsgCode);
  }
}
