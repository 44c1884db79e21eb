/** What a visor refused of those who set routes and transports up, for metrics. @module */

/** Since the start; one object for all that serves setup calls. */
export interface SetupCounters {
  /** Connections on dmsg port 136 of those who have no business here, or came above a bound. */
  connectionsRefused: number;
  /** Calls about ids and rules that were answered with a refusal. */
  callsRefused: number;
  /** Connections on dmsg port 47 of those that are no transport setup node of this visor, or above the bound. */
  gatewayConnectionsRefused: number;
}

export function newSetupCounters(): SetupCounters {
  return { connectionsRefused: 0, callsRefused: 0, gatewayConnectionsRefused: 0 };
}
