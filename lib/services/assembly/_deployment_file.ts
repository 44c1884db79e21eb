/** The deployment file by which others join what an assembly runs. @module */
import { type DmsgNetwork, renderDeploymentFile } from "../../directory/mod.ts";

/**
 * Its text: `network`, and what `base` says besides (STUN servers, whitelists). A field that is empty in the network
 * stays as `base` has it.
 */
export function deploymentText(network: DmsgNetwork, base: Readonly<Record<string, unknown>> = {}): string {
  const [told = {}] = Object.values(JSON.parse(renderDeploymentFile(network)) as Record<string, object>);
  const own = Object.entries(told).filter(([name, value]) => !(isEmpty(value) && name in base));
  const kept = Object.entries(base).filter(([name]) => !OF_THE_OPERATOR.has(name));
  return JSON.stringify(
    { [network.name]: { ...Object.fromEntries(kept), ...Object.fromEntries(own) } },
    null,
    2,
  ) +
    "\n";
}

function isEmpty(value: unknown): boolean {
  return value === "" || (Array.isArray(value) && value.length === 0);
}

/** Fields of a run file that nobody else needs (services.md 13.4). */
const OF_THE_OPERATOR: ReadonlySet<string> = new Set([
  "services",
  "dmsg_server_instances",
  "redis",
  "redis_pool_size",
  "postgres",
]);
