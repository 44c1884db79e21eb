/** Plans: what each service needs, and the network of a service with a block of its own (DS-4). */
import assert from "node:assert/strict";
import { embeddedNetwork, joinNetwork } from "../../../lib/directory/mod.ts";
import { silentLog } from "../../../lib/base/mod.ts";
import { checkPlan, parseRunFile, planned, SERVICE_KINDS } from "../../../lib/services/assembly/mod.ts";
import { InvalidServiceSettingError } from "../../../lib/services/hosting/mod.ts";
import { withSimulation } from "../../support/world.ts";
import { pair } from "../service_support.ts";
import { HOST, planOf, planOfFiled, startAssembly, until } from "./support.ts";

const place = { folder: "/keys", hostname: "127.0.0.1" };

Deno.test("each type in the mode and with the key that it needs", () => {
  for (const { type, needsKey, modes } of SERVICE_KINDS) {
    const plan = planned(type, { ...place, port: 0 });
    checkPlan([plan]);
    const keyless = { ...plan, key: undefined };
    if (!needsKey) checkPlan([keyless]);
    else assert.throws(() => checkPlan([keyless]), /needs a secret key/);
    const refused = (["http", "dmsg"] as const).filter((mode) =>
      modes.length > 0 && !(modes as readonly string[]).includes(mode) && type !== "dmsg-discovery"
    );
    for (const mode of refused) {
      assert.throws(() => checkPlan([{ ...plan, mode }]), InvalidServiceSettingError, `${type} ${mode}`);
    }
  }
  assert.deepEqual(planned("route-finder", place).address, { hostname: "127.0.0.1", port: 9092 });
});

Deno.test("a route finder has the life of transports that the run or its file says, and no store", async () => {
  const read = () => Promise.reject(new Error("nothing is read"));
  const file = JSON.stringify({
    services: [{ type: "route-finder" }, { type: "route-finder", name: "other", entry_timeout: "10s" }],
  });
  const { services } = await parseRunFile(file, "f", { read });
  const lives = (more: Parameters<typeof planOfFiled>[1]) =>
    planOfFiled(services, more).map(({ settings: { entryTimeoutMs, store } }) => [entryTimeoutMs, store]);
  assert.deepEqual(lives({}), [[undefined, undefined], [10_000, undefined]]);
  assert.deepEqual(lives({ entryTimeoutMs: 0 }), [[0, undefined], [10_000, undefined]]);
});

Deno.test("a mode that a file gives to a setup node is its mode, or is refused; a dmsg server has none", async () => {
  const of = async (...services: object[]) => {
    const read = () => Promise.reject(new Error("nothing is read"));
    const { services: filed, passedOver } = await parseRunFile(JSON.stringify({ services }), "f", { read });
    return { plan: planOfFiled(filed, { mode: "http", forcedMode: "http" }), passedOver };
  };
  const addr = "127.0.0.1:9094";
  const modes: [object, string][] = [
    [{}, "dmsg"], // what the others run in is nothing to it
    [{ addr }, "dual"],
    [{ addr, mode: "dmsg" }, "dmsg"],
    [{ addr, mode: "both" }, "dual"],
  ];
  for (const [service, mode] of modes) {
    const { plan } = await of({ type: "setup-node", ...service });
    checkPlan(plan);
    assert.equal(plan[0]!.mode, mode);
  }
  for (
    const [service, expected] of [
      [{ type: "setup-node", mode: "http" }, /^A setup node cannot run in mode http$/],
      [{ type: "setup-node", mode: "dual" }, /^The setup node setup-node has no address for HTTP/],
      [{ type: "transport-setup", mode: "dmsg" }, /^A transport setup node cannot run in mode dmsg$/],
    ] as const
  ) {
    const { plan } = await of(service);
    assert.throws(
      () => checkPlan(plan),
      (error) =>
        error instanceof InvalidServiceSettingError && expected.test(error.message) &&
        error.hint !== undefined,
    );
  }
  const { passedOver } = await of({ type: "dmsg-server", mode: "tcp" });
  assert.deepEqual(passedOver, ["services[0].mode"]);
});

Deno.test("a block dmsg is authoritative; without servers those of the embedded deployment with its discovery", async () => {
  const { discoveryDmsg, servers } = embeddedNetwork();
  const read = () => Promise.reject(new Error("nothing is read"));
  const services = [
    {
      type: "tpd",
      dmsg: { discovery: "http://d.example", discovery_dmsg: `dmsg://${discoveryDmsg!.publicKey}:80` },
    },
    {
      type: "ar",
      dmsg: {
        discovery: "http://d.example",
        servers: [{ static: pair("server").publicKey, server: { address: "192.0.2.1:80" } }],
      },
    },
    {
      type: "rf",
      dmsg: { discovery: "http://d.example", discovery_dmsg: `dmsg://${pair("x").publicKey}:80` },
    },
    { type: "sd" },
  ];
  const { services: [tpd, ar, rf, sd] } = await parseRunFile(JSON.stringify({ services }), "f", { read });
  assert.deepEqual(tpd!.network!.servers, servers); // borrowed
  assert.deepEqual(ar!.network!.servers.map(({ address }) => address), ["192.0.2.1:80"]);
  assert.deepEqual(rf!.network!.servers, []); // nobody knows its discovery
  assert.equal(sd!.network, undefined);
});

Deno.test("a service with a block of its own is found in that network, and not in its neighbours'", () =>
  withSimulation(1, async (simulation) => {
    const [core, other, there] = [
      simulation.node("core", { address: HOST }),
      simulation.node("other", { address: "198.51.100.2" }),
      simulation.node("there"),
    ];
    await simulation.run(async () => {
      const types = ["dmsg-discovery", "dmsg-server"] as const;
      await using first = await startAssembly(core, planOf(types));
      const more = planOfFiled([
        { type: "service-discovery", name: "service-discovery", network: first.network, settings: {} },
      ], { hostname: "198.51.100.2" });
      await using second = await startAssembly(other, [
        ...planOf(types, { hostname: "198.51.100.2" }),
        ...more,
      ]);
      await until(there, () => second.services.every((service) => service.isReady()));
      const { publicKey } = second.services.find(({ plan }) => plan.type === "service-discovery")!;
      for (const [network, isThere] of [[first.network, true], [second.network, false]] as const) {
        const joined = joinNetwork({
          world: there,
          local: pair("alice"),
          network: { ...network, serviceDiscovery: undefined },
          log: silentLog,
          userAgent: "test/1",
        });
        await until(there, () => joined.dmsg.isConnected);
        assert.equal(await joined.dmsg.discovery.entry(publicKey!) !== undefined, isThere);
        await joined.close();
      }
    });
  }));
