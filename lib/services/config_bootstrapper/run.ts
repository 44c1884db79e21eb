/** A config bootstrapper that runs: plain HTTP, dmsg port 80. It keeps nothing. @module */
import type { Log } from "../../base/mod.ts";
import type { Deployment } from "../../deployment/mod.ts";
import type { SocketAddress, World } from "../../runtime/mod.ts";
import {
  type AttachService,
  type BuildInfo,
  type RunningService,
  runService,
  type ServiceMode,
} from "../hosting/mod.ts";
import { createConfigBootstrapper } from "./api.ts";
import type { AskAt } from "./gather.ts";

export interface RunConfigBootstrapperOptions {
  readonly world: Pick<World, "clock" | "ledger" | "network">;
  readonly log: Log;
  readonly settings: {
    /** Where plain HTTP listens. Port 0 takes any free one. Unused in mode `dmsg`. */
    readonly address: SocketAddress;
    readonly mode: ServiceMode;
    /** What `/health` says about the program. */
    readonly build?: BuildInfo;
  };
  /** What is told; by a function where it is not all known yet, with what it gives at each request. */
  readonly deployment: Deployment | (() => Deployment);
  /** How services are asked for their address over dmsg. Default: nobody is asked. */
  readonly ask?: AskAt;
  /** Ended with the service: what `ask` uses. */
  readonly owned?: AsyncDisposable;
  /** Needed by modes `dmsg` and `dual`, unused by `http`. */
  readonly dmsg?: AttachService;
}

/** Starts a config bootstrapper; it answers when this resolves. Errors: those of `runService`. */
export async function runConfigBootstrapper(options: RunConfigBootstrapperOptions): Promise<RunningService> {
  const { world, log, settings: { address, mode, build }, deployment, ask, owned, dmsg } = options;
  return await runService({
    world,
    log,
    name: "config bootstrapper",
    mode,
    address,
    dmsg,
    api: (dmsgStatus, refused) =>
      createConfigBootstrapper({ deployment, world, build, dmsgStatus, refused, ask, log }),
    holds: {
      async [Symbol.asyncDispose]() {
        await owned?.[Symbol.asyncDispose]();
      },
    },
  });
}
