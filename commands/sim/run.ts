/** `skyctl sim run <scenario>`: one rehearsal. @module */
import {
  type AnyCommand,
  Command,
  examples,
  finished,
  type Io,
  Option,
  wholeNumberOption,
} from "../../lib/cli/mod.ts";

/** The verb. */
export function runCommand(io: Io): AnyCommand {
  return finished(
    new Command("run")
      .description(
        "Rehearse a scenario on a simulated fleet, with the code that runs on sockets. It opens none, and takes " +
          "seconds. Exit code 4 when something is not as it must be.",
      )
      .argument("<scenario>", "a name of `skyctl sim ls`")
      .option("--seed <number>", "the same seed, the same run", wholeNumberOption(), 1)
      .option(
        "--servers <number>",
        "dmsg servers (default: the scenario's)",
        wholeNumberOption({ min: 1, max: 64 }),
      )
      .option(
        "--visors <number>",
        "visors (default: the scenario's)",
        wholeNumberOption({ min: 2, max: 5_000 }),
      )
      .addOption(
        new Option("--timeline <what>", "events that are shown").choices(["all", "faults", "none"]).default(
          "all" as const,
        ),
      )
      .addHelpText(
        "after",
        examples(
          [
            "What does a redeploy of six servers do to thirty visors?",
            [
              "skyctl sim run redeploy",
              "--servers 6 --visors 30",
            ].join(" "),
          ],
          ["Another course of the same", "skyctl sim run server-dies --seed 7 --timeline faults"],
          ["For a script", "skyctl sim run redeploy --json | jq .verdict.reachableAfterMs"],
        ),
      )
      .action(async (name, options) => {
        const { runRehearsal } = await import("./_run.ts");
        await runRehearsal(io, name, options);
      }),
  );
}
