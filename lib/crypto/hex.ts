/** Hex text and bytes. Written in lower case, read in either. @module */
import { InvalidHexError, quoted } from "./errors.ts";

const TEXT_OF_BYTE: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => byte.toString(16).padStart(2, "0"),
);

/** Value of each ASCII hex digit; 255 for every other character below 128. */
const DIGIT = new Uint8Array(128).fill(255);
for (let value = 0; value < 16; value++) {
  DIGIT[value.toString(16).charCodeAt(0)] = value;
  DIGIT[value.toString(16).toUpperCase().charCodeAt(0)] = value;
}

/** Lower-case hex of `bytes`. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (let index = 0; index < bytes.length; index++) text += TEXT_OF_BYTE[bytes[index]!]!;
  return text;
}

/** The bytes of a hex text of either case. Throws {@link InvalidHexError}. */
export function fromHex(text: string): Uint8Array {
  const bytes = decodeHex(text);
  if (bytes === undefined) {
    throw new InvalidHexError(
      `Cannot read hex: expected an even number of the digits 0-9 a-f, got ${quoted(text)}`,
    );
  }
  return bytes;
}

/** As {@link fromHex}, but undefined for what is no hex: for callers with an error of their own. */
export function decodeHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let index = 0; index < bytes.length; index++) {
    const high = DIGIT[text.charCodeAt(2 * index)] ?? 255;
    const low = DIGIT[text.charCodeAt(2 * index + 1)] ?? 255;
    if ((high | low) > 15) return undefined;
    bytes[index] = high << 4 | low;
  }
  return bytes;
}
