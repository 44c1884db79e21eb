/** What the tracker tells its operator alone, on a listener of its own (services.md 7.2). @module */
import {
  allowing,
  type Answer,
  goJson,
  json,
  NOT_FOUND,
  plain,
  queryValue,
  type ServiceApi,
} from "../hosting/mod.ts";
import type { UptimeStore } from "../store/mod.ts";

/** GET `/visor-ips`: which keys had which public address, in a month or ever; `""` for those without one. */
export function createPrivateUptimeTracker(store: UptimeStore): ServiceApi {
  return async ({ method, path, query }) => {
    if (path !== "/visor-ips") return NOT_FOUND;
    if (method !== "GET") return allowing("GET");
    const asked = queryValue(query, "month") || "all";
    const month = asked === "all" ? undefined : readMonth(asked);
    if (asked !== "all" && month === undefined) return failed("malformed month request");
    const rows = await store.addresses(month);
    if (month !== undefined && rows.length === 0) return failed("no record found for requested month");
    const keysAt = new Map<string, Set<string>>();
    for (const { address, key } of rows) {
      const keys = keysAt.get(address);
      if (keys === undefined) keysAt.set(address, new Set([key]));
      else keys.add(key);
    }
    const sorted = [...keysAt].sort(([one], [other]) => one < other ? -1 : 1);
    const body = sorted.map((
      [address, keys],
    ) => [address, { count: keys.size, public_keys: [...keys].sort() }]);
    return json(`${goJson(Object.fromEntries(body))}\n`);
  };
}

/** `2026:6` as `2026-06`; undefined for what is no month. */
function readMonth(text: string): string | undefined {
  const [, year, month] = /^(\d{4}):(\d{1,2})$/.exec(text) ?? [];
  return month === undefined || Number(month) < 1 || Number(month) > 12
    ? undefined
    : `${year}-${month.padStart(2, "0")}`;
}

function failed(error: string): Answer {
  return { ...plain(`${goJson({ error })}\n`, 500), refused: "invalid" };
}
