/**
 * The app `skysocks-client`: `--srv <key>`, `--addr :1080`, `--direct`, `--min-hops <number>`.
 *
 * With `--direct` it uses exactly one hop over a transport to the server, made on demand, without route finder,
 * setup node or breaker (operations.md 4); the network that it is given does so.
 *
 * @module
 */
import { renderSocketAddress } from "../../runtime/mod.ts";
import type { AppInstance, AppProgram } from "./app.ts";
import { AppArguments } from "./arguments.ts";

/** More hops than any route has. */
const MIN_HOPS_MAX = 64;

const FLAGS = { srv: "value", addr: "value", direct: "switch", "min-hops": "value" } as const;

export const skysocksClientApp: AppProgram = (args) => {
  const given = new AppArguments("skysocks-client", args, FLAGS);
  const server = given.key("srv") ??
    given.refuse("srv", "the key of the server's visor is missing", "skyctl proxy start --pk <key>");
  const address = given.address("addr");
  const direct = given.isSet("direct");
  const minHops = given.wholeNumber("min-hops", { min: 1, max: MIN_HOPS_MAX });
  if (direct && minHops !== undefined && minHops > 1) {
    given.refuse("direct", "it is one hop, which excludes --min-hops above 1");
  }
  return async ({ world, network, log }): Promise<AppInstance> => {
    const proxy = await world.outside(() => import("../../proxy/mod.ts"));
    const client = await proxy.SkysocksClient.start({
      world,
      listen: address ?? proxy.SKYSOCKS_LISTEN_DEFAULT,
      log,
      dial: (signal) =>
        network.dial({ publicKey: server, port: proxy.SKYSOCKS_PORT }, { direct, minHops, signal }),
    });
    return {
      ended: client.ended,
      state: () => {
        const status = client.status();
        return {
          status: status.detail === "Running" ? "running" : "starting",
          detailedStatus: status.detail,
          proxy: {
            server,
            address: renderSocketAddress(client.listen),
            direct,
            connected: status.latencyMs !== undefined,
            connections: status.connections,
            bytesIn: status.bytesReceived,
            bytesOut: status.bytesSent,
            latencyMs: status.latencyMs ?? null,
            sessions: status.sessions,
            ...(status.lastError === undefined ? {} : { lastFailure: status.lastError }),
          },
        };
      },
      close: () => client.close(),
    };
  };
};
