/** What happened in a rehearsal, in words. @module */
import type { PublicKey } from "../crypto/mod.ts";
import { type Log, type LogRecord, logTo, silentLog } from "../base/mod.ts";

/** One thing that happened. `atMs` is virtual time since the start. */
export interface TimelineEvent {
  readonly atMs: number;
  readonly node: string;
  readonly event: string;
}

/** Takes events as they happen. */
export type EventSink = (event: TimelineEvent) => void;

/** Lines of a node's own log that an operator would look for: what came, went, failed. */
const TOLD_LEVELS: ReadonlySet<LogRecord["level"]> = new Set(["info", "warn", "error"]);

/** Gathers events for a sink; without one, costs nothing. */
export class Timeline {
  readonly #sink: EventSink | undefined;
  readonly #nowMs: () => number;
  readonly #names = new Map<string, string>();

  constructor(nowMs: () => number, sink?: EventSink) {
    this.#nowMs = nowMs;
    this.#sink = sink;
  }

  /** From now on events say `name` where they would say the key. */
  name(key: PublicKey, name: string): void {
    this.#names.set(key, name);
  }

  add(node: string, event: string): void {
    if (this.#sink === undefined) return;
    const named = event.replace(KEY, (key) => this.#names.get(key) ?? key);
    this.#sink({ atMs: this.#nowMs(), node, event: named });
  }

  /** The log of a node: its lines from `info` on become events. */
  logOf(node: string): Log {
    if (this.#sink === undefined) return silentLog;
    return logTo((record) => this.addRecord(node, record), this.#nowMs);
  }

  /** A line of a node's log becomes an event, from `info` on. */
  addRecord(node: string, record: LogRecord): void {
    if (TOLD_LEVELS.has(record.level)) this.add(node, eventOf(record));
  }
}

const KEY = /\b0[23][0-9a-f]{64}\b/g;

function eventOf({ level, message, fields }: LogRecord): string {
  const details = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${value}`);
  const mark = level === "info" ? "" : `${level}: `;
  return `${mark}${message}${details.length > 0 ? ` (${details.join(", ")})` : ""}`;
}
