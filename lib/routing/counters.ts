/** What a router counts, for metrics: above all what arrived and could not be used. @module */

/** Since the start of the router. */
export interface RouterCounters {
  packetsForwarded: number;
  bytesForwarded: number;
  /** Handed to groups of this visor. */
  packetsConsumed: number;
  /** Without a rule, or with one that had timed out. A few come behind every close. */
  unknownRoute: number;
  /** Came over another transport than the packets of their rule before, or with the id of a rule of our own. */
  wrongTransport: number;
  /** The rule's next transport is not there. */
  transportMissing: number;
  /** The next transport failed or stalled while they waited for it. */
  forwardFailed: number;
  /** Next transports that took nothing, or too little while others waited, so that the routes that filled them ended. */
  transportsStalled: number;
  /** Of relayed routes, ended with a transport of theirs that closed or stalled. */
  rulesBroken: number;
  /** Of a type that is not known, or that was not offered. */
  unknownType: number;
  /** Of a known type, but too short. */
  malformed: number;
  /** Came before their group, and found no room or no group in time. */
  parkedDropped: number;
  /** Pongs and handshake answers that were not sent: the peer asked faster than the transport takes. */
  serviceDropped: number;
  /** Rules and edges that a setup node or peer sent, and that cannot be used. */
  rulesRefused: number;
  groupsOpened: number;
  /** Groups that did not get through their handshakes, of both roles. */
  groupsFailed: number;
  /** Groups that ended because nobody read them. */
  groupsStalled: number;
}

export function newCounters(): RouterCounters {
  return {
    packetsForwarded: 0,
    bytesForwarded: 0,
    packetsConsumed: 0,
    unknownRoute: 0,
    wrongTransport: 0,
    transportMissing: 0,
    forwardFailed: 0,
    transportsStalled: 0,
    rulesBroken: 0,
    unknownType: 0,
    malformed: 0,
    parkedDropped: 0,
    serviceDropped: 0,
    rulesRefused: 0,
    groupsOpened: 0,
    groupsFailed: 0,
    groupsStalled: 0,
  };
}
