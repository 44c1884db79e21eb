/** This machine's clock against others'. @module */
import { CLOCK_OFF_MS } from "../_warnings.ts";
import { type Finding, okUnless } from "./finding.ts";

/** A clock that is off by so much is told, though nothing fails yet; `Date` has whole seconds. */
export const CLOCK_NOTED_MS = 5_000;

export function clockFindings(
  { discoveryAheadMs: aheadMs, wallMs }: {
    readonly discoveryAheadMs: number | undefined;
    readonly wallMs: number;
  },
): Finding[] {
  if (aheadMs === undefined) {
    return [{ check: "clock", severity: "unknown", text: "No service has told its time yet" }];
  }
  const seconds = Math.round(Math.abs(aheadMs) / 1_000);
  return okUnless(
    "clock",
    `this machine's clock agrees with the discovery's within ${Math.max(1, seconds)} s`,
    Math.abs(aheadMs) < CLOCK_NOTED_MS ? [] : [{
      severity: Math.abs(aheadMs) >= CLOCK_OFF_MS ? "error" : "warning",
      text: `This machine's clock is ${seconds} s ${
        aheadMs > 0 ? "behind" : "ahead of"
      } that of the dmsg discovery`,
      cause: `it reads ${new Date(wallMs).toISOString()}; others refuse what is signed at a wrong time`,
      next: "set this machine's clock, and have it kept: timedatectl set-ntp true",
    }],
  );
}
