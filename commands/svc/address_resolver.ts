/** `skyctl svc run address-resolver`: where visors can be dialled directly. @module */
import { type AnyCommand, examples, finished, type Io } from "../../lib/cli/mod.ts";
import { proxyHeadersOption, serviceCommand } from "./service_options.ts";

/** The verb. */
export function addressResolverCommand(io: Io): AnyCommand {
  return finished(
    serviceCommand("address-resolver", {
      description: "Run an address resolver: where visors can be dialled directly (stcpr, sudph).",
      addr: "127.0.0.1:9093",
      entry: "a binding that is not renewed",
    })
      .option("-t, --test-mode", "accept loopback and private addresses")
      .option(
        "--udp-addr <address>",
        "host:port of UDP, for sudph (default: that of --addr; 30178 is what visors try without a port in the URL)",
      )
      .option("--no-udp", "stcpr alone")
      .option("--public-udp-address <address>", "host:port at which visors reach the UDP side, for /health")
      .addOption(proxyHeadersOption())
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
          [
            "Behind a proxy that visors reach as https://ar.example.net",
            "skyctl svc run address-resolver --udp-addr :30178 --public-udp-address ar.example.net:30178",
          ],
        ),
      )
      .action(async (options) => {
        const { parseListenAddress, runServiceCommand } = await import("./_service.ts");
        await runServiceCommand(io, options, "address-resolver", (_start, { address }) => ({
          settings: {
            udpAddress: !options.udp
              ? undefined
              : options.udpAddr === undefined
              ? address
              : parseListenAddress(options.udpAddr, 30_178),
            publicUdpAddress: options.publicUdpAddress,
            allowLoopbackAddresses: options.testMode === true,
            believeProxies: options.proxyHeaders,
          },
        }));
      }),
  );
}
