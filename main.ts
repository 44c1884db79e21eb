/**
 * `skyctl`: builds the command tree, runs one command, maps errors to exit codes. The only file that exits.
 *
 * Nothing is imported before it is needed: `--version` loads no package at all, help loads commander and the
 * options of one noun, and a failure loads what prints it.
 *
 * @module
 */
import config from "./deno.json" with { type: "json" };
import type { Terminal } from "./lib/cli/mod.ts";

/** Runs one command line; resolves with its exit code once all that it started is over. */
async function main(argv: readonly string[]): Promise<number> {
  const { endsAtHangUp, onInterrupts, ProcessIo } = await import("./lib/cli/mod.ts");
  const io = new ProcessIo({
    json: asksForJson(argv),
    version: config.version,
    terminal: processTerminal((handler) => {
      const onSignal = onInterrupts({
        end: handler,
        endNow: () => {
          io.leaveScreen();
          process.exit(130);
        },
        nowMs: () => process.uptime() * 1_000,
      });
      // Told before anything is listened to: Deno takes SIGHUP over with the first signal, ignored or not.
      const isOnTerminal = process.stdout.isTTY === true || process.stderr.isTTY === true;
      const ends = endsAtHangUp({ processStatus: processStatus(), isOnTerminal });
      for (const signal of ["SIGINT", "SIGTERM", "SIGBREAK"] as const) listen(signal, onSignal);
      listen("SIGHUP", ends ? handler : () => {});
    }),
    makeWorld: async () => (await import("./lib/runtime/mod.ts")).systemWorld(),
  });
  let readerLeft = false;
  process.stdout.on("error", () => {
    // `skyctl ... | head`: whoever read our answer has had enough of it. End in order, as at Ctrl-C.
    readerLeft = true;
    io.interrupt();
  });
  process.stderr.on("error", () => {}); // nobody hears the talk: the answer may still be read
  try {
    const { buildTree } = await import("./commands/mod.ts");
    const tree = await buildTree({ argv, io, version: config.version });
    await tree.parseAsync(argv, { from: "user" });
    return 0;
  } catch (error) {
    if (isShown(error)) return 0;
    const { failureOf, renderFailure, renderFailureJson } = await import("./lib/cli/failure.ts");
    const failure = failureOf(error);
    if (readerLeft && failure.exitCode === 130) return 0;
    io.note(renderFailure(failure));
    if (io.json && io.answered !== "whole" && !broken.has(process.stdout)) {
      process.stdout.write(renderFailureJson(failure, { oneLine: io.answered === "lines" }));
    }
    return failure.exitCode;
  }
}

/** Help and version are thrown by commander too, once they are printed. Help for want of a verb is an error. */
function isShown(error: unknown): boolean {
  return error instanceof Error && "code" in error && "exitCode" in error && error.exitCode === 0 &&
    String(error.code).startsWith("commander.");
}

/** `--json` stands anywhere before `--`: known before the tree is, so that a usage error is JSON too. */
function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return (end < 0 ? argv : argv.slice(0, end)).includes("--json");
}

function processTerminal(onInterrupt: Terminal["onInterrupt"]): Terminal {
  return {
    out: (text) => write(process.stdout, text),
    outBytes: (bytes) =>
      new Promise((resolve, reject) =>
        process.stdout.write(bytes, (error) => error ? reject(error) : resolve())
      ),
    err(text) {
      try {
        write(process.stderr, text);
      } catch {
        // A full disk behind 2>: there is no third place to say it.
      }
    },
    outIsTerminal: process.stdout.isTTY === true,
    errIsTerminal: process.stderr.isTTY === true,
    columns: () => process.stdout.columns ?? process.stderr.columns,
    rows: () => process.stdout.rows,
    env: (name) => process.env[name],
    pid: process.pid,
    onInterrupt,
  };
}

function listen(signal: NodeJS.Signals, handler: () => void): void {
  try {
    process.on(signal, handler);
  } catch {
    // No system has all of them.
  }
}

/** What Linux tells of this process; undefined elsewhere. */
function processStatus(): string | undefined {
  try {
    return Deno.readTextFileSync("/proc/self/status");
  } catch {
    return undefined;
  }
}

/** Streams that threw in a write, a full disk for one: they never call back again. */
const broken = new Set<NodeJS.WriteStream>();

function write(stream: NodeJS.WriteStream, text: string): void {
  try {
    stream.write(text);
  } catch (cause) {
    broken.add(stream);
    throw cause;
  }
}

/** Everything written is on its way. */
async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (!broken.has(stream)) await new Promise<void>((resolve) => stream.write("", () => resolve()));
}

const argv = process.argv.slice(2);
if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
  console.log(config.version); // the one answer that needs nothing, not even the process's streams
} else {
  const exitCode = await main(argv);
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit(exitCode); // with everything closed the process would end by itself: this bounds what was not
}
