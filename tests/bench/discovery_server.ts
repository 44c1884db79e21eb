/**
 * The process under load in `discovery_bench.ts`: a discovery on a free loopback port. Its argument is the store.
 * Says its port, then at each line on stdin the CPU time that it used so far, in ms; ends with stdin.
 */
import process from "node:process";
import { silentLog } from "../../lib/base/mod.ts";
import { systemWorld } from "../../lib/runtime/mod.ts";
import { runDmsgDiscovery } from "../../lib/services/dmsg_discovery/mod.ts";

const discovery = await runDmsgDiscovery({
  world: systemWorld(),
  log: silentLog,
  settings: { address: { hostname: "127.0.0.1", port: 0 }, store: Deno.args[0]!, mode: "http" },
});
console.log(discovery.address.port);
for await (const _line of Deno.stdin.readable) {
  const { user, system } = process.cpuUsage();
  console.log(Math.round((user + system) / 1_000));
}
await discovery.close();
