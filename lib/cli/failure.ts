/**
 * From whatever was thrown to what is printed and the exit code. Loaded only when something failed.
 *
 * @module
 */
import { CallerError, isAbort, oneLine, SkyError, WorldError } from "../base/mod.ts";
import type { ExitCode } from "./exit_codes.ts";
import { UnwrittenError } from "./io.ts";

/** The command line, as it was typed, cannot be carried out. */
export class UsageError extends CallerError {
  readonly code = "USAGE";
}

/** Nothing takes the answer: the disk behind stdout is full, or it is closed. */
export class OutputError extends WorldError {
  readonly code = "OUTPUT";
}

/** All was done, and what was found is no failure, but not well either: exit code 1. */
export class WarningsError extends WorldError {
  readonly code = "WARNINGS";
}

/** Everything that is told about a failure. */
export interface Failure {
  /** A code of ERRORS.md. */
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  /** The messages of the causes, nearest first. */
  readonly causes: readonly string[];
  readonly exitCode: ExitCode;
  /** Where a defect of ours happened; undefined for every failure that was foreseen. */
  readonly stack: string | undefined;
}

/** A chain of causes longer than this says nothing more. */
const CAUSES_MAX = 6;

const EXIT_CODE_OF = { caller: 2, world: 3, peer: 4 } as const;

/** What is told about `error`, a thrown value of any kind. */
export function failureOf(error: unknown): Failure {
  const thrown = translated(error);
  if (isAbort(thrown)) {
    return {
      code: "INTERRUPTED",
      message: "Interrupted",
      hint: undefined,
      causes: [],
      exitCode: 130,
      stack: undefined,
    };
  }
  const causes = causesOf(thrown);
  if (thrown instanceof SkyError) {
    const { code, message, fault } = thrown;
    const exitCode = thrown instanceof WarningsError ? 1 : EXIT_CODE_OF[fault];
    return { code, message, hint: hintOf(thrown), causes, exitCode, stack: undefined };
  }
  return {
    code: "INTERNAL",
    message: thrown instanceof Error ? thrown.message || thrown.name : String(thrown),
    hint: "this is a defect of skyctl: please report it with the lines above",
    causes,
    exitCode: 1,
    stack: thrown instanceof Error ? thrown.stack : undefined,
  };
}

/**
 * Lines for stderr: the message, each cause further in, the hint; a defect with its stack. A peer's words may stand
 * in a message, and must not steer the terminal.
 */
export function renderFailure({ message, hint, causes, stack }: Failure): string {
  const lines = [`Error: ${oneLine(message)}`];
  causes.forEach((cause, depth) => lines.push(`${"  ".repeat(depth + 1)}because: ${oneLine(cause)}`));
  if (stack !== undefined) lines.push(...stack.split("\n").filter((line) => /^\s+at /.test(line)));
  if (hint !== undefined) lines.push(`Hint: ${hint}`);
  return lines.join("\n") + "\n";
}

/** The same for a program: `{"error":{"code","message","hint","causes"}}`, one document; on one line after other lines. */
export function renderFailureJson(
  { code, message, hint, causes }: Failure,
  { oneLine: isOneLine = false }: { readonly oneLine?: boolean } = {},
): string {
  const error = { code, message, hint: hint ?? null, causes };
  return JSON.stringify({ error }, null, isOneLine ? undefined : 2) + "\n";
}

function causesOf(error: unknown): string[] {
  const causes: string[] = [];
  let current = error instanceof Error ? error.cause : undefined;
  while (current !== undefined && current !== null && causes.length < CAUSES_MAX) {
    causes.push(current instanceof Error ? current.message || current.name : String(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return causes;
}

/** The hint nearest to the surface: a layer that wraps an error need not repeat what the inner one advises. */
function hintOf(error: unknown): string | undefined {
  let current: unknown = error;
  for (let depth = 0; depth <= CAUSES_MAX && current instanceof Error; depth++) {
    if (current instanceof SkyError && current.hint !== undefined) return current.hint;
    current = current.cause;
  }
  return undefined;
}

/** Commander's complaints, and what help must not load the error family for, as errors of the family. */
function translated(error: unknown): unknown {
  if (error instanceof UnwrittenError) return new OutputError(error.message, { cause: error.cause });
  if (error instanceof Error && "code" in error && String(error.code).startsWith("commander.")) {
    return usageError(String(error.code), error.message);
  }
  return error;
}

/** A suggestion of the very word that was refused is an option of a command before it, which several names have. */
function usageHint(message: string, suggestion: string): string {
  if (suggestion === "") return "add --help to see what it takes";
  const meant = /^Did you mean (.+)\?$/.exec(suggestion)?.[1];
  if (meant === undefined || !message.endsWith(`'${meant}'`)) return suggestion;
  return `${meant} stands before the name that it was given to; add --help to see what that takes`;
}

/** Commander's text is `error: text\n(Did you mean x?)`. */
function usageError(code: string, text: string): UsageError {
  if (code === "commander.help") { // its help is on stderr already
    return new UsageError("No command is given", { hint: "give one of the commands above" });
  }
  const [first = "", ...rest] = text.replace(/^error: /, "").split("\n");
  const suggestion = rest.join(" ").trim().replace(/^\((.*)\)$/, "$1");
  const message = first.charAt(0).toUpperCase() + first.slice(1);
  return new UsageError(message, { hint: usageHint(message, suggestion) });
}
