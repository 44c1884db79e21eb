/** Transports, rules, route groups and apps for people. @module */
import { renderBytes, renderDuration } from "../lib/cli/mod.ts";
import { renderTable } from "../lib/cli/table.ts";
import type { AppSummary, RouteGroupSummary, RuleSummary, TransportSummary } from "../lib/control/mod.ts";

/** The table of `tp ls`. */
export function renderTransports(transports: readonly TransportSummary[]): string {
  if (transports.length === 0) return "no transport";
  return renderTable(
    ["type", "id", "remote key", "label", "dialled by", "latency", "sent", "received", "uptime"],
    transports.map(({ type, id, remote, label, initiator, latency, bytesSent, bytesReceived, uptimeMs }) => [
      type,
      id,
      remote,
      label,
      initiator ? "this visor" : "the remote",
      latency === null ? "-" : renderDuration(latency.avg),
      renderBytes(bytesSent),
      renderBytes(bytesReceived),
      renderDuration(uptimeMs),
    ]),
  );
}

/** The table of `route ls`. */
export function renderRules(rules: readonly RuleSummary[]): string {
  if (rules.length === 0) return "no rule";
  return renderTable(
    [{ head: "id", align: "right" }, "type", "local", "remote", "next id", "next transport", "idle", "keeps"],
    rules.map(({ id, type, local, remote, nextId, nextTransport, idleMs, keepAliveMs }) => [
      id,
      type,
      renderAddress(local),
      renderAddress(remote),
      nextId ?? "-",
      nextTransport ?? "-",
      renderDuration(idleMs),
      renderDuration(keepAliveMs),
    ]),
  );
}

/** The table of `route groups`. */
export function renderRouteGroups(groups: readonly RouteGroupSummary[]): string {
  if (groups.length === 0) return "no route group";
  return renderTable(
    ["local port", "remote", "dialled by", "post-quantum", "first transport", "sent", "received", "uptime"],
    groups.map(({ local, remote, initiator, postQuantum, transport, bytesSent, bytesReceived, uptimeMs }) => [
      local.port,
      renderAddress(remote),
      initiator ? "this visor" : "the remote",
      postQuantum ? "yes" : "no",
      transport,
      renderBytes(bytesSent),
      renderBytes(bytesReceived),
      renderDuration(uptimeMs),
    ]),
  );
}

/** The table of `app ls`. */
export function renderApps(apps: readonly AppSummary[]): string {
  if (apps.length === 0) return "no app";
  return renderTable(
    ["app", { head: "port", align: "right" }, "auto start", "status", "detailed status", "arguments"],
    apps.map(({ name, port, autoStart, status, detailedStatus, builtIn, args }) => [
      name,
      port,
      autoStart ? "yes" : "no",
      status,
      builtIn ? detailedStatus : "not built in",
      args.join(" "),
    ]),
  );
}

function renderAddress(address: { readonly key: string; readonly port: number } | undefined): string {
  return address === undefined ? "-" : `${address.key}:${address.port}`;
}
