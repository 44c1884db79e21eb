/** Values of a service in a run file that have a rule of their own. @module */
import type { Fields } from "../../deployment/mod.ts";
import { checkEntryTimeout, ENTRY_TIMEOUT_MAX_MS, InvalidServiceSettingError } from "../hosting/mod.ts";
import { POLL_MAX_MS, POLL_MIN_MS } from "../route_finder/mod.ts";
import { isPublicPlace, placeHint } from "./plan.ts";
import { type ServiceTypeName, serviceTypeOf } from "./service_types.ts";

/** Key files and stores are called by it, so it leads nowhere else. Empty: there is none. */
export function nameOf(fields: Fields): string {
  const name = fields.text("name") ?? "";
  if (name === "" || /^[^\s./\\\p{C}][^/\\\p{C}]{0,99}$/u.test(name)) return name;
  return fields.refuse(
    "name",
    "files are called by it: it must be without / and \\, and must not begin with a dot",
  );
}

/**
 * Where it keeps what it knows. What the service says itself comes before the Redis of all. Skywire's
 * `store_data_path` is where its services keep copies beside their Redis.
 */
export function storeOf(
  fields: Fields,
  type: ServiceTypeName,
  { redis: ofAll, passedOver }: { readonly redis?: string | undefined; readonly passedOver: string[] },
): string | undefined {
  const [redis, own, path] = [fields.text("redis"), fields.text("store"), fields.text("store_data_path")];
  if (redis && own) fields.refuse("store", "the service has redis, too", "take one of them out");
  const store = redis || own || (serviceTypeOf(type).isKeeping ? ofAll : undefined);
  if (store !== undefined && path) passedOver.push(`${fields.path}.store_data_path`);
  return store ?? (path || undefined);
}

/** In milliseconds; undefined where nothing is said. */
export function entryTimeoutOf(fields: Fields, type: ServiceTypeName): number | undefined {
  const ms = fields.durationMs("entry_timeout", NaN, ENTRY_TIMEOUT_MAX_MS);
  if (Number.isNaN(ms)) return undefined;
  const isForEver = ms === 0 && type === "dmsg-discovery";
  try {
    checkEntryTimeout(ms);
    if (!isForEver) return ms;
  } catch (error) {
    if (!(error instanceof InvalidServiceSettingError)) throw error;
  }
  const forEver = type === "dmsg-discovery" ? "" : ", or 0 for ever";
  const hint = isForEver ? "leave it out: entries then live as long as they do by default" : unitHint(ms);
  return fields.refuse("entry_timeout", `entries live for 1 s to 366 days${forEver}`, hint);
}

/** Between two readings of a transport discovery, in milliseconds; undefined where nothing is said. */
export function pollOf(fields: Fields): number | undefined {
  const ms = fields.durationMs("poll", NaN, POLL_MAX_MS);
  if (Number.isNaN(ms)) return undefined;
  return ms >= POLL_MIN_MS
    ? ms
    : fields.refuse("poll", "transports are read each 500 ms to 5 min", unitHint(ms));
}

/** `host:port` that others are told; undefined where nothing is said. */
export function publicPlaceOf(fields: Fields, name: string): string | undefined {
  const text = fields.text(name);
  if (!text || isPublicPlace(text)) return text || undefined;
  return fields.refuse(name, "it must be host:port, by which others reach it", `write ${placeHint(text)}`);
}

/** For what nobody means: a number of seconds or of milliseconds, without its unit, is less than one of them. */
function unitHint(ms: number): string | undefined {
  return ms > 0 && ms < 1 ? 'give the unit, as in "90s": a bare number is nanoseconds' : undefined;
}
