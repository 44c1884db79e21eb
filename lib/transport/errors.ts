/** What goes wrong with transports. @module */
import {
  CallerError,
  describeError,
  PeerError,
  type SkyError,
  type SkyErrorOptions,
  WorldError,
} from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";

/** A text names no type of transport that can be dialled here. */
export class UnknownTransportTypeError extends CallerError {
  readonly code = "UNKNOWN_TRANSPORT_TYPE";
  constructor(readonly type: string) {
    super(`Unknown network type ${JSON.stringify(type.slice(0, 40))}`, {
      hint: "use one of stcpr, sudph, stcp, dmsg",
    });
  }
}

/** A text is no transport id. */
export class InvalidTransportIdError extends CallerError {
  readonly code = "INVALID_TRANSPORT_ID";
  constructor(text: string) {
    super(`Not a transport id: ${JSON.stringify(text.slice(0, 60))} is no UUID`, { hint: "skyctl tp ls" });
  }
}

/** There are no live transports of these ids. */
export class TransportNotFoundError extends CallerError {
  readonly code = "TRANSPORT_NOT_FOUND";
  readonly ids: readonly string[];
  constructor(...ids: string[]) {
    super(ids.map((id) => `Transport ${id} is not found`).join("; "), { hint: "skyctl tp ls" });
    this.ids = ids;
  }
}

/** A transport is used after its end; `cause` says why it ended. */
export class TransportClosedError extends WorldError {
  readonly code = "TRANSPORT_CLOSED";
  constructor(readonly id: string, reason?: unknown) {
    super(`Transport ${id} is closed`, { cause: reason, hint: "skyctl tp ls" });
  }
}

/** A type of transport is not served by this visor, or not yet. */
export class CarrierUnavailableError extends WorldError {
  readonly code = "TRANSPORT_TYPE_UNAVAILABLE";
  constructor(readonly type: string, why: string, options: SkyErrorOptions = {}) {
    super(`Transports of type ${type} are not available: ${why}`, options);
  }
}

/** Nobody knows an address of a key for that type of transport. */
export class PeerAddressUnknownError extends WorldError {
  readonly code = "PEER_ADDRESS_UNKNOWN";
  constructor(readonly remote: PublicKey, why: string, options: SkyErrorOptions = {}) {
    super(`Cannot dial ${remote}: ${why}`, options);
  }
}

/** A transport could not be made; the cause says at which step and whose move it is. */
export class TransportDialError extends WorldError {
  readonly code = "TRANSPORT_DIAL_FAILED";
  constructor(readonly remote: PublicKey, readonly type: string, cause: unknown) {
    super(`Cannot make a transport of type ${type} to ${remote}`, {
      cause,
      hint: (cause as Partial<SkyError> | undefined)?.hint,
    });
  }

  /** Skywire's own words for it, as remote callers are given them. */
  get rpcText(): string {
    return `save transport: ${describeError(this.cause)}`;
  }
}

/** The clear-text handshake in front of a transport failed; the peer sent something else, or refused. */
export class AddressHandshakeError extends PeerError {
  readonly code = "TRANSPORT_HANDSHAKE_FAILED";
}

/** The peer does not agree on the transport, or said something else than its entry. */
export class SettlementError extends PeerError {
  readonly code = "SETTLEMENT_FAILED";
  constructor(readonly reason: string, options: SkyErrorOptions = {}) {
    super(`Settlement handshake failed: ${reason}`, options);
  }
}

/** A peer opens a transport, and there are as many of peers as are taken. */
export class TransportsFullError extends PeerError {
  readonly code = "TRANSPORTS_FULL";
  /** `from`: the address block that has so many, where it is not all together. */
  constructor(readonly max: number, readonly from?: string) {
    const whose = from === undefined ? "" : ` from ${from}`;
    super(`There are ${max} transports${whose} already that nobody here asked for`, { hint: "skyctl tp ls" });
  }
}
