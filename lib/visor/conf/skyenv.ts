/**
 * SKYENV files: assignments in the syntax of a shell, read without one (protocol: config, section 6).
 *
 *     # a comment                 PKGENV=true        export LOGLVL='debug'
 *     HYPERVISORPKS=( '02ab...' "03cd..." )          an array, over several lines if need be
 *
 * Only that. What a shell would run or put in place of something is refused, and never run.
 *
 * @module
 */
import { CallerError } from "../../base/mod.ts";

/** The largest file that is read, in characters: the template has 4 KiB. */
export const SKYENV_CHARS_MAX = 64 * 1024;

/** A line that is no plain assignment. */
export class SkyenvError extends CallerError {
  readonly code = "SKYENV";
  constructor(readonly file: string, readonly line: number, problem: string) {
    super(`${file}: line ${line}: ${problem}`, {
      hint: "write NAME=value, NAME='some words' or NAME=('a' 'b'); skyctl conf gen --envs prints a template",
    });
  }
}

/** Values by name: one word, or the words of an array. */
export type SkyenvValues = ReadonlyMap<string, readonly string[]>;

/** The assignments of a file; of several with one name the last counts. Errors: `SkyenvError`. */
export function parseSkyenv(text: string, file: string): SkyenvValues {
  if (text.length > SKYENV_CHARS_MAX) {
    throw new SkyenvError(file, 1, `${text.length} characters are more than ${SKYENV_CHARS_MAX}`);
  }
  return new SkyenvReader(text.replace(/^\uFEFF/, ""), file).assignments();
}

class SkyenvReader {
  #at = 0;
  constructor(readonly text: string, readonly file: string) {}

  assignments(): SkyenvValues {
    const values = new Map<string, readonly string[]>();
    for (;;) {
      this.#skip(/[\s;]+|#[^\n]*/y);
      if (this.#at >= this.text.length) return values;
      const head = this.#take(/(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=/y);
      if (head === undefined) this.#refuse("it is no assignment");
      const name = head[1]!;
      values.set(name, this.text[this.#at] === "(" ? this.#array() : [this.#word() ?? ""]);
      if (!/[\s;]/.test(this.text[this.#at] ?? "\n")) this.#refuse(`something follows the value of ${name}`);
      this.#skip(/[ \t]+|#[^\n]*/y);
      if (!/[\n\r;]/.test(this.text[this.#at] ?? "\n")) {
        this.#refuse(`a command follows the value of ${name}`);
      }
    }
  }

  #array(): string[] {
    const words: string[] = [];
    this.#at++;
    for (;;) {
      this.#skip(/\s+|#[^\n]*/y);
      if (this.text[this.#at] === ")") break;
      const word = this.#word();
      if (word === undefined) this.#refuse("an array is never closed");
      words.push(word);
    }
    this.#at++;
    return words;
  }

  /** Pieces with nothing between them; undefined where none begins. */
  #word(): string | undefined {
    let word: string | undefined;
    for (;;) {
      const plain = this.#take(/[^\s'"\\;#()<>|&$`*?~[\]{}]+|(?<=\S)[#*?~[\]{}]+/y)?.[0];
      const single = plain === undefined ? this.#take(/'([^']*)'/y)?.[1] : undefined;
      const piece = plain ?? single ?? this.#escaped() ?? this.#doubleQuoted();
      if (piece === undefined) break;
      word = (word ?? "") + piece;
    }
    const next = this.text[this.#at] ?? "";
    if (/['"]/.test(next)) this.#refuse("a quotation mark is never closed");
    if (/[$`<>|&(]/.test(next)) {
      this.#refuse(`${next} would be the shell's: nothing is run or put in place here`);
    }
    return word;
  }

  #escaped(): string | undefined {
    const pair = this.#take(/\\(\n|[^])/y);
    return pair === undefined ? undefined : pair[1] === "\n" ? "" : pair[1];
  }

  #doubleQuoted(): string | undefined {
    const quoted = this.#take(/"((?:[^"\\]|\\[^])*)"/y)?.[1];
    if (quoted === undefined) return undefined;
    if (/(?<!\\)(?:\\\\)*[$`]/.test(quoted)) this.#refuse("$ or ` in quotation marks would be the shell's");
    return quoted.replace(/\\(["\\$`\n])/g, (_, letter: string) => letter === "\n" ? "" : letter);
  }

  #skip(pattern: RegExp): void {
    while (this.#take(pattern) !== undefined);
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.text);
    if (match === null || match[0] === "") return undefined;
    this.#at += match[0].length;
    return match;
  }

  #refuse(problem: string): never {
    const line = this.text.slice(0, this.#at).split("\n").length;
    throw new SkyenvError(this.file, line, problem);
  }
}
