/** A visor's status for people. @module */
import { renderFields, renderTable } from "../../lib/cli/table.ts";
import { renderDuration } from "../../lib/cli/mod.ts";
import type { VisorStatus } from "../../lib/control/mod.ts";
import { renderSessions } from "../_render_sessions.ts";

export function renderStatus(status: VisorStatus): string {
  const { dmsg, services, serving, warnings } = status;
  const parts = [renderFields([
    ["public key", status.publicKey],
    ["ready", status.ready ? "yes" : "no"],
    ["version", status.version],
    ["up for", renderDuration(status.uptimeMs)],
    ["network", status.deployment.name + (status.deployment.file ? ` (${status.deployment.file})` : "")],
    ["entry", dmsg.entry.published ? `published, sequence ${dmsg.entry.sequence}` : "not published"],
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
