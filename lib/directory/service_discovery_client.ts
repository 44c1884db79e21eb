/**
 * The service discovery, asked by HTTP: which apps and public visors there are (services.md 6).
 *
 * @module
 */
import { SkyError } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import type { AskService } from "../dmsg/mod.ts";
import { jsonOf, listOf, refused } from "./_answers.ts";
import { ServiceAnswerError } from "./errors.ts";
import { readService, type ServiceRecord, wireService } from "./service_record.ts";

/** Which services are wanted. */
export interface FindServices {
  /** `vpn`, `skysocks`, `visor`, or another one. */
  readonly type: string;
  /** Of the visor, exactly. */
  readonly version?: string;
  /** ISO 3166: `NL`. */
  readonly country?: string;
  /** So many of them, drawn at random; undefined: all. */
  readonly quantity?: number;
}

/** Services of one list that is no large answer yet: of such some 4 MB. */
export const SMALL_LIST_MAX = 1_000;

/** A service as its name: what is deleted. */
export type RegisteredService = Pick<ServiceRecord, "publicKey" | "port" | "type">;

/** The error's text where a public visor cannot be dialled: to register it again soon is no use. */
export const UNREACHABLE_TEXT = "visor is unreachable";

/** The same where it is found to take no stream of setup nodes, since 2026. */
export const UNREACHABLE_OVER_DMSG_TEXT = "visor not reachable on dmsg for route setup";

/** One per key and process. Errors of each call: `ServiceUnreachableError`, `ServiceRefusedError`, `ServiceAnswerError`. */
export class ServiceDiscoveryClient {
  readonly #ask: AskService;

  constructor(ask: AskService) {
    this.#ask = ask;
  }

  /**
   * Makes an own service known for 5 min (SV-2): to be repeated every 90 s. `publicAddress` is the one that the
   * service shall know where it sees none, over dmsg. Gives the record as it is known now.
   */
  async register(
    record: ServiceRecord,
    { publicAddress, signal }: { readonly publicAddress?: string; readonly signal?: AbortSignal } = {},
  ): Promise<ServiceRecord> {
    const answer = await this.#ask({
      method: "POST",
      path: "/api/services",
      body: JSON.stringify(wireService(record)), // no line end here: it would be signed, too
      headers: publicAddress === undefined ? [] : [["SW-PublicIP", publicAddress]],
      isSigned: true,
    }, signal);
    if (answer.status !== 200) throw refused(SERVICE, `to register ${record.type}`, answer);
    return recordIn(jsonOf(SERVICE, answer));
  }

  /** Makes it unknown, also when it was. Asked over every way at once: it is among the last things of a visor. */
  async remove({ publicKey, port, type }: RegisteredService, signal?: AbortSignal): Promise<void> {
    const path = `/api/services/${publicKey}:${port}?type=${encodeURIComponent(type)}`;
    const answer = await this.#ask({ method: "DELETE", path, isSigned: true, isUrgent: true }, signal);
    if (answer.status !== 200 && answer.status !== 404) throw refused(SERVICE, `to remove ${type}`, answer);
  }

  /** Those that there are; a service that has none says so by null, an empty list or 404. */
  async find(wanted: FindServices, signal?: AbortSignal): Promise<ServiceRecord[]> {
    const query = new URLSearchParams({ type: wanted.type });
    if (wanted.version !== undefined) query.set("version", wanted.version);
    if (wanted.country !== undefined) query.set("country", wanted.country);
    if (wanted.quantity !== undefined) query.set("quantity", `${wanted.quantity}`);
    const isLarge = wanted.quantity === undefined || wanted.quantity > SMALL_LIST_MAX;
    const answer = await this.#ask({ method: "GET", path: `/api/services?${query}`, isLarge }, signal);
    if (answer.status === 404) return [];
    if (answer.status !== 200) throw refused(SERVICE, "its list", answer);
    const records = listOf(SERVICE, answer).flatMap((item) => readService(item) ?? []);
    return wanted.quantity === undefined ? records : records.slice(0, wanted.quantity);
  }

  /** The one service of a key and type; undefined when there is none. */
  async one(
    { publicKey, port, type }: {
      readonly publicKey: PublicKey;
      readonly port: number;
      readonly type: string;
    },
    signal?: AbortSignal,
  ): Promise<ServiceRecord | undefined> {
    const path = `/api/services/${publicKey}:${port}?type=${encodeURIComponent(type)}`;
    const answer = await this.#ask({ method: "GET", path }, signal);
    if (answer.status === 404) return undefined;
    const problem = answer.status === 200 ? undefined : refused(SERVICE, "the look-up", answer);
    if (problem?.reason.endsWith("record not found")) return undefined; // 2024 says it with 500
    if (problem !== undefined) throw problem;
    return recordIn(jsonOf(SERVICE, answer));
  }
}

/** True when a registration was refused because nobody can dial the visor: it is none that is public. */
export function isUnreachableVisor(error: unknown): boolean {
  return error instanceof SkyError && "reason" in error &&
    [UNREACHABLE_TEXT, UNREACHABLE_OVER_DMSG_TEXT].some((text) => `${error.reason}`.endsWith(text));
}

function recordIn(body: unknown): ServiceRecord {
  const record = readService(body);
  if (record !== undefined) return record;
  throw new ServiceAnswerError(`The ${SERVICE} answered with what is no service`);
}

const SERVICE = "service discovery";
