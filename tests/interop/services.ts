/**
 * Fills the cells about services: our clients, commands and visors on the peer's whole deployment, and its visors
 * on ours.
 *
 * @module
 */
import { SkipError } from "./build.ts";
import { cellFiller } from "./cells.ts";
import type { LiveOptions } from "./live.ts";
import { inNamespace } from "./namespace.ts";
import { OurBuild } from "./ours.ts";
import { OurServices } from "./our_services.ts";
import { tryOurVisors } from "./our_visors.ts";
import { PeerServices } from "./peer_services.ts";
import { tryClients } from "./service_clients.ts";
import { tryCommands } from "./service_commands.ts";
import { type ServiceNetworkPlan, type ServiceRole, serviceRowsOf } from "./service_rows.ts";
import { tryTheirVisors } from "./their_visors.ts";

/** One deployment of one column. Never rejects: what cannot be tried is a failed or skipped cell. */
export async function tryDeployment(network: ServiceNetworkPlan, options: LiveOptions): Promise<void> {
  const { lab, ours, theirs } = options;
  const rows = serviceRowsOf(network);
  const cell = cellFiller<ServiceRole>(rows, options);
  try {
    if (!inNamespace()) {
      throw new SkipError("a public address is needed here: a network namespace, as root on Linux");
    }
    const own = new OurServices(lab, ours);
    const their = theirs instanceof OurBuild
      ? new OurServices(lab, theirs)
      : new PeerServices(lab, theirs, ours);
    await using ends = new AsyncDisposableStack();
    const deployment = await (network.deployment === "ours" ? own : their).startDeployment();
    ends.defer(() => deployment.end());
    if (network.deployment === "theirs") {
      await tryClients(deployment, options, cell);
      await tryCommands(deployment, options, cell);
      await tryOurVisors(deployment, options, cell);
    } else {
      await tryTheirVisors(deployment, their, options, cell);
    }
  } catch (error) {
    for (const { role, from, to } of rows) await cell(role, from, () => Promise.reject(error), to);
  }
}
