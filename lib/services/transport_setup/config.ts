/**
 * The configuration of a transport setup node, in Skywire's own format (services.md 11).
 *
 *     {public_key, secret_key, port, dmsg: {discovery, sessions_count, servers}, transport_discovery, log_level}
 *
 * @module
 */
import type { LogLevel } from "../../base/mod.ts";
import { embeddedDeployment, Fields, parseConfigText, readSecretKey } from "../../deployment/mod.ts";
import type { SecretKey } from "../../crypto/mod.ts";
import { type DmsgNetwork, embeddedNetwork } from "../../directory/mod.ts";
import { readServerDeployments } from "../dmsg_server/mod.ts";

export interface TransportSetupConfig {
  /** Undefined: none in the file. */
  readonly secretKey: SecretKey | undefined;
  /** Of HTTP. */
  readonly port: number;
  /** Whose servers it connects to. */
  readonly network: DmsgNetwork;
  readonly logLevel: LogLevel;
}

/** Where HTTP listens unless the configuration says otherwise. */
export const PORT_DEFAULT = 8080;

/** Reads a configuration. Errors: `ConfigError`, `InvalidAddressError`. */
export function parseTransportSetupConfig(text: string, file: string): TransportSetupConfig {
  const content = parseConfigText(text, file);
  const fields = new Fields(file, content, "");
  return {
    secretKey: readSecretKey(fields, { secret: "secret_key", public: "public_key" }),
    port: fields.wholeNumber("port", PORT_DEFAULT, 65_535),
    network: blockNetwork(fields, content, file),
    logLevel: fields.logLevel("log_level"),
  };
}

/** The network of the block `dmsg`; the embedded one where that names its discovery, or nothing at all. */
export function blockNetwork(fields: Fields, content: object, file: string): DmsgNetwork {
  const [deployment] = readServerDeployments(fields, content as Readonly<Record<string, unknown>>);
  const embedded = embeddedNetwork();
  if (deployment === undefined) return embedded;
  const { discovery, discoveryDmsg, servers } = deployment;
  const isEmbedded = discovery === embeddedDeployment("prod").dmsgDiscovery ||
    (discoveryDmsg !== undefined && discoveryDmsg.publicKey === embedded.discoveryDmsg?.publicKey);
  if (isEmbedded) return { ...embedded, file, servers };
  return { name: "configured", file, servers, discoveryHttp: discovery, discoveryDmsg };
}
