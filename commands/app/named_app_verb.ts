/** The verbs that do one thing to an app of the running visor: its name, and `--home`. @module */
import {
  type AnyCommand,
  Command,
  examples,
  finished,
  homeOf,
  homeOption,
  type Io,
} from "../../lib/cli/mod.ts";
import type { ControlInput, ControlOutput } from "../../lib/control/mod.ts";

export interface NamedAppOptions<Name extends "appStop" | "appRemove"> {
  readonly description: string;
  readonly example: readonly [what: string, line: string];
  readonly call: Name;
  /** Loads what shows the answer to people; help never pays for it. */
  readonly render: (name: string) => Promise<(answer: ControlOutput<Name>) => string>;
}

/** The verb. */
export function namedAppVerb<Name extends "appStop" | "appRemove">(
  io: Io,
  verb: string,
  { description, example, call, render }: NamedAppOptions<Name>,
): AnyCommand {
  return finished(
    new Command(verb)
      .description(description)
      .argument("<name>", "as app ls shows it")
      .addOption(homeOption())
      .addHelpText("after", examples(example))
      .action(async (name, options) => {
        const home = homeOf(io, options);
        const { callVisor } = await import("../_visor.ts");
        const shown = await render(name);
        io.emit(await callVisor(io, home, call, { name } as ControlInput<Name>), shown);
      }),
  );
}
