/** A new configuration of a route setup node, as Skywire's `svc sn` reads it (protocol: config, section 5). @module */
import type { SecretKey } from "../../crypto/mod.ts";
import type { Deployment } from "../../deployment/mod.ts";
import { valuesOfDeployment } from "../config/mod.ts";
import { type GenSettings, serviceModeOf } from "./settings.ts";

/**
 * Makes it: `{public_key, secret_key, dmsg: {discovery, sessions_count, servers}, transport_discovery, log_level}`, and
 * nothing else, for what is unknown is refused. A service that the deployment has over dmsg alone is named so.
 */
export function newSetupNodeConfig(
  { secretKey, settings, deployment }: {
    readonly secretKey: SecretKey;
    readonly settings: GenSettings;
    readonly deployment: Deployment;
  },
): Record<string, unknown> {
  const values = valuesOfDeployment(deployment, serviceModeOf(settings));
  const url = (path: "dmsg.discovery" | "transport.discovery") =>
    values[path] || values[`${path}_dmsg`] || "";
  return {
    public_key: secretKey.publicKey,
    secret_key: secretKey.reveal(),
    dmsg: {
      discovery: url("dmsg.discovery"),
      sessions_count: settings.minsess ?? 2,
      servers: values["dmsg.servers"],
    },
    transport_discovery: url("transport.discovery"),
    log_level: settings.loglvl ?? "info",
  };
}
