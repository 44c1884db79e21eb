/**
 * The address resolver, asked by HTTP: where a visor's transports can be dialled (services.md 4.1).
 *
 * @module
 */
import type { PublicKey } from "../crypto/mod.ts";
import type { AskService } from "../dmsg/mod.ts";
import { jsonOf, keyOf, member, refused } from "./_answers.ts";
import { ServiceAnswerError } from "./errors.ts";

/** Transports whose listeners a resolver knows. */
export type ResolvedType = "stcpr" | "sudph";

/** Where a visor listens for stcpr. */
export interface StcprBinding {
  readonly port: number;
  /** Every address of its interfaces, the public one among them. */
  readonly addresses: readonly string[];
  /** The one that a resolver shall know where it sees none, over dmsg. Default: the first that may be public. */
  readonly publicAddress?: string;
}

/** Where a visor can be dialled. */
export interface ResolvedAddress {
  /** An IP address for stcpr, `address:port` for sudph. */
  readonly remoteAddress: string;
  readonly port: number;
  /** Of its interfaces: for who is in the same local network. */
  readonly addresses: readonly string[];
  /** Asker and asked have the same public address. */
  readonly isLocal: boolean;
}

/** Addresses of one visor; the rest of a longer list is dropped. */
export const ADDRESSES_MAX = 64;

/** One per key and process. Errors of each call: `ServiceUnreachableError`, `ServiceRefusedError`, `ServiceAnswerError`. */
export class AddressResolverClient {
  readonly #ask: AskService;

  constructor(ask: AskService) {
    this.#ask = ask;
  }

  /** Makes the listener known for 5 min (SV-2): to be repeated every 90 s. */
  async bindStcpr({ port, addresses, publicAddress }: StcprBinding, signal?: AbortSignal): Promise<void> {
    const told = publicAddress ?? addresses.find(mayBePublic) ?? addresses[0];
    const answer = await this.#ask({
      method: "POST",
      path: "/bind/stcpr",
      body: JSON.stringify({ port: `${port}`, addresses }) + "\n",
      headers: told === undefined ? [] : [["SW-PublicIP", told]],
      isSigned: true,
    }, signal);
    if (answer.status !== 200) throw refused(SERVICE, "to bind stcpr", answer);
  }

  /** Makes it unknown. Asked over every way at once: it is the last thing that a visor does. */
  async unbindStcpr(signal?: AbortSignal): Promise<void> {
    const question = { method: "DELETE", path: "/bind/stcpr", body: "{}\n", isSigned: true, isUrgent: true };
    const answer = await this.#ask(question, signal);
    if (answer.status !== 200) throw refused(SERVICE, "to unbind stcpr", answer);
  }

  /** Where `key` can be dialled; undefined when it is not bound. */
  async resolve(
    type: ResolvedType,
    key: PublicKey,
    signal?: AbortSignal,
  ): Promise<ResolvedAddress | undefined> {
    const answer = await this.#ask(
      { method: "GET", path: `/resolve/${type}/${key}`, isSigned: true },
      signal,
    );
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw refused(SERVICE, `to resolve ${type}`, answer);
    return readResolved(jsonOf(SERVICE, answer));
  }

  /**
   * Where its UDP side is, as its health says since 2026: `host:port`, or `:port` of the host that it is asked at.
   * Undefined: it does not say.
   */
  async udpAddress(signal?: AbortSignal): Promise<string | undefined> {
    const answer = await this.#ask({ method: "GET", path: "/health" }, signal);
    if (answer.status !== 200) throw refused(SERVICE, "its health", answer);
    const address = member(jsonOf(SERVICE, answer), "udp_address");
    return typeof address === "string" && UDP_ADDRESS.test(address) ? address : undefined;
  }

  /** Who is bound, by type. */
  async transports(signal?: AbortSignal): Promise<Record<ResolvedType, PublicKey[]>> {
    const answer = await this.#ask({ method: "GET", path: "/transports" }, signal);
    if (answer.status !== 200) throw refused(SERVICE, "its list", answer);
    const body = jsonOf(SERVICE, answer);
    return { stcpr: keysOf(member(body, "stcpr")), sudph: keysOf(member(body, "sudph")) };
  }
}

/** Reads an answer to resolve. Errors: `ServiceAnswerError`. */
export function readResolved(body: unknown): ResolvedAddress {
  const remoteAddress = member(body, "remote_addr");
  const portText = member(body, "port") ?? "";
  const list = member(body, "addresses") ?? [];
  if (typeof remoteAddress !== "string" || !isAddress(remoteAddress) || !Array.isArray(list)) {
    throw unreadable();
  }
  const port = typeof portText === "number"
    ? portText
    : typeof portText === "string"
    ? Number(portText)
    : NaN;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw unreadable();
  const addresses = list.slice(0, ADDRESSES_MAX).filter((item) =>
    typeof item === "string" && isAddress(item)
  );
  return { remoteAddress, port, addresses, isLocal: member(body, "is_local") === true };
}

const SERVICE = "address resolver";
/** A host name or IP address, or nothing, and a port. */
const UDP_ADDRESS = /^(?:[\w.-]{0,253}|\[[0-9a-fA-F:.]{2,45}\]):\d{1,5}$/;

function unreadable(): ServiceAnswerError {
  return new ServiceAnswerError("The address resolver answered with what is no address");
}

/** Digits, dots, colons, and what stands around an IPv6 address with a port: never a name to look up. */
function isAddress(text: string): boolean {
  return text.length <= 64 && /^[0-9a-f.:[\]]+$/i.test(text);
}

/** An IPv4 address outside of the ranges that are never public (transport.md 6.2). */
function mayBePublic(address: string): boolean {
  return /^\d+\.\d+\.\d+\.\d+$/.test(address) &&
    !/^(?:0|10|127|192\.168|169\.254|172\.(?:1[6-9]|2\d|3[01]))\./.test(address);
}

function keysOf(list: unknown): PublicKey[] {
  return Array.isArray(list) ? list.flatMap((item) => keyOf(item) ?? []) : [];
}
