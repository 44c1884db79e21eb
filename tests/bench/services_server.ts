/**
 * The process under load in `transport_discovery_bench.ts`: a transport discovery and an address resolver on free
 * loopback ports. Its argument is the store. Says both ports, then at each line on stdin the CPU time that it used
 * so far, in ms; ends with stdin.
 */
import process from "node:process";
import { silentLog } from "../../lib/base/mod.ts";
import { systemWorld } from "../../lib/runtime/mod.ts";
import { runAddressResolver } from "../../lib/services/address_resolver/mod.ts";
import { runTransportDiscovery } from "../../lib/services/transport_discovery/mod.ts";

const world = systemWorld();
const address = { hostname: "127.0.0.1", port: 0 };
const [folder] = Deno.args;
const storeOf = (name: string) => folder === undefined ? "memory" : `${folder}/${name}.db`;
const transports = await runTransportDiscovery({
  world,
  log: silentLog,
  settings: { address, store: storeOf("transports"), mode: "http", requestsPerMinute: 0 },
});
const addresses = await runAddressResolver({
  world,
  log: silentLog,
  settings: { address, store: storeOf("addresses"), mode: "http", allowLoopbackAddresses: true },
});
console.log(`${transports.address!.port} ${addresses.address!.port}`);
for await (const _line of Deno.stdin.readable) {
  const { user, system } = process.cpuUsage();
  console.log(Math.round((user + system) / 1_000));
}
await transports.close();
await addresses.close();
