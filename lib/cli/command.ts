/**
 * Commander as skyctl uses it: typed, lazy, and alike in every command.
 *
 * `Command` and `Option` are commander's classes under the stricter types of `@commander-js/extra-typings`,
 * which is never loaded. Everything that a help screen loads is this folder, `commands/` and commander.
 *
 * @module
 */
import { Command as PlainCommand, InvalidArgumentError, Option as PlainOption } from "commander";
import type { Command as TypedCommand, Option as TypedOption } from "@commander-js/extra-typings";

/** A command whose action knows the types of its arguments and options. */
export const Command = PlainCommand as unknown as typeof TypedCommand;
/** An option whose choices and default reach the action's types. */
export const Option = PlainOption as unknown as typeof TypedOption;
/** A command of the tree, whatever its arguments and options. */
export type AnyCommand = PlainCommand;

/** Thrown by an option's parser for a value it cannot take; becomes a usage error, exit code 2. */
export { InvalidArgumentError };

/** Forgets the types of a finished command, so that it can hang in the tree. */
// deno-lint-ignore no-explicit-any
export function finished(command: TypedCommand<any, any, any>): AnyCommand {
  return command as unknown as AnyCommand;
}

/** A noun: a command that only groups verbs. */
export function noun(name: string, description: string, verbs: readonly AnyCommand[]): AnyCommand {
  const group = new PlainCommand(name).description(description).helpCommand(false);
  for (const verb of verbs) group.addCommand(verb);
  return group;
}

/**
 * A command with verbs that can be named together: `run one` runs the verb (by any of its names) with its own options, and `run one two`
 * this command's action with the names in one text, `one,two`. Its own options come before a name, or after several:
 * behind one of them a single name is this command's, too, as `one,`.
 */
export function commandOfSeveral(name: string): TypedCommand {
  return new CommandOfSeveral(name).helpCommand(false).enablePositionalOptions() as unknown as TypedCommand;
}

/** What commander calls for a command with its part of the line: words up to the first option, and the rest. */
type ParseCommand = (operands: string[], unknown: string[]) => unknown;

class CommandOfSeveral extends PlainCommand {
  #isVerbs = false;

  /** Not in commander's types. Without it options of a verb that this command has, too, would be taken from it. */
  _parseCommand(operands: string[], unknown: string[]): unknown {
    const parse = (PlainCommand.prototype as unknown as { _parseCommand: ParseCommand })._parseCommand;
    const { names, rest } = this.#leadingNames([...operands, ...unknown]);
    this.#isVerbs = names.length === 1 &&
      this.commands.some((verb) => verb.name() === names[0] || verb.aliases().includes(names[0]!));
    return names.length === 0 ? parse.call(this, [], rest) : parse.call(this, [names.join(",")], rest);
  }

  override parseOptions(argv: string[]): { operands: string[]; unknown: string[] } {
    if (this.#isVerbs) return { operands: [], unknown: argv };
    const parsed = super.parseOptions(argv);
    const { names, rest } = this.#leadingNames([...parsed.operands, ...parsed.unknown]);
    if (names.length === 0) return parsed;
    // An own option came before a single name, or there would be no verb: left to the verb, it would be lost.
    return super.parseOptions([names.length === 1 ? `${names[0]},` : names.join(","), ...rest]);
  }

  /** The words before the first option. */
  #leadingNames(words: readonly string[]): { names: string[]; rest: string[] } {
    const end = words.findIndex((word) => word.startsWith("-"));
    const count = end < 0 ? words.length : end;
    return { names: words.slice(0, count), rest: words.slice(count) };
  }
}

/** The "Examples" part of a help screen: pairs of what it does and the command line. */
export function examples(...pairs: readonly (readonly [what: string, line: string])[]): string {
  return "\nExamples:\n" + pairs.map(([what, line]) => `  # ${what}\n  $ ${line}`).join("\n");
}

/** Passes the root's settings (errors thrown, not exits; help with global options) down the whole tree. */
export function inheritSettings(parent: AnyCommand): void {
  for (const child of parent.commands) {
    child.copyInheritedSettings(parent);
    inheritSettings(child);
  }
}
