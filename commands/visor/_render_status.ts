/** A visor's status for people. @module */
import { renderFields, renderTable } from "../../lib/cli/table.ts";
import { renderDuration } from "../../lib/cli/mod.ts";
import type { NodeCounters, NodeStatus, VisorStatus } from "../../lib/control/mod.ts";
import { renderSessions } from "../_render_sessions.ts";

export function renderStatus(status: VisorStatus): string {
  const { dmsg, node, services, serving, warnings } = status;
  const parts = [renderFields([
    ["public key", status.publicKey],
    ["ready", status.ready ? "yes" : "no"],
    ["version", status.version],
    ["up for", renderDuration(status.uptimeMs)],
    ["network", status.deployment.name + (status.deployment.file ? ` (${status.deployment.file})` : "")],
    ["entry", dmsg.entry.published ? `published, sequence ${dmsg.entry.sequence}` : "not published"],
    ["transports", renderCounts(node.transports)],
    ["routes", `${count(node.routeGroups, "connection")}, ${count(node.rules, "rule")}`],
    ["apps", `${node.apps.running} of ${node.apps.known} running`],
    ...renderPresence(node.presence),
    ["refused", renderCounts(refusedOf(node.counters))],
    ["home", status.home],
  ])];
  if (dmsg.sessions.length === 0) {
    parts.push(`no dmsg session${dmsg.lastFailure === undefined ? "" : `: ${dmsg.lastFailure}`}`);
  } else parts.push(renderSessions(dmsg.sessions));
  if (services.length > 0) {
    parts.push(renderTable(
      ["service", "public key", "address", "ready"],
      services.map(({ name, publicKey, address, ready }) => [name, publicKey, address, ready ? "yes" : "no"]),
    ));
  }
  if (serving.length > 0) {
    parts.push(
      renderTable(["served folder", "dmsg port"], serving.map(({ folder, port }) => [folder, port])),
    );
  }
  for (const { text, hint } of warnings) {
    parts.push(`Warning: ${text}${hint === undefined ? "" : `\n  Hint: ${hint}`}`);
  }
  return parts.join("\n\n");
}

/** What of others was refused or could not be used; nothing that happens in a network where all is well. */
function refusedOf({ transports, router, setup, apps }: NodeCounters): Record<string, number> {
  const { rulesRefused, unknownRoute, unknownType, malformed } = router;
  return { ...transports, unknownRoute, unknownType, malformed, rulesRefused, ...setup, ...apps };
}

/** A line for each thing that it does to be known; none where the network has no services for it. */
function renderPresence(
  { services, heartbeat, autoconnect }: NodeStatus["presence"],
): (readonly [string, string])[] {
  const told = (agoMs: number | undefined, done: string, not: string) =>
    agoMs === undefined ? not : `${done} ${renderDuration(agoMs)} ago`;
  const because = (failure: string | undefined) => failure === undefined ? "" : ` (${failure})`;
  return [
    ...services.map(({ type, port, registeredAgoMs, failure }) =>
      [
        "offers",
        `${type}${port === undefined ? "" : ` on port ${port}`}, ` +
        told(registeredAgoMs, "registered", "not registered") + because(failure),
      ] as const
    ),
    ...(heartbeat === undefined ? [] : [
      [
        "heartbeat",
        `${heartbeat.service}, ${told(heartbeat.lastAgoMs, "taken", "none taken yet")}${
          because(heartbeat.failure)
        }`,
      ] as const,
    ]),
    ...(autoconnect === undefined
      ? []
      : [["public visors", `${autoconnect.connected} of at most ${autoconnect.wanted} connected`] as const]),
  ];
}

/** `stcpr 2, dmsg 1`; what is 0 is left out. */
function renderCounts(counts: Readonly<Record<string, number>>): string {
  const there = Object.entries(counts).filter(([, many]) => many > 0);
  return there.length === 0 ? "none" : there.map(([name, many]) => `${name} ${many}`).join(", ");
}

function count(many: number, what: string): string {
  return `${many} ${what}${many === 1 ? "" : "s"}`;
}
