/**
 * Arguments of apps, in the forms that configurations of 2024 and 2026 hold (config.md 1, 2):
 *
 *     ["app", "skysocks-client", "--addr", ":1080", "--srv", "<key>", "--direct"]      ["--srv=<key>"]
 *
 * @module
 */
import { parsePublicKey, type PublicKey } from "../../crypto/mod.ts";
import type { SocketAddress } from "../../runtime/mod.ts";
import { AppArgumentsError } from "./errors.ts";

/** Flags of an app: with a value, or without. */
export type AppFlags = Readonly<Record<string, "value" | "switch">>;

/** Given flags, by name without dashes; a switch has "true" or "false". The last of several counts. */
export class AppArguments {
  readonly #app: string;
  readonly #values = new Map<string, string>();

  /** Errors: `AppArgumentsError` for a flag that the app does not have, or that lacks its value. */
  constructor(app: string, args: readonly string[], flags: AppFlags) {
    this.#app = app;
    const rest = [...withoutAppName(args)];
    while (rest.length > 0) {
      const [, name, , inline] = /^--?([a-z][a-z0-9-]*)(=(.*))?$/s.exec(rest.shift()!) ?? [];
      if (name === undefined || !Object.hasOwn(flags, name)) {
        const known = Object.keys(flags).map((flag) => `--${flag}`).join(", ");
        throw new AppArgumentsError(app, `it has no argument of that name; it has ${known}`);
      }
      const value = inline ?? (flags[name] === "switch" ? "true" : rest.shift());
      if (value === undefined) this.refuse(name, "its value is missing");
      this.#values.set(name, value);
    }
  }

  refuse(name: string, rule: string, hint?: string): never {
    throw new AppArgumentsError(this.#app, `--${name}: ${rule}`, { hint });
  }

  /** Undefined when it is absent or empty. */
  text(name: string): string | undefined {
    return this.#values.get(name) || undefined;
  }

  isSet(name: string): boolean {
    const value = this.#values.get(name) ?? "false";
    if (value === "true" || value === "false") return value === "true";
    return this.refuse(name, "it is true or false");
  }

  wholeNumber(name: string, { min, max }: { min: number; max: number }): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (/^\d{1,9}$/.test(text) && value >= min && value <= max) return value;
    return this.refuse(name, `it is a whole number from ${min} to ${max}`);
  }

  key(name: string): PublicKey | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : this.#parseKey(name, text);
  }

  /** Keys with commas between them; undefined when it is absent. None at all is refused: it may mean nobody. */
  keys(name: string): PublicKey[] | undefined {
    return this.#values.get(name)?.split(",").map((text) => this.#parseKey(name, text.trim()));
  }

  /** `host:port`; `:port` is this machine alone: whoever reaches a proxy may use it. */
  address(name: string): SocketAddress | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]/@]{0,253})):(\d{1,5})$/i.exec(text);
    const port = Number(match?.[3]);
    if (match === null || port > 65_535) {
      return this.refuse(name, "it must be host:port, or :port", `--${name} :1081, or 127.0.0.1:1081`);
    }
    return { hostname: (match[1] ?? match[2]) || "127.0.0.1", port };
  }

  #parseKey(name: string, text: string): PublicKey {
    try {
      return parsePublicKey(text);
    } catch {
      return this.refuse(name, "it must be a public key, 66 hex characters");
    }
  }
}

/** The app that arguments name in front, as those of the one binary do; undefined when they name none. */
export function appNameIn(args: readonly string[]): string | undefined {
  return args[0] === "app" ? args[1] : undefined;
}

/**
 * Arguments as they may be shown: whoever looks at a visor must not learn what lets one use its proxy. Apps that
 * are not built in call it the same. An empty passcode hides nothing, and says that there is none.
 */
export function shownArguments(args: readonly string[]): string[] {
  return args.map((arg, index) => {
    const inline = /^(--?passcode=)./is.exec(arg);
    if (inline !== null) return inline[1] + HIDDEN;
    return arg !== "" && index > 0 && /^--?passcode$/i.test(args[index - 1]!) ? HIDDEN : arg;
  });
}

/** Of any length, so that not even that is told. */
const HIDDEN = "***";

function withoutAppName(args: readonly string[]): readonly string[] {
  return args[0] === "app" ? args.slice(2) : args;
}
