/** Command lines in hints, read by the program itself. @module */
import { CommanderError } from "commander";
import { buildTree } from "../../commands/mod.ts";
import { type AnyCommand, ProcessIo } from "../../lib/cli/mod.ts";
import { setField } from "../../lib/visor/conf/mod.ts";
import { FakeTerminal } from "./_fakes.ts";

const NO_VERB = "names no verb";

/** The `skyctl` command lines in a hint: each ends where the hint goes on, with `;`, `,`, `:` and a space, or a bracket. */
export function linesIn(hint: string): string[] {
  return [...hint.matchAll(/\bskyctl .*?(?=[;,:] |[)]|$)/gm)].map(([line]) => line);
}

/** Its words, as a shell takes them. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|\\'|[^\s'\\])+/g)].map(([word]) => word.replace(/'|\\(?=')/g, ""));
}

/**
 * Why the program would refuse a command line: its own parser reads it, arguments and all, and runs nothing. Undefined:
 * it would not.
 */
export async function whyRefused(line: string): Promise<string | undefined> {
  const io = new ProcessIo({
    json: false,
    version: "1.2.3",
    terminal: new FakeTerminal(),
    makeWorld: () => Promise.reject(new Error("nothing is run")),
  });
  const tree = await buildTree({ argv: ["completion"], io, version: "1.2.3" });
  let ran: AnyCommand | undefined;
  const doNothing = (command: AnyCommand) => {
    command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
    if (command.commands.length === 0 || command.registeredArguments.length > 0) {
      command.action(() => void (ran = command));
    }
    for (const child of command.commands) doNothing(child);
  };
  doNothing(tree);
  try {
    await tree.parseAsync(wordsOf(line).slice(1), { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) return error.code === "commander.help" ? NO_VERB : error.message;
    return String(error);
  }
  if (ran === undefined) return NO_VERB;
  if (ran.parent?.name() !== "conf" || ran.name() !== "set") return undefined;
  try {
    const [field, given] = ran.args as [string, string];
    setField("{}", "visor.json", { field, given, force: false });
  } catch (error) {
    return String(error);
  }
}
