/**
 * A progress bar of one line on stderr: share, bytes, rate and time left.
 *
 *     big.bin  [=========>          ]  47%  121 MiB of 256 MiB  184 MiB/s  1 s left
 *
 * Draws when it is told something, at most ten times a second: it has no timer of its own.
 *
 * @module
 */
import { renderBytes, renderDuration, renderRate } from "./units.ts";

/** Something long that shows how far it is. */
export interface Progress {
  /** The whole is `total` bytes: known only once the answer began. */
  expect(total: number): void;
  /** `bytes` more are done. */
  advance(bytes: number): void;
  /** Ends the bar; its last state stays on the screen. Idempotent. */
  done(): void;
}

/** Shows nothing: off a terminal. */
export const silentProgress: Progress = { expect() {}, advance() {}, done() {} };

/** Faster than the eye follows, slow enough to cost nothing. */
const DRAW_EVERY_MS = 100;
/** Weight of the newest interval in the shown rate: it settles within a second or two. */
const RATE_WEIGHT = 0.2;
const BAR_COLUMNS = 20;

/** What a bar is drawn with. */
export interface ProgressOptions {
  readonly label: string;
  readonly total?: number;
  /** Columns of the terminal now. */
  readonly columns: () => number;
  readonly write: (text: string) => void;
  /** A monotonic clock. */
  readonly nowMs: () => number;
}

/** A bar on a terminal. */
export function drawProgress(options: ProgressOptions): Progress {
  const { label, columns, write, nowMs } = options;
  const startedMs = nowMs();
  let total = options.total;
  let bytes = 0;
  let drawnMs = -Infinity;
  let measured = { atMs: startedMs, bytes: 0, rate: 0 };
  let ended = false;

  function draw(atMs: number, last: boolean): void {
    const passedMs = atMs - measured.atMs;
    if (passedMs > 0) {
      const rate = (bytes - measured.bytes) * 1000 / passedMs;
      const smooth = measured.rate === 0 ? rate : measured.rate + (rate - measured.rate) * RATE_WEIGHT;
      measured = { atMs, bytes, rate: smooth };
    }
    drawnMs = atMs;
    const wholeMs = atMs - startedMs;
    const rate = last ? (wholeMs > 0 ? bytes * 1000 / wholeMs : 0) : measured.rate;
    const line = renderProgress({ label, bytes, total, rate, tookMs: last ? wholeMs : undefined });
    write(`\r\x1b[2K${line.slice(0, Math.max(10, columns() - 1))}${last ? "\n" : ""}`);
  }

  return {
    expect(whole) {
      total = whole;
    },
    advance(more) {
      bytes += more;
      if (ended) return;
      const atMs = nowMs();
      if (atMs - drawnMs >= DRAW_EVERY_MS) draw(atMs, false);
    },
    done() {
      if (ended) return;
      ended = true;
      draw(nowMs(), true);
    },
  };
}

/** One state of the bar as text. `rate` is bytes a second; `tookMs` is given once it is over. */
export function renderProgress(
  { label, bytes, total, rate, tookMs }: {
    readonly label: string;
    readonly bytes: number;
    readonly total: number | undefined;
    readonly rate: number;
    readonly tookMs: number | undefined;
  },
): string {
  const parts = [label];
  if (total !== undefined && total > 0) {
    const share = Math.min(1, bytes / total);
    const filled = Math.floor(share * BAR_COLUMNS);
    const tip = filled < BAR_COLUMNS ? ">" : "";
    parts.push(`[${("=".repeat(filled) + tip).padEnd(BAR_COLUMNS)}]`);
    parts.push(`${Math.floor(share * 100)}%`.padStart(4));
    parts.push(`${renderBytes(bytes)} of ${renderBytes(total)}`);
  } else {
    parts.push(renderBytes(bytes));
  }
  if (rate > 0) parts.push(renderRate(rate));
  if (tookMs !== undefined) parts.push(`in ${renderDuration(tookMs)}`);
  else if (rate > 0 && total !== undefined && total > bytes) {
    parts.push(`${renderDuration(Math.ceil((total - bytes) / rate) * 1000)} left`);
  }
  return parts.join("  ");
}
