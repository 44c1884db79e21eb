/** Verbs that ask the running visor one question and show its answer: `app ls`, `visor status` and their like. @module */
import { type AnyCommand, Command, examples, finished, homeOf, homeOption, type Io } from "../lib/cli/mod.ts";
import type { ControlInput, ControlName, ControlOutput } from "../lib/control/mod.ts";

/** Calls without input. */
type Question = {
  // deno-lint-ignore ban-types
  [Name in ControlName]: {} extends ControlInput<Name> ? Name : never;
}[ControlName];

export interface AskingVerbOptions<Name extends Question> {
  readonly description: string;
  readonly examples: readonly (readonly [what: string, line: string])[];
  readonly call: Name;
  /** Loads what shows the answer to people; help never pays for it. */
  readonly render: () => Promise<(answer: ControlOutput<Name>) => string>;
}

/** The verb: no option but `--home`. */
export function askingVerb<Name extends Question>(
  io: Io,
  verb: string,
  { description, examples: pairs, call, render }: AskingVerbOptions<Name>,
): AnyCommand {
  return finished(
    new Command(verb)
      .description(description)
      .addOption(homeOption())
      .addHelpText("after", examples(...pairs))
      .action(async (options) => {
        const home = homeOf(io, options);
        const { callVisor } = await import("./_visor.ts");
        const shown = await render();
        io.emit(await callVisor(io, home, call, {} as ControlInput<Name>), shown);
      }),
  );
}
