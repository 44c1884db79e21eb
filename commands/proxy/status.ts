/** `skyctl proxy status`: skysocks clients of the running visor. @module */
import {
  type AnyCommand,
  Command,
  examples,
  finished,
  homeOf,
  homeOption,
  type Io,
} from "../../lib/cli/mod.ts";
import { proxyNameOption } from "./proxy_name_option.ts";

/** The verb. */
export function statusCommand(io: Io): AnyCommand {
  return finished(
    new Command("status")
      .description(
        "Show the skysocks clients of the running visor: server, address, connections, bytes, latency.",
      )
      .addOption(proxyNameOption("only this one"))
      .addOption(homeOption())
      .addHelpText(
        "after",
        examples(
          ["All of them", "skyctl proxy status"],
          ["Is it connected?", "skyctl proxy status --json | jq '.[0].proxy.connected'"],
        ),
      )
      .action(async ({ name, ...options }) => {
        const home = homeOf(io, options);
        const { callVisor } = await import("../_visor.ts");
        const { proxiesOf, renderProxies } = await import("./_proxies.ts");
        io.emit(proxiesOf(await callVisor(io, home, "apps", {}), name), renderProxies);
      }),
  );
}
