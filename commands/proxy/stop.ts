/** `skyctl proxy stop`: end skysocks clients of the running visor. @module */
import {
  type AnyCommand,
  Command,
  examples,
  finished,
  homeOf,
  homeOption,
  type Io,
  Option,
} from "../../lib/cli/mod.ts";
import { proxyNameOption, SKYSOCKS_CLIENT } from "./proxy_name_option.ts";

/** The verb. */
export function stopCommand(io: Io): AnyCommand {
  return finished(
    new Command("stop")
      .description("Stop a skysocks client of the running visor, or all. Its connections end.")
      .addOption(proxyNameOption("which").default(SKYSOCKS_CLIENT))
      .addOption(new Option("--all", "every one").conflicts("name"))
      .addOption(homeOption())
      .addHelpText(
        "after",
        examples(["The usual one", "skyctl proxy stop"], ["Every one", "skyctl proxy stop --all"]),
      )
      .action(async ({ name, all, ...options }) => {
        const home = homeOf(io, options);
        const { callVisor } = await import("../_visor.ts");
        const { proxiesOf, renderProxies } = await import("./_proxies.ts");
        const names = all === true
          ? proxiesOf(await callVisor(io, home, "apps", {})).map((app) => app.name)
          : [name];
        const stopped = [];
        for (const each of names) stopped.push(await callVisor(io, home, "appStop", { name: each }));
        io.emit(stopped, renderProxies);
      }),
  );
}
