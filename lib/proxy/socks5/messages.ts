/**
 * Messages of SOCKS5: values to bytes, and bytes of a connection to values.
 *
 *     greeting     [ 5 ][ count ][ method ... ]                        choice   [ 5 ][ method ]
 *     credentials  [ 1 ][ length ][ user ][ length ][ password ]       verdict  [ 1 ][ 0: right ]
 *     request      [ 5 ][ command ][ 0 ][ type ][ address ][ port ]    reply    [ 5 ][ reply ][ 0 ][ type ]...
 *     address      4 bytes of IPv4 | length u8, domain | 16 bytes of IPv6          port u16, big endian
 *
 * No message is longer than 513 bytes, so nothing that a peer writes decides about memory. Readers throw a
 * `SocksRequestError` (a server's) or a `MalformedError` (a client's), `TruncatedError` at an early end, and
 * what the Conn throws.
 *
 * @module
 */
import { MalformedError } from "../../base/mod.ts";
import type { SocketAddress } from "../../runtime/mod.ts";
import { ByteWriter, type ConnReader, ipBytes, ipText } from "../../wire/mod.ts";
import { PASSWORD_VERSION, SOCKS_ADDRESS, SOCKS_CONNECT, SOCKS_REPLY, SOCKS_VERSION } from "./codes.ts";
import { SocksRequestError } from "./errors.ts";

/** A user name, a password, a domain: their length is one byte. */
export const SOCKS_FIELD_BYTES_MAX = 255;

/** User name and password as they were sent: bytes of no known character set. */
export interface SocksCredentials {
  readonly user: Uint8Array;
  readonly password: Uint8Array;
}

/** An unbound address: what a reply that refuses carries. */
export const NO_ADDRESS: SocketAddress = { hostname: "0.0.0.0", port: 0 };

export function encodeGreeting(methods: readonly number[]): Uint8Array {
  return Uint8Array.of(SOCKS_VERSION, methods.length, ...methods);
}

export async function readGreeting(reader: ConnReader): Promise<Uint8Array> {
  const [version, count] = await reader.readExactly(2, "a SOCKS greeting");
  if (version !== SOCKS_VERSION) throw new SocksRequestError(`it speaks version ${version}, not 5`);
  return await reader.readExactly(count, "a SOCKS greeting");
}

export function encodeChoice(method: number): Uint8Array {
  return Uint8Array.of(SOCKS_VERSION, method);
}

/** The method that a server chose. */
export async function readChoice(reader: ConnReader): Promise<number> {
  const [version, method] = await reader.readExactly(2, "a SOCKS method");
  if (version !== SOCKS_VERSION) throw new MalformedError(`A SOCKS server answers in version ${version}`);
  return method;
}

/** Throws `RangeError` for a field that is empty or longer than {@link SOCKS_FIELD_BYTES_MAX} bytes. */
export function encodeCredentials({ user, password }: SocksCredentials): Uint8Array {
  for (const field of [user, password]) checkField(field);
  return new ByteWriter().u8(PASSWORD_VERSION)
    .u8(user.length).bytes(user)
    .u8(password.length).bytes(password)
    .finish();
}

export async function readCredentials(reader: ConnReader): Promise<SocksCredentials> {
  const what = "a SOCKS password";
  const [version, userBytes] = await reader.readExactly(2, what);
  if (version !== PASSWORD_VERSION) {
    throw new SocksRequestError(`its password comes in version ${version}, not 1`);
  }
  const user = await reader.readExactly(userBytes, what);
  const [passwordBytes] = await reader.readExactly(1, what);
  return { user, password: await reader.readExactly(passwordBytes, what) };
}

export function encodeVerdict(isRight: boolean): Uint8Array {
  return Uint8Array.of(PASSWORD_VERSION, isRight ? 0 : 1);
}

/** True: the server took the password. */
export async function readVerdict(reader: ConnReader): Promise<boolean> {
  const [version, status] = await reader.readExactly(2, "a SOCKS verdict");
  if (version !== PASSWORD_VERSION) throw new MalformedError(`A SOCKS verdict comes in version ${version}`);
  return status === 0;
}

/** A CONNECT to an IP address or a domain. Throws `RangeError` for a target that fits no field. */
export function encodeRequest(target: SocketAddress): Uint8Array {
  return encodeAddressed(SOCKS_CONNECT, target);
}

/** The target of a CONNECT. Other commands and types of address carry the reply that RFC 1928 has for them. */
export async function readRequest(reader: ConnReader): Promise<SocketAddress> {
  const what = "a SOCKS request";
  const [version, command, , type] = await reader.readExactly(4, what);
  if (version !== SOCKS_VERSION) throw new SocksRequestError(`it asks in version ${version}, not 5`);
  const target = await readAddress(reader, type, what);
  if (target === undefined) {
    const { addressTypeNotSupported } = SOCKS_REPLY;
    throw new SocksRequestError(`address type ${type} is not known`, addressTypeNotSupported);
  }
  if (command !== SOCKS_CONNECT) {
    const { commandNotSupported } = SOCKS_REPLY;
    throw new SocksRequestError(`command ${command} is not offered, only CONNECT`, commandNotSupported);
  }
  if (target.hostname === "") throw new SocksRequestError("its target is no name and no address");
  return target;
}

export function encodeReply(reply: number, bound: SocketAddress = NO_ADDRESS): Uint8Array {
  return encodeAddressed(reply, bound);
}

/** Any number can come; 0 is success. `bound` is where the server dialled from. */
export async function readReply(reader: ConnReader): Promise<{ reply: number; bound: SocketAddress }> {
  const what = "a SOCKS reply";
  const [version, reply, , type] = await reader.readExactly(4, what);
  if (version !== SOCKS_VERSION) throw new MalformedError(`A SOCKS server answers in version ${version}`);
  const bound = await readAddress(reader, type, what);
  if (bound === undefined) throw new MalformedError(`A SOCKS reply has an address of type ${type}`);
  return { reply, bound };
}

function encodeAddressed(second: number, { hostname, port }: SocketAddress): Uint8Array {
  const writer = new ByteWriter(32).u8(SOCKS_VERSION).u8(second).u8(0);
  const ip = ipBytes(hostname);
  if (ip.length > 0) {
    writer.u8(ip.length === 4 ? SOCKS_ADDRESS.ipv4 : SOCKS_ADDRESS.ipv6).bytes(ip);
  } else {
    const domain = new TextEncoder().encode(hostname);
    checkField(domain);
    writer.u8(SOCKS_ADDRESS.domain).u8(domain.length).bytes(domain);
  }
  return writer.u16(port).finish();
}

/**
 * Undefined: a type that does not exist, of which the length is not known either. An empty name: a domain with
 * bytes that no name has, which nobody may look up.
 */
async function readAddress(
  reader: ConnReader,
  type: number,
  what: string,
): Promise<SocketAddress | undefined> {
  let host: Uint8Array;
  if (type === SOCKS_ADDRESS.ipv4) host = await reader.readExactly(4, what);
  else if (type === SOCKS_ADDRESS.ipv6) host = await reader.readExactly(16, what);
  else if (type === SOCKS_ADDRESS.domain) {
    const [length] = await reader.readExactly(1, what);
    host = await reader.readExactly(length, what);
  } else return undefined;
  const [high, low] = await reader.readExactly(2, what);
  const hostname = type === SOCKS_ADDRESS.domain ? domainText(host) : ipText(host)!;
  return { hostname, port: (high << 8) | low };
}

function domainText(bytes: Uint8Array): string {
  const isName = bytes.every((byte) => byte > 0x20 && byte < 0x7f);
  return isName ? new TextDecoder().decode(bytes) : "";
}

function checkField(bytes: Uint8Array): void {
  if (bytes.length >= 1 && bytes.length <= SOCKS_FIELD_BYTES_MAX) return;
  throw new RangeError(`A field of SOCKS5 has 1 to ${SOCKS_FIELD_BYTES_MAX} bytes, not ${bytes.length}`);
}
