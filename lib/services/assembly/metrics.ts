/**
 * Figures of services and of their process as Prometheus reads them, on a listener of their own: the transport
 * discovery has a `/metrics` of its own among its routes (services.md 1.3).
 *
 * @module
 */
import { describeError, type Log } from "../../base/mod.ts";
import { type HttpServer, serveHttp } from "../../http/mod.ts";
import type { ProcessFigures, SocketAddress, World } from "../../runtime/mod.ts";
import { noticed } from "../hosting/mod.ts";
import type { StartedService } from "./started.ts";

/** What is asked of a service. */
export type MeteredService =
  & Pick<
    StartedService,
    "dmsgSessions" | "isReady" | "kept" | "refused" | "requests"
  >
  & { readonly plan: { readonly name: string } }
  & Partial<Pick<StartedService, "list">>;

export interface MetricsOptions {
  readonly services: () => readonly MeteredService[];
  readonly process: () => ProcessFigures;
  readonly log: Log;
}

/** The listener; `GET /metrics` is all that it answers. Errors: those of `Network.listen`. */
export async function serveMetrics(
  { world, address, ...options }: MetricsOptions & {
    readonly world: Pick<World, "clock" | "ledger" | "network">;
    readonly address: SocketAddress;
  },
): Promise<{
  readonly address: SocketAddress;
  readonly server: HttpServer;
  /** Settles when nobody new can connect. */
  readonly ended: Promise<void>;
}> {
  const listener = await world.network.listen(address);
  const handler = async ({ method, target }: { readonly method: string; readonly target: string }) => {
    if (target.split("?", 1)[0] !== "/metrics") return { status: 404 };
    if (method !== "GET" && method !== "HEAD") return { status: 405 };
    return {
      status: 200,
      headers: [["Content-Type", "text/plain; version=0.0.4; charset=utf-8"]] as [string, string][],
      body: await renderMetrics(options),
    };
  };
  const socket = noticed(listener);
  const server = serveHttp(socket.listener, { raw: handler }, { world, log: options.log });
  return { address: listener.address, server, ended: socket.ended };
}

/** The text. A service whose store cannot be asked has no figures of entries then. */
export async function renderMetrics({ services, process, log }: MetricsOptions): Promise<string> {
  const all = services().map((service) => ({ service, labels: { service: service.plan.name } }));
  const kept = await Promise.all(all.map(async ({ service, labels }) => {
    try {
      return Object.entries(await service.kept()).map(([kind, value]) => sample({ ...labels, kind }, value));
    } catch (error) {
      log.warn("Entries cannot be counted", { service: labels.service, cause: describeError(error) });
      return [];
    }
  }));
  const figures = process();
  return [
    family(
      "skyctl_requests_total",
      "counter",
      "Requests by route and status, over HTTP and dmsg.",
      all.flatMap(
        ({ service, labels }) =>
          service.requests().map(({ method, route, status, count }) =>
            sample({ ...labels, method, route, status: `${status}` }, count)
          ),
      ),
    ),
    family(
      "skyctl_refusals_total",
      "counter",
      "Requests that were refused, by reason.",
      all.flatMap(
        ({ service, labels }) =>
          Object.entries(service.refused()).map(([reason, count]) => sample({ ...labels, reason }, count)),
      ),
    ),
    family("skyctl_entries", "gauge", "What the service keeps now, by kind.", kept.flat()),
    family(
      "skyctl_dmsg_sessions",
      "gauge",
      "Sessions with dmsg servers; of a dmsg server, with clients.",
      all.map(
        ({ service, labels }) => sample(labels, service.dmsgSessions()),
      ),
    ),
    family(
      "skyctl_ready",
      "gauge",
      "1: others reach the service on every way that it has.",
      all.map(
        ({ service, labels }) => sample(labels, service.isReady() ? 1 : 0),
      ),
    ),
    family(
      "skyctl_list_age_seconds",
      "gauge",
      "Since a route finder read the list of the transport discovery last; +Inf: never.",
      all.flatMap(({ service, labels }) => {
        const list = service.list?.();
        if (list === undefined) return [];
        return sample(labels, list.ageMs === undefined ? "+Inf" : list.ageMs / 1_000);
      }),
    ),
    family("process_resident_memory_bytes", "gauge", "Memory of the process.", [
      sample({}, figures.residentBytes),
    ]),
    family("process_heap_bytes", "gauge", "Of it, objects of the program.", [sample({}, figures.heapBytes)]),
    family("process_cpu_seconds_total", "counter", "Processor time of the process.", [
      sample({}, figures.cpuMs / 1_000),
    ]),
    family("process_uptime_seconds", "gauge", "Since the start of the process.", [
      sample({}, figures.uptimeMs / 1_000),
    ]),
  ].join("");
}

/** Labels and value, without the name. */
type Sample = string;

function sample(labels: Readonly<Record<string, string>>, value: number | "+Inf"): Sample {
  const pairs = Object.entries(labels).map(([name, text]) => `${name}="${escaped(text)}"`);
  return `${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`;
}

function escaped(text: string): string {
  return text.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n");
}

function family(name: string, type: "counter" | "gauge", help: string, samples: readonly Sample[]): string {
  if (samples.length === 0) return "";
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${
    samples.map((each) => `${name}${each}\n`).join("")
  }`;
}
