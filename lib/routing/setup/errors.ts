/** What goes wrong while a route is set up. @module */
import { CallerError, describeError, PeerError, type SkyErrorOptions, WorldError } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";

/** Why a setup node could not serve a request: the names under which its `/stats` count (services.md 10.1). */
export type SetupFailure =
  | "invalid_route"
  | "rule_generation"
  | "id_reservation"
  | "source_unreachable"
  | "intermediate_unreachable"
  | "intermediary_rules"
  | "destination_rules"
  | "context_deadline"
  | "context_canceled"
  | "concurrency_limit"
  | "circuit_open"
  | "unknown";

export interface RouteSetupErrorOptions extends SkyErrorOptions {
  readonly reason?: SetupFailure;
  /** The visor that failed, where one is known. */
  readonly visor?: PublicKey;
}

/** A route could not be set up; the text is Skywire's own where it has one. */
export class RouteSetupError extends PeerError {
  readonly code = "ROUTE_SETUP_FAILED";
  readonly reason: SetupFailure;
  readonly visor: PublicKey | undefined;
  constructor(message: string, { reason = "unknown", visor, ...options }: RouteSetupErrorOptions = {}) {
    super(message, { hint: "skyctl route find", ...options });
    this.reason = reason;
    this.visor = visor;
  }
}

/** Codes by which a visor refuses a call about rules (routing.md 8.6). */
export const FAILURE_CODE = {
  unknown: 0,
  addRules: 1,
  createRoutes: 2,
  routesCreated: 3,
  reserveIds: 4,
} as const;

/** A call about rules is refused here; the caller gets `failure code <n> (<message>)`. */
export class SetupRefusedError extends PeerError {
  readonly code = "SETUP_REFUSED";
  readonly rpcText: string;
  constructor(failure: keyof typeof FAILURE_CODE, message: string, options: SkyErrorOptions = {}) {
    super(message, options);
    this.rpcText = `failure code ${FAILURE_CODE[failure]} (${message})`;
  }
}

/** The refusal of what a call's handler threw. */
export function refusal(failure: keyof typeof FAILURE_CODE, cause: unknown): SetupRefusedError {
  return cause instanceof SetupRefusedError
    ? cause
    : new SetupRefusedError(failure, describeError(cause), { cause });
}

/** No setup node could be dialled, or none is configured. */
export class NoSetupNodeError extends WorldError {
  readonly code = "NO_SETUP_NODE";
  constructor(readonly tried: number, options: SkyErrorOptions = {}) {
    super("failed to dial to a setup node", {
      hint: tried === 0 ? "name one in route_setup_nodes of the deployment" : "skyctl visor status",
      ...options,
    });
  }
}

/** There is no path to the destination, or none that was not tried. */
export class NoRouteError extends WorldError {
  readonly code = "NO_ROUTE";
  constructor(readonly destination: PublicKey, why: string, options: SkyErrorOptions = {}) {
    super(`No route to ${destination}: ${why}`, { hint: `skyctl route find ${destination}`, ...options });
  }
}

/** The visor has no transport and makes none: no route can begin. The text is Skywire's own. */
export class NoTransportsError extends WorldError {
  readonly code = "NO_TRANSPORTS";
  constructor(options: SkyErrorOptions = {}) {
    super("no transports available; route setup skipped", { hint: "skyctl tp add --help", ...options });
  }
}

/** A hop that was given by the caller leads nowhere. */
export class RouteHopError extends CallerError {
  readonly code = "ROUTE_HOP";
}

/** A direct dial was asked for, and there is no direct way: no transport, or a peer that serves neither form. */
export class DirectDialError extends PeerError {
  readonly code = "DIRECT_DIAL_FAILED";
  constructor(readonly destination: PublicKey, why: string, options: SkyErrorOptions = {}) {
    super(`Cannot dial ${destination} directly: ${why}`, { hint: "leave out --direct", ...options });
  }
}

/** The peer of a direct set-up closed the connection unanswered: it does not serve it to us. */
export class DirectSetupUnsupportedError extends PeerError {
  readonly code = "DIRECT_SETUP_UNSUPPORTED";
  constructor(readonly peer: PublicKey, options: SkyErrorOptions = {}) {
    super(`Visor ${peer} does not serve direct set-up to this one`, options);
  }
}

/** Nobody listens on that port of the peer. */
export class AppPortClosedError extends PeerError {
  readonly code = "APP_PORT_CLOSED";
  constructor(readonly peer: PublicKey, readonly port: number) {
    super(`Nobody listens on port ${port} of ${peer}`);
  }
}
