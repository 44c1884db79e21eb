/** What an error shows of a file: short, and no secret key, for messages end up in logs. @module */

/** A secret key in the wrong place. */
const SECRET_KEY_SHAPE = /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/gi;

/** A value as an error shows it: short. */
export function shown(value: unknown): string {
  const text = (JSON.stringify(value) ?? "nothing").replace(SECRET_KEY_SHAPE, "[hidden]");
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** Line and column of the first thing that is no JSON. The parser's own words quote the text, and not all have a place. */
export function placeOfProblem(text: string): string {
  // The longest part from the beginning that is JSON, or only ends too early: every longer one goes wrong there.
  let [good, bad] = [0, text.length + 1];
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (goesWrong(text.slice(0, middle))) bad = middle;
    else good = middle;
  }
  const before = text.slice(0, good).split("\n");
  if (bad > text.length) return ` (it ends too early, in line ${text.trimEnd().split("\n").length})`;
  return ` (line ${before.length}, column ${before.at(-1)!.length + 1})`;
}

function goesWrong(text: string): boolean {
  try {
    JSON.parse(text);
    return false;
  } catch (error) {
    const position = /position (\d+)/.exec(String(error))?.[1];
    const isAtEnd = position === undefined
      ? /end of JSON input|Unterminated string/.test(String(error))
      : Number(position) >= text.length || /Unterminated string/.test(String(error));
    return !isAtEnd;
  }
}
