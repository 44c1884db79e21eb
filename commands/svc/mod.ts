/** `skyctl svc`: the services of a deployment. @module */
import { type AnyCommand, type Io, noun } from "../../lib/cli/mod.ts";
import { addressResolverCommand } from "./address_resolver.ts";
import { configBootstrapperCommand } from "./config_bootstrapper.ts";
import { dmsgDiscoveryCommand } from "./dmsg_discovery.ts";
import { routeFinderCommand } from "./route_finder.ts";
import { serviceDiscoveryCommand } from "./service_discovery.ts";
import { setupNodeCommand } from "./setup_node.ts";
import { transportDiscoveryCommand } from "./transport_discovery.ts";
import { transportSetupCommand } from "./transport_setup.ts";
import { uptimeTrackerCommand } from "./uptime_tracker.ts";

/** The noun with its verbs. */
export function svcNoun(io: Io): AnyCommand {
  return noun("svc", "Run a service of a deployment", [
    noun("run", "Run a service until Ctrl-C", [
      dmsgDiscoveryCommand(io),
      transportDiscoveryCommand(io),
      addressResolverCommand(io),
      routeFinderCommand(io),
      serviceDiscoveryCommand(io),
      uptimeTrackerCommand(io),
      configBootstrapperCommand(io),
      setupNodeCommand(io),
      transportSetupCommand(io),
    ]),
  ]);
}
