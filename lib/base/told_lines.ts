/** Which lines of a log were told already, when it is read from its beginning once more. @module */

/** Lines that are remembered; whoever reads on asks for no more than so many of what was. */
export const TOLD_LINES_MAX = 4_096;
/** A longer line is not remembered: it may be told twice. With the above 16 MiB at most. */
export const TOLD_LINE_CHARS_MAX = 4_096;
/** Of the lines that are held back, however long each is. */
const HELD_CHARS_MAX = TOLD_LINES_MAX * TOLD_LINE_CHARS_MAX;

/**
 * The newest lines that were told. One that bears its millisecond is the same line when it comes once more. A log loses
 * lines at its beginning alone: what one that is read anew says before the last line that was told is older, and not
 * told. So it is held back until that line comes, and is new when all that was comes without it. No time is compared:
 * clocks are set back.
 */
export class ToldLines {
  #before = new Set<string>();
  #since = new Set<string>();
  #last: string | undefined;
  /** Of a log that is read anew, while the last line did not come: the newest. */
  #held: string[] | undefined;
  #heldChars = 0;

  /** Nothing that could be known again was told. */
  get isEmpty(): boolean {
    return this.#last === undefined;
  }

  /** The log is read from its beginning, or from somewhere in it, from now on. What is still held back is forgotten. */
  readAnew(): void {
    this.#held = this.#last === undefined ? undefined : [];
    this.#heldChars = 0;
    for (const line of this.#since) {
      this.#before.delete(line); // it is new again
      this.#before.add(line);
    }
    keepNewest(this.#before);
    this.#since = new Set();
  }

  /** Of some lines those that were not told before it was read anew, and are not older; they count as told. */
  news(lines: readonly string[]): string[] {
    if (this.#held === undefined) return this.#tell(lines);
    const at = lines.indexOf(this.#last!);
    if (at < 0) {
      this.#hold(lines, this.#held);
      return [];
    }
    this.#held = undefined;
    return this.#tell(lines.slice(at + 1));
  }

  /** All that was is read: of what is held back all is new. It counts as told. */
  settle(): string[] {
    const held = this.#held ?? [];
    this.#held = undefined;
    return this.#tell(held);
  }

  #hold(lines: readonly string[], held: string[]): void {
    for (const line of lines) {
      held.push(line);
      this.#heldChars += line.length;
    }
    let excess = 0;
    while (held.length - excess > TOLD_LINES_MAX || this.#heldChars > HELD_CHARS_MAX) {
      this.#heldChars -= held[excess++]!.length;
    }
    held.splice(0, excess);
  }

  #tell(lines: readonly string[]): string[] {
    const news = lines.filter((line) => !this.#before.has(line));
    for (const line of news) {
      if (!line.startsWith("[") || line.length > TOLD_LINE_CHARS_MAX) continue;
      this.#since.add(line);
      this.#last = line;
    }
    keepNewest(this.#since);
    return news;
  }
}

function keepNewest(lines: Set<string>): void {
  for (const line of lines) {
    if (lines.size <= TOLD_LINES_MAX) return;
    lines.delete(line);
  }
}

/**
 * Of the lines that a bounded log has now those behind `before`, which it had earlier: it loses lines at its beginning
 * and gains some at its end. All of them when the two have nothing in common: it began anew, or ran over.
 */
export function linesBehind(before: readonly string[], now: readonly string[]): string[] {
  // The longest end of `before` that `now` begins with, in one pass over each: a peer chose the texts.
  const borders: number[] = []; // of each beginning of `now`: its longest end that it begins with, too
  let matched = 0;
  for (let at = 0; at < now.length; at++) {
    while (matched > 0 && now[at] !== now[matched]) matched = borders[matched - 1]!;
    if (at > 0 && now[at] === now[matched]) matched++;
    borders.push(matched);
  }
  matched = 0;
  for (const line of before) {
    while (matched > 0 && line !== now[matched]) matched = borders[matched - 1]!;
    if (line === now[matched]) matched++;
  }
  return now.slice(matched);
}
