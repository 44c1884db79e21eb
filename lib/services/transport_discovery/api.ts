/**
 * The transport discovery's routes of 2024 and 2026, over HTTP and dmsg alike (services.md 3.2, 3.3).
 *
 * @module
 */
import { type Log, silentLog } from "../../base/mod.ts";
import { isTransportId, wireTransport } from "../../directory/mod.ts";
import type { World } from "../../runtime/mod.ts";
import {
  allowing,
  type Answer,
  bare,
  type Caller,
  type DmsgStatus,
  goJson,
  healthOver,
  json,
  NO_BODY_BYTES_MAX,
  NOT_FOUND,
  plain,
  publicBlock,
  queryValue,
  type Question,
  RateLimit,
  readKey,
  type RefusalCounts,
  refusalOfMonitor,
  RequestAuth,
  type ServiceApi,
} from "../hosting/mod.ts";
import type { TransportStore } from "../store/mod.ts";
import { versionIn } from "../uptimes/mod.ts";
import type { TransportFeed } from "./feed.ts";
import { Beats, type UptimeStores } from "./_beats.ts";
import { MetricRoutes } from "./_metric_routes.ts";
import { UptimeRoutes } from "./_uptime_routes.ts";
import { countTypes, Listing, NO_TRANSPORTS, renderTransports } from "./_listing.ts";
import { readList, readRegistration, type Refusal } from "./_registration.ts";
import {
  EDGES_MAX,
  LIST_BYTES_MAX,
  RECORDS_OF_ADDRESS_MAX,
  RECORDS_OF_KEY_MAX,
  REGISTRATION_BYTES_MAX,
  REQUESTS_BURST,
  REQUESTS_PER_MINUTE,
  TRANSPORT_TTL_MS,
  type TransportDiscoverySettings,
} from "./settings.ts";

export interface TransportDiscoveryOptions {
  readonly store: TransportStore;
  readonly uptimes: UptimeStores;
  /** Told of what is put and removed here; undefined where it follows the store. */
  readonly feed: Pick<TransportFeed, "registered" | "removed"> | undefined;
  readonly world: Pick<World, "clock">;
  readonly settings?: TransportDiscoverySettings;
  readonly dmsgStatus?: () => DmsgStatus | undefined;
  /** What was refused so far. */
  readonly refused?: () => RefusalCounts;
  readonly log?: Log;
}

export function createTransportDiscovery(options: TransportDiscoveryOptions): ServiceApi {
  const { store, feed, world: { clock }, settings = {}, dmsgStatus, refused: refusals } = options;
  const { uptimes, log = silentLog } = options;
  const { entryTimeoutMs = TRANSPORT_TTL_MS, requestsPerMinute = REQUESTS_PER_MINUTE } = settings;
  const { recordsOfKeyMax: recordsMax = RECORDS_OF_KEY_MAX } = settings;
  const { recordsOfAddressMax = RECORDS_OF_ADDRESS_MAX } = settings;
  const whitelist = new Set<string>(settings.whitelistKeys);
  const startedAtMs = clock.wallMs();
  const auth = new RequestAuth(store.nonces);
  const listing = new Listing(store, clock);
  const beats = new Beats(uptimes, { transports: store, clock, log });
  const uptimeRoutes = new UptimeRoutes(uptimes, { clock, listing });
  const metricRoutes = new MetricRoutes({ listing, uptimes: uptimeRoutes });
  const rateLimit = requestsPerMinute === 0 ? undefined : new RateLimit(clock, {
    perMinute: requestsPerMinute,
    burst: settings.requestsBurst ?? REQUESTS_BURST,
  });

  /** For whoever has proved its key, at most so often. */
  function signed(
    question: Question,
    bytesMax: number,
    handle: (caller: Caller) => Promise<Answer> | Answer,
  ): Promise<Answer> {
    return auth.answer(question, bytesMax, (caller) => {
      const waitMs = rateLimit?.waitMs(caller.key) ?? 0;
      return waitMs > 0 ? tooMany(waitMs) : handle(caller);
    });
  }

  async function register(question: Question, form: "signed" | "bare"): Promise<Answer> {
    return await signed(question, REGISTRATION_BYTES_MAX, async ({ key, body }) => {
      const registration = readRegistration(body, key);
      if ("error" in registration) return refused(registration);
      const { records } = registration;
      const text = publicBlock(question);
      const block = text === undefined ? undefined : { text, recordsMax: recordsOfAddressMax };
      const changed = await store.put(records, { ttlMs: entryTimeoutMs, owner: { key, recordsMax, block } });
      if (changed === undefined) {
        const orAddress = block === undefined ? "" : `, or ${recordsOfAddressMax} of one address`;
        const error = `more than ${recordsMax} live transports of one key${orAddress}`;
        return { ...refused({ status: 400, error }), refused: "full" };
      }
      if (changed.length > 0) listing.changed();
      feed?.registered(records, changed, entryTimeoutMs);
      const version = versionIn(question.header("sw-visor-version")) ?? registration.version;
      await beats.registered(key, records, version);
      if (queryValue(question.query, "sync") === "true") {
        return json(`${JSON.stringify((await store.byEdges([key])).map(wireTransport))}\n`, 201);
      }
      if (form === "signed") return plain(`${JSON.stringify(registration.signed)}\n`, 201);
      return json(`${JSON.stringify(records.map(wireTransport))}\n`, 201);
    });
  }

  async function remove(ids: readonly string[]): Promise<number> {
    const removed = await store.remove(ids);
    if (removed.length > 0) listing.changed();
    feed?.removed(removed);
    return removed.length;
  }

  /** An id that is none is skipped, and so is what is not there or not the caller's. */
  function deleteBatch(question: Question): Promise<Answer> {
    return signed(question, LIST_BYTES_MAX, async ({ key, body }) => {
      const list = readList(body);
      if ("error" in list) return refused(list);
      const own: string[] = [];
      for (const item of list.items) {
        const record = typeof item === "string" ? await store.byId(item.toLowerCase()) : undefined;
        if (record?.edges.includes(key)) own.push(record.id);
      }
      const deleted = await remove(own);
      return json(`${JSON.stringify({ deleted, skipped: list.items.length - deleted })}\n`);
    });
  }

  function byId(question: Question, idText: string): Promise<Answer> {
    return signed(question, NO_BODY_BYTES_MAX, async ({ key }) => {
      if (!isTransportId(idText)) return BAD_ID;
      const record = await store.byId(idText.toLowerCase());
      if (record === undefined) return NO_TRANSPORT;
      if (question.method === "GET") return plain(`${JSON.stringify(wireTransport(record))}\n`);
      if (!record.edges.includes(key)) return BAD_ID; // the words of the original
      await remove([record.id]);
      return plain("transport deleted");
    });
  }

  async function byEdge(keyText: string, form: (body: string) => Answer): Promise<Answer> {
    const key = readKey(keyText);
    return key === undefined ? BAD_KEY : form(`${renderTransports(await store.byEdges([key]))}\n`);
  }

  async function byEdges(question: Question): Promise<Answer> {
    const list = readList(await question.bytes(LIST_BYTES_MAX));
    if ("error" in list) return refused(list);
    if (list.items.length > EDGES_MAX) {
      return refused({ status: 400, error: `more than ${EDGES_MAX} keys in a list` });
    }
    const keys = list.items.map((item) => typeof item === "string" ? readKey(item) : undefined);
    if (!keys.every((key) => key !== undefined)) return BAD_KEY;
    return json(`${renderTransports(await store.byEdges(keys))}\n`);
  }

  function heartbeat(question: Question): Promise<Answer> {
    return signed(question, NO_BODY_BYTES_MAX, async ({ key }) => {
      await beats.alive(key, versionIn(queryValue(question.query, "version")));
      return json(`{"status":"ok"}\n`);
    });
  }

  async function statsOf(keyText: string): Promise<Answer> {
    const key = readKey(keyText);
    if (key === undefined) return BAD_KEY;
    const records = await store.byEdges([key]);
    return json(`${JSON.stringify({ total: records.length, by_type: countTypes(records) })}\n`);
  }

  async function deregister(question: Question): Promise<Answer> {
    const refusal = refusalOfMonitor(question, whitelist);
    if (refusal !== undefined) return refusal;
    const list = readList(await question.bytes(LIST_BYTES_MAX));
    if ("error" in list) return bare(400);
    const ids = list.items.filter((item) => typeof item === "string" && isTransportId(item)) as string[];
    if (ids.length !== list.items.length) return bare(400);
    await remove(ids.map((id) => id.toLowerCase()));
    return json("null");
  }

  return async (question) => {
    const { method, path } = question;
    const only = (allowed: string, answer: () => Promise<Answer> | Answer) =>
      method === allowed ? answer() : allowing(allowed);
    const [, prefix, rest] = /^(.*[/:])([^/:]*)$/.exec(path) ?? [];
    switch (prefix) {
      case "/transports/id:":
        return method === "GET" || method === "DELETE" ? byId(question, rest!) : allowing("GET, DELETE");
      case "/transports/edge:":
        return only("GET", () => signed(question, NO_BODY_BYTES_MAX, () => byEdge(rest!, plain)));
      case "/v3/transports/edge:":
        return only("GET", () => byEdge(rest!, json));
      case "/transports/stats/":
        return only("GET", () => statsOf(rest!));
      case "/security/nonces/":
        return only("GET", () => auth.nonce(rest!));
    }
    switch (path) {
      case "/transports/":
        return only("POST", () => register(question, "signed"));
      case "/v3/transports/":
        return only("POST", () => register(question, "bare"));
      case "/transports/delete-batch":
        return only("POST", () => deleteBatch(question));
      case "/transports/edges":
        return only("POST", () => byEdges(question));
      case "/transports/deregister":
        return only("DELETE", () => deregister(question));
      case "/all-transports": {
        const hideSelf = queryValue(question.query, "selfTransports") === "hide";
        return only("GET", async () => {
          const all = await listing.all({ hideSelf });
          return hideSelf && all === NO_TRANSPORTS ? NO_TRANSPORT : plain(`${all}\n`); // 404 to those of 2026 who ask so
        });
      }
      case "/all-transports/stats":
        return only("GET", async () => json(`${await listing.stats()}\n`));
      case "/all-transports/per-key-stats":
        return only("GET", async () => json(`${await listing.perKeyStats()}\n`));
      case "/v4/update":
        return only("GET", () => heartbeat(question));
      case "/statuses":
        return only("POST", () => bare(410)); // retired; visors of before 2024 still ask
      case "/health":
        return only("GET", () =>
          healthOver(store, {
            serviceName: "transport-discovery",
            startedAtMs,
            build: settings.build,
            dmsg: dmsgStatus?.(),
            refused: refusals?.(),
          }, uptimes.visors));
      default:
        return await uptimeRoutes.answer(question) ?? await metricRoutes.answer(question) ?? NOT_FOUND;
    }
  };
}

function refused({ status, error }: Refusal): Answer {
  return { ...plain(`${goJson({ error })}\n`, status), refused: "invalid" };
}

function tooMany(waitMs: number): Answer {
  const answer = plain(`{"error":"rate limit exceeded"}\n`, 429);
  return { ...answer, headers: [...answer.headers, ["Retry-After", `${Math.ceil(waitMs / 1_000)}`]] };
}

const BAD_ID = refused({ status: 400, error: "transport ID is invalid" });
const BAD_KEY = refused({ status: 400, error: "public key is invalid" });
const NO_TRANSPORT = plain(`${goJson({ error: "transport not found" })}\n`, 404);
