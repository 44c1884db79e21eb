/** The exit codes of every command: they say whose move it is. @module */

/** What each exit code means, as the help prints it. */
export const EXIT_CODES = {
  0: "done",
  1: "failed: a defect of skyctl, or nobody's fault in particular; warnings alone",
  2: "wrong usage, configuration or key: change what was given",
  3: "the world: unreachable, timed out, no such file",
  4: "the peer refused or misbehaved, or HTTP answered other than 2xx",
  130: "interrupted by Ctrl-C",
} as const;

/** One of the exit codes. */
export type ExitCode = keyof typeof EXIT_CODES;

/** The end of every help screen. */
export const EXIT_CODES_HELP = "\nExit codes:\n" +
  Object.entries(EXIT_CODES).map(([code, meaning]) => `  ${code.padEnd(5)}${meaning}`).join("\n");
