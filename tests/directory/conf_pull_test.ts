/** `conf pull` against whole networks in virtual time: what it fetches, and that no failure touches the file (CL-3). */
import assert from "node:assert/strict";
import { Scope, silentLog, type SkyError } from "../../lib/base/mod.ts";
import { generateKeyPair, type KeyPair, keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { ConfigError } from "../../lib/deployment/mod.ts";
import { NoServerArrayError, NoServersListedError } from "../../lib/deployment/edit/mod.ts";
import {
  confPull,
  DirectClientError,
  NoBootstrapError,
  pullServers,
  ServerListError,
} from "../../lib/directory/conf_pull/mod.ts";
import { type DmsgNetwork, joinNetwork } from "../../lib/directory/mod.ts";
import { serveDmsgHttp, serverEntry } from "../../lib/dmsg/mod.ts";
import { renderEntry } from "../../lib/dmsg/entry.ts";
import { FileError, type World } from "../../lib/runtime/mod.ts";
import type { Simulation } from "../../lib/runtime/simulated/mod.ts";
import { LocalNetwork } from "../../lib/visor/local/mod.ts";
import { withSimulation } from "../support/world.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const SAMPLE = Deno.readTextFileSync(
  new URL("../vectors/deployment/services-config-2026-latest.json", import.meta.url),
);

/** A network on one machine, and the operator's own. */
interface Place {
  readonly simulation: Simulation;
  readonly world: World;
  /** A third machine. */
  readonly elsewhere: World;
  readonly network: DmsgNetwork;
}

async function withNetwork(seed: number, test: (place: Place) => Promise<void>): Promise<void> {
  await withSimulation(seed, async (simulation) => {
    const net = simulation.node("net", { address: "198.51.100.1" });
    const world = simulation.node("operator", { address: "203.0.113.9" });
    const elsewhere = simulation.node("elsewhere", { address: "198.51.100.77" });
    await simulation.run(async () => {
      await net.files.makeDirectory("/network");
      await using local = await LocalNetwork.start({
        world: net,
        log: silentLog,
        folder: "/network",
        hostname: "198.51.100.1",
        version: "1.2.3",
      });
      await world.files.write("/services.json", utf8(SAMPLE), { mode: 0o640 });
      await test({ simulation, world, elsewhere, network: local.network });
    });
  });
}

const given = (world: World, network: DmsgNetwork) =>
  ({ world, network, log: silentLog, userAgent: "test/1" }) as const;

async function textAt({ files }: World, path = "/services.json"): Promise<string> {
  return new TextDecoder().decode(await files.read(path));
}

/** Pulls, expects the error, and that the file has its bytes and its mode. */
async function refused(
  { world, network }: Place,
  kind: new (...args: never[]) => SkyError,
  message: string | RegExp,
  { file = "/services.json", content = SAMPLE, timeoutMs }: {
    file?: string;
    content?: string;
    timeoutMs?: number;
  } = {},
): Promise<void> {
  const before = await world.files.info(file);
  await assert.rejects(confPull({ ...given(world, network), file, timeoutMs }), (error) => {
    assert(error instanceof kind, String(error));
    if (typeof message === "string") assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  });
  assert.equal(await textAt(world, file), content);
  assert.deepEqual(await world.files.info(file), before, "not even written anew");
}

/** Answers when nobody waits any more. */
const silence = (ended: AbortSignal) =>
  new Promise<never>((_, reject) =>
    ended.addEventListener("abort", () => reject(ended.reason), { once: true })
  );

/** A discovery's list of servers as this machine would have it, at a key that the operator takes for it. */
async function withDiscovery(
  { elsewhere: world, network }: Place,
  answer: (ended: AbortSignal) => { status: number; body: string } | Promise<never>,
  test: (network: DmsgNetwork, asked: string[]) => Promise<void>,
): Promise<void> {
  const keys: KeyPair = generateKeyPair(world.random);
  const asked: string[] = [];
  await using client = joinNetwork({
    world,
    local: keys,
    network,
    log: silentLog,
    userAgent: "fake/1",
    sessionsMin: 0,
  });
  await using scope = new Scope();
  serveDmsgHttp({
    client: client.dmsg,
    world,
    scope,
    log: silentLog,
    handler: async (request: Request) => {
      asked.push(`${request.method} ${new URL(request.url).pathname}`);
      const { status, body } = await answer(request.signal);
      return new Response(body, { status });
    },
  });
  await client.dmsg.connectAll(new AbortController().signal);
  await test({ ...network, discoveryDmsg: { publicKey: keys.publicKey, port: 80 } }, asked);
}

Deno.test("confPull() writes the discovery's servers by key into every list, and no other byte", () =>
  withNetwork(71, async ({ world, network }) => {
    const pulled = await confPull({ ...given(world, network), file: "/services.json" });
    const servers = [...network.servers].sort((a, b) => a.publicKey < b.publicKey ? -1 : 1);
    assert.equal(servers.length, 2);
    assert.deepEqual(
      { ...pulled, diff: "" },
      { file: "/services.json", arrays: 2, servers, changed: true, diff: "" },
    );
    const after = await textAt(world);
    const list = JSON.stringify(
      servers.map(({ publicKey, address }) => ({ static: publicKey, server: { address } })),
      null,
      2,
    ).replaceAll("\n", "\n    ");
    const gap = /"dmsg_servers": \[[^]*?\n {4}\]/g;
    assert.equal(after, SAMPLE.replaceAll(gap, `"dmsg_servers": ${list}`));
    assert.equal((await world.files.info("/services.json"))?.mode, 0o640);
    assert.match(pulled.diff, /^--- \/services\.json\n\+\+\+ \/services\.json\n@@ /);
    const again = await confPull({ ...given(world, network), file: "/services.json" });
    assert.deepEqual([again.changed, again.diff], [false, ""]);
  }));

Deno.test("confPull() with dryRun says what would change, and writes nothing", () =>
  withNetwork(72, async ({ world, network }) => {
    const before = await world.files.info("/services.json");
    const pulled = await confPull({ ...given(world, network), file: "/services.json", dryRun: true });
    assert.equal(pulled.changed, true);
    assert.equal(pulled.diff.split("\n").filter((line) => line.startsWith("+   ")).length > 0, true);
    assert.equal(await textAt(world), SAMPLE);
    assert.deepEqual(await world.files.info("/services.json"), before);
  }));

Deno.test("pullServers() asks over dmsg alone, as a key that nobody has seen, and publishes nothing", () =>
  withNetwork(73, async (place) => {
    const body = `[${
      renderEntry(
        serverEntry({
          publicKey: keyPairFromSeed(utf8("far")).publicKey,
          server: { address: "192.0.2.7:8081", availableSessions: 5 },
          timestamp: 1n,
        }),
      )
    }]`;
    await withDiscovery(place, () => ({ status: 200, body }), async (network, asked) => {
      const http = { ...network, discoveryHttp: "http://198.51.100.250:1" }; // nobody is there
      const servers = await pullServers(given(place.world, http));
      assert.deepEqual(servers.map(({ address }) => address), ["192.0.2.7:8081"]);
      assert.deepEqual(asked, ["GET /dmsg-discovery/all_servers"]);
    });
  }));

Deno.test("confPull() leaves the file alone when the discovery has no server, or none that can be dialled", () =>
  withNetwork(74, async (place) => {
    const message = "discovery returned no servers; refusing to wipe dmsg_servers";
    const none = {
      status: 404,
      body: '{"code":404,"message":"no delegated dmsg servers available for remote"}',
    };
    const entry = (address: string) =>
      renderEntry(serverEntry({
        publicKey: keyPairFromSeed(utf8(address)).publicKey,
        server: { address, availableSessions: 5 },
        timestamp: 1n,
      }));
    for (
      const answer of [none, { status: 200, body: "[]" }, { status: 200, body: "null" }, {
        status: 200,
        body: '[{"static":"02"}]',
      }, {
        status: 200,
        body: `[${entry("a b:1")},${entry("x")},${entry("x:99999")}]`,
      }]
    ) {
      await withDiscovery(place, () => answer, async (network) => {
        await refused({ ...place, network }, NoServersListedError, message);
        await assert.rejects(pullServers(given(place.world, network)), NoServersListedError);
      });
    }
  }));

Deno.test("confPull() leaves the file alone when the discovery refuses, talks nonsense, or says nothing", () =>
  withNetwork(75, async (place) => {
    const start = /^fetch all_servers over dmsg: /;
    for (
      const answer of [{ status: 500, body: "down" }, { status: 404, body: "404 page not found" }, {
        status: 200,
        body: "<html>",
      }]
    ) {
      await withDiscovery(place, () => answer, async (network) => {
        await refused({ ...place, network }, ServerListError, start);
      });
    }
    const absent = { publicKey: keyPairFromSeed(utf8("nobody")).publicKey, port: 80 };
    await refused({ ...place, network: { ...place.network, discoveryDmsg: absent } }, ServerListError, start);
    await withDiscovery(place, silence, async (network) => {
      const startedMs = place.simulation.nowMs;
      await refused({ ...place, network }, ServerListError, start, { timeoutMs: 7_000 });
      assert(place.simulation.nowMs - startedMs <= 12_000, `${place.simulation.nowMs - startedMs} ms`);
    });
  }));

Deno.test("confPull() leaves the file alone when no server is known, or none can be reached", () =>
  withNetwork(76, async (place) => {
    const { network } = place;
    await refused(
      { ...place, network: { ...network, servers: [] } },
      NoBootstrapError,
      "no embedded dmsg servers to bootstrap from",
    );
    await refused(
      { ...place, network: { ...network, discoveryDmsg: undefined } },
      NoBootstrapError,
      /discovery/,
    );
    const at = (address: string) => ({
      ...place,
      network: { ...network, servers: [{ publicKey: network.servers[0]!.publicKey, address }] },
    });
    await refused(at("198.51.100.1:9"), DirectClientError, /^start direct dmsg client: .*198\.51\.100\.1:9/);
    const startedMs = place.simulation.nowMs;
    await refused(at("192.0.2.250:9"), DirectClientError, /^start direct dmsg client: /, {
      timeoutMs: 5_000,
    });
    assert(place.simulation.nowMs - startedMs <= 8_000, `${place.simulation.nowMs - startedMs} ms`);
  }));

Deno.test("confPull() of a file without a list, of no JSON, or of none at all asks nobody", () =>
  withNetwork(77, async (place) => {
    const { world } = place;
    // A network that cannot be asked: whoever did would end with another error.
    const nobody = { ...place, network: { ...place.network, servers: [] } };
    for (
      const [path, content, kind, message] of [
        ["/none.json", "{}\n", NoServerArrayError, "no dmsg_servers array found in /none.json"],
        ["/broken.json", '{"dmsg_servers": [', ConfigError, /^\/broken\.json: it is not JSON/],
        ["/empty.json", "", ConfigError, /^\/empty\.json: it is empty$/],
      ] as const
    ) {
      await world.files.write(path, utf8(content));
      await refused(nobody, kind, message, { file: path, content });
    }
    await world.files.write("/latin1.json", Uint8Array.of(0x22, 0xe4, 0x22));
    const pull = (file: string) => confPull({ ...given(world, nobody.network), file });
    await assert.rejects(pull("/latin1.json"), /no text in UTF-8/);
    await assert.rejects(pull("/missing.json"), { code: "FILE_NOT_FOUND" });
    await world.files.write("/huge.json", new Uint8Array(5_000_000));
    await assert.rejects(pull("/huge.json"), /too many for a configuration/);
    assert.equal(await world.files.info("/missing.json"), undefined);
  }));

/** The same world, in whose file somebody else, who takes no lock, puts `text` before the read with this number. */
function changedBefore(world: World, read: number, text: string): World {
  let reads = 0;
  const files = {
    ...world.files,
    async read(path: string) {
      if (++reads === read) await world.files.write(path, utf8(text));
      return await world.files.read(path);
    },
  };
  return Object.assign(Object.create(world), { files }) as World;
}

Deno.test("confPull() keeps what somebody else wrote while it asked, and writes over nothing that changes as it writes", () =>
  withNetwork(78, async ({ world, network }) => {
    const theirs = '{"dmsg_servers":[],"new":1}';
    const early = changedBefore(world, 2, theirs); // behind the look before anybody is asked
    const { changed, servers } = await confPull({ ...given(early, network), file: "/services.json" });
    assert.equal(changed, true);
    const { dmsg_servers: listed, ...rest } = JSON.parse(await textAt(world));
    assert.deepEqual([listed.length, rest], [servers.length, { new: 1 }]);
    await world.files.write("/services.json", utf8(SAMPLE));
    const late = changedBefore(world, 4, theirs); // the last look before the write
    await assert.rejects(
      confPull({ ...given(late, network), file: "/services.json" }),
      /changed by somebody/,
    );
    assert.equal(await textAt(world), theirs);
    const failing = { ...world, files: { ...world.files } };
    failing.files.write = () => Promise.reject(new FileError("No space left"));
    await assert.rejects(confPull({ ...given(failing, network), file: "/services.json" }), FileError);
    assert.equal(await textAt(world), theirs);
  }));

Deno.test("confPull() that is interrupted says so, and leaves file and network alone", () =>
  withNetwork(79, async (place) => {
    await withDiscovery(place, silence, async (network) => {
      const ending = new AbortController();
      place.world.clock.timer(1_000, () => ending.abort(new DOMException("Interrupted", "AbortError")));
      const pull = confPull({
        ...given(place.world, network),
        file: "/services.json",
        signal: ending.signal,
      });
      await assert.rejects(pull, { name: "AbortError" });
      assert.equal(await textAt(place.world), SAMPLE);
    });
  }));
