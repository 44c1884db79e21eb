/** How the lines of a text are laid out, for what is written into it. @module */

/** The blanks in front of the line that `at` is in. */
export function indentAt(text: string, at: number): string {
  const start = text.lastIndexOf("\n", at - 1) + 1;
  return /^[ \t]*/.exec(text.slice(start, at))![0];
}

/** The line break that ends the line before `at`, else the first of the text, else a bare one. */
export function lineBreakAt(text: string, at: number): string {
  const before = text.lastIndexOf("\n", at - 1);
  const end = before < 0 ? text.indexOf("\n") : before;
  return end > 0 && text[end - 1] === "\r" ? "\r\n" : "\n";
}
