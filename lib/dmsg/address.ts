/**
 * Where a dmsg stream ends: a key and a port, as text `<66 hex>:<port>` or as the authority of a URL.
 *
 *     030ccb…0d26:80     030ccb…0d26:~  (port 0, "any")     dmsg://030ccb…0d26:80/path
 *
 * Source: dmsg.md 5.1 and 12.
 *
 * @module
 */
import { CallerError, MalformedError, type SkyErrorOptions } from "../base/mod.ts";
import { parsePublicKey, type PublicKey } from "../crypto/mod.ts";
import type { SocketAddress } from "../runtime/mod.ts";
import { HTTP_PORT, PORT_MAX } from "./ports.ts";

/** One end of a stream. `port` is 0 to 65535; 0 stands for none. */
export interface DmsgAddress {
  readonly publicKey: PublicKey;
  readonly port: number;
}

/** An address as a peer or a text may give it: `publicKey` is undefined for the null key. */
export interface UncheckedAddress {
  readonly publicKey: PublicKey | undefined;
  readonly port: number;
}

/** A URL that is served over dmsg. `path` starts with `/` and holds the query; never a fragment. */
export interface DmsgUrl {
  readonly address: DmsgAddress;
  readonly path: string;
}

/** A text is no dmsg address, or no URL of one. */
export class InvalidAddressError extends CallerError {
  readonly code = "INVALID_DMSG_ADDRESS";
  constructor(rule: string, text: string, options: SkyErrorOptions = {}) {
    super(`Cannot read a dmsg address: ${rule}, received ${JSON.stringify(shorten(text))}`, {
      hint: "write it as <public key>:<port>, for instance of 66 hex characters and :80",
      ...options,
    });
  }
}

/** Reads `<key>[:<port>]`; without a port, or with `~`, it is 0. Errors: `InvalidAddressError`. */
export function parseDmsgAddress(text: string): DmsgAddress {
  const { publicKey, port } = parseUncheckedAddress(text);
  if (publicKey === undefined) throw new InvalidAddressError("the key is missing", text);
  return { publicKey, port };
}

/** As `parseDmsgAddress`, but an empty key before a `:` is the null key, as at other peers. */
export function parseUncheckedAddress(text: string): UncheckedAddress {
  const parts = text.split(":", 3);
  if (parts.length > 2) throw new InvalidAddressError("more than one colon", text);
  const [keyText, portText] = [parts[0]!.trim(), parts[1]?.trim() ?? ""];
  const publicKey = keyText === "" && parts.length === 2 ? undefined : parseKey(keyText, text);
  return { publicKey, port: parsePort(portText, text) };
}

/** `<key>:<port>`; port 0 is written `~`. */
export function renderDmsgAddress({ publicKey, port }: UncheckedAddress): string {
  return `${publicKey ?? NULL_KEY}:${port === 0 ? "~" : port}`;
}

/**
 * Reads `dmsg://<key>[:<port>][/path]` or the `http://` form of it; without a port, or with 0, it is 80.
 * Errors: `InvalidAddressError`.
 */
export function parseDmsgUrl(text: string): DmsgUrl {
  const match = /^(?:dmsg|http):\/\/([^/?#]*)([^#]*)/i.exec(text);
  if (match === null) throw new InvalidAddressError("the URL starts with dmsg:// or http://", text);
  const { publicKey, port } = parseDmsgAddress(match[1]!);
  const rest = match[2]!;
  return {
    address: { publicKey, port: port === 0 ? HTTP_PORT : port },
    path: rest.startsWith("/") ? rest : `/${rest}`,
  };
}

/** `dmsg://<key>:<port><path>`. */
export function renderDmsgUrl({ address, path }: DmsgUrl): string {
  return `dmsg://${address.publicKey}:${address.port}${path}`;
}

/**
 * Reads where a server listens, as its entry says: `host:port`, an IPv6 host in brackets. The host may be a name.
 * Errors: `MalformedError`, since a peer wrote the entry.
 */
export function parseServerAddress(text: string): SocketAddress {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]/@]{1,253})):([0-9]{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > PORT_MAX) {
    throw new MalformedError(`Server address is host:port, not ${JSON.stringify(shorten(text))}`);
  }
  return { hostname: (match[1] ?? match[2])!, port };
}

/** How the null key is written. */
const NULL_KEY = "0".repeat(66);

function parseKey(keyText: string, text: string): PublicKey {
  try {
    return parsePublicKey(keyText);
  } catch (cause) {
    throw new InvalidAddressError("the part before the colon is a public key", text, { cause });
  }
}

/** A whole number as Go reads literals: decimal, 0x, 0o, 0b, or octal by a leading zero; `_` never. */
function parsePort(portText: string, text: string): number {
  if (portText === "" || portText === "~") return 0;
  if (!/^(?:0x[0-9a-f]+|0o?[0-7]+|0b[01]+|0|[1-9][0-9]*)$/i.test(portText)) {
    throw new InvalidAddressError("the port is a whole number", text);
  }
  const port = Number(/^0[0-7]/.test(portText) ? `0o${portText}` : portText);
  if (port > PORT_MAX) throw new InvalidAddressError(`the port is at most ${PORT_MAX}`, text);
  return port;
}

/** Enough of a text to recognise it. */
function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
