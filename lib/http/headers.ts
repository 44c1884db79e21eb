/**
 * Header fields: names as Go writes them, values as they came.
 *
 * @module
 */

/** Names and values to send, in this order. Names in any case: they leave as {@link canonicalHeaderName}. */
export type HeaderPairs = readonly (readonly [name: string, value: string])[];

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Horizontal tab, visible ASCII, and bytes above it: RFC 9110 5.5. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** Names seen before skip the checks. Peers choose names, so the tables are bounded and then stand still. */
const NAMES_MAX = 512;
const lowered = new Map<string, string>();
const canonical = new Map<string, string>();

/** True for an RFC 9110 token: a method or a header name. */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** True for text that may be a header's value: no control characters, no character above U+00FF. */
export function isFieldValue(text: string): boolean {
  return FIELD_VALUE.test(text);
}

/** The name in lower case, or undefined when it is no header name. */
export function lowerHeaderName(name: string): string | undefined {
  const known = lowered.get(name);
  if (known !== undefined) return known;
  if (!isToken(name)) return undefined;
  const lower = name.toLowerCase();
  if (lowered.size < NAMES_MAX) lowered.set(name, lower);
  return lower;
}

/** `content-type` becomes `Content-Type`, as Go's `CanonicalMIMEHeaderKey`. Undefined when it is no name. */
export function canonicalHeaderName(name: string): string | undefined {
  const known = canonical.get(name);
  if (known !== undefined) return known;
  const lower = lowerHeaderName(name);
  if (lower === undefined) return undefined;
  const result = lower.replace(/(^|-)([a-z])/g, (_, before, letter) => before + letter.toUpperCase());
  if (canonical.size < NAMES_MAX) canonical.set(name, result);
  return result;
}

/** The header fields of a received message, in order; looked up by lower-case name. */
export class HeaderFields implements Iterable<[name: string, value: string]> {
  readonly #names: string[] = [];
  readonly #values: string[] = [];

  /** Adds a field. `name` is in lower case. */
  append(name: string, value: string): void {
    this.#names.push(name);
    this.#values.push(value);
  }

  get size(): number {
    return this.#names.length;
  }

  /** The value of `name` (lower case); of several fields all values, joined by `, `. */
  get(name: string): string | undefined {
    let found: string | undefined;
    for (let index = 0; index < this.#names.length; index++) {
      if (this.#names[index] === name) {
        found = found === undefined ? this.#values[index]! : `${found}, ${this.#values[index]}`;
      }
    }
    return found;
  }

  /** How many fields have this name (lower case). */
  count(name: string): number {
    let count = 0;
    for (const each of this.#names) if (each === name) count++;
    return count;
  }

  /** True when the comma-separated list `name` holds `token`, in any case. */
  lists(name: string, token: string): boolean {
    const value = this.get(name);
    if (value === undefined) return false;
    return value.toLowerCase() === token ||
      value.toLowerCase().split(",").some((each) => each.trim() === token);
  }

  *[Symbol.iterator](): Iterator<[string, string]> {
    for (let index = 0; index < this.#names.length; index++) {
      yield [this.#names[index]!, this.#values[index]!];
    }
  }

  /** The same as the web's `Headers`. */
  toHeaders(): Headers {
    return new Headers([...this]);
  }
}
