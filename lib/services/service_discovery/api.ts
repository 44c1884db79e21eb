/**
 * The service discovery's routes, over HTTP and dmsg alike (services.md 6).
 *
 * @module
 */
import { describeError, type Log, silentLog } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { isType, parseServiceName, type Place, type ServiceRecord } from "../../directory/mod.ts";
import type { World } from "../../runtime/mod.ts";
import {
  allowing,
  type Answer,
  bare,
  callerAddress,
  type DmsgStatus,
  goJson,
  healthOver,
  json,
  KEYS_BYTES_MAX,
  type Locate,
  NO_BODY_BYTES_MAX,
  NOT_FOUND,
  PlaceBook,
  publicBlock,
  queryValue,
  type Question,
  type ReachOverDmsg,
  readKeys,
  type RefusalCounts,
  refusalOfMonitor,
  RequestAuth,
  type ServiceApi,
  StoreFailures,
} from "../hosting/mod.ts";
import { type ServiceStore, StoreError, type UptimeStore } from "../store/mod.ts";
import {
  answerUptimes,
  REGISTRATION_BEAT,
  REGISTRATION_BEATS_OF_DAY,
  Uptimes,
  versionIn,
} from "../uptimes/mod.ts";
import { own, problem, shown } from "./_answers.ts";
import { withCors } from "./_cors.ts";
import { Listing } from "./_listing.ts";
import { Reachability } from "./_reachable.ts";
import { judge, NOT_OWN, typeOf } from "./_registration.ts";
import {
  SERVICE_BYTES_MAX,
  SERVICE_TTL_MS,
  type ServiceDiscoverySettings,
  SERVICES_OF_ADDRESS_MAX,
  SERVICES_OF_TYPE_MAX,
  TYPES_OF_KEY_MAX,
} from "./settings.ts";

export interface ServiceDiscoveryOptions {
  readonly store: ServiceStore;
  /** Of visors, by their registrations. */
  readonly uptimes: UptimeStore;
  readonly world: Pick<World, "clock" | "random">;
  readonly settings?: ServiceDiscoverySettings;
  readonly dmsgStatus?: () => DmsgStatus | undefined;
  /** What was refused so far. */
  readonly refused?: () => RefusalCounts;
  /** Where a public IP address is. Default: nobody knows. */
  readonly locate?: Locate;
  /** Whom the service reaches over dmsg. Default: it cannot look. */
  readonly reach?: ReachOverDmsg;
  readonly log?: Log;
}

export function createServiceDiscovery(options: ServiceDiscoveryOptions): ServiceApi {
  const {
    store,
    world: { clock, random },
    settings = {},
    dmsgStatus,
    refused,
    locate,
    reach,
    log = silentLog,
  } = options;
  const {
    entryTimeoutMs: ttlMs = SERVICE_TTL_MS,
    allowLoopbackAddresses = false,
    believeProxies = true,
    requiresPlace = false,
    servicesOfTypeMax: recordsMax = SERVICES_OF_TYPE_MAX,
  } = settings;
  const whitelist = new Set<string>(settings.whitelistKeys);
  const startedAtMs = clock.wallMs();
  const auth = new RequestAuth(store.nonces);
  const beatFailures = new StoreFailures(log, clock, "Uptimes cannot be kept");
  const listing = new Listing({ store, clock, random, render: renderList });
  const places = locate && new PlaceBook(locate, clock);
  const reachability = reach && new Reachability(reach, { clock, log });
  const uptimes = new Uptimes({
    store: options.uptimes,
    clock,
    beatsOfDay: REGISTRATION_BEATS_OF_DAY,
    online: ttlMs || SERVICE_TTL_MS,
  });

  function register(question: Question): Promise<Answer> {
    return auth.answer(question, SERVICE_BYTES_MAX, async ({ key, body }) => {
      const remote = callerAddress(question, { believeProxies });
      const asked = await judge(body, { key, remote }, {
        allowLoopbackAddresses,
        requiresPlace,
        locate: placeOf,
        isReachable: (visor) => reachability?.isReachable(visor) ?? Promise.resolve(true),
      });
      if ("status" in asked) return asked;
      const record = { ...asked, place: asked.place ?? await lastPlaceOf(asked) };
      const text = publicBlock(question);
      const block = text === undefined ? undefined : { text, recordsMax: SERVICES_OF_ADDRESS_MAX };
      const isStored = await store.put(record, { ttlMs, typesMax: TYPES_OF_KEY_MAX, recordsMax, block });
      if (!isStored) return FULL;
      listing.changed(record.type);
      await beat(key, record.version);
      return own(asked); // as it came: what is kept besides is for the lists
    });
  }

  /** Where the service was at its last registration: one that does not say does not move it. */
  async function lastPlaceOf({ type, publicKey }: ServiceRecord): Promise<Place | undefined> {
    const [known] = await store.batch(type, [publicKey]);
    return known?.place;
  }

  /** Uptimes that cannot be kept cost nobody a registration. */
  async function beat(key: PublicKey, version: string | undefined): Promise<void> {
    try {
      await options.uptimes.beat({
        ...REGISTRATION_BEAT,
        key,
        version: versionIn(version),
      });
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      beatFailures.tell(error);
    }
  }

  async function placeOf(address: string): Promise<Place | undefined> {
    try {
      if (places !== undefined) return await places.placeOf(address);
    } catch (error) {
      log.debug("A place is not known", { cause: describeError(error) });
      throw error;
    }
    if (requiresPlace) throw new Error("there is no location service");
    return undefined;
  }

  async function list({ query }: Question): Promise<Answer> {
    const type = queryValue(query, "type");
    if (!type) return NO_TYPE;
    const quantityText = queryValue(query, "quantity") || undefined;
    const quantity = quantityText === undefined ? undefined : Number(quantityText);
    if (quantityText !== undefined && !/^[+-]?\d{1,18}$/.test(quantityText)) return BAD_QUANTITY;
    const found = await listing.find(typeOf(type), {
      version: queryValue(query, "version") || undefined,
      country: queryValue(query, "country") || undefined,
      quantity: quantity === undefined || quantity < 1 ? undefined : quantity,
    });
    return json(found);
  }

  async function one({ query }: Question, nameText: string): Promise<Answer> {
    const name = parseServiceName(nameText);
    if (name === undefined) return BAD_KEY;
    const type = queryValue(query, "type");
    if (!type) return NO_TYPE;
    const [record] = await store.batch(typeOf(type), [name.publicKey]);
    const isMeant = record !== undefined && (name.port === undefined || name.port === record.port);
    return isMeant ? json(`${goJson(shown(record))}\n`) : problem(404, "service not found");
  }

  /** Of whatever port it is: a key has one service of a type, and a visor that is not public names port 0. */
  function remove(question: Question, nameText: string): Promise<Answer> {
    return auth.answer(question, NO_BODY_BYTES_MAX, async ({ key }) => {
      const name = parseServiceName(nameText);
      if (name === undefined) return BAD_KEY;
      const type = queryValue(question.query, "type");
      if (!type) return NO_TYPE;
      if (name.publicKey !== key) return NOT_OWN;
      await removeAll(typeOf(type), [key]);
      return json("true\n");
    });
  }

  async function deregister(question: Question, type: string): Promise<Answer> {
    const refusal = refusalOfMonitor(question, whitelist);
    if (refusal !== undefined) return refusal;
    const keys = isType(type) ? readKeys(await question.bytes(KEYS_BYTES_MAX)) : undefined;
    if (keys === undefined) return bare(400);
    await removeAll(typeOf(type), keys);
    return json("true");
  }

  async function removeAll(type: string, keys: readonly PublicKey[]): Promise<void> {
    if (await store.remove(type, keys) > 0) listing.changed(type);
  }

  return withCors(async (question) => {
    const { method, path } = question;
    const only = (allowed: string, answer: () => Promise<Answer> | Answer) =>
      method === allowed ? answer() : allowing(allowed);
    const parts = path.split("/", 6);
    if (parts.length === 5 && path.startsWith("/api/services/deregister/")) {
      return only("DELETE", () => deregister(question, parts[4]!));
    }
    if (parts.length === 4 && path.startsWith("/api/services/")) {
      if (method === "GET") return one(question, parts[3]!);
      return method === "DELETE" ? remove(question, parts[3]!) : allowing("GET, DELETE");
    }
    if (parts.length === 4 && path.startsWith("/security/nonces/")) {
      return only("GET", () => auth.nonce(parts[3]!));
    }
    switch (path) {
      case "/api/services":
        if (method === "GET") return list(question);
        return method === "POST" ? register(question) : allowing("GET, POST");
      case "/uptimes":
        return only("GET", () => answerUptimes(uptimes, question.query));
      case "/health":
        return only("GET", () =>
          healthOver(store, {
            serviceName: "service-discovery",
            startedAtMs,
            build: settings.build,
            dmsg: dmsgStatus?.(),
            refused: refused?.(),
          }, options.uptimes));
      default:
        return NOT_FOUND;
    }
  });
}

/** `null` for none, as the original says it. */
function renderList(records: readonly ServiceRecord[]): string {
  return `${records.length === 0 ? "null" : goJson(records.map(shown))}\n`;
}

const FULL: Answer = { ...problem(403, "too many services of one key, address or type"), refused: "full" };
const NO_TYPE = problem(400, "missing service type in request");
const BAD_KEY = problem(400, "Invalid public key");
const BAD_QUANTITY = json(`{"error":"quantity must be integer"}\n`, 400);
