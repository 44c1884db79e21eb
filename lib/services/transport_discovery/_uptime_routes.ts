/**
 * Who was up, of visors and of transports, and which versions run (services.md 3.3, 7.3).
 *
 *     /uptimes               as an uptime tracker's, byte for byte
 *     /uptimes/transports    [{"id":<uuid>,"on":true,"type":"stcpr","edge_a":<pk>,"edge_b":<pk>,"daily":{..},"timeline":{..}}, ...]
 *     /metrics/uptime        {"total_transports":2,"online":1,"by_type":{"stcpr":2}}, or lists as the one above
 *     /version, /versions    {"v1.3.29":7}; [{"pk":<pk>,"version":"v1.3.29","on":true}, ...]
 *
 * @module
 */
import { present } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { isTransportId } from "../../directory/mod.ts";
import type { Clock } from "../../runtime/mod.ts";
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
import { dayOf } from "../store/mod.ts";
import {
  answerUptimes,
  ASKED_KEYS_MAX,
  dailyOf,
  jsonList,
  KeptText,
  keysIn,
  type ListText,
  REGISTRATION_BEATS_OF_DAY,
  rendererOf,
  TEXT_KEPT_BYTES_MAX,
  TextRoom,
  timelinesOf,
  type ToldVisor,
  Uptimes,
  wholeText,
} from "../uptimes/mod.ts";
import { readAboutTransport, type UptimeStores } from "./_beats.ts";
import type { Listing } from "./_listing.ts";
import { LIST_BYTES_MAX, UPTIME_LISTS_MS } from "./settings.ts";

/** A transport with uptimes. */
interface CountedTransport {
  readonly id: string;
  readonly type: string;
  readonly edges: readonly [PublicKey, PublicKey];
}

interface KeptAnswer {
  readonly answer: Promise<Answer>;
  /** Of a long one. */
  readonly text: KeptText;
  readonly today: string;
  untilMs: number;
}

/** Which transports are wanted, and how much of each is told. */
interface Wanted {
  readonly ids?: readonly string[] | undefined;
  readonly keys?: readonly PublicKey[] | undefined;
  readonly type?: string | undefined;
  readonly edges: boolean;
  readonly version: unknown;
}

/** Uptimes of visors as this service counts them. */
export function uptimesOfVisors(
  { visors }: Pick<UptimeStores, "visors">,
  { clock, listing }: { readonly clock: Clock; readonly listing: Listing },
): Uptimes {
  return new Uptimes({
    store: visors,
    clock,
    beatsOfDay: REGISTRATION_BEATS_OF_DAY,
    keptMs: UPTIME_LISTS_MS,
    online: async () => {
      const { online } = await listing.live();
      return ({ key }) => online.has(key);
    },
  });
}

export class UptimeRoutes {
  readonly #clock: Clock;
  readonly #visors: Uptimes;
  readonly #transports: Uptimes<string>;
  /** Answers about everybody, by what is asked: of each kind of question there are a few, in whatever words. */
  readonly #kept = new Map<string, KeptAnswer>();
  readonly #room = new TextRoom(TEXT_KEPT_BYTES_MAX);

  constructor(
    stores: UptimeStores,
    { clock, listing }: { readonly clock: Clock; readonly listing: Listing },
  ) {
    this.#clock = clock;
    this.#visors = uptimesOfVisors(stores, { clock, listing });
    this.#transports = new Uptimes({
      store: stores.transports,
      clock,
      beatsOfDay: REGISTRATION_BEATS_OF_DAY,
      keptMs: UPTIME_LISTS_MS,
      online: async () => {
        const { byId } = await listing.live();
        return ({ key }) => byId.has(key);
      },
    });
  }

  /** The answer to a question of these; undefined for another. */
  async answer(question: Question): Promise<Answer | undefined> {
    const { method, path, query } = question;
    const isPost = method === "POST" && (path === "/uptimes" || path === "/uptimes/transports");
    if (!ROUTES.test(path)) return undefined;
    if (method !== "GET" && !isPost) return allowing(/^\/uptimes/.test(path) ? "GET, POST" : "GET");
    const [, name, rest = ""] =
      /^\/(uptimes\/transports|metrics\/uptime\/visor|metrics\/uptime|versions?|uptimes)(?:\/(.*))?$/
        .exec(path)!;
    switch (name) {
      case "uptimes":
        if (isPost) return await this.#postedUptimes(question);
        return /(?:^|&)(?:visors|startDate|endDate|status)=/.test(query)
          ? await answerUptimes(this.#visors, query)
          : await this.#keepList(
            this.#visors,
            { name: "uptimes", version: queryValue(query, "v") },
            (kept) => answerUptimes(this.#visors, query, kept),
          );
      case "uptimes/transports":
        return isPost ? await this.#postedTransports(question) : await this.#transportsOf(wantedBy(query));
      case "metrics/uptime/visor":
        return await this.#transportsOf({ keys: keysIn(rest), version: "v2", edges: true });
      case "metrics/uptime":
        if (rest !== "") return await this.#transportsOf({ ids: idsIn(rest), version: "v2", edges: true });
        return await this.#keep("totals", () => this.#totals());
      case "version": {
        const wanted = wantedState(query);
        return await this.#keep(`version ${wanted}`, () => this.#counts(wanted));
      }
      default:
        return await this.#versions(rest, query);
    }
  }

  /** Answers about everybody that are kept. */
  get kept(): number {
    return this.#kept.size;
  }

  /** All that there is about transports: for lists that tell of those which ended, too. */
  async transports(ids?: readonly string[]): Promise<CountedTransport[]> {
    if (ids !== undefined) return (await this.#transports.told(ids)).map(aboutOf);
    const all: CountedTransport[] = [];
    await this.#transports.inParts((part) => {
      for (const each of part) all.push(aboutOf(each));
    });
    return all;
  }

  async #postedUptimes(question: Question): Promise<Answer> {
    const body = await bodyOf(question);
    const keys = keyList(body?.pks);
    if (body === undefined || keys === undefined) return BAD_BODY;
    const told = await this.#visors.told(keys);
    return json(`${goJson(told.map(rendererOf(body.v)))}\n`);
  }

  async #postedTransports(question: Question): Promise<Answer> {
    const body = await bodyOf(question);
    if (body === undefined) return BAD_BODY;
    const { pks, ids, type, edges = false, v: version } = body;
    const keys = pks === undefined ? undefined : keyList(pks);
    const isWrong = (pks !== undefined && keys === undefined) || typeof edges !== "boolean" ||
      (ids !== undefined && !isIdList(ids)) || (type !== undefined && typeof type !== "string");
    if (isWrong) return BAD_BODY;
    const wanted = {
      keys,
      ids: ids as string[] | undefined,
      type: type as string | undefined,
      edges,
      version,
    };
    return await this.#transportsOf({ ...wanted, ids: wanted.ids?.map((id) => id.toLowerCase()) });
  }

  async #transportsOf({ ids, keys, type, edges, version }: Wanted): Promise<Answer> {
    const own = keys && new Set<string>(keys);
    const isAll = type === undefined && own === undefined;
    const list: ListText<ToldVisor<string>> = {
      ...jsonList((each: ToldVisor<string>) => renderTransport(each, { edges, version })),
      isWanted: (each) => {
        if (isAll) return true;
        const about = aboutOf(each);
        return (type === undefined || about.type === type) &&
          (own === undefined || about.edges.some((key) => own.has(key)));
      },
    };
    if (ids !== undefined) return json(wholeText(list, await this.#transports.told(ids)));
    const answer = (kept?: KeptText) => this.#transports.answer(() => list, { kept });
    if (!isAll) return await answer();
    return await this.#keepList(this.#transports, { name: `transports ${edges}`, version }, answer);
  }

  async #totals(): Promise<Answer> {
    const byType: Record<string, number> = {};
    let [total, online] = [0, 0];
    await this.#transports.inParts((part) => {
      for (const { version: about = "", isOnline } of part) {
        const { type } = readAboutTransport(about);
        byType[type] = (byType[type] ?? 0) + 1;
        total++;
        if (isOnline) online++;
      }
    });
    return json(`${JSON.stringify({ total_transports: total, online, by_type: byType })}\n`);
  }

  async #counts(wanted: boolean | undefined): Promise<Answer> {
    const counts: Record<string, number> = {};
    await this.#visors.inParts((part) => {
      for (const { version = "unknown", isOnline } of part) {
        if (wanted === undefined || wanted === isOnline) counts[version] = (counts[version] ?? 0) + 1;
      }
    });
    return json(`${goJson(counts)}\n`);
  }

  async #versions(keys: string, query: string): Promise<Answer> {
    const withState = queryValue(query, "status") === "true";
    const wanted = wantedState(query);
    const list: ListText<ToldVisor> = {
      ...jsonList(({ key, version = "", isOnline }: ToldVisor) => ({
        pk: key,
        version,
        ...(withState ? { on: isOnline } : {}),
      })),
      isWanted: ({ isOnline }) => wanted === undefined || wanted === isOnline,
    };
    if (keys !== "") return json(wholeText(list, await this.#visors.told(keysIn(keys))));
    return await this.#visors.answer(() => list);
  }

  /** A list of everybody: of a long one the text is kept with what was read for it, but for that with timelines. */
  async #keepList(
    uptimes: Pick<Uptimes, "keptUntilMs">,
    { name, version }: { readonly name: string; readonly version: unknown },
    make: (kept?: KeptText) => Promise<Answer>,
  ): Promise<Answer> {
    const known = knownVersion(version);
    return await this.#keep(
      `${name} ${known}`,
      (text) => make(known === "v3" ? undefined : text),
      () => known === "v3" ? 0 : uptimes.keptUntilMs,
    );
  }

  /** For what is the same for everybody who asks: made once in {@link UPTIME_LISTS_MS}, or `longUntil` if it is long. */
  async #keep(
    name: string,
    make: (text: KeptText) => Promise<Answer>,
    longUntil: () => number = () => Infinity,
  ): Promise<Answer> {
    const nowMs = this.#clock.monotonicMs();
    const today = dayOf(await this.#visors.presentMs()); // a day that is over is told whole, as the days themselves are
    const known = this.#kept.get(name);
    if (known !== undefined && known.untilMs > nowMs && known.today === today) return await known.answer;
    this.#giveUp((each, of) => of === name || each.untilMs <= nowMs);
    const text = new KeptText(this.#room);
    const made: KeptAnswer = { answer: make(text), text, untilMs: nowMs + UPTIME_LISTS_MS, today };
    this.#kept.set(name, made);
    try {
      const answer = await made.answer;
      if (answer.parts !== undefined) made.untilMs = Math.min(made.untilMs, longUntil());
      return answer;
    } catch (error) {
      this.#giveUp((each) => each === made); // the next one asks the store anew
      throw error;
    }
  }

  #giveUp(isOver: (kept: KeptAnswer, name: string) => boolean): void {
    for (const [name, kept] of this.#kept) {
      if (!isOver(kept, name)) continue;
      kept.text.giveUp();
      this.#kept.delete(name);
    }
  }
}

function renderTransport(
  told: ToldVisor<string>,
  { edges, version }: { readonly edges: boolean; readonly version: unknown },
): object {
  const known = knownVersion(version);
  const { id, type, edges: [first, second] } = aboutOf(told);
  return {
    id,
    on: told.isOnline,
    type,
    ...(edges ? { edge_a: first, edge_b: second } : {}),
    ...present({
      daily: known === "v1" ? undefined : dailyOf(told.days),
      timeline: known === "v3" ? timelinesOf(told.days) : undefined,
    }),
  };
}

function aboutOf({ key: id, version: about = "" }: ToldVisor<string>): CountedTransport {
  return { id, ...readAboutTransport(about) };
}

/** Who is on (`on=true`), who is not (`on=false`); undefined: both. */
function wantedState(query: string): boolean | undefined {
  const on = queryValue(query, "on");
  return on === "true" || on === "false" ? on === "true" : undefined;
}

function wantedBy(query: string): Wanted {
  const [ids, visors] = [queryValue(query, "tp"), queryValue(query, "visors")];
  return {
    ids: ids ? idsIn(ids) : undefined,
    keys: visors ? keysIn(visors) : undefined,
    type: queryValue(query, "type") || undefined,
    edges: queryValue(query, "edges") === "true",
    version: queryValue(query, "v"),
  };
}

/** Ids between commas or semicolons; what is none is passed over. */
export function idsIn(text: string): string[] {
  const parts = text.split(/[,;]/, ASKED_KEYS_MAX).map((part) => part.trim().toLowerCase());
  return [...new Set(parts.filter(isTransportId))];
}

/** A JSON object; undefined for anything else. */
async function bodyOf(question: Question): Promise<Record<string, unknown> | undefined> {
  try {
    const body: unknown = JSON.parse(new TextDecoder().decode(await question.bytes(LIST_BYTES_MAX)));
    return typeof body === "object" && body !== null && !Array.isArray(body)
      ? body as Record<string, unknown>
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return undefined; // absurd nesting
    throw error;
  }
}

function keyList(list: unknown): PublicKey[] | undefined {
  if (!Array.isArray(list) || list.length > ASKED_KEYS_MAX) return undefined;
  const keys = list.map((item) => typeof item === "string" ? readKey(item) : undefined);
  return keys.every((key) => key !== undefined) ? [...new Set(keys)] : undefined;
}

function isIdList(list: unknown): list is string[] {
  return Array.isArray(list) && list.length <= ASKED_KEYS_MAX &&
    list.every((item) => typeof item === "string" && isTransportId(item));
}

function knownVersion(version: unknown): "v1" | "v2" | "v3" {
  return version === "v2" || version === "v3" ? version : "v1";
}

const ROUTES =
  /^\/(?:uptimes(?:\/transports)?|version|versions(?:\/[^/]+)?|metrics\/uptime(?:\/visor)?(?:\/[^/]+)?)$/;
const BAD_BODY: Answer = {
  ...plain(`{"error":"body is no question for uptimes"}\n`, 400),
  refused: "invalid",
};
