/**
 * The whole terminal as one picture that is drawn over and over, and the terminal as it was when that is over.
 *
 * One write for one picture, over the old one: nothing is erased first, so nothing flickers. It is drawn on the
 * terminal's second screen, so that what was on the first one is there again afterwards.
 *
 * @module
 */

/** What a screen is drawn on. */
export interface ScreenTerminal {
  readonly columns: () => number | undefined;
  readonly rows: () => number | undefined;
  readonly write: (text: string) => void;
}

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

/** Second screen, no cursor, lines cut at the border instead of wrapped. */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l";
/** All that back, in the reverse order. Harmless on a terminal that was never changed. */
export const SCREEN_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const ERASE_LINE_END = "\x1b[K";
const ERASE_BELOW = "\x1b[J";
/** A terminal shows all that is between these at once, if it knows them. */
const BEGIN_UPDATE = "\x1b[?2026h";
const END_UPDATE = "\x1b[?2026l";

/** For a terminal that does not say. */
const SIZE_DEFAULT = { columns: 80, rows: 24 } as const;

export class Screen {
  readonly #terminal: ScreenTerminal;
  #isOpen = true;
  #shown = "";

  /** Takes the terminal over until `close`. */
  constructor(terminal: ScreenTerminal) {
    this.#terminal = terminal;
    terminal.write(ENTER);
  }

  /** As it is now: people change it. */
  get size(): ScreenSize {
    const { columns, rows } = this.#terminal;
    return { columns: columns() || SIZE_DEFAULT.columns, rows: rows() || SIZE_DEFAULT.rows };
  }

  /** Shows these lines and nothing else; what does not fit is cut, and told of. */
  show(lines: readonly string[]): void {
    if (!this.#isOpen) return;
    const { columns, rows } = this.size;
    const fitting = lines.length <= rows
      ? lines
      : [...lines.slice(0, rows - 1), `... ${lines.length - rows + 1} more lines: this terminal is too low`];
    const picture = fitting.map((line) => line.slice(0, columns) + ERASE_LINE_END).join("\r\n");
    const text = HOME + picture + ERASE_BELOW;
    if (text === this.#shown) return;
    this.#shown = text;
    this.#terminal.write(BEGIN_UPDATE + text + END_UPDATE);
  }

  /** Gives the terminal back as it was. Idempotent. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#terminal.write(SCREEN_LEAVE);
  }
}
