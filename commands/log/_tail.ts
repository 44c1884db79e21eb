/** What `skyctl log tail` does. @module */
import { isAbort, oneLine } from "../../lib/base/mod.ts";
import type { Io } from "../../lib/cli/mod.ts";
import { ControlClient, type StreamInput } from "../../lib/control/mod.ts";
import { type VisorEvent, watchedVisor } from "../_watched_visor.ts";

/** One line with `--json`; one that is no line of ours has its text alone. */
export interface LogLine {
  readonly at?: string;
  readonly level?: string;
  readonly module?: string;
  readonly text: string;
}

/** Prints the lines; a followed log survives the visor's restart, and Ctrl-C is its orderly end. */
export async function tailLog(io: Io, home: string, input: StreamInput<"log">): Promise<void> {
  if (input.follow !== true) {
    await using client = await ControlClient.open(home, await io.world());
    for await (const { line } of client.stream("log", input, io.signal)) emitLine(io, line);
    return;
  }
  let limit = input.limit;
  const events = watchedVisor<{ readonly line: string }>(io, home, (client, signal) => {
    const asked = { ...input, limit };
    limit = undefined; // a visor that is back begins anew: all that it says is new
    return client.stream("log", asked, signal);
  });
  try {
    for await (const event of events) {
      if ("line" in event) emitLine(io, event.line);
      else io.note(noteOf(event));
    }
  } catch (error) {
    if (!(isAbort(error) && io.signal.aborted)) throw error;
  }
}

function emitLine(io: Io, text: string): void {
  io.emitEach(parseLine(text), () => oneLine(text));
}

/** `[time] LEVEL [module]: text`. */
export function parseLine(line: string): LogLine {
  const [, at, level, module, text] = /^\[([^\]]*)\] ([A-Z]+) \[([^\]]*)\]: (.*)$/.exec(line) ?? [];
  return at === undefined ? { text: line } : { at, level, module, text: text! };
}

function noteOf(event: VisorEvent): string {
  return event.event === "visorBack"
    ? `the visor is back: ${event.publicKey}`
    : `the visor is gone: ${event.failure}; waiting for it`;
}
