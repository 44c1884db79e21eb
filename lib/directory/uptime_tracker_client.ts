/**
 * Who was up and when, asked by HTTP of an uptime tracker, or of a transport discovery, which counts it since 2026
 * (services.md 3.3, 7).
 *
 * @module
 */
import type { PublicKey } from "../crypto/mod.ts";
import type { AskService } from "../dmsg/mod.ts";
import { listOf, refused } from "./_answers.ts";
import { ServiceAnswerError } from "./errors.ts";
import { readUptimes, type VisorUptime } from "./visor_uptimes.ts";

/** Whose uptimes are wanted. */
export interface FindUptimes {
  /** Undefined: everybody's. */
  readonly keys?: readonly PublicKey[];
  /** With the slots of each day, where the service has them. Default false. */
  readonly timeline?: boolean;
}

/** Keys in one question: 17 KB of a URL. */
export const UPTIME_KEYS_MAX = 256;

/**
 * Errors of each call: `ServiceUnreachableError`, `ServiceRefusedError`, `ServiceAnswerError`. A list decides about money:
 * one that is wrong anywhere is refused whole, as a file is.
 */
export class UptimeTrackerClient {
  readonly #ask: AskService;
  readonly #name: string;

  /** `name` as errors call the service. */
  constructor(ask: AskService, name = "uptime tracker") {
    this.#ask = ask;
    this.#name = name;
  }

  /** Says that this visor is up: each 5 min. False: the service counts nobody, as those of before. */
  async heartbeat(version?: string, signal?: AbortSignal): Promise<boolean> {
    const query = version === undefined ? "" : `?version=${encodeURIComponent(version)}`;
    const answer = await this.#ask({ method: "GET", path: `/v4/update${query}`, isSigned: true }, signal);
    if (answer.status === 404 || answer.status === 405) return false;
    if (answer.status !== 200) throw refused(this.#name, "a heartbeat", answer);
    return true;
  }

  /**
   * Uptimes by day, each visor once, and nobody who was not asked for: there are services that always list everybody.
   * At most {@link UPTIME_KEYS_MAX} keys go in one question.
   */
  async uptimes({ keys, timeline = false }: FindUptimes = {}, signal?: AbortSignal): Promise<VisorUptime[]> {
    const version = timeline ? "v3" : "v2";
    if (keys === undefined) return await this.#list(`/uptimes?v=${version}`, signal);
    const found: VisorUptime[] = [];
    const wanted = [...new Set(keys)];
    for (let at = 0; at < wanted.length; at += UPTIME_KEYS_MAX) {
      const some = new Set(wanted.slice(at, at + UPTIME_KEYS_MAX));
      const listed = await this.#list(`/uptimes?v=${version}&visors=${[...some].join(",")}`, signal);
      found.push(...listed.filter(({ publicKey }) => some.has(publicKey)));
    }
    return found;
  }

  async #list(path: string, signal: AbortSignal | undefined): Promise<VisorUptime[]> {
    const answer = await this.#ask({ method: "GET", path, isLarge: true }, signal);
    if (answer.status !== 200) throw refused(this.#name, "its list", answer);
    return readUptimes(
      listOf(this.#name, answer),
      (problem) => new ServiceAnswerError(`The ${this.#name} answered with a list that is wrong: ${problem}`),
    );
  }
}
