/** Skysocks clients of the running visor, and how they are shown. @module */
import { CallerError } from "../../lib/base/mod.ts";
import { renderBytes, renderDuration } from "../../lib/cli/mod.ts";
import { renderFields, renderTable } from "../../lib/cli/table.ts";
import type { AppSummary } from "../../lib/control/mod.ts";
import type { ServiceRecord } from "../../lib/directory/mod.ts";
import { SKYSOCKS_CLIENT } from "./proxy_name_option.ts";

/** The visor has no skysocks client of that name. */
export class NoProxyError extends CallerError {
  readonly code = "APP_NOT_FOUND";
  constructor(name: string) {
    super(`No skysocks client is called ${JSON.stringify(name)}`, { hint: "skyctl proxy status" });
  }
}

/** A block for each client. */
export function renderProxies(apps: readonly AppSummary[]): string {
  if (apps.length === 0) return "no skysocks client";
  return apps.map(({ name, status, detailedStatus, proxy, restarts }) =>
    renderFields([
      ["name", name],
      ["status", detailedStatus.toLowerCase() === status ? status : `${status} (${detailedStatus})`],
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
        // What it has got over is no failure any more, but says why the first try or an earlier session ended.
        [proxy.connected ? "failed before" : "last failure", proxy.lastFailure ?? "-"] as const,
      ]),
      ["restarts", restarts],
    ])
  ).join("\n\n");
}

/** Proxies of others, a line each. */
export function renderOffered(records: readonly ServiceRecord[]): string {
  if (records.length === 0) return "no proxy is known";
  return renderTable(
    ["visor", "port", "country", "region", "version"],
    records.map(({ publicKey, port, place, version }) => [
      publicKey,
      port,
      place?.country ?? "-",
      place?.region ?? "-",
      version ?? "-",
    ]),
  );
}

/**
 * The clients among the apps, whether they run or not; with a name, that one. Errors: `NoProxyError`.
 */
export function proxiesOf(apps: readonly AppSummary[], name?: string): AppSummary[] {
  const proxies = apps.filter(({ app, builtIn }) => builtIn && app === SKYSOCKS_CLIENT);
  if (name === undefined) return proxies;
  const named = proxies.filter((proxy) => proxy.name === name);
  if (named.length === 0) throw new NoProxyError(name);
  return named;
}
