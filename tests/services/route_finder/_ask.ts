/** A route finder's API without a server. */
import type { TransportGraph } from "../../../lib/routing/paths/mod.ts";
import { LimitError } from "../../../lib/base/mod.ts";
import { type Answer, type DmsgStatus, type ServiceApi } from "../../../lib/services/hosting/mod.ts";
import { createRouteFinder } from "../../../lib/services/route_finder/mod.ts";

const encoder = new TextEncoder();

/** One that answers from `graph`, started at a fixed time. */
export function finderOn(graph: TransportGraph, dmsg?: DmsgStatus): ServiceApi {
  return createRouteFinder({ graph, clock: { wallMs: () => 1_795_245_000_000 }, dmsgStatus: () => dmsg });
}

/** One question. */
export function ask(api: ServiceApi, method: string, path: string, body = ""): Promise<Answer> {
  const bytes = encoder.encode(body);
  return api({
    method,
    path,
    query: "",
    header: () => undefined,
    bytes: (bytesMax) =>
      bytes.length > bytesMax ? Promise.reject(new LimitError("Too large")) : Promise.resolve(bytes),
    remote: "203.0.113.9:4321",
  });
}
