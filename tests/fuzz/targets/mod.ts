/** Everything that is fuzzed. @module */
import type { FuzzTarget } from "../_target.ts";
import { cryptoTargets } from "./crypto.ts";
import { directoryTargets } from "./directory.ts";
import { dmsgTargets } from "./dmsg.ts";
import { fileTargets } from "./files.ts";
import { httpTargets } from "./http.ts";
import { kcpTargets } from "./kcp.ts";
import { listedServiceTargets } from "./listed_services.ts";
import { noiseTargets } from "./noise.ts";
import { proxyTargets } from "./proxy.ts";
import { routeFinderTargets } from "./route_finder.ts";
import { routingTargets } from "./routing.ts";
import { rpcTargets } from "./rpc.ts";
import { serviceTargets } from "./services.ts";
import { transportTargets } from "./transport.ts";
import { yamuxTargets } from "./yamux.ts";

export const FUZZ_TARGETS: readonly FuzzTarget[] = [
  ...cryptoTargets,
  ...dmsgTargets,
  ...noiseTargets,
  ...yamuxTargets,
  ...kcpTargets,
  ...transportTargets,
  ...routingTargets,
  ...rpcTargets,
  ...httpTargets,
  ...fileTargets,
  ...serviceTargets,
  ...routeFinderTargets,
  ...directoryTargets,
  ...listedServiceTargets,
  ...proxyTargets,
];
