/**
 * `oneLine()`: text of others, made safe for a line of ours.
 *
 * @module
 */

/** Control bytes, C1 controls (0x9b begins a terminal sequence), other line ends, changes of writing direction. */
// deno-lint-ignore no-control-regex
const UNSAFE = /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** `text` without line breaks or anything that steers a terminal: each such character is shown as `\xNN`. */
export function oneLine(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.charCodeAt(0).toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u${code.padStart(4, "0")}`;
  });
}
