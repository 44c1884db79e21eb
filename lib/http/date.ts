/** The `Date` field of answers. @module */
import type { Clock } from "../runtime/mod.ts";

/** Texts of the last second, per clock: a simulated network has many clocks. */
const texts = new WeakMap<Clock, { second: number; text: string }>();

/** `Tue, 15 Nov 1994 08:12:31 GMT` of the clock's wall time. */
export function httpDate(clock: Clock): string {
  const second = Math.floor(clock.wallMs() / 1000);
  let known = texts.get(clock);
  if (known?.second !== second) texts.set(clock, known = { second, text: renderHttpDate(second * 1000) });
  return known.text;
}

/** Unix milliseconds as an HTTP date. */
export function renderHttpDate(unixMs: number): string {
  return new Date(unixMs).toUTCString();
}
