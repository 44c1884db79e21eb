/**
 * The deployments that the program knows by itself.
 *
 * `services-config.json` is the newest file that we have of the public deployments, byte for byte: of those of 2026 it
 * alone lists all running dmsg servers with their present ports, the configuration service over dmsg and the
 * WebSocket addresses. Older members that it lacks (`uptime_tracker`) stay understood in other files.
 *
 * @module
 */
import { type Deployment, type Deployments } from "./deployment.ts";
import { readDeployments } from "./parse.ts";
import servicesConfig from "./services-config.json" with { type: "json" };

let embedded: Deployments | undefined;

/** `prod` and `test`, read once, when first asked for. */
export function embeddedDeployments(): Deployments {
  return embedded ??= readDeployments(servicesConfig);
}

/** The embedded deployment that a node joins unless told otherwise. */
export function embeddedDeployment(name: "prod" | "test" = "prod"): Deployment {
  return embeddedDeployments()[name]!;
}
