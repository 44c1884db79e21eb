/**
 * `Log`: what the code says about itself while it runs. A Log is passed in; where lines go is decided outside.
 *
 * @module
 */

import { oneLine } from "./one_line.ts";

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
  /** What was said lately, by this Log and all that stem from the same one; undefined where nothing is kept. */
  readonly recent?: LogRing;
}

/** One line before it is rendered. `atMs` is Unix time in milliseconds. */
export interface LogRecord {
  readonly atMs: number;
  readonly level: LogLevel;
  readonly module: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** A Log that gives every record to `sink`, which may keep them in `recent`; `nowMs` is the World's wall clock. */
export function logTo(
  sink: (record: LogRecord) => void,
  nowMs: () => number,
  module = "skyctl",
  recent?: LogRing,
): Log {
  const at = (level: LogLevel) => (message: string, fields: LogFields = {}) =>
    sink({ atMs: nowMs(), level, module, message, fields });
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (name) => logTo(sink, nowMs, module === "skyctl" ? name : `${module}.${name}`, recent),
    recent,
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

/** Skywire's own line (visor.md 9): `[2026-06-18T09:00:00.000Z] INFO [dmsg.client]: message key=value` */
export function renderLogRecord(record: LogRecord): string {
  const fields = Object.entries(record.fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${quoteIfNeeded(String(value))}`)
    .join("");
  const at = new Date(record.atMs).toISOString();
  return `[${at}] ${record.level.toUpperCase()} [${record.module}]: ${oneLine(record.message)}${fields}`;
}

function quoteIfNeeded(text: string): string {
  return /[\s"=]|[^\x21-\x7e]/.test(text) || text === "" ? oneLine(JSON.stringify(text)) : text;
}

/** What a ring holds unless told (operations.md 2). */
export const LOG_RING_BYTES_MAX = 1024 * 1024;

/** Recent log text, bounded in bytes of UTF-8, trimmed at line borders. */
export class LogRing {
  readonly #lines: { text: string; bytes: number }[] = [];
  #head = 0;
  #bytes = 0;
  constructor(readonly bytesMax: number = LOG_RING_BYTES_MAX) {}

  /** Takes one line without its line end; the oldest lines go when the bound is passed. */
  push(line: string): void {
    let text = line.toWellFormed();
    if (utf8Bytes(text) >= this.bytesMax) text = cutToUtf8(text, this.bytesMax - 1);
    const bytes = utf8Bytes(text) + 1;
    this.#lines.push({ text, bytes });
    this.#bytes += bytes;
    while (this.#bytes > this.bytesMax) {
      this.#bytes -= this.#lines[this.#head]!.bytes;
      this.#lines[this.#head++] = DROPPED;
    }
    if (this.#head > 1024 && this.#head * 2 > this.#lines.length) {
      this.#lines.splice(0, this.#head);
      this.#head = 0;
    }
  }

  /** Every kept line, oldest first, each with its line end. */
  text(): string {
    return this.#lines.slice(this.#head).map(({ text }) => text + "\n").join("");
  }
}

const DROPPED = { text: "", bytes: 0 };

/** Of well-formed text. */
function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit > 0x7f) bytes += unit > 0x7ff && !isSurrogate(unit) ? 2 : 1; // a pair of surrogates is 4 bytes
  }
  return bytes;
}

/** The longest front of `text` that is at most `bytesMax` bytes, ending between characters. */
function cutToUtf8(text: string, bytesMax: number): string {
  const into = new Uint8Array(Math.max(0, bytesMax));
  return text.slice(0, new TextEncoder().encodeInto(text, into).read);
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}
