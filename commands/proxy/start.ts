/** `skyctl proxy start`: a SOCKS proxy on this machine that ends at another visor. @module */
import {
  type AnyCommand,
  Command,
  examples,
  finished,
  homeOf,
  homeOption,
  type Io,
  wholeNumberOption,
} from "../../lib/cli/mod.ts";
import { timeoutOption } from "../service_options.ts";
import { proxyNameOption, SKYSOCKS_CLIENT } from "./proxy_name_option.ts";

/** The verb. */
export function startCommand(io: Io): AnyCommand {
  return finished(
    new Command("start")
      .description(
        "Start a skysocks client in the running visor and wait until it is connected. Exit code 4 when it is not " +
          "connected in time, 3 when it cannot listen; it goes on trying, until skyctl proxy stop.",
      )
      .requiredOption("-k, --pk <pk>", "public key of the visor whose skysocks is used")
      .option("-a, --addr <address>", "host:port where SOCKS is spoken", ":1080")
      .addOption(proxyNameOption("name of the client, for several at once").default(SKYSOCKS_CLIENT))
      .option("--direct", "one hop over a transport to that visor, without route finder and setup node")
      .option("--min-hops <number>", "hops of the route, at least", wholeNumberOption({ min: 1, max: 64 }))
      .addOption(timeoutOption(30_000, "30s", "wait so long for the connection"))
      .addOption(homeOption())
      .addHelpText(
        "after",
        examples(
          [
            "Then use it",
            "skyctl proxy start -k 02ab...cd && curl -x socks5h://127.0.0.1:1080 http://example.com",
          ],
          [
            "Where that skysocks has a passcode, programs send it as their password",
            "curl -x socks5h://any:PASS@127.0.0.1:1080 http://example.com",
          ],
          ["Through others", "skyctl proxy start -k 02ab...cd --min-hops 2"],
        ),
      )
      .action(async ({ pk, addr, name, direct, minHops, timeout, ...options }, command) => {
        if (direct === true && minHops !== undefined && minHops > 1) {
          command.error("error: --direct is one hop: it excludes --min-hops above 1");
        }
        const home = homeOf(io, options);
        const { parsePublicKey } = await import("../../lib/crypto/mod.ts");
        const args = ["--srv", parsePublicKey(pk), "--addr", addr];
        if (direct === true) args.push("--direct");
        if (minHops !== undefined) args.push("--min-hops", String(minHops));
        const { callVisor } = await import("../_visor.ts");
        const { untilConnected } = await import("./_until_connected.ts");
        const { renderProxies } = await import("./_proxies.ts");
        await callVisor(io, home, "appStart", { name, app: SKYSOCKS_CLIENT, args });
        const app = await untilConnected(io, { home, name, timeoutMs: timeout });
        io.emit(app, (proxy) => renderProxies([proxy]));
        if (!io.json && app.proxy !== undefined) io.note(usageOf(app.proxy));
      }),
  );
}

/** A passcode is between each program and the far end: this visor does not know whether there is one. */
function usageOf({ address }: { readonly address: string }): string {
  return `use it: curl -x socks5h://${address} URL; where that skysocks has a passcode: ` +
    `curl -x socks5h://any:PASSCODE@${address} URL`;
}
