/** What `skyctl conf pull` does. @module */
import type { Io } from "../../lib/cli/mod.ts";
import { confPull, type Pulled } from "../../lib/directory/conf_pull/mod.ts";
import { type DmsgNetwork, embeddedNetwork, readNetworkFile } from "../../lib/directory/mod.ts";
import { parseDmsgUrl } from "../../lib/dmsg/mod.ts";
import { logOf } from "../_look_up.ts";
import { DEPLOYMENT_VARIABLE } from "./_deployment_variable.ts";
import { postQuantumOf } from "../_post_quantum.ts";
import type { PostQuantumOptions } from "../post_quantum_option.ts";
import { refuseNoFile } from "./_file.ts";

export interface PullOptions extends PostQuantumOptions {
  readonly config: string;
  readonly deployment?: string | undefined;
  readonly discovery?: string | undefined;
  readonly testenv?: boolean | undefined;
  readonly timeout: number;
  readonly dryRun?: boolean | undefined;
  readonly verbose?: boolean | undefined;
}

/** What `--json` prints. */
export interface PullAnswer extends Pulled {
  readonly dryRun: boolean;
}

/** One pull, and what it did. */
export async function pull(io: Io, options: PullOptions): Promise<void> {
  const { config: file, timeout: timeoutMs, dryRun = false } = options;
  const { signal } = io; // from here on Ctrl-C ends in order
  const world = await io.world();
  if (!dryRun) await refuseNoFile(io, file);
  const pulled = await confPull({
    world,
    file,
    dryRun,
    network: await networkOf(io, options),
    log: logOf(io, options, world),
    userAgent: `skyctl/${io.version}`,
    postQuantum: postQuantumOf(io, world, options),
    timeoutMs,
    signal,
  });
  io.emit({ ...pulled, dryRun }, renderPulled);
  if (pulled.changed && !dryRun) {
    io.note("a program that embeds this file has to be built again: deno task compile");
  }
}

/** The line of a pull; of a dry run the diff, which changes nothing. */
export function renderPulled({ file, arrays, servers, changed, diff, dryRun }: PullAnswer): string {
  const said =
    `${arrays} dmsg_servers array(s) in ${file} with ${servers.length} servers (fetched over dmsg)`;
  if (dryRun) return changed ? `${diff}would update ${said}` : `nothing to change: ${said}`;
  return changed ? `updated ${said}` : `unchanged: ${said}`;
}

async function networkOf(io: Io, { deployment, discovery, testenv }: PullOptions): Promise<DmsgNetwork> {
  const { files } = await io.world();
  const file = deployment ?? (io.env(DEPLOYMENT_VARIABLE) || undefined);
  const name = testenv === true ? "test" : "prod";
  const network = file === undefined ? embeddedNetwork(name) : await readNetworkFile(files, file, name);
  return discovery === undefined ? network : { ...network, discoveryDmsg: parseDmsgUrl(discovery).address };
}
