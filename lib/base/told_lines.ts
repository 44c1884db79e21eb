/** Which lines of a log were told already, when it is read from its beginning once more. @module */

/** Lines that are remembered; whoever reads on asks for no more than so many of what was. */
export const TOLD_LINES_MAX = 4_096;
/** A longer line is not remembered: it may be told twice. With the above 16 MiB at most. */
export const TOLD_LINE_CHARS_MAX = 4_096;

/**
 * The newest lines that were told. One that bears its millisecond is the same line when it comes once more. What a log
 * that is read anew says before the last line that was told is older, and not told: so it is held back until that line
 * comes, or a later one.
 */
export class ToldLines {
  readonly #limit: number;
  #before = new Set<string>();
  #since = new Set<string>();
  #last: string | undefined;
  /** Of a log that is read anew, while the last line did not come: the newest, and how many they were. */
  #held: string[] | undefined;
  #heldBack = 0;

  /** `limit`: so many lines at most are told of what was, when none of it is known. */
  constructor(limit = TOLD_LINES_MAX) {
    this.#limit = Math.min(limit, TOLD_LINES_MAX);
  }

  /** Nothing that could be known again was told. */
  get isEmpty(): boolean {
    return this.#last === undefined;
  }

  /** The log is read from its beginning, or from somewhere in it, from now on. What is still held back is forgotten. */
  readAnew(): void {
    this.#held = this.#last === undefined ? undefined : [];
    this.#heldBack = 0;
    for (const line of this.#since) {
      this.#before.delete(line); // it is new again
      this.#before.add(line);
    }
    keepNewest(this.#before);
    this.#since = new Set();
  }

  /** Of some lines those that were not told before it was read anew, and are not older; they count as told. */
  news(lines: readonly string[]): string[] {
    const news: string[] = [];
    for (const line of lines) {
      if (this.#held !== undefined) this.#hold(line, this.#held, news);
      else news.push(line);
    }
    return this.#tell(news);
  }

  /** All that was is read, and what was told is no part of it: the newest that were held back; they count as told. */
  settle(): string[] {
    const held = this.#held ?? [];
    this.#held = undefined;
    return this.#tell(held);
  }

  #hold(line: string, held: string[], news: string[]): void {
    if (line === this.#last) {
      this.#held = undefined;
      return;
    }
    const isLater = line.startsWith("[") && stampOf(line) > stampOf(this.#last!);
    if (isLater || ++this.#heldBack > TOLD_LINES_MAX) {
      news.push(...held, line);
      this.#held = undefined;
      return;
    }
    if (line.length > TOLD_LINE_CHARS_MAX) return;
    held.push(line);
    if (held.length > this.#limit) held.shift();
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

/** The time of a line, as it stands there: of two lines of one log the greater text is the later. */
function stampOf(line: string): string {
  return line.slice(0, line.indexOf("]") + 1);
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
