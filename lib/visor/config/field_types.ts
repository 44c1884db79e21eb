/**
 * Types of configuration fields: what a field must be, its default, how it is read from a file and from a command
 * line. `fields.ts` gives every field of a visor one.
 *
 * @module
 */
import type { LogLevel } from "../../base/mod.ts";
import type { PublicKey, SecretKey } from "../../crypto/mod.ts";
import { type Fields, readSecretKey } from "../../deployment/mod.ts";
import type { SocketAddress } from "../../runtime/mod.ts";

/** What a field may hold. */
export interface FieldType<T> {
  /** Completes "it must be". */
  readonly rule: string;
  /** What holds where the field is absent, as a file would say it; undefined: nothing. */
  readonly absent?: unknown;
  /** The value, or what holds without one. Errors: `ConfigError` with field, value and rule. */
  read(fields: Fields, name: string): T;
  /** What a text of a command line means, as a file says it; undefined: nothing that this field may hold. */
  fromText(text: string): unknown;
  /** Of a list of objects: the fields of each. */
  readonly items?: FieldTable;
  /** Of an object whose names are free: what each of them holds. */
  readonly entries?: FieldType<unknown>;
  /** Never shown. */
  readonly isSecret?: boolean;
}

/** A field: its type, and what it is for. */
export interface FieldRow<T> {
  readonly type: FieldType<T>;
  readonly about: string;
  /** What a new configuration says; undefined: it does not have the field. */
  readonly generated?: unknown;
  /** False: it is kept for Skywire's own programs, and this one has no use for it. */
  readonly isUsed: boolean;
}

/** Fields by path. */
export type FieldTable = Readonly<Record<string, FieldRow<unknown>>>;

/** What a row's field is read as. */
export type ValueOf<Row extends FieldRow<unknown>> = ReturnType<Row["type"]["read"]>;

/** Any one value, if the text of the command line is JSON of such a kind. */
function parsedAs(isRight: (value: unknown) => boolean): (text: string) => unknown {
  return (text) => {
    try {
      const value: unknown = JSON.parse(text);
      return isRight(value) ? value : undefined;
    } catch {
      return undefined;
    }
  };
}

/** A list in JSON, or items with commas between them. */
function listFromText(text: string): unknown {
  if (text.trim() === "") return [];
  return text.trim().startsWith("[")
    ? parsedAs(Array.isArray)(text)
    : text.split(",").map((item) => item.trim());
}

const asIs = (text: string) => text;

/** Any text. */
export function text(absent?: string): FieldType<string | undefined> {
  return { rule: "text", absent, read: (fields, name) => fields.text(name) || absent, fromText: asIs };
}

/** A text that must be there; `what` it is. */
export function requiredText(what: string): FieldType<string> {
  return {
    rule: what,
    read: (fields, name) => fields.text(name) || fields.refuse(name, `it must be ${what}`),
    fromText: (given) => given === "" ? undefined : given,
  };
}

/** A text that nobody is shown: a password, a key. */
export function secretText(): FieldType<string | undefined> {
  return { ...text(), isSecret: true };
}

/** The visor's secret key, and the public one that belongs to it; undefined: none, or zeros. */
export function secretKey(publicName: string): FieldType<SecretKey | undefined> {
  return {
    rule: "a secret key, 64 hex characters",
    isSecret: true,
    read: (fields, name) => readSecretKey(fields, { secret: name, public: publicName }),
    fromText: (given) => /^[0-9a-f]{64}$/i.test(given) ? given.toLowerCase() : undefined,
  };
}

/** From 0 to `max`. */
export function wholeNumber(absent: number, max: number): FieldType<number> {
  return {
    rule: `a whole number from 0 to ${max}`,
    absent,
    read: (fields, name) => fields.wholeNumber(name, absent, max),
    fromText: (given) => /^\d{1,15}$/.test(given) ? Number(given) : undefined,
  };
}

/** A port; 0 takes any free one. */
export function port(absent = 0): FieldType<number> {
  return wholeNumber(absent, 65_535);
}

/** A duration as Go writes it, or whole nanoseconds; read as milliseconds. */
export function duration(
  absent: string,
  { absentMs, minMs = 0, maxMs }: { absentMs: number; minMs?: number; maxMs: number },
): FieldType<number> {
  return {
    rule: `a duration such as ${absent}${
      maxMs <= 86_400_000 ? `, at most ${maxMs / 1_000}s` : ""
    }, or nanoseconds`,
    absent,
    read(fields, name) {
      const ms = fields.durationMs(name, absentMs, maxMs);
      return ms >= minMs ? ms : fields.refuse(name, `it must be at least ${minMs / 1_000}s`);
    },
    fromText: (given) => /^\d{1,18}$/.test(given) ? Number(given) : given,
  };
}

/** `true` or `false`. */
export function flag(absent = false): FieldType<boolean> {
  return {
    rule: "true or false",
    absent,
    read: (fields, name) => fields.has(name) ? fields.boolean(name) : absent,
    fromText: parsedAs((value) => typeof value === "boolean"),
  };
}

/** One of some words; the first where it is absent. */
export function choice<const T extends readonly string[]>(...choices: T): FieldType<T[number]> {
  return {
    rule: `one of ${choices.join(", ")}`,
    absent: choices[0],
    read: (fields, name) => fields.choice(name, choices),
    fromText: asIs,
  };
}

/** Skywire's levels. */
export function logLevel(): FieldType<LogLevel> {
  return {
    rule: "one of debug, info, warn, error",
    absent: "info",
    read: (fields, name) => fields.logLevel(name),
    fromText: asIs,
  };
}

/** A URL of one of these schemes, or empty. */
export function url(...schemes: readonly string[]): FieldType<string | undefined> {
  return {
    rule: `a URL that starts with ${schemes.map((scheme) => `${scheme}//`).join(" or ")}`,
    read: (fields, name) => fields.url(name, schemes),
    fromText: asIs,
  };
}

/** A public key. */
export function key(): FieldType<PublicKey> {
  return { rule: KEY, read: (fields, name) => fields.key(name), fromText: asIs };
}

/** A public key, or none: nothing, or zeros, as Go writes it and however many it takes. */
export function optionalKey(): FieldType<PublicKey | undefined> {
  return {
    rule: KEY,
    read: (fields, name) => /^0*$/.test(fields.text(name) ?? "") ? undefined : fields.key(name),
    fromText: (given) => /^(?:[0-9a-f]{66})?$/i.test(given) ? given : undefined,
  };
}

/** Public keys. */
export function keys(): FieldType<PublicKey[]> {
  return {
    rule: "a list of public keys",
    absent: [],
    read: (fields, name) => fields.keys(name),
    fromText: listFromText,
  };
}

/** `host:port`, `:port` for every address of the machine, or, with `everywhere`, for that one. */
export function hostPort(absent: string, everywhere?: string): FieldType<SocketAddress> {
  return {
    rule: "host:port, or :port",
    absent,
    read: (fields, name) => fields.address(name, fields.text(name) || absent, everywhere),
    fromText: asIs,
  };
}

/** Addresses as `host:port`. */
export function hostPorts(): FieldType<SocketAddress[]> {
  return {
    rule: "a list of host:port",
    absent: [],
    read: (fields, name) => fields.words(name).map((address) => fields.address(name, address)),
    fromText: listFromText,
  };
}

/** `host:port` of something that is dialled, as text. */
export function dialled(): FieldType<string> {
  return {
    rule: "host:port",
    read(fields, name) {
      const given = fields.text(name) ?? fields.refuse(name, "it must be host:port");
      if (fields.address(name, given, "").hostname === "") fields.refuse(name, "it must be host:port");
      return given;
    },
    fromText: asIs,
  };
}

/** Words as a program gets them: a list, or one text that is taken apart as a shell would. */
export function words(): FieldType<string[]> {
  return {
    rule: "a list of words, or one text of them",
    absent: [],
    read: (fields, name) => fields.words(name),
    fromText: (given) => given.trim().startsWith("[") ? parsedAs(Array.isArray)(given) : given,
  };
}

/** `host:port` by public key; undefined where the object around it is absent. */
export function addressesByKey(): FieldType<ReadonlyMap<PublicKey, string>> {
  return {
    rule: "an object of host:port by public key",
    absent: {},
    read: (fields, name) => new Map(fields.object(name).entriesByKey()),
    fromText: parsedAs((value) => typeof value === "object" && !Array.isArray(value)),
    entries: dialled(),
  };
}

/** A list of objects with these fields. */
export function list<const Items extends FieldTable>(
  items: Items,
): FieldType<{ [Name in keyof Items]: ValueOf<Items[Name]> }[]> & { readonly items: Items } {
  return {
    rule: "a list",
    absent: [],
    items,
    read: (fields, name) =>
      fields.list(name).map((item) =>
        Object.fromEntries(
          Object.entries(items).map(([path, row]) => [path, readAt(item, path, row.type)]),
        ) as { [Name in keyof Items]: ValueOf<Items[Name]> }
      ),
    fromText: parsedAs(Array.isArray),
  };
}

/** What this program keeps and never looks into. */
export function anything(rule: "an object" | "a list"): FieldType<unknown> {
  return {
    rule,
    read(fields, name) {
      if (rule === "a list") fields.list(name).length;
      else fields.object(name);
      return undefined;
    },
    fromText: parsedAs((value) => typeof value === "object" && Array.isArray(value) === (rule === "a list")),
  };
}

/** What is kept whatever it is: no document says more of it. */
export function whatever(): FieldType<undefined> {
  return {
    rule: "anything",
    read: () => undefined,
    fromText(given) {
      try {
        return JSON.parse(given);
      } catch {
        return given;
      }
    },
  };
}

/** Texts that are kept. */
export function texts(): FieldType<string[]> {
  return { ...words(), rule: "a list of texts", fromText: listFromText };
}

/** The field at a path of names with dots between them. */
export function readAt<T>(fields: Fields, path: string, type: FieldType<T>): T {
  const names = path.split(".");
  const last = names.pop()!;
  return type.read(names.reduce((around, name) => around.object(name), fields), last);
}

const KEY = "a public key, 66 hex characters";
