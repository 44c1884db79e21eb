/**
 * Commands that show what goes on until Ctrl-C: `--watch`.
 *
 *     on a terminal     one picture, drawn anew with each event, and each second for what only time changes
 *     in a pipe         a line for each event that says something
 *     with --json       each event as one line of JSON
 *
 * Ctrl-C is the orderly end: the terminal is as it was, and what was seen is summed up below.
 *
 * @module
 */
import { isAbort, oneLine } from "../base/mod.ts";
import type { Timer } from "../runtime/mod.ts";
import type { Io } from "./io.ts";
import type { ScreenSize } from "./screen.ts";
import { shortened } from "./table.ts";

/** Events of one moment make one picture. */
export const DRAW_AFTER_MS = 30;
/** What only time changes, ages for one, is drawn as often. */
export const DRAW_EVERY_MS = 1_000;
/** What happened is shown back to so many events. */
export const TIMELINE_EVENTS_MAX = 100;

/** What is watched, and how it looks. `S` is what remains at the end. */
export interface Watched<E, S> {
  /** Must end with the Io's signal. */
  readonly events: AsyncIterable<E>;
  /** Takes an event into what `draw` and `summary` show. */
  take(event: E): void;
  /** The picture now: lines of any width. `nowMs` is Unix time. */
  draw(size: ScreenSize, nowMs: number): readonly string[];
  /** The event for a pipe: a line or several, or "" for nothing. */
  line(event: E): string;
  summary(): S;
  renderSummary(summary: S): string;
}

/** Shows until Ctrl-C, or until there is no further event. Errors: those of the events. */
export async function watch<E, S>(io: Io, watched: Watched<E, S>): Promise<void> {
  const { signal } = io;
  const { clock } = await io.world();
  const screen = await io.screen();
  let timer: Timer | undefined;
  let dueMs = Infinity;
  const drawIn = (delayMs: number) => {
    const atMs = clock.monotonicMs() + delayMs;
    if (atMs >= dueMs) return; // events that follow each other closely push no picture back
    timer?.cancel();
    dueMs = atMs;
    timer = clock.timer(delayMs, () => {
      dueMs = Infinity;
      screen!.show(watched.draw(screen!.size, clock.wallMs()));
      drawIn(DRAW_EVERY_MS);
    });
  };
  try {
    if (screen !== undefined) drawIn(0);
    for await (const event of watched.events) {
      watched.take(event);
      if (screen === undefined) io.emitEach(event, (each) => watched.line(each));
      else drawIn(DRAW_AFTER_MS);
      if (signal.aborted) break;
    }
  } catch (error) {
    if (!(isAbort(error) && signal.aborted)) throw error;
  } finally {
    timer?.cancel();
    screen?.close();
  }
  io.emitEach(watched.summary(), (summary) => watched.renderSummary(summary));
}

/** What happened, the newest last, each with its time. */
export class Timeline {
  readonly #lines: string[] = [];

  /** `atMs` is Unix time. The line as it was added. */
  add(atMs: number, text: string): string {
    const line = `${timeOfDay(atMs)} ${oneLine(text)}`;
    this.#lines.push(line);
    if (this.#lines.length > TIMELINE_EVENTS_MAX) this.#lines.shift();
    return line;
  }

  /** The newest lines, at most so many; keys and ids in short where a line is wider than `columns`. */
  last(count: number, columns: number): string[] {
    if (count <= 0) return [];
    return this.#lines.slice(-count)
      .map((line) => line.length <= columns ? line : line.replace(/[0-9a-f-]{36,}/g, shortened));
  }
}

/** `16:31:02Z`: as logs have it, in UTC. */
export function timeOfDay(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(11, 19)}Z`;
}
