/** `rewards eligible` against a transport discovery that runs, and from files of both forms (SV-7). */
import assert from "node:assert/strict";
import { silentLog } from "../../lib/base/mod.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import {
  askOver,
  renderDeploymentFile,
  RequestSigners,
  tcpHttpClient,
  TransportDiscoveryClient,
} from "../../lib/directory/mod.ts";
import { renderSocketAddress } from "../../lib/runtime/mod.ts";
import { openUptimeStore } from "../../lib/services/store/mod.ts";
import { runTransportDiscovery } from "../../lib/services/transport_discovery/mod.ts";
import { transportId } from "../../lib/transport/mod.ts";
import { withSystemWorld } from "../support/world.ts";
import { skyctl } from "./_run.ts";

const pair = (name: string) => keyPairFromSeed(new TextEncoder().encode(name));
const [always, seldom, pinging] = [pair("always"), pair("seldom"), pair("pinging")];
const MINUTE_MS = 60_000;

Deno.test("rewards eligible: the visors of yesterday that registered transports for long enough, and nobody who only pings", async () => {
  await withSystemWorld(async (world) => {
    const home = await Deno.makeTempDir();
    const file = `${home}/tpd.db`;
    const yesterday = new Date(world.clock.wallMs() - 86_400_000).toISOString().slice(0, 10);
    {
      await using store = await openUptimeStore(file, world, { of: "visor_uptime" });
      const midnightMs = Date.parse(`${yesterday}T00:00:00Z`);
      for (let beat = 0; beat < 960; beat++) {
        const agoMs = world.clock.wallMs() - (midnightMs + beat * 1.5 * MINUTE_MS);
        const intervalMs = MINUTE_MS;
        await store.beat({ key: always.publicKey, agoMs, intervalMs, version: "v1.3.30" });
        if (beat % 2 === 0) await store.beat({ key: seldom.publicKey, agoMs, intervalMs });
      }
    }
    await using discovery = await runTransportDiscovery({
      world,
      log: silentLog,
      settings: { address: { hostname: "127.0.0.1", port: 0 }, store: file, mode: "http" },
    });
    const http = `http://${renderSocketAddress(discovery.address!)}`;
    const client = tcpHttpClient(world, "test/1");
    const clientOf = (owner: typeof always) => {
      const ways = [{
        name: "http",
        origin: http,
        client,
        isReady: () => true,
        signer: new RequestSigners(owner).of(http),
      }];
      return new TransportDiscoveryClient(askOver("transport discovery", ways, world.clock, silentLog), {
        version: "v1.3.30",
      });
    };
    const edges = [always.publicKey, seldom.publicKey].sort() as [
      typeof always.publicKey,
      typeof always.publicKey,
    ];
    await clientOf(always).register([
      { id: transportId(...edges, "stcpr"), edges, type: "stcpr", label: "user" },
    ]);
    await clientOf(pinging).heartbeat();
    await client.close();
    try {
      await Deno.writeTextFile(
        `${home}/network.json`,
        renderDeploymentFile({
          name: "test",
          file: undefined,
          servers: [],
          discoveryHttp: "http://127.0.0.1:1",
          discoveryDmsg: undefined,
          transportDiscovery: { http },
        }),
      );
      const run = (...args: string[]) => skyctl(["rewards", "eligible", "--home", home, ...args], home);
      const asked = ["--deployment", `${home}/network.json`];
      const lines = await run(...asked);
      assert.equal(lines.stdout, `${always.publicKey} ${yesterday} 100.00\n`, lines.stderr);
      assert.match(lines.stderr, /^1 of 2 visors had more than 75 % of /);
      const low = await run("-a", http, "--min-percent", "49", "--json", "-o", `${home}/ut.json`);
      const expected = [
        { pk: always.publicKey, on: false, version: "v1.3.30", daily: { [yesterday]: "100.00" } },
        { pk: seldom.publicKey, on: false, daily: { [yesterday]: "50.00" } },
      ].sort((one, other) => one.pk < other.pk ? -1 : 1);
      assert.deepEqual(JSON.parse(low.stdout), expected);
      assert.deepEqual(JSON.parse(await Deno.readTextFile(`${home}/ut.json`)), expected);
      const kept = await run("-i", `${home}/ut.json`, "-o", `${home}/ut.txt`, "--min-percent", "50");
      assert.equal(kept.stdout, `${always.publicKey} ${yesterday} 100.00\n`);
      assert.equal(await Deno.readTextFile(`${home}/ut.txt`), kept.stdout);
      const again = await run("-i", `${home}/ut.txt`, "--json");
      assert.deepEqual(JSON.parse(again.stdout).map(({ pk }: { pk: string }) => pk), [always.publicKey]);
      const none = await run("-i", `${home}/ut.json`, "--min-percent", "100");
      assert.deepEqual([none.code, none.stdout], [0, ""]);
      const today = new Date(world.clock.wallMs()).toISOString().slice(0, 10);
      const pinged = await run(...asked, "--date", today, "--min-percent", "0", "--json");
      assert.match(pinged.stderr, new RegExp(`^${today} is not over: .*\\n$`));
      assert.doesNotMatch(lines.stderr, /not over/);
      assert.ok(!pinged.stdout.includes(pinging.publicKey), "only a visor with a transport");
    } finally {
      await Deno.remove(home, { recursive: true });
    }
  });
});

Deno.test("rewards eligible: files and days that are none", async () => {
  const home = await Deno.makeTempDir();
  const run = (...args: string[]) => skyctl(["rewards", "eligible", "--home", home, ...args], home);
  await Deno.writeTextFile(`${home}/bad.txt`, "x 2026-06-10 97.22\n");
  await Deno.writeTextFile(`${home}/good.txt`, `${always.publicKey} 2026-06-10 97.22\n`);
  const two = ["2026-06-10", "2026-06-09"].map((day) => `${always.publicKey} ${day} 97.22\n`);
  await Deno.writeTextFile(`${home}/two.txt`, two.join(""));
  await Deno.writeTextFile(`${home}/empty.json`, "[]");
  await Deno.writeTextFile(`${home}/empty.txt`, "");
  await Deno.writeFile(`${home}/none.txt`, new Uint8Array([0xff, 0xfe]));
  const failures: [string[], number, RegExp][] = [
    [["-d", "2026-06-10", "-i", `${home}/bad.txt`], 2, /bad\.txt: line 1 is no key[^]*Hint: /],
    [["-d", "2026-06-10", "-i", `${home}/none.txt`], 2, /none\.txt: it is no text/],
    [
      ["-d", "2026-06-11", "-i", `${home}/good.txt`],
      2,
      /good\.txt has no uptime of 2026-06-11[^]*it has 2026-06-10: .*--date/,
    ],
    [["-i", `${home}/two.txt`], 2, /it has days from 2026-06-09 to 2026-06-10: .*--date.*--input/],
    [["-i", `${home}/empty.json`], 2, /Hint: no day is in it: name a file of that day with --input\n$/],
    [["-i", `${home}/empty.txt`], 2, /empty\.txt has no uptime of [^]*Hint: no day is in it: /],
    [["-d", "2126-06-11", "-i", `${home}/good.txt`], 2, /good\.txt has no uptime of 2126-06-11/],
    [["-d", "2126-06-11"], 2, /2126-06-11 has not begun: today is 20[0-9-]{8}, in UTC[^]*Hint: .*clock/],
    [["-d", "2026-02-30", "-i", `${home}/good.txt`], 2, /No calendar has 2026-02-30/],
    [["-d", "yesterday"], 2, /Not a date/],
    [["--min-percent", "101"], 2, /whole number/],
  ];
  for (const [args, code, problem] of failures) {
    const { code: exit, stdout, stderr } = await run(...args);
    assert.deepEqual([exit, stdout], [code, ""], args.join(" "));
    assert.match(stderr, problem);
  }
  const missing = await run("-i", `${home}/missing.txt`);
  assert.notEqual(missing.code, 0);
  assert.match(missing.stderr, /missing\.txt/);
  await Deno.remove(home, { recursive: true });
});
