/**
 * The route finder, asked for paths between visors (routing.md 7).
 *
 *     POST /routes {"Edges":["<from>:<to>",...],"Opts":{"MinHops":1,"MaxHops":50}}
 *     200 {"<from>:<to>":[[{"TpID":"<uuid>","From":"<key>","To":"<key>"},...],...],...}
 *
 * @module
 */
import { PeerError, SkyError } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import type { AskService } from "../dmsg/mod.ts";
import { sleep, withTimeout, type World } from "../runtime/mod.ts";
import { asObject, jsonOf, keyOf, member, reasonIn, refused } from "./_answers.ts";
import { ServiceAnswerError } from "./errors.ts";
import type { ServiceAnswer } from "./request_signer.ts";
import { isTransportId } from "./transport_record.ts";

/** One transport of a found path, in the direction of travel. */
export interface FoundHop {
  /** A UUID in lower case. */
  readonly transportId: string;
  readonly from: PublicKey;
  readonly to: PublicKey;
}

/** What is asked of each path. */
export interface FindLimits {
  /** Transports of a path at least. */
  readonly minHops: number;
  /** Transports of a path at most. */
  readonly maxHops: number;
  /** Paths for each pair; left to the service when undefined (3 to 5). */
  readonly count?: number;
}

/** There is no path for one of the pairs, or one of the visors has no transport at all. */
export class RouteNotFoundError extends PeerError {
  readonly code = "ROUTE_NOT_FOUND";
  constructor(
    readonly pairs: readonly (readonly [from: PublicKey, to: PublicKey])[],
    readonly reason: string,
  ) {
    super(`No route ${renderPairs(pairs)}: ${reason}`, {
      hint: "skyctl tp disc -p KEY shows which transports a visor has",
    });
  }
}

function renderPairs(pairs: RouteNotFoundError["pairs"]): string {
  const [first, second] = pairs;
  const isThereAndBack = pairs.length === 2 && first![0] === second![1] && first![1] === second![0];
  const shown = pairs.slice(0, isThereAndBack ? 1 : PAIRS_SHOWN);
  const asked = shown.map(([from, to]) => `from ${from} to ${to}`).join(", ");
  return isThereAndBack ? `${asked} and back` : asked;
}

/** The whole question, repetitions included, unless a configuration says otherwise. */
export const FIND_TIMEOUT_MS = 10_000;
/** After a failure the question is asked again at this interval. */
export const FIND_RETRY_MS = 500;
/** No repetition begins later than this. */
export const FIND_RETRY_UNTIL_MS = 2_000;
/** A visor that the service knows nothing of may just have made its first transport: pauses before it is asked again. */
const UNKNOWN_RETRY_MS: readonly number[] = [250, 500, 1_000];
/** Its words for it: no transport at all, or none of that visor. */
const UNKNOWN_REASONS: ReadonlySet<string> = new Set(["transport not found", "no route to destination"]);
/** The largest answer that is read: two pairs with 20 paths of 64 hops each are 0.5 MB. */
export const FOUND_CHARS_MAX = 4 * 1024 * 1024;

/** Errors of its call: {@link RouteNotFoundError}, `ServiceUnreachableError`, `ServiceRefusedError`, `ServiceAnswerError`, `TimedOutError`. */
export class RouteFinderClient {
  readonly #ask: AskService;
  readonly #world: Pick<World, "clock">;
  readonly #timeoutMs: number;
  readonly #waitsForUnknown: boolean;

  constructor(
    ask: AskService,
    { world, timeoutMs = FIND_TIMEOUT_MS, waitsForUnknown = false }: {
      readonly world: Pick<World, "clock">;
      /** Of a whole question. */
      readonly timeoutMs?: number;
      /** Asks again, for 1.75 s in all, when the service knows no transport of a visor: a first one may be on its way. */
      readonly waitsForUnknown?: boolean;
    },
  ) {
    this.#waitsForUnknown = waitsForUnknown;
    this.#ask = ask;
    this.#world = world;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Paths for each of `pairs`, in their order, best first; at least one for each. Every path leads from hop to
   * hop, through no visor twice, within the limits. Ask for both directions at once: they may differ.
   */
  async routes(
    pairs: readonly (readonly [from: PublicKey, to: PublicKey])[],
    limits: FindLimits,
    signal?: AbortSignal,
  ): Promise<FoundHop[][][]> {
    if (pairs.length === 0) return [];
    const { clock } = this.#world;
    const limit = { what: "The search for a route", afterMs: this.#timeoutMs, signal };
    return await withTimeout(clock, limit, async (ending) => {
      const question = renderQuestion(pairs, limits);
      let answer = await this.#askUntilAnswered(question, ending);
      for (const pauseMs of this.#waitsForUnknown ? UNKNOWN_RETRY_MS : []) {
        if (answer.status !== 404 || !UNKNOWN_REASONS.has(reasonIn(answer.text))) break;
        await sleep(clock, pauseMs, ending);
        answer = await this.#askUntilAnswered(question, ending);
      }
      if (answer.status === 404) throw new RouteNotFoundError(pairs, reasonIn(answer.text));
      if (answer.status !== 200) throw refused(SERVICE, "a search", answer);
      return readFound(answer, pairs, limits);
    });
  }

  /** Repeats what may pass: a service that is not reached, that is too busy, or that fails. */
  async #askUntilAnswered(body: string, signal: AbortSignal): Promise<ServiceAnswer> {
    const { clock } = this.#world;
    const beganMs = clock.monotonicMs();
    for (;;) {
      let failure: unknown;
      try {
        const answer = await this.#ask({ method: "POST", path: "/routes", body }, signal);
        if (answer.status < 500 && answer.status !== 429 && answer.status !== 408) return answer;
        failure = refused(SERVICE, "a search", answer);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof SkyError)) throw error;
        failure = error;
      }
      if (clock.monotonicMs() + FIND_RETRY_MS - beganMs >= FIND_RETRY_UNTIL_MS) throw failure;
      await sleep(clock, FIND_RETRY_MS, signal);
    }
  }
}

function renderQuestion(
  pairs: readonly (readonly [PublicKey, PublicKey])[],
  { minHops, maxHops, count }: FindLimits,
): string {
  return JSON.stringify({
    Edges: pairs.map(nameOf),
    Opts: { MinHops: minHops, MaxHops: maxHops, NumRoutes: count },
  });
}

function readFound(
  answer: ServiceAnswer,
  pairs: readonly (readonly [PublicKey, PublicKey])[],
  limits: FindLimits,
): FoundHop[][][] {
  if (answer.text.length > FOUND_CHARS_MAX) {
    throw new ServiceAnswerError(`The ${SERVICE} answered with ${answer.text.length} characters`);
  }
  const found = asObject(jsonOf(SERVICE, answer));
  return pairs.map((pair) => {
    const paths = found !== undefined && Object.hasOwn(found, nameOf(pair)) ? found[nameOf(pair)] : undefined;
    if (!Array.isArray(paths) || paths.length === 0) {
      throw new ServiceAnswerError(`The ${SERVICE} answered without a path from ${pair[0]} to ${pair[1]}`);
    }
    return paths.map((path) => readPath(path, pair, limits));
  });
}

function readPath(
  path: unknown,
  [from, to]: readonly [PublicKey, PublicKey],
  { maxHops }: FindLimits,
): FoundHop[] {
  const wrong = (why: string) =>
    new ServiceAnswerError(`The ${SERVICE} answered with a path from ${from} to ${to} that ${why}`);
  if (!Array.isArray(path) || path.length === 0) throw wrong("has no hops");
  if (path.length > maxHops) throw wrong(`has ${path.length} hops, more than ${maxHops}`);
  const entered = new Set<PublicKey>();
  let at = from;
  const hops = path.map((item): FoundHop => {
    const transportId = member(item, "tpid");
    const hop = { from: keyOf(member(item, "from")), to: keyOf(member(item, "to")) };
    if (typeof transportId !== "string" || !isTransportId(transportId)) {
      throw wrong("has a hop without a transport");
    }
    if (hop.from !== at || hop.to === undefined) throw wrong("does not lead from hop to hop");
    if (entered.has(hop.to)) throw wrong("comes to a visor twice");
    entered.add(hop.to);
    at = hop.to;
    return { transportId: transportId.toLowerCase(), from: hop.from, to: hop.to };
  });
  if (at !== to) throw wrong("ends elsewhere");
  if (from !== to && entered.has(from)) throw wrong("comes to a visor twice");
  return hops;
}

function nameOf([from, to]: readonly [PublicKey, PublicKey]): string {
  return `${from}:${to}`;
}

const SERVICE = "route finder";
/** Of the pairs in a message. */
const PAIRS_SHOWN = 2;
