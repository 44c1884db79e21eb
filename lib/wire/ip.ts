/** IP addresses as bytes: of the look-up at a dmsg server (dmsg.md 5.8), of SOCKS (RFC 1928). @module */

const NO_BYTES = new Uint8Array(0);
const MAPPED_PREFIX = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255);

/**
 * 4 or 16 bytes of a textual IP address; an IPv4-mapped IPv6 address gives 4. A zone (`%eth0`) means something
 * on its own machine only and is dropped. Empty for anything else.
 */
export function ipBytes(text: string): Uint8Array {
  const v4 = ipv4Bytes(text);
  if (v4 !== undefined) return v4;
  const v6 = ipv6Bytes(text.replace(/%[^%]+$/, ""));
  if (v6 === undefined) return NO_BYTES;
  return isMapped(v6) ? v6.subarray(12) : v6;
}

/** The text of 4 or 16 bytes; the IPv4-mapped form prints as IPv4. Undefined for any other length. */
export function ipText(bytes: Uint8Array): string | undefined {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) return undefined;
  if (isMapped(bytes)) return bytes.subarray(12).join(".");
  const groups = Array.from({ length: 8 }, (_, index) => (bytes[index * 2]! << 8) | bytes[index * 2 + 1]!);
  const { start, length } = longestZeros(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

/**
 * What one subscriber has, to count addresses by: an IPv4 address, the first 64 bits of an IPv6 one. Undefined for
 * what is no address.
 */
export function ipBlock(text: string): string | undefined {
  const bytes = ipBytes(text);
  return bytes.length === 16
    ? `${ipText(Uint8Array.from(bytes, (byte, at) => at < 8 ? byte : 0))}/64`
    : ipText(bytes);
}

function isMapped(bytes: Uint8Array): boolean {
  return MAPPED_PREFIX.every((byte, index) => bytes[index] === byte);
}

/** The longest run of zeros, of equal ones the first (RFC 5952, 4.2). */
function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let longest = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > longest.length) longest = { start, length };
  }
  return longest;
}

/** Without leading zeros, which some read as octal. */
function ipv4Bytes(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  const isByte = (part: string) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255;
  return parts.length === 4 && parts.every(isByte) ? Uint8Array.from(parts, Number) : undefined;
}

function ipv6Bytes(text: string): Uint8Array | undefined {
  const [head, tail, extra] = text.split("::");
  if (extra !== undefined) return undefined;
  const front = groupsOf(head!, tail === undefined);
  const back = tail === undefined ? [] : groupsOf(tail, true);
  if (front === undefined || back === undefined) return undefined;
  const missing = 8 - front.length - back.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const bytes = new Uint8Array(16);
  [...front, ...new Array<number>(missing).fill(0), ...back].forEach((group, index) => {
    bytes[index * 2] = group >> 8;
    bytes[index * 2 + 1] = group & 255;
  });
  return bytes;
}

/** The 16-bit groups of one side of `::`; the last 32 bits of an address may be written as IPv4. */
function groupsOf(text: string, isLast: boolean): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const v4 = isLast ? ipv4Bytes(parts.at(-1)!) : undefined;
  if (v4 !== undefined) parts.pop();
  if (!parts.every((part) => /^[0-9a-f]{1,4}$/i.test(part))) return undefined;
  const groups = parts.map((part) => parseInt(part, 16));
  if (v4 !== undefined) groups.push((v4[0]! << 8) | v4[1]!, (v4[2]! << 8) | v4[3]!);
  return groups;
}
