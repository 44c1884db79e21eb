/** What a service discovery knows of an app or a public visor: the record and its JSON (services.md 6). @module */
import { present } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { ipBytes } from "../wire/mod.ts";
import { asObject, keyOf, member } from "./_answers.ts";
import { type Place, readPlace, wirePlace } from "./place.ts";

/** The types that the network knows; others are kept and listed as well. */
export const SERVICE_TYPES = ["vpn", "skysocks", "visor"] as const;

/** One app of a visor, or the visor itself, that others may use. There is one of a key and type. */
export interface ServiceRecord {
  readonly publicKey: PublicKey;
  /** Of the app in the overlay network, or of stcpr for type `visor`. */
  readonly port: number;
  readonly type: string;
  readonly place?: Place;
  /** The owner shows its addresses to everybody. */
  readonly displayNodeIp?: boolean;
  /** Of the visor. */
  readonly version?: string;
  /** Of its interfaces, the public one among them where it has one. */
  readonly localIps?: readonly string[];
}

/** A service that is asked for by its address. */
export interface ServiceName {
  readonly publicKey: PublicKey;
  /** Undefined: whatever it is. */
  readonly port: number | undefined;
}

/** Types have up to eight characters so far. */
export const TYPE_CHARS_MAX = 32;
/** Versions of visors have up to 30 so far. */
export const VERSION_CHARS_MAX = 64;
/** Addresses of one machine; the rest of a longer list is dropped. */
export const LOCAL_IPS_MAX = 64;

/** Reads a record; undefined for what is none. Unknown members, and addresses that are none, are passed over. */
export function readService(value: unknown): ServiceRecord | undefined {
  const address = member(value, "address");
  const name = typeof address === "string" ? parseServiceName(address) : undefined;
  const type = member(value, "type");
  const version = member(value, "version") ?? undefined;
  const displayNodeIp = member(value, "display_node_ip") ?? undefined;
  const localIps = member(value, "local_ips") ?? undefined;
  const geo = member(value, "geo") ?? undefined;
  if (name?.port === undefined || name.port === 0 || typeof type !== "string" || !isType(type)) {
    return undefined;
  }
  if (version !== undefined && !isVersion(version)) return undefined;
  if (displayNodeIp !== undefined && typeof displayNodeIp !== "boolean") return undefined;
  if (localIps !== undefined && !Array.isArray(localIps)) return undefined;
  if (geo !== undefined && asObject(geo) === undefined) return undefined;
  return {
    publicKey: name.publicKey,
    port: name.port,
    type,
    ...present({
      place: geo === undefined ? undefined : readPlace(geo),
      displayNodeIp: displayNodeIp || undefined,
      version: version || undefined,
      localIps: localIps?.filter(isAddress).slice(0, LOCAL_IPS_MAX),
    }),
  };
}

/** The JSON of a record, its members in the order of the original; what is not known is left out. */
export function wireService(
  { publicKey, port, type, place, displayNodeIp, version, localIps }: ServiceRecord,
) {
  return present({
    address: `${publicKey}:${port}`,
    type,
    geo: place && wirePlace(place),
    display_node_ip: displayNodeIp || undefined,
    version,
    local_ips: localIps !== undefined && localIps.length > 0 ? localIps : undefined,
  });
}

/** Reads `<key>` or `<key>:<port>`; undefined for anything else. */
export function parseServiceName(text: string): ServiceName | undefined {
  const [, keyText, portText] = /^([0-9a-f]{66})(?::([0-9]{1,5}))?$/i.exec(text) ?? [];
  const publicKey = keyOf(keyText);
  const port = portText === undefined ? undefined : Number(portText);
  if (publicKey === undefined || (port !== undefined && port > 65_535)) return undefined;
  return { publicKey, port };
}

/** A type that may stand in a path and in a key of a data base. */
export function isType(text: string): boolean {
  return text.length <= TYPE_CHARS_MAX && /^[0-9a-z][0-9a-z_.-]*$/i.test(text);
}

/** A version that may stand in a list for people. */
export function isVersion(value: unknown): value is string {
  return typeof value === "string" && value.length <= VERSION_CHARS_MAX && /^[\x20-\x7e]*$/.test(value);
}

function isAddress(value: unknown): value is string {
  return typeof value === "string" && ipBytes(value).length > 0;
}
