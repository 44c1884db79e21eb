/**
 * Programs that end with everything that they started, however they end.
 *
 * On Unix each is the first of a process group of its own, and the group is ended. It has its standard input from this
 * process, and ends with it ({@link endWithStdin}): so nothing stays where this process is killed. Windows has no
 * such groups: there the program itself is ended, and what it started by its own care.
 *
 * A program that does not do so itself is run by this file, which is one, too: {@link inGroup}.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

/** Exit code of a task that was interrupted, as shells have it. */
export const INTERRUPTED = 130;

/** What a program printed, and whether it succeeded. */
export interface GroupOutput {
  readonly success: boolean;
  readonly stdout: string;
}

/** How a program is run. */
export interface GroupOptions {
  readonly args: readonly string[];
  readonly signal: AbortSignal;
  /** Default: that of this process. */
  readonly cwd?: string;
  /** Beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Nothing of what it says on stderr is shown. */
  readonly isQuiet?: boolean;
}

/** Runs a program to its end, or until `signal`. What it started is killed when this resolves. */
export async function outputOfGroup(
  command: string,
  { args, signal, cwd, env, isQuiet = false }: GroupOptions,
): Promise<GroupOutput> {
  if (signal.aborted) return { success: false, stdout: "" };
  const child = new Deno.Command(command, {
    args: [...args],
    cwd,
    env: { ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: isQuiet ? "null" : "inherit",
    detached: HAS_GROUPS,
  }).spawn();
  const end = () => endGroup(child);
  signal.addEventListener("abort", end);
  try {
    const stdout = new Response(child.stdout).text(); // ends with the last one that has it
    const { success } = await child.status;
    end();
    return { success, stdout: await stdout };
  } finally {
    signal.removeEventListener("abort", end);
    await child.stdin.close().catch(() => {}); // nobody reads it any more
  }
}

/**
 * Arguments for a Deno that is the first of a group and has another one run `args`, so that this ends with the process
 * that started it. Where there are no groups, `args`: an end would reach the first one alone.
 */
export function inGroup(args: readonly string[]): string[] {
  if (!HAS_GROUPS) return [...args];
  return ["run", "-A", "--no-config", "--no-check", fileURLToPath(import.meta.url), ...args];
}

/** In such a program: it ends, with its group, when the process that started it is gone. Its end is `Deno.exit` then. */
export function endWithStdin(): void {
  void (async () => {
    for await (const _ of Deno.stdin.readable); // nothing is said there
    if (HAS_GROUPS) killIfAny(-Deno.pid);
    Deno.exit(1);
  })();
}

/** Aborts when somebody wants this process to end: Ctrl-C, `kill`, the terminal is closed. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  for (
    const signal of HAS_GROUPS ? ["SIGINT", "SIGTERM", "SIGHUP"] as const : ["SIGINT", "SIGBREAK"] as const
  ) {
    Deno.addSignalListener(signal, () => controller.abort());
  }
  return controller.signal;
}

function endGroup(child: Deno.ChildProcess): void {
  if (HAS_GROUPS) return killIfAny(-child.pid);
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // it has ended
  }
}

function killIfAny(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

const HAS_GROUPS = Deno.build.os !== "windows";

if (import.meta.main) {
  endWithStdin();
  const child = new Deno.Command(Deno.execPath(), { args: Deno.args, stdin: "null" }).spawn();
  Deno.exit((await child.status).code);
}
