/** `proxy ls`: what a service discovery that runs knows of proxies, asked with and without a visor. */
import assert from "node:assert/strict";
import { silentLog } from "../../lib/base/mod.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import {
  askOver,
  renderDeploymentFile,
  RequestSigners,
  ServiceDiscoveryClient,
  tcpHttpClient,
} from "../../lib/directory/mod.ts";
import { renderSocketAddress } from "../../lib/runtime/mod.ts";
import { runServiceDiscovery } from "../../lib/services/service_discovery/mod.ts";
import { withSystemWorld } from "../support/world.ts";
import { withControlDouble } from "./_control_double.ts";
import { FILE } from "./_network_beside.ts";
import { skyctl } from "./_run.ts";

const owners = ["a", "b", "c"].map((name) => keyPairFromSeed(new TextEncoder().encode(name)));

Deno.test("proxy ls lists proxies, by country and version, so many of them; none is none", () =>
  withSystemWorld(async (world) => {
    await using service = await runServiceDiscovery({
      world,
      log: silentLog,
      settings: { address: { hostname: "127.0.0.1", port: 0 }, store: "memory", mode: "http" },
    });
    const origin = `http://${renderSocketAddress(service.address!)}`;
    const home = await Deno.makeTempDir();
    const deployment = renderDeploymentFile({
      name: "test",
      file: undefined,
      servers: [],
      discoveryHttp: "http://127.0.0.1:1",
      discoveryDmsg: undefined,
      serviceDiscovery: { http: origin },
    });
    await Deno.writeTextFile(`${home}/network.json`, deployment);
    const run = (...args: string[]) =>
      skyctl(["proxy", "ls", ...args, "--home", ".", "--deployment", "network.json"], home);
    try {
      const none = await run();
      assert.deepEqual([none.code, none.stdout, none.stderr], [0, "no proxy is known\n", ""]);
      assert.equal((await run("--json")).stdout, "[]\n");
      const client = tcpHttpClient(world, "test/1");
      for (const [index, owner] of owners.entries()) {
        const signer = new RequestSigners(owner).of(origin);
        const ways = [{ name: "http", origin, client, isReady: () => true, signer }];
        await new ServiceDiscoveryClient(askOver("sd", ways, world.clock, silentLog)).register({
          publicKey: owner.publicKey,
          port: 3 + index,
          type: index === 2 ? "vpn" : "skysocks",
          version: `v1.${index}`,
          ...(index === 0 ? { place: { country: "NL", region: "NH" } } : {}),
        });
      }
      await client.close();
      const { code, stdout } = await run();
      assert.equal(code, 0);
      const lines = stdout.trim().split("\n");
      assert.match(lines[0]!, /^visor +port +country +region +version$/);
      assert.equal(lines.length, 3, "a vpn is no proxy");
      assert.match(stdout, new RegExp(`${owners[0]!.publicKey} +3 +NL +NH +v1\\.0`));
      assert.match(stdout, new RegExp(`${owners[1]!.publicKey} +4 +- +- +v1\\.1`));
      const keysOf = async (...args: string[]) =>
        JSON.parse((await run(...args, "--json")).stdout).map((each: { publicKey: string }) =>
          each.publicKey
        );
      assert.deepEqual(await keysOf("-c", "nl"), [owners[0]!.publicKey]);
      assert.deepEqual(await keysOf("--visor-version", "v1.1"), [owners[1]!.publicKey]);
      assert.equal((await keysOf("-n", "1")).length, 1);
      assert.equal((await run("-n", "0")).code, 2);
    } finally {
      await Deno.remove(home, { recursive: true });
    }
  }));

Deno.test("proxy ls: what the visor learned is the answer", () => {
  const asked: unknown[] = [];
  const record = { address: `${owners[0]!.publicKey}:3`, type: "skysocks", version: "v1" };
  return withControlDouble(
    {
      serviceAsk: (input) => {
        asked.push(input);
        return { status: 200, text: JSON.stringify([record]) };
      },
    },
    async ({ run }) => {
      const { code, stdout } = await run("proxy", "ls", "--json");
      assert.equal(code, 0);
      assert.deepEqual(JSON.parse(stdout), [{
        publicKey: owners[0]!.publicKey,
        port: 3,
        type: "skysocks",
        version: "v1",
      }]);
      assert.deepEqual(asked, [{
        service: "serviceDiscovery",
        method: "GET",
        path: "/api/services?type=skysocks&quantity=50",
      }]);
    },
    {
      setUp: async (world) => {
        const text = renderDeploymentFile({
          name: "test",
          file: undefined,
          servers: [],
          discoveryHttp: "http://127.0.0.1:1",
          discoveryDmsg: undefined,
          serviceDiscovery: { http: "http://127.0.0.1:1" },
        });
        await world.files.write(FILE, new TextEncoder().encode(text));
        return { deploymentFile: FILE, [Symbol.asyncDispose]: () => Promise.resolve() };
      },
    },
  );
});
