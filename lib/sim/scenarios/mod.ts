/**
 * Everything that can be rehearsed.
 *
 * ```ts
 * import { SCENARIOS } from "./mod.ts";
 * console.log(SCENARIOS.map(({ name }) => name).includes("cold-start")); // true
 * ```
 *
 * @module
 */
import type { Scenario } from "../scenario.ts";
import { clockSkew } from "./clock_skew.ts";
import { coldStart, coldStartOneMissing } from "./cold_start.ts";
import { discoveryDown, discoveryEmpty, discoveryLies, discoveryStale } from "./discovery_trouble.ts";
import { serverKillReset, serverKillSilent, visorDies } from "./kills.ts";
import { blackHole, cutOff, flapping, halfOpen, slowReader, stall } from "./links.ts";
import { halfOpenSudph } from "./half_open_sudph.ts";
import { massReconnect } from "./mass_reconnect.ts";
import { redeploy } from "./redeploy.ts";
import { sameKey } from "./same_key.ts";
import { serverRestart } from "./server_restart.ts";
import { breakerProbe, callerDies, callerGivesUp } from "./set_up_callers.ts";
import { deadHopFirst, hopChurn, partialSetUp, slowDeadHop, stalePooled } from "./set_up_trouble.ts";
import { stripPostQuantum } from "./strip_pq.ts";
import { halfOpenTransport, pathRestart, resolverRestart, transportsDown } from "./transport_trouble.ts";
import { lossyUdp, natKinds } from "./udp_trouble.ts";

/** In the order of the list that an operator sees. */
export const SCENARIOS: readonly Scenario[] = [
  coldStart,
  coldStartOneMissing,
  redeploy,
  serverRestart,
  serverKillReset,
  serverKillSilent,
  visorDies,
  sameKey,
  halfOpen,
  blackHole,
  cutOff,
  slowReader,
  stall,
  flapping,
  discoveryDown,
  discoveryEmpty,
  discoveryStale,
  discoveryLies,
  clockSkew,
  stripPostQuantum,
  deadHopFirst,
  partialSetUp,
  stalePooled,
  slowDeadHop,
  hopChurn,
  breakerProbe,
  callerGivesUp,
  callerDies,
  halfOpenTransport,
  pathRestart,
  resolverRestart,
  transportsDown,
  natKinds,
  lossyUdp,
  halfOpenSudph,
  massReconnect,
];
