/**
 * The app `skysocks`: `--passcode <text>` (v24), `--whitelist <key,...>`. Without either it serves everybody.
 *
 * @module
 */
import type { AppInstance, AppProgram } from "./app.ts";
import { AppArguments } from "./arguments.ts";

export const skysocksApp: AppProgram = (args) => {
  const given = new AppArguments("skysocks", args, { passcode: "value", whitelist: "value" });
  const passcode = given.text("passcode");
  const keys = given.keys("whitelist");
  const whitelist = keys === undefined ? undefined : new Set(keys);
  return async ({ world, network, port, log }): Promise<AppInstance> => {
    const { SKYSOCKS_PORT, skysocksServer } = await world.outside(() => import("../../proxy/mod.ts"));
    const ownPort = port || SKYSOCKS_PORT;
    const server = skysocksServer({
      world,
      listener: network.listen(ownPort),
      dialTcp: (to, options) => world.network.dial(to, { ...options, canReset: true }),
      whitelist,
      passcode,
      log,
    });
    const isForEverybody = passcode === undefined && whitelist === undefined;
    return {
      offer: isForEverybody ? { type: "skysocks", port: ownPort } : undefined,
      ended: server.ended,
      state: () => ({ status: "running", detailedStatus: "Running" }),
      close: () => server.close(),
    };
  };
};
