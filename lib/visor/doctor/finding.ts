/** What a look at a visor finds. @module */

/** `ok`: looked at and fine. `unknown`: it could not be looked at. */
export type Severity = "ok" | "unknown" | "warning" | "error";

/** What was looked at, in the order in which it is shown. */
export const CHECKS = [
  "visor",
  "files",
  "clock",
  "discovery",
  "sessions",
  "key",
  "entry",
  "ports",
  "addresses",
  "registration",
  "transports",
] as const;
export type Check = typeof CHECKS[number];

export interface Finding {
  readonly check: Check;
  readonly severity: Severity;
  /** What is the case, in one sentence. */
  readonly text: string;
  /** Why, where that is known. */
  readonly cause?: string;
  /** What to do: a command, where there is one. */
  readonly next?: string;
}

/** The findings of one check, each with its severity; one that has none is `ok` in these words. */
export function okUnless(check: Check, text: string, findings: readonly Omit<Finding, "check">[]): Finding[] {
  if (findings.length === 0) return [{ check, severity: "ok", text }];
  return findings.map((finding) => ({ check, ...finding }));
}

/** By check, worst first within one. */
export function inOrder(findings: readonly Finding[]): Finding[] {
  const rank = { error: 0, warning: 1, unknown: 2, ok: 3 };
  return [...findings].sort((a, b) =>
    CHECKS.indexOf(a.check) - CHECKS.indexOf(b.check) || rank[a.severity] - rank[b.severity]
  );
}
