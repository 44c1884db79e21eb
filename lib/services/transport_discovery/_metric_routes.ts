/**
 * What is measured of transports: `/metrics`, `/metric` and `/bandwidth` (services.md 3.3).
 *
 * Visors say latencies when they register, and those are told. Bandwidth comes over feeds that nobody reads here:
 * what is not known is an empty list, never a nought.
 *
 * @module
 */
import type { PublicKey } from "../../crypto/mod.ts";
import { isTransportId, type TransportRecord } from "../../directory/mod.ts";
import {
  allowing,
  type Answer,
  goJson,
  json,
  plain,
  queryValue,
  type Question,
  readKey,
} from "../hosting/mod.ts";
import { keysIn } from "../uptimes/mod.ts";
import type { Listing } from "./_listing.ts";
import { METRICS_DAYS_MAX } from "./settings.ts";
import { idsIn, type UptimeRoutes } from "./_uptime_routes.ts";

export class MetricRoutes {
  readonly #listing: Listing;
  readonly #uptimes: Pick<UptimeRoutes, "transports">;

  constructor({ listing, uptimes }: { listing: Listing; uptimes: Pick<UptimeRoutes, "transports"> }) {
    this.#listing = listing;
    this.#uptimes = uptimes;
  }

  /** The answer to a question of these; undefined for another. */
  async answer({ method, path, query }: Question): Promise<Answer | undefined> {
    const [, name, rest = ""] = ROUTES.exec(path) ?? [];
    if (name === undefined) return undefined;
    if (method !== "GET") return allowing("GET");
    switch (name) {
      case "bandwidth/transport":
        return isTransportId(rest) ? NONE : BAD_ID;
      case "bandwidth/visor":
        return readKey(rest) === undefined ? BAD_KEY : NONE;
      case "metric":
        return rest === "" ? NO_METRIC : undefined;
      case "metric/visor":
        return NO_METRIC;
      case "metrics/visor":
        return await this.#metrics(query, { keys: keysIn(rest) });
      default:
        return await this.#metrics(query, rest ? { ids: idsIn(rest) } : {});
    }
  }

  async #metrics(
    query: string,
    { ids, keys }: { readonly ids?: readonly string[]; readonly keys?: readonly PublicKey[] },
  ): Promise<Answer> {
    const days = queryValue(query, "days");
    if (days && !(/^\d{1,3}$/.test(days) && Number(days) >= 1 && Number(days) <= METRICS_DAYS_MAX)) {
      return BAD_DAYS;
    }
    const [type, live] = [queryValue(query, "type"), queryValue(query, "live")];
    const own = keys && new Set<string>(keys);
    const { byId } = await this.#listing.live();
    const ended = live === "true"
      ? []
      : (await this.#uptimes.transports(ids)).filter(({ id }) => !byId.has(id));
    const alive = live === "false"
      ? []
      : ids === undefined
      ? [...byId.values()]
      : ids.flatMap((id) => byId.get(id) ?? []);
    const told = [...alive, ...ended].filter((each) =>
      (!type || each.type === type) && (own === undefined || each.edges.some((key) => own.has(key)))
    );
    return json(`${goJson(told.map((each) => render(each, { isLive: byId.has(each.id), query })))}\n`);
  }
}

function render(
  { id, type, edges, latency }: Pick<TransportRecord, "id" | "type" | "edges" | "latency">,
  { isLive, query }: { readonly isLive: boolean; readonly query: string },
): object {
  const has = (name: string) => queryValue(query, name) !== "false";
  return {
    id,
    type,
    live: isLive,
    ...(queryValue(query, "edges") === "true" ? { edges } : {}),
    ...(has("latency") && latency !== undefined ? { latency } : {}),
    ...(has("bandwidth") ? { daily: [] } : {}),
  };
}

const ROUTES =
  /^\/(metrics\/visor|metrics|metric\/visor|metric|bandwidth\/transport|bandwidth\/visor)(?:\/([^/]+))?$/;
const NONE = json("[]\n");
const NO_METRIC = json(`{"daily":[],"cumulative":null}\n`);
const refused = (error: string): Answer => ({ ...plain(`${goJson({ error })}\n`, 400), refused: "invalid" });
const BAD_ID = refused("transport ID is invalid");
const BAD_KEY = refused("public key is invalid");
const BAD_DAYS = refused(`days must be 1 to ${METRICS_DAYS_MAX}`);
