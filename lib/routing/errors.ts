/** What goes wrong with routes: rules, set-up, and the life of a route group. @module */
import { ConnResetError, LimitError, PeerError, type SkyErrorOptions, WorldError } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";

/** A rule, descriptor or edge that cannot be used here: the wrong length, kind, owner or route id. */
export class RouteRuleError extends PeerError {
  readonly code = "ROUTE_RULE";
}

/** The table has no room, or no route ids any more. */
export class RouteTableFullError extends LimitError {}

/** A route names a transport that this visor does not have, or not any more. The text is Skywire's own. */
export class RouteTransportMissingError extends WorldError {
  readonly code = "ROUTE_TRANSPORT_MISSING";
  constructor(readonly transportId: string, options: SkyErrorOptions = {}) {
    super(`transport ${transportId} not found locally`, { hint: "skyctl tp ls", ...options });
  }
}

/** The far end of a new route said nothing. The text is Skywire's own. */
export class RouteHandshakeTimeoutError extends WorldError {
  readonly code = "ROUTE_HANDSHAKE_TIMEOUT";
  constructor(readonly peer: PublicKey, readonly afterMs: number, options: SkyErrorOptions = {}) {
    super(
      `remote handshake not received within ${Math.round(afterMs / 1_000)}s ` +
        `(peer ${peer} likely unreachable, app down, or whitelist-rejected)`,
      options,
    );
  }
}

/** The far end of a new route wants to go on without encryption, or began to before any handshake. */
export class RouteUnencryptedError extends PeerError {
  readonly code = "ROUTE_UNENCRYPTED";
  constructor(readonly peer: PublicKey, options: SkyErrorOptions = {}) {
    super(
      `Route to ${peer} refused: the peer, or a relay on the way, asks for it to be unencrypted`,
      options,
    );
  }
}

/** A group with this descriptor is being set up, or a port or queue has no room for it. */
export class RouteBusyError extends PeerError {
  readonly code = "ROUTE_BUSY";
}

/** The peer ended the route with a reason, for instance that nobody listens on the port. */
export class RouteClosedByPeerError extends ConnResetError {
  override readonly code: string = "ROUTE_CLOSED_BY_PEER";
  constructor(readonly text: string, options: SkyErrorOptions = {}) {
    super(`Route was closed by the peer: ${text}`, options);
  }
}

/** Packets of a route were lost on the way, so that what came behind them is of no use. */
export class RouteBrokenError extends ConnResetError {
  override readonly code: string = "ROUTE_BROKEN";
  constructor(cause: unknown) {
    super("Packets of the route were lost on the way", { cause });
  }
}

/** A port of this visor's routes is taken, or none is free. */
export class RoutePortTakenError extends WorldError {
  readonly code = "ROUTE_PORT_TAKEN";
}
