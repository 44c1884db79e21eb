/**
 * Message heads and chunks to bytes. Pure.
 *
 * @module
 */
import { giveBuffer, takeBuffer } from "../base/mod.ts";
import { canonicalHeaderName, type HeaderPairs, isFieldValue } from "./headers.ts";

const encoder = new TextEncoder();

/** Field lines of `pairs`, names in Go's capitals. `skip` (lower case) are left out. Throws `TypeError`. */
export function fieldLines(pairs: HeaderPairs, skip?: ReadonlySet<string>): string {
  let text = "";
  for (const [name, value] of pairs) {
    if (skip?.has(name) || skip?.has(name.toLowerCase())) continue;
    const canonical = canonicalHeaderName(name);
    if (canonical === undefined) throw new TypeError(`Not a header name: ${JSON.stringify(name)}`);
    if (!isFieldValue(value)) {
      throw new TypeError(`Header ${canonical} has a character that no header may have`);
    }
    text += `${canonical}: ${value}\r\n`;
  }
  return text;
}

/**
 * One buffer with `head` (a byte per character) and `body` behind it, so that both leave in one write.
 * Give `buffer` back once the write of `bytes` has settled.
 */
export function joinHead(head: string, body: Uint8Array): { bytes: Uint8Array; buffer: Uint8Array } {
  const buffer = takeBuffer(head.length + body.length);
  writeLatin1(head, buffer);
  buffer.set(body, head.length);
  return { bytes: buffer.subarray(0, head.length + body.length), buffer };
}

/** One chunk: size line, data, line end, in one buffer. Give `buffer` back as of {@link joinHead}. */
export function joinChunk(data: Uint8Array): { bytes: Uint8Array; buffer: Uint8Array } {
  const size = `${data.length.toString(16)}\r\n`;
  const length = size.length + data.length + 2;
  const buffer = takeBuffer(length);
  encoder.encodeInto(size, buffer);
  buffer.set(data, size.length);
  buffer[length - 2] = 0x0d;
  buffer[length - 1] = 0x0a;
  return { bytes: buffer.subarray(0, length), buffer };
}

/** The chunk that ends a chunked body. A fresh copy: a Conn may change what it is given. */
export function lastChunk(): Uint8Array {
  return encoder.encode("0\r\n\r\n");
}

export function encodeText(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Gives a buffer of this file back to the pool. */
export { giveBuffer };

function writeLatin1(text: string, into: Uint8Array): void {
  const { read, written } = encoder.encodeInto(text, into);
  if (read === text.length && written === text.length) return; // ASCII only: the usual case
  for (let index = 0; index < text.length; index++) into[index] = text.charCodeAt(index);
}
