/** What `skyctl log tail` does. @module */
import { isAbort, oneLine, TOLD_LINES_MAX, ToldLines } from "../../lib/base/mod.ts";
import type { Io } from "../../lib/cli/mod.ts";
import { ControlClient, type StreamInput, type StreamLine } from "../../lib/control/mod.ts";
import { type VisorEvent, watchedVisor } from "../_watched_visor.ts";

/** One line with `--json`; one that is no line of ours has its text alone. */
export interface LogLine {
  readonly at?: string;
  readonly level?: string;
  readonly module?: string;
  readonly text: string;
}

/**
 * Prints the lines; a followed log survives the restart of the visor, and of whose log it is, and Ctrl-C is its orderly
 * end.
 */
export async function tailLog(io: Io, home: string, input: StreamInput<"log">): Promise<void> {
  if (input.follow !== true) {
    await using client = await ControlClient.open(home, await io.world());
    for await (const told of client.stream("log", input, io.signal)) {
      if ("lines" in told) emitLines(io, told.lines);
    }
    return;
  }
  const printed = new ToldLines();
  const events = watchedVisor<StreamLine<"log">>(io, home, (client, signal) => {
    // A visor that is back tells its own log anew, another's once more: the last line that was told is to be in it.
    const asked = printed.isEmpty ? input : { ...input, limit: TOLD_LINES_MAX };
    printed.readAnew();
    return client.stream("log", asked, signal);
  });
  try {
    for await (const event of events) {
      if ("lines" in event) {
        const { lines } = event;
        // None: all that was is told. Until then what is held back may be old, also when one of the two is gone.
        emitLines(io, lines.length > 0 ? printed.news(lines) : printed.settle());
        continue;
      }
      io.note(noteOf(event, input.key));
    }
  } catch (error) {
    if (!(isAbort(error) && io.signal.aborted)) throw error;
  }
}

function emitLines(io: Io, lines: readonly string[]): void {
  for (const text of lines) io.emitEach(parseLine(text), () => oneLine(text));
}

/** `[time] LEVEL [module]: text`. */
export function parseLine(line: string): LogLine {
  const [, at, level, module, text] = /^\[([^\]]*)\] ([A-Z]+) \[([^\]]*)\]: (.*)$/.exec(line) ?? [];
  return at === undefined ? { text: line } : { at, level, module, text: text! };
}

function noteOf(event: VisorEvent | Exclude<StreamLine<"log">, { lines: unknown }>, key = ""): string {
  switch (event.event) {
    case "visorBack":
      return `the visor is back: ${event.publicKey}`;
    case "visorGone":
      return `the visor is gone: ${event.failure}; waiting for it`;
    case "back":
      return `${key} is back`;
    case "gone":
      return `${key} is gone: ${event.failure}; waiting for it`;
  }
}
