/**
 * Numbers as people read and write them: bytes, rates, durations.
 *
 * @module
 */

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** `0 B`, `999 B`, `1.5 KiB`, `256 MiB`: three figures, powers of 1,024. */
export function renderBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 1,023.95 would round to "1024": it belongs to the next unit already.
  while (
    Number(value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)) >= 1024 && unit < BYTE_UNITS.length - 1
  ) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? Math.round(value) : threeFigures(value)} ${BYTE_UNITS[unit]}`;
}

/** `1.5 MiB/s`. */
export function renderRate(bytesPerSecond: number): string {
  return `${renderBytes(bytesPerSecond)}/s`;
}

/** `850 us`, `12 ms`, `3.4 s`, `2m 05s`, `3h 07m`, `4d 02h`: two units at most. */
export function renderDuration(ms: number): string {
  if (ms < 0) return `-${renderDuration(-ms)}`;
  if (ms === 0) return "0 s";
  if (ms < 0.9995) return `${Math.round(ms * 1000)} us`;
  if (ms < 999.5) return `${threeFigures(ms)} ms`;
  if (ms < 59_950) return `${threeFigures(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return pairOf(seconds, 60, "m", 1, "s");
  if (seconds < 86_400) return pairOf(seconds, 3600, "h", 60, "m");
  return pairOf(seconds, 86_400, "d", 3600, "h");
}

function pairOf(seconds: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)}${largeUnit} ${String(rest).padStart(2, "0")}${smallUnit}`;
}

function threeFigures(value: number): string {
  const digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return String(Number(value.toFixed(digits)));
}

const DURATION_PART = /(\d+(?:\.\d+)?)(ms|us|s|m|h|d)/y;
const MS_OF = { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * Milliseconds of `30s`, `1m30s`, `250ms`, `1.5h`; a bare number is seconds, as Skywire's `--timeout` takes it.
 * Undefined when the text is no duration.
 */
export function parseDuration(text: string): number | undefined {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  let total = 0;
  DURATION_PART.lastIndex = 0;
  while (DURATION_PART.lastIndex < text.length) {
    const part = DURATION_PART.exec(text);
    if (part === null) return undefined;
    total += Number(part[1]) * MS_OF[part[2] as keyof typeof MS_OF];
  }
  return text === "" ? undefined : total;
}

/** Bytes of `1024`, `64K`, `1.5MiB`, `2G`: powers of 1,024. Undefined when the text is no size. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(?:B|([KMGTP])(?:i?B)?)?$/i.exec(text);
  if (match === null) return undefined;
  const power = match[2] === undefined ? 0 : "KMGTP".indexOf(match[2].toUpperCase()) + 1;
  return Math.round(Number(match[1]) * 1024 ** power);
}
