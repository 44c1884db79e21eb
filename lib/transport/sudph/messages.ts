/**
 * What a visor and an address resolver say to each other on their UDP session (protocol: services, section 4.2).
 *
 *     visor                                       resolver
 *       f0, f2                                  ──▶ ◀── f1, f3      the address handshake; nobody is meant by it
 *       {"port":"30178","addresses":[..]}       ──▶                 the bind: at once, and every 90 s
 *       heartbeat                               ──▶                 at once, and every 10 s
 *                                               ◀── {"PK":..,"Addr":"203.0.113.9:41234"}     is about to dial you
 *       delBind                                 ──▶                 at the end
 *
 * One message is one write; objects end where their braces do.
 *
 * @module
 */
import { MalformedError, SkyError } from "../../base/mod.ts";
import { parsePublicKey, type PublicKey } from "../../crypto/mod.ts";
import type { SocketAddress } from "../../runtime/mod.ts";
import { member, parseJson, parseJsonObject } from "../_json.ts";
import { parseIpAndPort } from "../addresses.ts";

export const HEARTBEAT = "heartbeat";
export const UNBIND = "delBind";
/** Of a dial announcement, which has 100. */
export const ANNOUNCEMENT_BYTES_MAX = 1024;

export interface SudphBinding {
  readonly port: number;
  /** Of this machine's interfaces, for visors in the same network. */
  readonly addresses: readonly string[];
}

export function renderBinding({ port, addresses }: SudphBinding): string {
  return `{"port":"${port}","addresses":${JSON.stringify(addresses)}}`;
}

/** `at`: the dialler's `ip:port`. */
export function renderAnnouncement(dialer: PublicKey, at: string): string {
  return `{"PK":"${dialer}","Addr":"${at}"}`;
}

/** Somebody is about to dial. */
export interface DialAnnouncement {
  readonly publicKey: PublicKey;
  readonly at: SocketAddress;
}

/** Errors: `MalformedError`. */
export function parseAnnouncement(text: string): DialAnnouncement {
  const what = "a dial announcement";
  const object = parseJsonObject(parseJson(text, what), what);
  const [key, address] = [member(object, "PK"), member(object, "Addr")];
  const at = typeof address === "string" ? parseIpAndPort(address, 0) : undefined;
  if (typeof key !== "string" || at === undefined) {
    throw new MalformedError("Cannot read a dial announcement: PK is no key, or Addr no address with a port");
  }
  try {
    return { publicKey: parsePublicKey(key), at };
  } catch (cause) {
    if (cause instanceof SkyError) throw new MalformedError("Cannot read a dial announcement", { cause });
    throw cause;
  }
}
