/** IP addresses as bytes, for the look-up at a server (dmsg.md 5.8). @module */

/** 4 or 16 bytes of a textual IP address; an IPv4-mapped IPv6 address gives 4. Empty for anything else. */
export function ipBytes(text: string): Uint8Array {
  const v4 = ipv4Bytes(text.startsWith("::ffff:") ? text.slice(7) : text);
  return v4 ?? ipv6Bytes(text) ?? new Uint8Array(0);
}

/** The text of 4 or 16 bytes; the IPv4-mapped form prints as IPv4. Undefined for any other length. */
export function ipText(bytes: Uint8Array): string | undefined {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) return undefined;
  const mapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255;
  if (mapped) return bytes.subarray(12).join(".");
  const groups: string[] = [];
  for (let index = 0; index < 16; index += 2) {
    groups.push(((bytes[index]! << 8) | bytes[index + 1]!).toString(16));
  }
  return groups.join(":").replace(/\b(?:0:){1,7}0\b/, "::").replace(/:{3,}/, "::");
}

function ipv4Bytes(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255)) {
    return undefined;
  }
  return Uint8Array.from(parts, Number);
}

function ipv6Bytes(text: string): Uint8Array | undefined {
  const [head, tail, extra] = text.split("::");
  if (extra !== undefined || !/^[0-9a-fA-F:]+$/.test(text)) return undefined;
  const front = head === "" ? [] : head!.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing = 8 - front.length - back.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...front, ...Array(tail === undefined ? 0 : missing).fill("0"), ...back];
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  const bytes = new Uint8Array(16);
  groups.forEach((group, index) => {
    const value = parseInt(group, 16);
    bytes[index * 2] = value >> 8;
    bytes[index * 2 + 1] = value & 255;
  });
  return bytes;
}
