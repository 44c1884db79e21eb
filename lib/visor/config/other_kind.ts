/**
 * What JSON of Skywire's is no configuration of a visor: every field of one may be absent, so any object would pass.
 *
 * @module
 */
import { ConfigError, isDeployment } from "../../deployment/mod.ts";

type Raw = Readonly<Record<string, unknown>>;

/** Objects and keys of a visor alone: with one of them a file is a visor's, whatever else is in it. */
const OF_A_VISOR = ["sk", "pk", "transport", "routing", "launcher", "cli_addr", "is_public"];

/** Kinds of files, each by what no other has. */
const KINDS: readonly { readonly what: string; readonly next: string; is(raw: Raw): boolean }[] = [
  {
    what: "a file of services",
    next: "skyctl svc run --config FILE runs them",
    is: ({ services }) => Array.isArray(services),
  },
  {
    what: "the configuration of a dmsg server",
    next: "skyctl dmsg server FILE runs it",
    is: ({ secret_key, public_key, public_address, local_address, health_endpoint_address }) =>
      (isText(secret_key) || isText(public_key)) &&
      [public_address, local_address, health_endpoint_address].some(isText),
  },
  {
    what: "the configuration of a setup node or of another service",
    next: "skyctl svc run setup-node --config FILE runs a setup node",
    is: ({ secret_key, public_key }) => isText(secret_key) || isText(public_key),
  },
  {
    what: "a deployment file",
    next: "commands take it with --deployment FILE; skyctl conf gen -S FILE makes a configuration for it",
    is: (raw) => isDeployment(raw) || Object.values(raw).some(isDeployment),
  },
];

/** Errors: `ConfigError` for a file that is surely of another kind. */
export function refuseOtherKind(raw: Raw, file: string): void {
  if (OF_A_VISOR.some((name) => Object.hasOwn(raw, name))) return;
  const kind = KINDS.find(({ is }) => is(raw));
  if (kind === undefined) return;
  throw new ConfigError(file, "", `it is ${kind.what}, and no configuration of a visor`, {
    hint: `leave it as it is, and name that of the visor; ${kind.next}`,
  });
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}
