/** Skysocks clients of the running visor, and how they are shown. @module */
import { renderBytes, renderDuration } from "../../lib/cli/mod.ts";
import { renderFields } from "../../lib/cli/table.ts";
import type { AppSummary } from "../../lib/control/mod.ts";
import { PROXY_NAME_DEFAULT } from "./proxy_name_option.ts";

/** A block for each client. */
export function renderProxies(apps: readonly AppSummary[]): string {
  if (apps.length === 0) return "no skysocks client";
  return apps.map(({ name, status, detailedStatus, proxy, restarts }) =>
    renderFields([
      ["name", name],
      ["status", `${status} (${detailedStatus})`],
      ...(proxy === undefined ? [] : [
        ["server", proxy.server] as const,
        ["address", `socks5h://${proxy.address}`] as const,
        ["way", proxy.direct ? "direct" : "route"] as const,
        ["connected", proxy.connected ? "yes" : "no"] as const,
        ["latency", proxy.latencyMs === null ? "-" : renderDuration(proxy.latencyMs)] as const,
        ["connections", proxy.connections] as const,
        ["in", renderBytes(proxy.bytesIn)] as const,
        ["out", renderBytes(proxy.bytesOut)] as const,
        ["sessions", proxy.sessions] as const,
        ["last failure", proxy.lastFailure ?? "-"] as const,
      ]),
      ["restarts", restarts],
    ])
  ).join("\n\n");
}

/** The clients among the apps. */
export function proxiesOf(apps: readonly AppSummary[], name?: string): AppSummary[] {
  return apps.filter((app) => app.builtIn && (app.proxy !== undefined || app.name === PROXY_NAME_DEFAULT))
    .filter((app) => name === undefined || app.name === name);
}
