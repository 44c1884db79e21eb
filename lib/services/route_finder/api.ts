/**
 * The HTTP API of a route finder (services.md 5), over plain HTTP and over dmsg alike. It holds no state but the
 * graph, which somebody else keeps.
 *
 * @module
 */
import { LimitError, MalformedError } from "../../base/mod.ts";
import { type Hop, TransportGraph } from "../../routing/paths/mod.ts";
import type { Clock } from "../../runtime/mod.ts";
import {
  allowing,
  type Answer,
  type BuildInfo,
  type DmsgStatus,
  goJson,
  health,
  json,
  NOT_FOUND,
  type RefusalCounts,
  type ServiceApi,
} from "../hosting/mod.ts";
import type { ListState } from "./source.ts";
import { parseRoutesRequest, REQUEST_BYTES_MAX, type RoutesRequest } from "./_request.ts";

export interface RouteFinderOptions {
  readonly graph: TransportGraph;
  readonly clock: Pick<Clock, "wallMs">;
  readonly build?: BuildInfo;
  /** Asked for each `/health`. */
  readonly dmsgStatus?: () => DmsgStatus | undefined;
  /** The same: what was refused so far. */
  readonly refused?: () => RefusalCounts;
  /** The same: how old what the graph has is, where a list is read for it. */
  readonly list?: () => ListState | undefined;
}

/** Paths for a pair when the request names no number. */
export const PATHS_DEFAULT = 5;
/** Paths for a pair, whatever the request says. */
export const PATHS_MAX = 20;

/** Answers questions. Holds nothing that needs a close. */
export function createRouteFinder(
  { graph, clock, build, dmsgStatus, refused, list }: RouteFinderOptions,
): ServiceApi {
  const startedAtMs = clock.wallMs();
  return async (question) => {
    const { method, path } = question;
    switch (path) {
      case "/health":
        if (method !== "GET") return allowing("GET");
        return health({
          serviceName: SERVICE_NAME,
          startedAtMs,
          build,
          dmsg: dmsgStatus?.(),
          refused: refused?.(),
          list: list?.(),
        });
      case "/routes":
        if (method !== "POST") return allowing("POST");
        try {
          const body = decoder.decode(await question.bytes(REQUEST_BYTES_MAX));
          return findRoutes(graph, parseRoutesRequest(body));
        } catch (error) {
          if (error instanceof MalformedError) return problem(400, error.message);
          if (error instanceof LimitError) return problem(413, "http: request body too large");
          throw error;
        }
      default:
        return NOT_FOUND;
    }
  };
}

/** All pairs or nothing: one without a path fails the whole request. */
function findRoutes(graph: TransportGraph, { pairs, minHops, maxHops, count }: RoutesRequest): Answer {
  const found: [string, object[][]][] = [];
  const limits = { minHops, maxHops, count: Math.min(PATHS_MAX, count || PATHS_DEFAULT) };
  for (const { from, to, name } of pairs) {
    if (graph.size === 0) return problem(404, "transport not found");
    if (!graph.has(from) || !graph.has(to)) return problem(404, "no route to destination");
    const routes = graph.routes(from, to, limits);
    if (routes.length === 0) return problem(404, "route not found");
    found.push([name, routes.map((route) => route.map(wireHop))]);
  }
  return json(JSON.stringify(Object.fromEntries(found)));
}

function wireHop({ transportId, from, to }: Hop): object {
  return { TpID: transportId, From: from, To: to };
}

/** The style of this service's errors; no line end. */
function problem(status: number, message: string): Answer {
  return json(goJson({ error: { message, code: status } }), status);
}

const SERVICE_NAME = "route-finder";
const decoder = new TextDecoder();
