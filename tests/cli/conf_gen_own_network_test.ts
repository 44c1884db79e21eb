/** `conf gen`: what stays of a file's own network, and what a file that cannot be read has instead. */
import assert from "node:assert/strict";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { embeddedDeployment } from "../../lib/deployment/mod.ts";
import type { World } from "../../lib/runtime/mod.ts";
import {
  A,
  A_CONF,
  B,
  B_CONF,
  DEAD,
  EMBEDDED,
  HOME,
  publicKey,
  put,
  read,
  secretKey,
  withMachine,
} from "./_conf_gen_machine.ts";
import { withControlDouble } from "./_control_double.ts";

const over = (name: string) => `dmsg://${keyPairFromSeed(new TextEncoder().encode(name)).publicKey}:80`;
/** A network that is reached over dmsg alone, but for one service. */
const OVER_DMSG = {
  dmsg_discovery_dmsg: over("discovery"),
  conf_dmsg: over("conf"),
  address_resolver_dmsg: over("resolver"),
  transport_discovery: "http://127.0.0.1:7203",
  transport_discovery_dmsg: over("transports"),
  dmsg_servers: B.dmsg_servers,
};

Deno.test("conf gen --http of a network over dmsg alone names it so, and its servers", () =>
  withMachine(async ({ gen, serve, world }) => {
    await put(world, "/d.json", OVER_DMSG);
    const made = await gen("-S", "/d.json", "--http", "-o", "/http.json");
    assert.deepEqual([made.code, made.stderr], [0, ""]);
    const config = await read(world, "/http.json");
    assert.deepEqual([config.dmsg.discovery, config.dmsg.discovery_dmsg], ["", over("discovery")]);
    assert.equal(config.dmsg.servers[0].static, publicKey);
    assert.equal(config.transport.address_resolver_dmsg, over("resolver"));
    assert.deepEqual([config.transport.discovery, config.transport.discovery_dmsg], [
      OVER_DMSG.transport_discovery,
      "",
    ]);
    const dead = await gen("-r", "--http", "-o", "/http.json");
    assert.equal(dead.code, 0);
    assert.match(
      dead.stderr,
      /^warning: the configuration service was not reached, so services stay those of \/http\.json: [^\n]*\n$/,
    );
    assert.deepEqual(await read(world, "/http.json"), config);

    await serve(A_CONF, () => JSON.stringify({ dmsg_discovery_dmsg: over("discovery") }));
    const moved = await gen("-r", "-a", A_CONF, "--http", "--nodefaults", "-o", "/own.json");
    assert.equal(
      moved.stderr,
      `warning: /own.json is of the network of ${B.dmsg_discovery}, and the new configuration of that of ${
        over("discovery")
      }\n`,
    );
    const there = await read(world, "/own.json");
    assert.equal(there.dmsg.discovery_dmsg, over("discovery"));
    assert.deepEqual(
      [there.transport.discovery ?? "", there.conf_service, there.dmsg.servers],
      ["", A_CONF, []],
      "nothing of the network that it left",
    );
    assert.equal((await gen("--sn", "--http", "-S", "/d.json", "-o", "/sn.json")).code, 0);
    const { dmsg, transport_discovery } = await read(world, "/sn.json");
    assert.deepEqual([dmsg.discovery, dmsg.servers.length], [over("discovery"), 1]);
    assert.equal(transport_discovery, OVER_DMSG.transport_discovery);
  }));

/** What is wrong in a file's services, and the field that is named. */
const FAULTY: readonly (readonly [
  field: string,
  of: (config: Record<string, Record<string, unknown>>) => Record<string, unknown>,
])[] = [
  ["routing.route_setup_nodes", ({ routing }) => ({ routing: { ...routing, route_setup_nodes: ["zz"] } })],
  ["transport.discovery", ({ transport }) => ({ transport: { ...transport, discovery: 7 } })],
  ["dmsg.servers", ({ dmsg }) => ({ dmsg: { ...dmsg, servers: 5 } })],
  ["stun_servers", () => ({ stun_servers: [5] })],
];

for (const [field, wrong] of FAULTY) {
  Deno.test(`conf gen -r of a file with a faulty ${field} asks whom it is told to ask, else says the way out`, () =>
    withMachine(async ({ plain, gen, serve, world }) => {
      const sound = await read(world, "/own.json");
      const faulty = { ...sound, ...wrong(sound) };
      for (const file of ["/own.json", "/home/visor.json"]) { // also a home that cannot be read
        const again = () => put(world, file, faulty);
        await again();
        const refused = await gen("-r", "-o", file);
        assert.equal(refused.code, 2);
        assert.match(refused.stderr, new RegExp(`^Error: ${file}: field ${field}: `));
        assert.match(refused.stderr, /\nHint: correct it, or say which .* -S FILE, or -a URL\n$/);

        // Nobody knows what network it was of, so that no other one stands for it unless that is named.
        const down = await gen("-r", "-o", file, "-a", DEAD);
        assert.equal(down.code, 2);
        assert.match(down.stderr, new RegExp(`^Error: ${file}: field ${field}: [^\n]*\n(?:.*\n)*.*reach`));
        assert.deepEqual(await read(world, file), faulty);
        assert.equal((await gen("-r", "-o", file, "-a", DEAD, "--nodefaults")).code, 3);

        const replaced = await plain(["conf", "gen", "-r", "-o", file], { ...HOME, SKYDEPLOY: "/b.json" });
        assert.equal(replaced.code, 0);
        assert.match(replaced.stderr, /not reached, so services are those of \/b\.json/);
        assert.deepEqual(await read(world, file), sound);

        await again();
        const ofTest = await gen("-r", "-o", file, "-t", "--dry-run");
        assert.deepEqual([ofTest.code, /embedded deployment/.test(ofTest.stdout)], [0, true]);
      }
      await serve(B_CONF, () => JSON.stringify(B));
      for (const file of ["/own.json", "/home/visor.json"]) {
        assert.deepEqual((await gen("-r", "-o", file, "-a", B_CONF)).code, 0);
        assert.deepEqual(await read(world, file), sound);
      }
    }));
}

Deno.test("conf gen -r: what an answer about the file's own network leaves open stays as the file has it", () =>
  withMachine(async ({ plain, gen, serve, world }) => {
    const whole = {
      ...B,
      dmsg_discovery_dmsg: over("discovery"),
      transport_discovery_dmsg: over("transports"),
      address_resolver: "http://127.0.0.1:7502",
      route_finder_dmsg: over("routes"),
      service_discovery: "http://127.0.0.1:7602",
      uptime_tracker: "http://127.0.0.1:7702",
      conf_dmsg: over("conf"),
    };
    await put(world, "/whole.json", whole);
    assert.equal((await gen("-S", "/whole.json", "-o", "/part.json")).code, 0);
    const before = await read(world, "/part.json");
    let told: object = { dmsg_discovery: `${B.dmsg_discovery}/` };
    await serve(A_CONF, () => JSON.stringify(told));
    const gained = async (...more: string[]) => {
      const { code, stdout, stderr } = await gen("-r", "-o", "/part.json", "-n", "-a", A_CONF, ...more);
      assert.deepEqual([code, stderr], [0, ""]);
      return JSON.parse(stdout);
    };
    const dmsg = { ...before.dmsg, discovery: `${B.dmsg_discovery}/` };
    assert.deepEqual(await gained(), { ...before, dmsg }, "the address that was asked is not its own");
    assert.deepEqual(await gained("--nodefaults"), { ...before, dmsg }, "nothing of it is embedded");

    told = {
      dmsg_discovery: B.dmsg_discovery,
      transport_discovery: "http://127.0.0.1:7999",
      stun_servers: [],
    };
    const elsewhere = await gained();
    assert.deepEqual([elsewhere.transport.discovery, elsewhere.transport.discovery_dmsg], [
      "http://127.0.0.1:7999",
      "",
    ], "a service that moved is not where it was in another way");
    assert.equal(elsewhere.routing.route_finder_dmsg, over("routes"));
    assert.deepEqual(elsewhere.stun_servers, before.stun_servers);

    await put(world, "/thin.json", { dmsg_discovery: B.dmsg_discovery });
    const replaced = await plain(["conf", "gen", "-r", "-o", "/part.json", "-n"], {
      ...HOME,
      SKYDEPLOY: "/thin.json",
    });
    assert.match(replaced.stderr, /so services are those of \/thin\.json/);
    assert.deepEqual(JSON.parse(replaced.stdout), before, "nor is it where nobody answers");
    await put(world, "/own.json", { ...await read(world, "/own.json"), conf_service: "" });
    const { stdout } = await gen("-r", "-o", "/own.json", "-n", "-a", A_CONF);
    assert.equal(JSON.parse(stdout).conf_service, A_CONF, "it named none");
  }));

Deno.test("conf gen -r of a file of the embedded network: what neither answer nor embedded data name goes", () =>
  withMachine(async ({ gen, serve, world }) => {
    const old = {
      sk: secretKey.reveal(),
      dmsg: { discovery: EMBEDDED },
      conf_service: DEAD,
      uptime_tracker: { addr: "http://127.0.0.1:7702" },
    };
    await put(world, "/old.json", old);
    let told: object = { dmsg_discovery: EMBEDDED };
    await serve(A_CONF, () => JSON.stringify(told));
    const { stdout, stderr } = await gen("-r", "-o", "/old.json", "-n", "-a", A_CONF);
    assert.equal(stderr, "");
    const config = JSON.parse(stdout);
    assert.deepEqual([config.uptime_tracker?.addr ?? "", config.conf_service], ["", DEAD]);

    const { conf, confDmsg } = embeddedDeployment();
    told = { ...told, conf };
    await put(world, "/old.json", { ...old, conf_service: conf, conf_service_dmsg: over("long ago") });
    const named = JSON.parse((await gen("-r", "-o", "/old.json", "-n", "-a", A_CONF)).stdout);
    assert.deepEqual([named.conf_service, named.conf_service_dmsg], [conf, confDmsg], "it says where it is");
  }));

Deno.test("conf gen: what the caller got wrong is no service that failed", () =>
  withMachine(async ({ gen, world }) => {
    const before = await read(world, "/own.json");
    for (const nonsense of ["nonsense", "ftp://127.0.0.1", "dmsg://02"]) {
      const { code, stdout } = await gen("-r", "-o", "/own.json", "-a", nonsense);
      assert.deepEqual([code, stdout], [2, ""], nonsense);
    }
    assert.deepEqual(await read(world, "/own.json"), before);
    await put(world, "/home/visor.json", "no configuration of a visor");
    const faulty = await gen("-o", "/new.json");
    assert.equal(faulty.code, 2, "the home's network is meant, and not known");
    assert.match(faulty.stderr, /^Error: \/home\/visor\.json: /);
    assert.equal((await gen("-o", "/new.json", "-S", "/b.json")).code, 0);
  }));

/** What a home's file cannot be read for. */
const BROKEN: readonly (readonly [text: string, fault: string])[] = [
  ['{"dmsg":{"discovery":17}}', "field dmsg\\.discovery: "],
  ['{"dmsg":', ""],
  ['{"log_level":17}', "field log_level: "],
];

for (const [text, fault] of BROKEN) {
  Deno.test(`conf gen -f makes a home's file anew that is ${text}; a file elsewhere needs to know its network`, () =>
    withMachine(async ({ plain, gen, world }) => {
      const file = "/home/visor.json";
      const again = () => world.files.write(file, new TextEncoder().encode(text));
      const told = `warning: the home's file does not say which network is asked: ${file}: ${fault}`;
      await again();
      const dropped = await gen("--force");
      assert.equal(dropped.code, 0);
      assert.match(
        dropped.stderr,
        new RegExp(
          `^${told}[^\n]*\nwarning: the configuration service was not reached, so [^\n]*embed[^\n]*\n$`,
        ),
      );
      assert.equal((await read(world, file)).dmsg.discovery, EMBEDDED);
      assert.equal((await plain(["conf", "check"], HOME)).stdout, `${file}: nothing is wrong\n`);

      await again();
      assert.equal((await gen("-f", "-o", "/home/../home/visor.json", "--dry-run")).code, 0, "the same file");
      const asked = await gen("-f", "--nodefaults");
      assert.deepEqual(
        [asked.code, /\nError: Asking the config bootstrapper /.test(asked.stderr)],
        [3, true],
        asked.stderr,
      );

      await put(world, "/none.json", { sk: secretKey.reveal() });
      for (
        const more of [["-o", "/new.json"], ["-f", "-o", "/new.json"], ["-n"], ["-r", "-o", "/none.json"]]
      ) {
        const { code, stdout, stderr } = await gen(...more);
        assert.deepEqual([code, stdout], [2, ""], more.join(" "));
        assert.match(stderr, new RegExp(`^Error: ${file}: ${fault}`));
        assert.match(
          stderr,
          /\nHint: correct it, or say which services are meant: -a URL, -S FILE, or --nofetch\n$/,
        );
      }
      assert.equal(await world.files.info("/new.json"), undefined);
      for (const more of [["-a", DEAD], ["-S", "/b.json"], ["--nofetch"]]) {
        assert.equal((await gen("-o", "/new.json", "--dry-run", ...more)).code, 0, more[0]);
      }
      assert.equal(new TextDecoder().decode(await world.files.read(file)), text);
    }));
}

Deno.test("conf gen -f in a home of a private network asks that network", () =>
  withMachine(async ({ gen, serve, world }) => {
    assert.equal((await gen("-S", "/b.json")).code, 0);
    const asked = await serve(B_CONF, () => JSON.stringify(B));
    assert.deepEqual([(await gen("-f")).stderr, asked()], ["", 1]);
    assert.equal((await read(world, "/home/visor.json")).dmsg.discovery, B.dmsg_discovery);
  }));

Deno.test("conf gen -r: what is faulty beside the services is in nobody's way", () =>
  withMachine(async ({ gen, world }) => {
    const file = "/home/visor.json";
    for (const more of [{}, { dmsg: { discovery: EMBEDDED } }, { conf_service: DEAD }]) {
      await put(world, file, { sk: secretKey.reveal(), log_level: 17, ...more });
      const { code, stdout, stderr } = await gen("-r");
      assert.equal(code, 0, stderr);
      assert.match(stdout, /its key \S+ kept, services of the embedded deployment\n$/);
      assert.match(stderr, /warning: the configuration service was not reached, so services are those/);
      const config = await read(world, file);
      assert.deepEqual([config.pk, config.log_level, config.dmsg.discovery], [publicKey, "info", EMBEDDED]);
    }
  }));

Deno.test("conf gen -r -a: the address is asked within the home's network, not within the file's", () =>
  withMachine(async ({ gen, serve, world }) => {
    assert.equal((await gen("-S", "/a.json")).code, 0, "the home is of A");
    const ofA = await serve(A.dmsg_discovery, () => "[]");
    const ofB = await serve(B.dmsg_discovery, () => "[]");
    const { code, stderr } = await gen("-r", "-o", "/own.json", "-a", over("conf"));
    assert.equal(code, 0);
    assert.match(
      stderr,
      /^warning: [^\n]* was not reached, so services stay those of \/own\.json: [^\n]*\n$/,
    );
    assert.deepEqual([ofA() > 0, ofB()], [true, 0]);
    assert.equal((await read(world, "/own.json")).dmsg.discovery, B.dmsg_discovery);
  }));

Deno.test("conf gen: hints are about its own options, and a warning names the file", () =>
  withMachine(async ({ gen, world }) => {
    const hint = "Hint: ask another service with -a URL, or name the services with -S FILE\n";
    await put(world, "/d.json", OVER_DMSG);
    assert.equal((await gen("-S", "/d.json", "-o", "/d-own.json")).code, 0);
    const dead = await gen("-r", "-o", "/d-own.json", "--nodefaults", "--timeout", "60s");
    assert.deepEqual([dead.code, dead.stderr.endsWith(hint)], [3, true], dead.stderr);
    assert.equal((await gen("--sn", "-S", "/b.json", "-o", "/sn.json")).code, 0);
    assert.match(
      (await gen("-r", "--sn", "-o", "/sn.json")).stderr,
      /^warning: the configuration service was not asked, so services stay those of \/sn\.json: \/sn\.json names no/,
    );
    const none = await gen("-r", "--sn", "-o", "/sn.json", "--nodefaults");
    assert.deepEqual([none.code, none.stderr.endsWith(hint)], [2, true], none.stderr);
  }));

Deno.test("conf gen: a defect is told, and no network taken instead", () =>
  withMachine(async ({ gen, world }) => {
    const files = world.files as { read: World["files"]["read"] };
    const { read } = files;
    files.read = (path) =>
      path.startsWith("/home/") ? Promise.reject(new TypeError("a defect")) : read.call(files, path);
    const { code, stdout, stderr } = await gen("-o", "/new.json");
    files.read = read;
    assert.deepEqual([stdout, /a defect/.test(stderr)], ["", true]);
    assert.notEqual(code, 0);
  }));

/** Files that a first start of the home's visor did not make: none of them is asked for through that visor. */
const NOT_MADE: readonly (readonly [what: string, file: string, content: object, out: string])[] = [
  ["it is elsewhere", "/other.json", { dmsg: { discovery: EMBEDDED } }, EMBEDDED],
  [
    "it is of another network",
    "/home/visor.json",
    { dmsg: { discovery: A.dmsg_discovery } },
    A.dmsg_discovery,
  ],
  [
    "it says where to ask",
    "/home/visor.json",
    { dmsg: { discovery: EMBEDDED }, conf_service: DEAD },
    EMBEDDED,
  ],
];

for (const [what, file, content, discovery] of NOT_MADE) {
  Deno.test(`conf gen -r leaves the home's visor of another network alone where the file is its own: ${what}`, () => {
    let asked = 0;
    return withControlDouble({
      serviceAsk: () => {
        asked++;
        return { status: 200, text: JSON.stringify(B) };
      },
    }, async ({ plain, world }) => {
      await put(world, file, { sk: secretKey.reveal(), pk: publicKey, ...content });
      const { stdout, stderr } = await plain(["conf", "gen", "-r", "-n", "-o", file], HOME);
      assert.deepEqual([JSON.parse(stdout).dmsg.discovery, asked], [discovery, 0]);
      assert.match(stderr, /^warning: the configuration service was not (?:reached|asked), so [^\n]*\n$/);
    }, {
      setUp: async (world) => {
        await put(world, "/b.json", B);
        return { deploymentFile: "/b.json", [Symbol.asyncDispose]: () => Promise.resolve() };
      },
    });
  });
}
