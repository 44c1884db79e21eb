/** A service that comes back with shorter lives ends what a run with longer ones left, in its own time (SV-2). */
import assert from "node:assert/strict";
import { silentLog } from "../../lib/base/mod.ts";
import {
  AddressResolverClient,
  joinNetwork,
  ServiceDiscoveryClient,
  tcpHttpClient,
  TransportDiscoveryClient,
} from "../../lib/directory/mod.ts";
import type { AskService } from "../../lib/dmsg/mod.ts";
import { renderEntry } from "../../lib/dmsg/entry.ts";
import { sleep, type World } from "../../lib/runtime/mod.ts";
import { runAddressResolver } from "../../lib/services/address_resolver/mod.ts";
import { runDmsgDiscovery } from "../../lib/services/dmsg_discovery/mod.ts";
import { runServiceDiscovery } from "../../lib/services/service_discovery/mod.ts";
import { runTransportDiscovery } from "../../lib/services/transport_discovery/mod.ts";
import { withSimulation } from "../support/world.ts";
import { signedClient } from "./discovery_support.ts";
import { pair, transportOf } from "./service_support.ts";

const [alice, bob] = [pair("alice"), pair("bob")];
const DAY_MS = 24 * 60 * 60_000;

interface Asking {
  readonly ask: AskService;
  readonly http: ReturnType<typeof tcpHttpClient>;
}

interface Service {
  readonly run: (world: World, store: string, ttlMs: number) => Promise<AsyncDisposable>;
  /** Lives of the first run, and what is there after them. */
  readonly longMs: number;
  readonly register: (asking: Asking) => Promise<unknown>;
  readonly count: (asking: Asking) => Promise<number>;
}

const address = { hostname: "0.0.0.0", port: 9000 };
const settingsOf = (store: string) => ({
  address,
  store,
  mode: "http" as const,
  allowLoopbackAddresses: true,
});
const listening = { port: 7777, addresses: ["10.0.0.2"] };
const record = { publicKey: alice.publicKey, port: 44, type: "vpn", version: "v1" };

const SERVICES: Record<string, Service> = {
  "transport discovery": {
    run: (world, store, entryTimeoutMs) =>
      runTransportDiscovery({ world, log: silentLog, settings: { ...settingsOf(store), entryTimeoutMs } }),
    longMs: 0,
    register: ({ ask }) => new TransportDiscoveryClient(ask).register([transportOf(alice, bob)]),
    count: async ({ ask }) => (await new TransportDiscoveryClient(ask).byEdge(alice.publicKey)).length,
  },
  "address resolver": {
    run: (world, store, entryTimeoutMs) =>
      runAddressResolver({ world, log: silentLog, settings: { ...settingsOf(store), entryTimeoutMs } }),
    longMs: 0,
    register: ({ ask }) => new AddressResolverClient(ask).bindStcpr(listening),
    count: async ({ ask }) => (await new AddressResolverClient(ask).transports()).stcpr.length,
  },
  "service discovery": {
    run: (world, store, entryTimeoutMs) =>
      runServiceDiscovery({ world, log: silentLog, settings: { ...settingsOf(store), entryTimeoutMs } }),
    longMs: 0,
    register: ({ ask }) => new ServiceDiscoveryClient(ask).register(record),
    count: async ({ ask }) => (await new ServiceDiscoveryClient(ask).find({ type: "vpn" })).length,
  },
  "dmsg discovery": {
    run: (world, store, clientTtlMs) =>
      runDmsgDiscovery({ world, log: silentLog, settings: { ...settingsOf(store), clientTtlMs } }),
    longMs: 366 * DAY_MS,
    register: async ({ http }) => {
      const body = renderEntry(signedClient(alice, { sequence: 0n, timestamp: 1n }));
      const url = "http://service:9000/dmsg-discovery/entry/";
      assert.equal((await http.fetch({ url, method: "POST", body })).status, 200);
    },
    count: async ({ http }) => {
      const url = `http://service:9000/dmsg-discovery/entry/${alice.publicKey}`;
      return (await http.fetch({ url })).status === 200 ? 1 : 0;
    },
  },
};

for (const [name, { run, longMs, register, count }] of Object.entries(SERVICES)) {
  Deno.test(`the ${name} that comes back with lives of 2 s ends in 2 s what lived for ever`, async () => {
    const folder = await Deno.makeTempDir();
    await withSimulation(11, async (simulation) => {
      const [world, visor] = [simulation.node("service"), simulation.node("alice")];
      await simulation.run(async () => {
        await using http = tcpHttpClient(visor, "test/1");
        await using joined = joinAlice(visor);
        const asking = { http, ask: joined.askService(name, { http: "http://service:9000" }) };
        {
          await using _ = await run(world, `${folder}/store.db`, longMs);
          await register(asking);
          await sleep(world.clock, 1_200_000);
          assert.equal(await count(asking), 1);
        }
        for (const ttlMs of [2_000, 3_000]) { // nor does the next run make it longer
          await using _ = await run(world, `${folder}/store.db`, ttlMs);
          await sleep(world.clock, 800);
          assert.equal(await count(asking), 1, `of ${ttlMs} ms`);
        }
        await using _ = await run(world, `${folder}/store.db`, 60_000);
        await sleep(world.clock, 500);
        assert.equal(await count(asking), 0);
      });
    });
    await Deno.remove(folder, { recursive: true });
  });
}

/** As alice, over HTTP alone. */
function joinAlice(world: World) {
  const joined = joinNetwork({
    world,
    local: alice,
    network: {
      name: "none",
      file: undefined,
      servers: [],
      discoveryHttp: undefined,
      discoveryDmsg: undefined,
    },
    log: silentLog,
    userAgent: "test/1",
    publish: false,
  });
  return Object.assign(joined, { [Symbol.asyncDispose]: () => joined.close() });
}
