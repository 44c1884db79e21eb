/**
 * Reading a configuration file of Skywire's: each field with its rule, and an error that says which file, which
 * field, which value, and what to do. Unknown fields are nobody's business here.
 *
 * @module
 */
import { CallerError, type LogLevel, type SkyErrorOptions } from "../base/mod.ts";
import { parsePublicKey, type PublicKey, SecretKey } from "../crypto/mod.ts";
import { placeOfProblem, shown } from "./_shown.ts";

/** The largest configuration that is read, in characters. A visor's is some 10 KiB. */
export const CONFIG_CHARS_MAX = 4 * 1024 * 1024;

/** A configuration that cannot be used: which file, which field, which value, and what to do. */
export class ConfigError extends CallerError {
  readonly code = "CONFIG";
  constructor(
    readonly file: string,
    readonly field: string,
    /** What is wrong, with the value. */
    readonly problem: string,
    options: SkyErrorOptions = {},
  ) {
    super(field === "" ? `${file}: ${problem}` : `${file}: field ${field}: ${problem}`, options);
  }
}

/** The object in the text of a configuration. Errors: `ConfigError`. */
export function parseConfigText(text: string, file: string): Readonly<Record<string, unknown>> {
  const value = parseJsonText(text, file);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new ConfigError(file, "", "it is JSON, but no object");
}

/** The value in the text of a configuration. Errors: `ConfigError` for what is no JSON, or too large. */
export function parseJsonText(text: string, file: string): unknown {
  if (text.length > CONFIG_CHARS_MAX) throw new ConfigError(file, "", "it is too large for a configuration");
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch {
    // The parser's own message may quote the secret key.
    const problem = text.trim() === "" ? "it is empty" : `it is not JSON${placeOfProblem(text)}`;
    throw new ConfigError(file, "", problem, {
      hint: "correct it, or move it away and start again to have a new one made",
    });
  }
}

/** The secret key of a configuration; undefined when it is absent or all zeros. The public key must match it. */
export function readSecretKey(
  fields: Fields,
  names: { readonly secret: string; readonly public: string },
): SecretKey | undefined {
  const text = fields.text(names.secret);
  if (text === undefined || /^0*$/.test(text)) return undefined;
  let secretKey: SecretKey;
  try {
    secretKey = SecretKey.parse(text);
  } catch {
    throw new ConfigError(
      fields.file,
      names.secret,
      "it must be a secret key, 64 hex characters (value not shown)",
      {
        hint: "skyctl keys gen --show-secret",
      },
    );
  }
  const publicKey = fields.text(names.public);
  if (publicKey?.toLowerCase() === secretKey.reveal()) {
    throw new ConfigError(
      fields.file,
      names.public,
      `it must be ${secretKey.publicKey}, and is the secret key (value not shown)`,
      { hint: `correct ${names.public}, or remove it` },
    );
  }
  if (publicKey !== undefined && !/^0*$/.test(publicKey) && publicKey.toLowerCase() !== secretKey.publicKey) {
    fields.refuse(
      names.public,
      `it must be ${secretKey.publicKey}, which belongs to ${names.secret}`,
      `correct ${names.public}, or remove it`,
    );
  }
  return secretKey;
}

/** Fields of one object of a configuration, each read with its rule. An absent or null field has its default. */
export class Fields {
  readonly #values: Record<string, unknown>;
  constructor(readonly file: string, value: unknown, readonly path: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new ConfigError(file, path, `it must be an object, not ${shown(value)}`);
    }
    this.#values = value as Record<string, unknown>;
  }

  refuse(name: string, rule: string, hint?: string): never {
    throw new ConfigError(this.file, this.#at(name), `value ${shown(this.#values[name])}: ${rule}`, { hint });
  }

  text(name: string): string | undefined {
    const value = this.#values[name] ?? undefined;
    if (value === undefined || typeof value === "string") return value;
    return this.refuse(name, "it must be text");
  }

  wholeNumber(name: string, otherwise: number, max: number): number {
    const value = this.#values[name] ?? otherwise;
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max) return value;
    return this.refuse(name, `it must be a whole number from 0 to ${max}`);
  }

  /** Go's text for a duration, such as `1m30s`, or whole nanoseconds; at most `maxMs`. In milliseconds. */
  durationMs(name: string, otherwiseMs: number, maxMs: number): number {
    const value = this.#values[name] ?? undefined;
    if (value === undefined || value === "") return otherwiseMs;
    const ms = typeof value === "number"
      ? value / 1e6
      : typeof value === "string"
      ? goDurationMs(value)
      : NaN;
    if (ms >= 0 && ms <= maxMs) return ms;
    return this.refuse(name, `it must be a duration such as 10s, at most ${maxMs / 1000}s`);
  }

  /** A list of words, or one text of them as a shell would take it apart. */
  words(name: string): string[] {
    const value = this.#values[name] ?? undefined;
    if (typeof value === "string") {
      return splitWords(value) ?? this.#refuseUnseen(name, "a quotation mark in it is never closed");
    }
    return this.#array(name).map((word, index) =>
      typeof word === "string" ? word : this.#refuseUnseen(name, `item ${index} must be text`)
    );
  }

  /** Whether the field is there, and not null. */
  has(name: string): boolean {
    return (this.#values[name] ?? undefined) !== undefined;
  }

  /** An object from public keys to `host:port`. */
  entriesByKey(): [PublicKey, string][] {
    return Object.keys(this.#values).map((name) => {
      const address = this.text(name) ?? "";
      if (this.address(name, address, "").hostname === "") this.refuse(name, "it must be host:port");
      try {
        return [parsePublicKey(name), address];
      } catch {
        return this.refuse(
          name,
          "the field's name must be a public key, 66 hex characters",
          "rename it, or remove it",
        );
      }
    });
  }

  choice<const T extends readonly string[]>(name: string, choices: T): T[number] {
    const value = this.text(name) || choices[0]!;
    if (choices.includes(value)) return value;
    return this.refuse(name, `it must be one of ${choices.join(", ")}`);
  }

  boolean(name: string): boolean {
    const value = this.#values[name] ?? false;
    return typeof value === "boolean" ? value : this.refuse(name, "it must be true or false");
  }

  /** Skywire's levels, folded into ours. */
  logLevel(name: string): LogLevel {
    const level = LOG_LEVELS.get((this.text(name) || "info").toLowerCase());
    return level ?? this.refuse(name, "it must be one of debug, info, warn, error");
  }

  url(name: string, schemes: readonly string[]): string | undefined {
    const value = this.text(name);
    if (value === undefined || value === "") return undefined;
    const [, scheme, authority] = /^([a-z]+:)\/\/([^/]+)/.exec(value) ?? [];
    if (scheme === undefined || !schemes.includes(scheme)) {
      return this.refuse(
        name,
        `it must be a URL that starts with ${schemes.map((s) => `${s}//`).join(" or ")}`,
      );
    }
    if (scheme !== "dmsg:") {
      if (!URL.canParse(value)) this.refuse(name, `what follows ${scheme}// must be host or host:port`);
    } else if (!isDmsgAuthority(authority!)) {
      this.refuse(
        name,
        "what follows dmsg:// must be a public key of 66 hex characters, and may end with :port",
      );
    }
    return value.replace(/\/+$/, "");
  }

  /** `text` as `host:port`, an IPv6 host in brackets; `:port` is every address of the machine. */
  address(name: string, text: string, everywhere = "0.0.0.0"): { hostname: string; port: number } {
    const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]/@]{0,253})):(\d{1,5})$/i.exec(text);
    const port = Number(match?.[3]);
    if (match === null || port > 65_535) {
      this.refuse(name, "it must be host:port, or :port");
    }
    return { hostname: (match[1] ?? match[2]) || everywhere, port };
  }

  key(name: string): PublicKey {
    const value = this.text(name);
    try {
      return parsePublicKey(value ?? "");
    } catch {
      return this.refuse(name, "it must be a public key, 66 hex characters");
    }
  }

  keys(name: string): PublicKey[] {
    return this.#array(name).map((value, index) => {
      try {
        return parsePublicKey(String(value));
      } catch {
        return this.refuse(name, `item ${index} must be a public key, 66 hex characters`);
      }
    });
  }

  object(name: string): Fields {
    return new Fields(this.file, this.#values[name] ?? {}, this.#at(name));
  }

  list(name: string): Fields[] {
    return this.#array(name).map((value, index) =>
      new Fields(this.file, value, `${this.#at(name)}[${index}]`)
    );
  }

  /** Words may be arguments, and one of them a password. */
  #refuseUnseen(name: string, problem: string): never {
    throw new ConfigError(this.file, this.#at(name), `${problem} (value not shown)`);
  }

  #array(name: string): unknown[] {
    const value = this.#values[name] ?? [];
    return Array.isArray(value) ? value : this.refuse(name, "it must be a list");
  }

  #at(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`;
  }
}

const LOG_LEVELS: ReadonlyMap<string, LogLevel> = new Map([
  ["trace", "debug"],
  ["debug", "debug"],
  ["info", "info"],
  ["warn", "warn"],
  ["warning", "warn"],
  ["error", "error"],
  ["fatal", "error"],
  ["panic", "error"],
]);

function isDmsgAuthority(text: string): boolean {
  const [, key, port = "0"] = /^([0-9a-f]{66})(?::([0-9]{1,5}))?$/i.exec(text) ?? [];
  if (key === undefined || Number(port) > 65_535) return false;
  try {
    parsePublicKey(key);
    return true;
  } catch {
    return false; // no point of the curve
  }
}

/** In milliseconds; NaN for what is none. */
function goDurationMs(text: string): number {
  if (!/^(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h))+$/.test(text) || text.length > 64) return NaN;
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(/([0-9.]+)(ns|us|µs|ms|s|m|h)/g)) {
    ms += Number(amount) * MS_OF_UNIT[unit!]!;
  }
  return ms;
}

const MS_OF_UNIT: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** Words between blanks; quotation marks, single or double, keep blanks together. Undefined: one stays open. */
export function splitWords(text: string): string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (const letter of text) {
    if (quote !== "") {
      if (letter === quote) quote = "";
      else word = (word ?? "") + letter;
    } else if (letter === '"' || letter === "'") {
      quote = letter;
      word ??= "";
    } else if (/\s/.test(letter)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + letter;
  }
  if (quote !== "") return undefined;
  return word === undefined ? words : [...words, word];
}
