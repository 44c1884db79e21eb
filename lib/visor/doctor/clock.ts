/** This machine's clock against others'. @module */
import type { Entry } from "../../dmsg/mod.ts";
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

/** When somebody signed something, against this machine's clock of now: its own clock is ahead by so much or more. */
export interface SignedTime {
  /** Whose: `dmsg server 02...`. */
  readonly name: string;
  readonly aheadMs: number;
}

export interface ClockFacts {
  readonly clocks: readonly OtherClock[];
  /** What is old says nothing of a clock, what is of a later time than now does. */
  readonly signed?: readonly SignedTime[];
  /** Of this machine. */
  readonly wallMs: number;
}

/** Of each server's entry: signed anew every minute, and older than that where a server is away. */
export function signedTimes(entries: readonly Entry[], wallMs: number): SignedTime[] {
  return entries.map(({ static: server, timestamp }) => ({
    name: `dmsg server ${server}`,
    aheadMs: Number(timestamp / 1_000_000n) - wallMs,
  }));
}

type Wrong = Omit<Finding, "check">;

/**
 * Most clocks are right: with this machine's own among them the one in the middle is the time, and between two that
 * differ the other one is. What was signed is no reading of a clock, and has no say in that.
 */
export function clockFindings({ clocks, signed = [], wallMs }: ClockFacts): Finding[] {
  if (clocks.length === 0) return unknownTime(signed);
  const offMs = middleOf([0, ...clocks.map(({ aheadMs }) => aheadMs)]);
  const right = clocks.filter(({ aheadMs }) => Math.abs(aheadMs - offMs) < CLOCK_NOTED_MS);
  const others = clocks.filter((clock) => !right.includes(clock));
  const isOff = Math.abs(offMs) >= CLOCK_NOTED_MS;
  const agreeing = [
    ...(isOff ? [] : ["this machine's clock"]),
    ...(right.length === 0 ? [] : [`that of ${namesOf(right)}`]),
  ].join(" and ");
  const wrong: Wrong[] = isOff
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
      cause: `${agreeing} agree; it may refuse what is signed at the right time`,
      next: `tell who runs the ${name}`,
    });
  }
  const nowMs = isOff ? offMs : 0;
  for (const { name, aheadMs } of signed) {
    if (aheadMs - nowMs < CLOCK_NOTED_MS) continue;
    wrong.push({
      severity: "warning",
      text: `The clock of the ${name} is ${secondsOf(aheadMs - nowMs)} or more ahead of the others`,
      cause: `its entry is of a later time than now, by ${agreeing}`,
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

/** Between this machine and who signed for a later time one of the clocks is wrong: which one is not known. */
function unknownTime(signed: readonly SignedTime[]): Finding[] {
  const later = signed.filter(({ aheadMs }) => aheadMs >= CLOCK_NOTED_MS);
  const soonestMs = Math.min(...later.map(({ aheadMs }) => aheadMs));
  return [{
    check: "clock",
    severity: "unknown",
    text: "No service has told its time yet",
    ...(later.length === 0 ? {} : {
      cause: `and by this machine's clock entries are of ${secondsOf(soonestMs)} from now or later: ${
        namesOf(later)
      }`,
    }),
    next: "skyctl svc health; then look once more",
  }];
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

function namesOf(clocks: readonly { readonly name: string }[]): string {
  return clocks.map(({ name }) => `the ${name}`).join(", ");
}
