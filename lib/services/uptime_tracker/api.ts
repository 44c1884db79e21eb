/**
 * The uptime tracker's public routes, over HTTP and dmsg alike (services.md 7.1).
 *
 * @module
 */
import { describeError, type Log, silentLog } from "../../base/mod.ts";
import { ipBlock } from "../../wire/mod.ts";
import type { World } from "../../runtime/mod.ts";
import {
  allowing,
  type Answer,
  bare,
  callerAddress,
  dmsgCaller,
  type DmsgStatus,
  goJson,
  healthOver,
  isPublicAddress,
  json,
  type Locate,
  NO_BODY_BYTES_MAX,
  NOT_FOUND,
  PlaceBook,
  plain,
  queryValue,
  type Question,
  RateLimit,
  readKey,
  type RefusalCounts,
  RequestAuth,
  type ServiceApi,
} from "../hosting/mod.ts";
import { dayOf, type UptimeStore } from "../store/mod.ts";
import { answerUptimes, HISTORY_DAYS, renderV1, Uptimes, versionIn } from "../uptimes/mod.ts";
import { dashboard } from "./_dashboard.ts";
import {
  BEAT_EARLY_MS,
  BEAT_MS,
  BEATS_OF_DAY,
  DASHBOARD_DAYS,
  LISTS_PER_MINUTE,
  ONLINE_MS,
  type UptimeTrackerSettings,
  VISORS_MAX,
} from "./settings.ts";

export interface UptimeTrackerOptions {
  readonly store: UptimeStore;
  readonly world: Pick<World, "clock">;
  /** Default: of `store`, as this service counts. */
  readonly uptimes?: Uptimes;
  readonly settings?: UptimeTrackerSettings;
  readonly dmsgStatus?: () => DmsgStatus | undefined;
  /** What was refused so far. */
  readonly refused?: () => RefusalCounts;
  /** Where a public IP address is. Default: nobody knows. */
  readonly locate?: Locate;
  readonly log?: Log;
}

/** Uptimes as this service counts them. */
export function uptimesOf(store: UptimeStore, { clock }: Pick<World, "clock">): Uptimes {
  return new Uptimes({ store, clock, beatsOfDay: BEATS_OF_DAY, online: ONLINE_MS });
}

export function createUptimeTracker(options: UptimeTrackerOptions): ServiceApi {
  const { store, world, settings = {}, dmsgStatus, refused, locate, log = silentLog } = options;
  const { clock } = world;
  const { uptimes = uptimesOf(store, world) } = options;
  const { listsPerMinute = LISTS_PER_MINUTE, believeProxies = true, visorsMax = VISORS_MAX } = settings;
  const startedAtMs = clock.wallMs();
  const auth = new RequestAuth(store.nonces);
  const places = locate && new PlaceBook(locate, clock);
  const limit = listsPerMinute === 0
    ? undefined
    : new RateLimit(clock, { perMinute: listsPerMinute, burst: listsPerMinute });

  /** For whoever has not asked too often. Over dmsg a key is counted: an address would be its own word. */
  async function limited(question: Question, answer: () => Promise<Answer>): Promise<Answer> {
    if (limit === undefined) return await answer();
    const address = callerAddress(question, { believeProxies });
    const caller = dmsgCaller(question.remote) ?? ipBlock(address ?? "") ?? "";
    const left = Math.floor(limit.left(caller));
    const fullAtMs = clock.wallMs() + (listsPerMinute - left) * MINUTE_MS / listsPerMinute;
    const told = [
      ["X-Ratelimit-Limit", `${listsPerMinute}`],
      ["X-Ratelimit-Remaining", `${left}`],
      ["X-Ratelimit-Reset", `${Math.ceil(fullAtMs / 1_000)}`],
    ] as const;
    const waitMs = limit.waitMs(caller);
    const { headers, ...rest } = waitMs > 0 ? plain("Too Many Requests\n", 429) : await answer();
    const later: Answer["headers"] = waitMs > 0 ? [["Retry-After", `${Math.ceil(waitMs / 1_000)}`]] : [];
    return { ...rest, headers: [...headers, ...told, ...later] };
  }

  function update(question: Question): Promise<Answer> {
    return auth.answer(question, NO_BODY_BYTES_MAX, async ({ key }) => {
      const remote = callerAddress(question, { believeProxies });
      const address = remote !== undefined && isPublicAddress(remote) ? remote : "";
      const version = versionIn(queryValue(question.query, "version"));
      const beat = { key, intervalMs: BEAT_MS, earlyMs: BEAT_EARLY_MS, visorsMax, version, address };
      if (await store.beat(beat) === "full") return FULL;
      if (address !== "" && places !== undefined) { // for the map; nobody waits for it
        void places.placeOf(address).catch((error) => {
          log.debug("A place is not known", { cause: describeError(error) });
        });
      }
      return bare(200);
    });
  }

  async function one(keyText: string): Promise<Answer> {
    const key = readKey(keyText);
    if (key === undefined) return { ...plain(`{"error":"invalid public key"}\n`, 500), refused: "invalid" };
    const [visor] = await uptimes.told([key]);
    if (visor !== undefined) return json(`${goJson(renderV1(visor))}\n`);
    return { ...plain(`{"error":"no entries for pk ${key}"}\n`, 500), refused: "invalid" };
  }

  /** Where visors are that are online, as far as it is known. Who is where is not told. */
  async function located(): Promise<Answer> {
    if (places === undefined) return json("[]\n");
    const isOnline = new Set((await uptimes.everybody()).flatMap((visor) => visor.isOnline ? visor.key : []));
    const addresses = await store.addresses(dayOf(await store.presentMs()).slice(0, 7));
    const found = addresses.flatMap(({ key, address }) => {
      const place = isOnline.has(key) ? places.known(address) : undefined;
      return place?.latitude === undefined ? [] : { lat: place.latitude, lon: place.longitude };
    });
    return json(`${JSON.stringify(found)}\n`);
  }

  async function page({ query }: Question): Promise<Answer> {
    const asked = Number(queryValue(query, "length") ?? DASHBOARD_DAYS);
    const length = Number.isInteger(asked) && asked > 0 ? Math.min(asked, HISTORY_DAYS + 1) : DASHBOARD_DAYS;
    return await dashboard(uptimes, { length, nowMs: await store.presentMs() });
  }

  return async (question) => {
    const { method, path } = question;
    if (method !== "GET") return ROUTES.test(path) ? allowing("GET") : NOT_FOUND;
    const [, prefix, rest] = /^(\/uptime\/|\/security\/nonces\/)([^/]*)$/.exec(path) ?? [];
    if (prefix === "/uptime/") return one(rest!);
    if (prefix !== undefined) return auth.nonce(rest!);
    switch (path) {
      case "/v4/update":
        return update(question);
      case "/update":
      case "/v2/update":
      case "/v3/update":
        return bare(410); // retired
      case "/uptimes":
        return limited(question, () => answerUptimes(uptimes, question.query));
      case "/visors":
        return limited(question, located);
      case "/dashboard":
        return limited(question, () => page(question));
      case "/health":
        return healthOver(store, {
          serviceName: "uptime-tracker",
          startedAtMs,
          build: settings.build,
          dmsg: dmsgStatus?.(),
          refused: refused?.(),
        }, store);
      default:
        return NOT_FOUND;
    }
  };
}

const ROUTES =
  /^\/(?:(?:v[234]\/)?update|uptimes|visors|dashboard|health|uptime\/[^/]*|security\/nonces\/[^/]*)$/;
const FULL: Answer = { ...plain(`{"error":"too many visors"}\n`, 403), refused: "full" };
const MINUTE_MS = 60_000;
