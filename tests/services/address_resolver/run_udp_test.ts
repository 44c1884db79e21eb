/** runAddressResolver() with its UDP side, on real sockets and beside dmsg (SV-3). */
import assert from "node:assert/strict";
import { silentLog } from "../../../lib/base/mod.ts";
import { AddressResolverClient, joinNetwork, tcpHttpClient } from "../../../lib/directory/mod.ts";
import { AddressInUseError, sleep, type World } from "../../../lib/runtime/mod.ts";
import { runAddressResolver } from "../../../lib/services/address_resolver/mod.ts";
import { withSimulation, withSystemWorld } from "../../support/world.ts";
import { pair } from "../service_support.ts";
import { Visor } from "./support.ts";

const loopback = { hostname: "127.0.0.1", port: 0 };
const base = { address: loopback, store: "memory", mode: "http" as const };

/** Asks over HTTP, as `local`. */
async function withClient<T>(
  world: World,
  local: ReturnType<typeof pair>,
  http: string,
  work: (client: AddressResolverClient) => Promise<T>,
): Promise<T> {
  const network = {
    name: "none",
    file: undefined,
    servers: [],
    discoveryHttp: undefined,
    discoveryDmsg: undefined,
  };
  const joined = joinNetwork({
    world,
    local,
    network,
    log: silentLog,
    userAgent: "test/1",
    publish: false,
  });
  try {
    return await work(new AddressResolverClient(joined.askService("address resolver", { http })));
  } finally {
    await joined.close();
  }
}

Deno.test("SV-3: two visors bind over real UDP, and one is told of the other's dial", () =>
  withSystemWorld(async (world) => {
    const log = silentLog;
    await using service = await runAddressResolver({
      world,
      log,
      settings: { ...base, udpAddress: loopback },
    });
    assert.equal(service.udpAddress!.port, service.address!.port, "UDP has HTTP's number: visors expect it");
    const visors: Visor[] = [];
    for (const name of ["dialer", "callee"]) visors.push(await Visor.on(world, pair(name)));
    const [dialer, callee] = visors as [Visor, Visor];
    for (const visor of visors) {
      await visor.connect({ to: service.udpAddress! });
      await visor.bind();
      await visor.say("heartbeat");
    }
    while (service.udpCounters()!.sessions < 2) await sleep(world.clock, 5);
    const http = `http://127.0.0.1:${service.address!.port}`;
    const resolved = await withClient(
      world,
      dialer.local,
      http,
      (client) => client.resolve("sudph", callee.local.publicKey),
    );
    assert.deepEqual(resolved, {
      remoteAddress: `127.0.0.1:${callee.port}`,
      port: callee.port,
      addresses: ["192.0.2.7"],
      isLocal: true,
    });
    assert.equal(
      await callee.hear(),
      `{"PK":"${dialer.local.publicKey}","Addr":"127.0.0.1:${dialer.port}"}`,
    );
    await using client = tcpHttpClient(world, "test/1");
    const health = await (await client.fetch({ url: `${http}/health` })).json();
    assert.equal(health.udp_address, `127.0.0.1:${service.address!.port}`);
    assert.equal(health.udp.pushed, 1);
    await service.close();
    assert.equal(await callee.hear(), undefined);
    for (const visor of visors) visor.close();
    await Promise.all(visors.map((visor) => visor.closed));
  }));

Deno.test("a UDP port that is taken: another where any will do, an error where it was asked for", () =>
  withSystemWorld(async (world) => {
    const log = silentLog;
    await using first = await runAddressResolver({ world, log, settings: { ...base, udpAddress: loopback } });
    const taken = first.udpAddress!;
    await assert.rejects(
      runAddressResolver({ world, log, settings: { ...base, udpAddress: taken } }),
      AddressInUseError,
    );
    await using second = await runAddressResolver({
      world,
      log,
      settings: { ...base, address: loopback, udpAddress: { ...taken, port: 0 } },
    });
    assert.notEqual(second.udpAddress!.port, taken.port);
    await using without = await runAddressResolver({ world, log, settings: base });
    assert.deepEqual([without.udpAddress, without.udpCounters()], [undefined, undefined]);
  }));

Deno.test("port 0 of UDP is any where the number of HTTP's is not free", () =>
  withSimulation(1, async (simulation) => {
    const world = simulation.node("resolver");
    await simulation.run(async () => {
      const occupied = await world.network.datagrams({ hostname: "0.0.0.0", port: 9093 });
      await using service = await runAddressResolver({
        world,
        log: silentLog,
        settings: {
          ...base,
          address: { hostname: "0.0.0.0", port: 9093 },
          udpAddress: { hostname: "0.0.0.0", port: 0 },
        },
      });
      assert.notEqual(service.udpAddress!.port, 9093);
      const asking = simulation.node("asker");
      await using client = tcpHttpClient(asking, "test/1");
      const health = await (await client.fetch({ url: "http://resolver:9093/health" })).json();
      assert.equal(
        health.udp_address,
        `:${service.udpAddress!.port}`,
        "every address of the machine is none to tell",
      );
      assert.equal(health.udp.sessions, 0);
      occupied.close();
    });
  }));
