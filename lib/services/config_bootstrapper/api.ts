/**
 * The config bootstrapper's routes, over HTTP and dmsg alike (services.md 8).
 *
 * @module
 */
import { type Log, silentLog } from "../../base/mod.ts";
import type { Deployment } from "../../deployment/mod.ts";
import type { World } from "../../runtime/mod.ts";
import {
  allowing,
  type BuildInfo,
  type DmsgStatus,
  health,
  json,
  NOT_FOUND,
  type RefusalCounts,
  type ServiceApi,
} from "../hosting/mod.ts";
import { renderServices } from "./deployment.ts";
import { type AskAt, OverDmsg } from "./gather.ts";

export interface ConfigBootstrapperOptions {
  /** What is told; a function is called at each request. */
  readonly deployment: Deployment | (() => Deployment);
  readonly world: Pick<World, "clock">;
  readonly build?: BuildInfo;
  readonly dmsgStatus?: () => DmsgStatus | undefined;
  /** What was refused so far. */
  readonly refused?: () => RefusalCounts;
  /** How services are asked for their address over dmsg. Default: nobody is asked. */
  readonly ask?: AskAt;
  readonly log?: Log;
}

export function createConfigBootstrapper(options: ConfigBootstrapperOptions): ServiceApi {
  const { deployment, world: { clock }, build, dmsgStatus, refused, ask, log = silentLog } = options;
  const startedAtMs = clock.wallMs();
  const told = typeof deployment === "function" ? deployment : () => deployment;
  const overDmsg = new OverDmsg({ told, clock, log, ask });
  return async ({ method, path }) => {
    if (!["/", "/dmsghttp", "/health"].includes(path)) return NOT_FOUND;
    if (method !== "GET") return allowing("GET");
    switch (path) {
      case "/":
        return json(renderServices(told()));
      case "/dmsghttp":
        return json(await overDmsg.text());
      default:
        return health({
          serviceName: "config-bootstrapper",
          startedAtMs,
          build,
          dmsg: dmsgStatus?.(),
          refused: refused?.(),
        });
    }
  };
}
