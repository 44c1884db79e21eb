/** `tp disc`, `route calc` and `route find` against a transport discovery and a route finder that run. */
import assert from "node:assert/strict";
import { silentLog } from "../../lib/base/mod.ts";
import { type KeyPair, keyPairFromSeed } from "../../lib/crypto/mod.ts";
import {
  askOver,
  renderDeploymentFile,
  RequestSigners,
  tcpHttpClient,
  TransportDiscoveryClient,
  type TransportRecord,
} from "../../lib/directory/mod.ts";
import { renderSocketAddress, type World } from "../../lib/runtime/mod.ts";
import { runRouteFinder, toldTransports } from "../../lib/services/route_finder/mod.ts";
import { runTransportDiscovery } from "../../lib/services/transport_discovery/mod.ts";
import { transportId } from "../../lib/transport/mod.ts";
import { withSystemWorld } from "../support/world.ts";
import { type RunResult, skyctl } from "./_run.ts";

const [A, B, C, LONE] = ["a", "b", "c", "d"].map((name) =>
  keyPairFromSeed(new TextEncoder().encode(name))
) as [KeyPair, KeyPair, KeyPair, KeyPair];
const ANY_PORT = { hostname: "127.0.0.1", port: 0 };

function record(a: KeyPair, b: KeyPair, type: string, ms: number): TransportRecord {
  const [first, second] = [a.publicKey, b.publicKey].sort() as [KeyPair["publicKey"], KeyPair["publicKey"]];
  const us = 1_000 * ms;
  const id = transportId(first, second, type);
  return { id, edges: [first, second], type, label: "user", latency: { min: us, max: us, avg: us } };
}

/** A slow direct transport, and a fast detour over C. */
const DIRECT = record(A, B, "stcpr", 700);
const THERE = record(A, C, "stcpr", 20);
const ON = record(C, B, "dmsg", 30);

async function register(
  world: World,
  origin: string,
  owner: KeyPair,
  records: TransportRecord[],
): Promise<void> {
  const client = tcpHttpClient(world, "test/1");
  const signer = new RequestSigners(owner).of(origin);
  const ways = [{ name: "http", origin, client, isReady: () => true, signer }];
  try {
    await new TransportDiscoveryClient(askOver("transport discovery", ways, world.clock, silentLog)).register(
      records,
    );
  } finally {
    await client.close();
  }
}

/** Runs both services with three transports; `run` is skyctl on a deployment file that names them. */
async function withServices(
  test: (run: (...args: string[]) => Promise<RunResult>) => Promise<void>,
): Promise<void> {
  await withSystemWorld(async (world) => {
    await using discovery = await runTransportDiscovery({
      world,
      log: silentLog,
      settings: { address: ANY_PORT, store: "memory", mode: "http" },
    });
    await using finder = await runRouteFinder({
      world,
      log: silentLog,
      settings: { address: ANY_PORT, mode: "http" },
      transports: toldTransports(discovery.transports),
    });
    const originOf = (address: typeof ANY_PORT | undefined) => `http://${renderSocketAddress(address!)}`;
    const transportDiscovery = { http: originOf(discovery.address) };
    await register(world, transportDiscovery.http, A, [DIRECT, THERE]);
    await register(world, transportDiscovery.http, B, [DIRECT, ON]);
    await register(world, transportDiscovery.http, C, [THERE, ON]); // latencies count when both edges registered
    const home = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(
        `${home}/network.json`,
        renderDeploymentFile({
          name: "test",
          file: undefined,
          servers: [],
          discoveryHttp: "http://127.0.0.1:1",
          discoveryDmsg: undefined,
          transportDiscovery,
          routeFinder: { http: originOf(finder.address) },
        }),
      );
      await test((...args) => skyctl([...args, "--home", ".", "--deployment", "network.json"], home));
    } finally {
      await Deno.remove(home, { recursive: true });
    }
  });
}

const [a, b, c, lone] = [A, B, C, LONE].map(({ publicKey }) => publicKey);
const hop = (from: unknown, to: unknown, { id }: TransportRecord) => ({ TpID: id, From: from, To: to });
const DETOUR = {
  forward: [hop(a, c, THERE), hop(c, b, ON)],
  reverse: [hop(b, c, ON), hop(c, a, THERE)],
};
const STRAIGHT = { forward: [hop(a, b, DIRECT)], reverse: [hop(b, a, DIRECT)] };

Deno.test("skyctl route calc, route find and tp disc ask the deployment's services", () =>
  withServices(async (run) => {
    for (const verb of ["calc", "find"]) {
      const json = await run("route", verb, "--json", "-c", "5", "--by-latency", a!, b!);
      assert.deepEqual([json.stderr, json.code], ["", 0]);
      assert.deepEqual(JSON.parse(json.stdout), [DETOUR, STRAIGHT], `route ${verb} ranks by latency`);

      const text = await run("route", verb, "-x", "1", a!, b!);
      assert.equal(
        text.stdout,
        `forward: [${a} -> ${b} @ ${DIRECT.id}]\n reverse: [${b} -> ${a} @ ${DIRECT.id}]\n`,
      );
      const none = await run("route", verb, "-n", "3", a!, b!);
      assert.deepEqual([none.code, none.stdout], [4, ""]);
      assert.match(none.stderr, /^Error: No route from .*: route not found/);
      const unknown = await run("route", verb, "--json", a!, lone!);
      assert.equal(unknown.code, 4);
      assert.equal(JSON.parse(unknown.stdout).error.code, "ROUTE_NOT_FOUND");
    }
    for (const source of [["--source", a!], ["-s", a!]]) { // as A sees it, whoever asks
      const { stdout, code } = await run("route", "calc", "--json", "-c", "5", ...source, b!);
      assert.deepEqual([JSON.parse(stdout), code], [[DETOUR, STRAIGHT], 0]);
    }
    const back = await run("route", "calc", "--json", "--source", c!, a!);
    assert.deepEqual(JSON.parse(back.stdout), [{ forward: [hop(c, a, THERE)], reverse: [hop(a, c, THERE)] }]);
    const unseen = await run("route", "calc", "--source", lone!, a!);
    assert.deepEqual([unseen.code, unseen.stdout], [4, ""]);
    assert.match(unseen.stderr, new RegExp(`no transport from or to ${lone}`));

    for (const options of [["--disable", "dmsg,sudph"], ["--enable", "stcpr"]]) {
      const { stdout } = await run("route", "calc", "--json", "-c", "5", ...options, a!, b!);
      assert.deepEqual(JSON.parse(stdout), [STRAIGHT]);
    }

    const byKey = await run("tp", "disc", "-p", b!, "--json");
    assert.deepEqual(
      JSON.parse(byKey.stdout).map(({ id }: TransportRecord) => id).sort(),
      [DIRECT.id, ON.id].sort(),
    );
    const byId = await run("tp", "disc", "-i", ON.id);
    assert.equal(byId.code, 0);
    assert.match(
      byId.stdout,
      new RegExp(`^type .*\\ndmsg +${ON.id} +${ON.edges[0]} +${ON.edges[1]} +user +30 ms\\n$`),
    );
    const nobody = await run("tp", "disc", "-p", lone!);
    assert.deepEqual([nobody.code, nobody.stdout], [0, "no transport\n"]);
    const noId = await run("tp", "disc", "-i", transportId(A.publicKey, B.publicKey, "sudph"));
    assert.equal(noId.code, 4);
    assert.match(noId.stderr, /transport not found/);
  }));

Deno.test("skyctl route find says when nobody answers, and when the network has no route finder", async () => {
  const home = await Deno.makeTempDir();
  try {
    const network = {
      name: "test",
      file: undefined,
      servers: [],
      discoveryHttp: "http://127.0.0.1:1",
      discoveryDmsg: undefined,
    };
    await Deno.writeTextFile(`${home}/network.json`, renderDeploymentFile(network));
    const options = ["--home", ".", "--deployment", "network.json"];
    const none = await skyctl(["route", "find", a!, b!, ...options], home);
    assert.equal(none.code, 2);
    assert.match(none.stderr, /^Error: network.json names no route finder\nHint: .*--addr/);
    const dead = await skyctl(["route", "find", a!, b!, "-a", "http://127.0.0.1:1", ...options], home);
    assert.equal(dead.code, 3);
    assert.match(dead.stderr, /^Error: Cannot reach the route finder/);
    const late = await skyctl(
      ["route", "find", a!, b!, "-t", "1ms", "-a", "http://127.0.0.1:1", ...options],
      home,
    );
    assert.equal(late.code, 3);
    assert.match(late.stderr, /within 1 ms/);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});
