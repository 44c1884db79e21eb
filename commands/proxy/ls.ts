/** `skyctl proxy ls`: visors whose proxies are for everybody. */
import {
  type AnyCommand,
  Command,
  examples,
  finished,
  type Io,
  wholeNumberOption,
} from "../../lib/cli/mod.ts";
import { withNetworkOptions } from "../network_options.ts";
import { serviceAddressOption, timeoutOption } from "../service_options.ts";

/** More than a person reads; a list of everything takes its own client. */
const LIMIT_MAX = 10_000;

/** The verb. */
export function lsCommand(io: Io): AnyCommand {
  return finished(
    withNetworkOptions(
      new Command("ls")
        .description(
          "List visors whose proxies are for everybody, as the service discovery knows them: a sample, in no order. " +
            "Exit code 0 also when there is none.",
        )
        .option("-c, --country <code>", "in that country only, as NL")
        .option("--visor-version <version>", "of visors of that version only")
        .option("-n, --limit <number>", "so many at most", wholeNumberOption({ min: 1, max: LIMIT_MAX }), 50)
        .addOption(serviceAddressOption("service discovery"))
        .addOption(timeoutOption(30_000, "30s")),
    )
      .addHelpText(
        "after",
        examples(
          ["Which proxies are there?", "skyctl proxy ls"],
          ["Use one", "skyctl proxy start -k $(skyctl proxy ls -n 1 --json | jq -r '.[0].publicKey')"],
        ),
      )
      .action(async ({ country, visorVersion: version, limit, ...options }) => {
        const { ServiceDiscoveryClient } = await import("../../lib/directory/mod.ts");
        const { withService } = await import("../_ask_service.ts");
        const { renderOffered } = await import("./_proxies.ts");
        const wanted = { type: "skysocks", country: country?.toUpperCase(), version, quantity: limit };
        const found = await withService(
          io,
          options,
          "serviceDiscovery",
          (ask, signal) => new ServiceDiscoveryClient(ask).find(wanted, signal),
        );
        io.emit(found, renderOffered);
      }),
  );
}
