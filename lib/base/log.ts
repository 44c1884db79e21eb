/**
 * `Log`: what the code says about itself while it runs. A Log is passed in; where lines go is decided outside.
 *
 * @module
 */

/** Severity, from most to least talkative. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Structured context of a line. Values are printed as `key=value`; never put a secret in. */
export type LogFields = Readonly<Record<string, string | number | bigint | boolean | undefined>>;

/** A named source of log lines. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A Log for a part of this one's module: `dmsg` becomes `dmsg.client`. */
  child(name: string): Log;
}

/** One line before it is rendered. `atMs` is Unix time in milliseconds. */
export interface LogRecord {
  readonly atMs: number;
  readonly level: LogLevel;
  readonly module: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** A Log that gives every record to `sink`; `nowMs` is the World's wall clock. */
export function logTo(sink: (record: LogRecord) => void, nowMs: () => number, module = "skyctl"): Log {
  const at = (level: LogLevel) => (message: string, fields: LogFields = {}) =>
    sink({ atMs: nowMs(), level, module, message, fields });
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (name) => logTo(sink, nowMs, module === "skyctl" ? name : `${module}.${name}`),
  };
}

/** A Log that says nothing. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
};

/** `2026-06-18T09:00:00.000Z INFO [dmsg.client]: message key=value` */
export function renderLogRecord(record: LogRecord): string {
  const fields = Object.entries(record.fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${quoteIfNeeded(String(value))}`)
    .join("");
  const at = new Date(record.atMs).toISOString();
  return `${at} ${record.level.toUpperCase()} [${record.module}]: ${oneLine(record.message)}${fields}`;
}

function quoteIfNeeded(text: string): string {
  return /[\s"=]|[^\x21-\x7e]/.test(text) || text === "" ? JSON.stringify(text) : text;
}

/** A peer's text can reach a message: line breaks and control bytes must not forge lines. */
function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** Recent log text, bounded in bytes, trimmed at line borders (operations.md 2: 1 MiB by default). */
export class LogRing {
  readonly #lines: string[] = [];
  #head = 0;
  #bytes = 0;
  constructor(readonly bytesMax: number = 1024 * 1024) {}

  /** Takes one line without its line end; the oldest lines go when the bound is passed. */
  push(line: string): void {
    const kept = line.length + 1 > this.bytesMax ? line.slice(0, this.bytesMax - 1) : line;
    this.#lines.push(kept);
    this.#bytes += kept.length + 1;
    while (this.#bytes > this.bytesMax) this.#bytes -= this.#lines[this.#head++]!.length + 1;
    if (this.#head > 1024 && this.#head * 2 > this.#lines.length) {
      this.#lines.splice(0, this.#head);
      this.#head = 0;
    }
  }

  /** Every kept line, oldest first, each with its line end. */
  text(): string {
    return this.#lines.slice(this.#head).map((line) => line + "\n").join("");
  }
}
