/**
 * The configuration of a route setup node, in Skywire's own format (config.md 5), as `cli config gen --sn` writes it.
 *
 *     {public_key, secret_key, dmsg: {discovery, sessions_count, servers}, transport_discovery, log_level}
 *
 * The transport discovery is passed over: routes come with the requests, and this node looks nothing up.
 *
 * @module
 */
import type { SecretKey } from "../../crypto/mod.ts";
import { Fields, parseConfigText, readSecretKey } from "../../deployment/mod.ts";
import type { DmsgNetwork } from "../../directory/mod.ts";
import { blockNetwork } from "../transport_setup/mod.ts";

export interface SetupNodeConfig {
  /** Undefined: none in the file. */
  readonly secretKey: SecretKey | undefined;
  /** Whose servers it connects to. */
  readonly network: DmsgNetwork;
}

/** Reads a configuration. Errors: `ConfigError`, `InvalidAddressError`. */
export function parseSetupNodeConfig(text: string, file: string): SetupNodeConfig {
  const content = parseConfigText(text, file);
  const fields = new Fields(file, content, "");
  fields.logLevel("log_level"); // `--log-level` says which; what is none is told all the same
  return {
    secretKey: readSecretKey(fields, { secret: "secret_key", public: "public_key" }),
    network: blockNetwork(fields, content, file),
  };
}
