/** `skyctl svc run address-resolver`: where visors can be dialled directly. @module */
import { type AnyCommand, examples, finished, type Io } from "../../lib/cli/mod.ts";
import { serviceCommand } from "./service_options.ts";

/** The verb. */
export function addressResolverCommand(io: Io): AnyCommand {
  return finished(
    serviceCommand("address-resolver", {
      description: "Run an address resolver: where visors can be dialled directly (stcpr).",
      addr: "127.0.0.1:9093",
      entry: "a binding that is not renewed",
    })
      .option("-t, --test-mode", "accept loopback and private addresses")
      .option("--no-proxy-headers", "do not take a caller's address from X-Real-IP and its like")
      .addHelpText(
        "after",
        examples(
          ["For trying things, on loopback", "skyctl svc run address-resolver --test-mode"],
          [
            "Kept in a file, over HTTP and dmsg",
            "skyctl svc run address-resolver --store ar.db --keyfile ar.key",
          ],
          [
            "On a public address without a proxy in front",
            "skyctl svc run address-resolver --addr :9093 --no-proxy-headers",
          ],
        ),
      )
      .action(async (options) => {
        const { runServiceCommand } = await import("./_service.ts");
        const { runAddressResolver } = await import("../../lib/services/address_resolver/mod.ts");
        await runServiceCommand(io, options, {
          name: "address resolver",
          portDefault: 9093,
          start: ({ settings, ...given }) =>
            runAddressResolver({
              ...given,
              settings: {
                ...settings,
                allowLoopbackAddresses: options.testMode === true,
                believeProxies: options.proxyHeaders,
              },
            }),
        });
      }),
  );
}
