/** This machine's clock against others'. @module */
import { CLOCK_OFF_MS } from "../_warnings.ts";
import { type Finding, okUnless } from "./finding.ts";

/** A clock that is off by so much is told, though nothing fails yet; `Date` has whole seconds. */
export const CLOCK_NOTED_MS = 5_000;

/** One clock, by how much it is ahead of this machine's. */
export interface OtherClock {
  /** Whose: `dmsg discovery`. */
  readonly name: string;
  readonly aheadMs: number;
}

/**
 * Most clocks are right: with this machine's own among them the one in the middle is the time, and between two that
 * differ the other one is.
 */
export function clockFindings(
  { clocks, wallMs }: { readonly clocks: readonly OtherClock[]; readonly wallMs: number },
): Finding[] {
  if (clocks.length === 0) {
    return [{
      check: "clock",
      severity: "unknown",
      text: "No service has told its time yet",
      next: "skyctl svc health, then once more",
    }];
  }
  const offMs = middleOf([0, ...clocks.map(({ aheadMs }) => aheadMs)]);
  const right = clocks.filter(({ aheadMs }) => Math.abs(aheadMs - offMs) < CLOCK_NOTED_MS);
  const others = clocks.filter((clock) => !right.includes(clock));
  const isOff = Math.abs(offMs) >= CLOCK_NOTED_MS;
  const wrong: Omit<Finding, "check">[] = isOff
    ? [{
      severity: Math.abs(offMs) >= CLOCK_OFF_MS ? "error" : "warning",
      text: `This machine's clock is ${secondsOf(offMs)} ${offMs > 0 ? "behind" : "ahead of"} that of ${
        namesOf(right)
      }`,
      cause: `it reads ${new Date(wallMs).toISOString()}; others refuse what is signed at a wrong time`,
      next: "set this machine's clock, and have it kept: timedatectl set-ntp true",
    }]
    : [];
  for (const { name, aheadMs } of others) {
    const byMs = aheadMs - offMs;
    wrong.push({
      severity: "warning",
      text: `The clock of the ${name} is ${secondsOf(byMs)} ${byMs > 0 ? "ahead of" : "behind"} the others`,
      cause: `${isOff ? "" : "this machine's clock"}${!isOff && right.length > 0 ? " and " : ""}${
        right.length === 0 ? "" : `that of ${namesOf(right)}`
      } agree; it may refuse what is signed at the right time`,
      next: `tell who runs the ${name}`,
    });
  }
  const furthestMs = Math.max(...right.map(({ aheadMs }) => Math.abs(aheadMs)), 0);
  return okUnless(
    "clock",
    `this machine's clock agrees with that of ${namesOf(right)} within ${
      Math.max(1, Math.round(furthestMs / 1_000))
    } s`,
    wrong,
  );
}

/** Of an even number the one of the two in the middle that is further from 0. */
function middleOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)]!, sorted[Math.floor(sorted.length / 2)]!];
  return Math.abs(low) > Math.abs(high) ? low : high;
}

function secondsOf(ms: number): string {
  return `${Math.round(Math.abs(ms) / 1_000)} s`;
}

function namesOf(clocks: readonly OtherClock[]): string {
  return clocks.map(({ name }) => `the ${name}`).join(", ");
}
