/** An address resolver with its UDP side, in one process. @module */
import { silentLog } from "../../lib/base/mod.ts";
import { type SocketAddress, systemWorld } from "../../lib/runtime/mod.ts";
import { runAddressResolver, type RunningAddressResolver } from "../../lib/services/address_resolver/mod.ts";
import { serveCommands } from "./_child.ts";

let running: RunningAddressResolver;

await serveCommands({
  /** Where its UDP side is. */
  async start(): Promise<SocketAddress> {
    const address = { hostname: "127.0.0.1", port: 0 };
    const settings = { address, udpAddress: address, store: "memory", mode: "http" as const };
    running = await runAddressResolver({ world: systemWorld(), log: silentLog, settings });
    return running.udpAddress!;
  },
  counters: () => running.udpCounters()!,
});
