/** `skyctl conf set <field> <value>`: one field of a configuration. @module */
import { type AnyCommand, Command, examples, finished, homeOption, type Io } from "../../lib/cli/mod.ts";
import { configOption } from "./config_options.ts";

/** The verb. */
export function setCommand(io: Io): AnyCommand {
  return finished(
    new Command("set")
      .description(
        "Set one field of a visor's configuration. The value is checked first; no other byte of the file changes, and " +
          "it is replaced at once. A running visor takes it at its next start.",
      )
      .argument("<field>", "path of the field, such as dmsg.sessions_count or launcher.apps[0].auto_start")
      .argument("<value>", "its value; lists with commas, or in JSON")
      .addOption(configOption())
      .addOption(homeOption())
      .option("--dry-run", "say what would change, and write nothing")
      .option("-f, --force", "set a field that is unknown, too")
      .addHelpText(
        "after",
        examples(
          ["More dmsg sessions", "skyctl conf set dmsg.sessions_count 4"],
          ["The first app starts with the visor", "skyctl conf set 'launcher.apps[0].auto_start' true"],
          ["Who may read the log", "skyctl conf set user_survey_whitelist 02ab...cd,03ef...01"],
        ),
      )
      .action(async (field, value, options) => {
        const { set } = await import("./_set.ts");
        await set(io, field, value, options);
      }),
  );
}
