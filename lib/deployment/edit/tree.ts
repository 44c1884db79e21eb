/**
 * Where everything of a JSON text stands: what an edit needs that changes one value and no other byte.
 *
 * Positions are those of the text, in UTF-16 units; `end` is behind the last one.
 *
 * @module
 */
import { ConfigError, parseJsonText } from "../config_fields.ts";

/** Objects and lists within each other: more than any configuration has. */
export const JSON_DEPTH_MAX = 200;

/** A value and its place. */
export type JsonNode =
  | { readonly kind: "scalar"; readonly start: number; readonly end: number }
  | { readonly kind: "array"; readonly start: number; readonly end: number; readonly items: JsonNode[] }
  | { readonly kind: "object"; readonly start: number; readonly end: number; readonly members: JsonMember[] };

/** A member of an object; `start` is that of its name's quotation mark. */
export interface JsonMember {
  /** With its escapes undone. */
  readonly name: string;
  readonly start: number;
  readonly value: JsonNode;
}

/** The tree of a text. Errors: `ConfigError` for what is no JSON, too large or too deep. */
export function parseJsonTree(text: string, file: string): JsonNode {
  parseJsonText(text, file); // strict: from here on every byte is where JSON has it
  return new Scanner(text, file).value(0);
}

/** Walks a text that is JSON. */
class Scanner {
  #at = 0;
  constructor(readonly text: string, readonly file: string) {
    if (text.startsWith("\uFEFF")) this.#at = 1;
  }

  value(depth: number): JsonNode {
    if (depth > JSON_DEPTH_MAX) {
      throw new ConfigError(this.file, "", `objects and lists are more than ${JSON_DEPTH_MAX} deep`);
    }
    this.#skipBlanks();
    const start = this.#at;
    switch (this.text[start]) {
      case "{":
        return { kind: "object", start, members: this.#members(depth), end: this.#at };
      case "[":
        return { kind: "array", start, items: this.#items(depth), end: this.#at };
      case '"':
        this.#skipText();
        break;
      default:
        while (!ENDS.has(this.text[this.#at] ?? ",")) this.#at++;
    }
    return { kind: "scalar", start, end: this.#at };
  }

  #members(depth: number): JsonMember[] {
    const members: JsonMember[] = [];
    for (this.#step(); this.text[this.#at] !== "}"; this.#stepOver(",")) {
      const start = this.#at;
      this.#skipText();
      const name = JSON.parse(this.text.slice(start, this.#at)) as string;
      this.#skipBlanks();
      this.#at++; // the colon
      members.push({ name, start, value: this.value(depth + 1) });
      this.#skipBlanks();
    }
    this.#at++;
    return members;
  }

  #items(depth: number): JsonNode[] {
    const items: JsonNode[] = [];
    for (this.#step(); this.text[this.#at] !== "]"; this.#stepOver(",")) {
      items.push(this.value(depth + 1));
      this.#skipBlanks();
    }
    this.#at++;
    return items;
  }

  /** Over one character, and the blanks behind it. */
  #step(): void {
    this.#at++;
    this.#skipBlanks();
  }

  #stepOver(letter: string): void {
    if (this.text[this.#at] === letter) this.#step();
  }

  #skipText(): void {
    this.#at++;
    while (this.text[this.#at] !== '"') this.#at += this.text[this.#at] === "\\" ? 2 : 1;
    this.#at++;
  }

  #skipBlanks(): void {
    while (BLANKS.has(this.text[this.#at]!)) this.#at++;
  }
}

const BLANKS: ReadonlySet<string> = new Set([" ", "\t", "\n", "\r"]);
/** What may stand behind a number or a word. */
const ENDS: ReadonlySet<string> = new Set([...BLANKS, ",", "]", "}"]);
