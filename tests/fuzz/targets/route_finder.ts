/** Questions of a route finder, and its answers. @module */
import { parsePublicKey, type PublicKey } from "../../../lib/crypto/mod.ts";
import { RouteFinderClient } from "../../../lib/directory/mod.ts";
import { TransportGraph } from "../../../lib/routing/paths/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { parseRoutesRequest } from "../../../lib/services/route_finder/mod.ts";
import { parseTransportId } from "../../../lib/transport/mod.ts";
import { ask, finderOn } from "../../services/route_finder/_ask.ts";
import call from "../../vectors/routing/route_finder.json" with { type: "json" };
import recorded from "../../vectors/services/route-finder.json" with { type: "json" };
import { jsonMutants } from "../_mutants.ts";
import type { FuzzTarget } from "../_target.ts";

const bodies = [call.request.body, ...recorded.exchanges.flatMap(({ request }) => request.body ?? [])];
const pairs = (JSON.parse(call.request.body).Edges as string[]).map((edge) =>
  edge.split(":").map(parsePublicKey) as [PublicKey, PublicKey]
);

const graph = new TransportGraph();
for (const { response } of recorded.exchanges) {
  for (const { TpID, From, To } of response.status === 200 ? hopsIn(response.body) : []) {
    graph.add({ id: parseTransportId(TpID), edges: [parsePublicKey(From), parsePublicKey(To)] });
  }
}
const finder = finderOn(graph);

function hopsIn(body: string): { TpID: string; From: string; To: string }[] {
  return Object.values(JSON.parse(body) as Record<string, unknown>)
    .flat(2).filter((hop): hop is ReturnType<typeof hopsIn>[number] => Object.hasOwn(Object(hop), "TpID"));
}

export const routeFinderTargets: readonly FuzzTarget[] = [
  { name: "services/route-finder-request", inputs: jsonMutants(bodies), feed: parseRoutesRequest },
  {
    name: "services/route-finder-answers",
    inputs: jsonMutants(bodies),
    async feed(body: string) {
      const { status, body: text } = await ask(finder, "POST", "/routes", body);
      if (![200, 400, 404, 413].includes(status)) throw new Error(`Status ${status}`);
      const answer = JSON.parse(text);
      if (status !== 200 && answer.error.code !== status) throw new Error(`No error of ${status}: ${text}`);
      return answer;
    },
    refuses: false,
  },
  {
    name: "directory/found-routes",
    inputs: jsonMutants([call.response_200]),
    feed(text: string) {
      const asked = () => Promise.resolve({ status: 200, text });
      const client = new RouteFinderClient(asked, { world: { clock: new VirtualClock() } });
      return client.routes(pairs, { minHops: 1, maxHops: 50 });
    },
  },
];
