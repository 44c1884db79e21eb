/** `conf gen`, `show`, `check`, `set` and `pull` on a machine of their own: answers, files, modes, exit codes. */
import assert from "node:assert/strict";
import { silentLog, WorldError } from "../../lib/base/mod.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { renderDeploymentFile } from "../../lib/directory/mod.ts";
import type { World } from "../../lib/runtime/mod.ts";
import { LocalNetwork } from "../../lib/visor/local/mod.ts";
import { type Beside, withControlDouble } from "./_control_double.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const FILE = "/home/visor.json";
const HOME = { SKYCTL_HOME: "/home", HOME: "/users/me" };
const { secretKey, publicKey } = keyPairFromSeed(utf8("conf commands"));
const SAMPLE = Deno.readTextFileSync(
  new URL("../vectors/deployment/visor-config-2024-http.json", import.meta.url),
);
const SERVICES = Deno.readTextFileSync(
  new URL("../vectors/deployment/services-config-2026-latest.json", import.meta.url),
);

/** What a visor says that reaches nobody. */
class ControlDown extends WorldError {
  readonly code = "SERVICE_UNREACHABLE";
}

const textOf = async ({ files }: World, path: string) => new TextDecoder().decode(await files.read(path));

async function local(world: World): Promise<Beside> {
  await world.files.makeDirectory("/network");
  const network = await LocalNetwork.start({ world, log: silentLog, folder: "/network", version: "1" });
  await world.files.write("/net.json", utf8(renderDeploymentFile(network.network)));
  return { deploymentFile: "/net.json", [Symbol.asyncDispose]: () => network.close() };
}

Deno.test("conf gen makes a file for its owner alone, once; -r keeps its key, -f drops it", () =>
  withControlDouble(undefined, async ({ plain, world }) => {
    const gen = (...more: string[]) => plain(["conf", "gen", "--nofetch", "--json", ...more], HOME);
    const made = JSON.parse((await gen()).stdout);
    assert.deepEqual({ ...made, publicKey: "" }, {
      file: FILE,
      publicKey: "",
      deployment: "the embedded deployment",
      keptKeys: false,
      dryRun: false,
    });
    assert.equal((await world.files.info(FILE))?.mode, 0o600);
    const text = await textOf(world, FILE);
    assert.equal(JSON.parse(text).pk, made.publicKey);
    assert.match(text, /^\{\n\t"version"/);
    const refused = await gen();
    assert.equal(refused.code, 2);
    assert.match(
      refused.stderr,
      /Cannot write a configuration to \/home\/visor\.json: the file exists\nHint: --regen/,
    );
    assert.equal(await textOf(world, FILE), text);
    const dry = JSON.parse((await gen("-f", "--dry-run")).stdout);
    assert.equal(dry.dryRun, true);
    assert.equal(await textOf(world, FILE), text);
    const again = JSON.parse((await gen("-r", "--minsess", "3")).stdout);
    assert.deepEqual([again.publicKey, again.keptKeys], [made.publicKey, true]);
    assert.equal(JSON.parse(await textOf(world, FILE)).dmsg.sessions_count, 3);
    const dropped = JSON.parse((await gen("-f")).stdout);
    assert.notEqual(dropped.publicKey, made.publicKey);
    assert.equal((await plain(["conf", "check"], HOME)).stdout, `${FILE}: nothing is wrong\n`);
  }));

Deno.test("conf gen -n prints it and writes nothing; -N in one line; -s with this key; --envs prints a template", () =>
  withControlDouble(undefined, async ({ plain, world }) => {
    const gen = async (...more: string[]) =>
      (await plain(["conf", "gen", "--nofetch", "-n", ...more], HOME)).stdout;
    const config = JSON.parse(await gen("-s", secretKey.reveal()));
    assert.deepEqual([config.sk, config.pk], [secretKey.reveal(), publicKey]);
    assert.equal((await gen("-N")).trim().includes("\n"), false);
    assert.match((await plain(["conf", "gen", "-q"], HOME)).stdout, /^#PKGENV=true$/m);
    assert.deepEqual(await world.files.list("/home"), ["control.json"]);
  }));

Deno.test("conf gen --sn makes a setup node's file, and keeps its key with -r; the visor's is left alone", () =>
  withControlDouble(undefined, async ({ plain, world }) => {
    const gen = (...more: string[]) => plain(["conf", "gen", "--nofetch", "--sn", "--json", ...more], HOME);
    const made = JSON.parse((await gen()).stdout);
    assert.equal(made.file, "/home/setup-node.json");
    const config = JSON.parse(await textOf(world, made.file));
    assert.equal(config.public_key, made.publicKey);
    assert.deepEqual(Object.keys(config), [
      "public_key",
      "secret_key",
      "dmsg",
      "transport_discovery",
      "log_level",
    ]);
    assert.equal((await world.files.info(made.file))?.mode, 0o600);
    assert.equal((await gen()).code, 2, "it is there");
    const again = JSON.parse((await gen("-r")).stdout);
    assert.deepEqual([again.publicKey, again.keptKeys], [made.publicKey, true]);
    assert.equal(await world.files.info("/home/visor.json"), undefined);
  }));

Deno.test("conf gen -w prints nothing but errors; opposite flags are refused; --bestproto says what becomes of it", () =>
  withControlDouble(undefined, async ({ plain, world }) => {
    const gen = (...more: string[]) => plain(["conf", "gen", "--nofetch", ...more], HOME);
    assert.deepEqual(await gen("-w"), { code: 0, stdout: "", stderr: "" });
    assert.notEqual(await world.files.info("/home/visor.json"), undefined);
    assert.deepEqual(await gen("-w", "-n"), { code: 0, stdout: "", stderr: "" });
    assert.match((await gen("-w")).stderr, /the file exists/);
    for (const [one, other] of [["-d", "--http"], ["--http", "--dual"], ["-e", "-c"], ["-p", "-u"]]) {
      const { code, stderr } = await gen("-n", one!, other!);
      assert.equal(code, 2);
      assert.match(stderr, /cannot be used with/);
    }
    assert.equal(JSON.parse((await gen("-n", "--version", "v1.4.0")).stdout).version, "v1.4.0");
    assert.match((await gen("-n", "--version", "v2.0.0")).stderr, /only major version 1 is known/);
    assert.match((await gen("-n", "-b")).stderr, /nothing has to be chosen/);
    assert.match((await gen("-n", "--killsw", "maybe")).stderr, /--killsw: value "maybe": .*true or false/);
  }));

Deno.test("conf gen --nodefaults never takes the embedded deployment, nor completes from it", () => {
  let text: string | undefined;
  return withControlDouble({
    serviceAsk: () => {
      if (text === undefined) throw new ControlDown("nobody there");
      return { status: 200, text };
    },
  }, async ({ plain }) => {
    const gen = (...more: string[]) => plain(["conf", "gen", "-n", "--nodefaults", ...more], HOME);
    const down = await gen("-t", "--timeout", "2s");
    assert.deepEqual([down.code, down.stdout], [3, ""]);
    const nothing = await gen("--nofetch");
    assert.equal(nothing.code, 2);
    assert.match(nothing.stderr, /^Error: Neither a file nor .*\nHint: give --svcconf FILE/);
    text = JSON.stringify({ dmsg_discovery: "http://dmsgd.skywire.skycoin.com" });
    const { dmsg } = JSON.parse((await gen()).stdout);
    assert.deepEqual([dmsg.discovery_dmsg, dmsg.servers], ["", []]);
  });
});

Deno.test("conf gen where no configuration service is reached takes the embedded deployment, and says so", () =>
  withControlDouble(undefined, async ({ plain, nowMs }) => {
    const startedMs = nowMs();
    const { code, stdout, stderr } = await plain(["conf", "gen", "--json"], HOME);
    assert.equal(code, 0);
    assert.equal(JSON.parse(stdout).deployment, "the embedded deployment");
    assert.match(
      stderr,
      /^warning: the configuration service was not reached, so services are those of the embedded/,
    );
    assert(nowMs() - startedMs <= 16_000, `${nowMs() - startedMs} ms`);
  }));

Deno.test("conf gen takes what the configuration service tells, through the visor; its own deployment completes it", () => {
  const told = {
    dmsg_discovery: "http://dmsgd.skywire.skycoin.com",
    transport_discovery: "http://tpd.new",
    route_setup_nodes: [publicKey],
  };
  let text = JSON.stringify(told);
  return withControlDouble({
    serviceAsk: ({ service, path }) => {
      assert.deepEqual([service, path], ["conf", "/"]);
      return { status: 200, text };
    },
  }, async ({ plain }) => {
    const gen = async () => {
      const { stdout, stderr } = await plain(["conf", "gen", "-n"], HOME);
      assert.equal(stderr, "");
      return JSON.parse(stdout);
    };
    const same = await gen();
    assert.equal(same.transport.discovery, "http://tpd.new");
    assert.match(same.dmsg.discovery_dmsg, /^dmsg:\/\/022e607e/, "completed");
    assert.equal(same.dmsg.servers.length, 9);
    assert.deepEqual(same.routing.route_setup_nodes, [publicKey]);
    text = JSON.stringify({ ...told, dmsg_discovery: "http://another" });
    const another = await gen();
    assert.equal(another.dmsg.discovery_dmsg, "", "never from another deployment");
    assert.deepEqual(another.dmsg.servers, []);
  });
});

Deno.test("conf gen by SKYENV and the environment; conf show says which of them it was", () =>
  withControlDouble(undefined, async ({ plain, world }) => {
    await world.files.write(
      "/sky.conf",
      utf8(`MINDMSGSESS=4\nLOGLVL=debug\nLEGACYHVUI=true\nOUTPUT=/made.json\n`),
    );
    const environment = { ...HOME, SKYENV: "/sky.conf", LOGLVL: "warn" };
    const shown = await plain(["conf", "show", "--json"], environment);
    assert.match(
      shown.stderr,
      /there is no \/home\/visor\.json: this is what skyctl conf gen --nofetch would make/,
    );
    assert.match(shown.stderr, /LEGACYHVUI has no use here/);
    const origins = new Map(
      JSON.parse(shown.stdout).fields.map((
        { field, origin, value }: Record<string, unknown>,
      ) => [field, [origin, value]]),
    );
    assert.deepEqual(origins.get("dmsg.sessions_count"), ["SKYENV", 4]);
    assert.deepEqual(origins.get("log_level"), ["environment", "warn"]);
    assert.deepEqual(origins.get("cli_addr"), ["default", "127.0.0.1:3435"]);
    assert.equal((origins.get("dmsg.servers") as unknown[])[0], "deployment");
    const made = await plain(["conf", "gen", "--nofetch", "--loglvl", "error"], environment);
    assert.match(made.stdout, /^configuration made: \/made\.json, with key 0/);
    assert.equal(JSON.parse(await textOf(world, "/made.json")).log_level, "error");
    const faulty = await plain(["conf", "gen", "--nofetch", "-n", "--loglvl", "loud"], HOME);
    assert.equal(faulty.code, 2);
    assert.match(faulty.stderr, /cannot be used: field log_level: value "loud"/);
    await world.files.write("/bad.conf", utf8("A=$(id)\n"));
    const bad = await plain(["conf", "gen"], { ...HOME, SKYENV: "/bad.conf" });
    assert.equal(bad.code, 2);
    assert.match(bad.stderr, /\/bad\.conf: line 1: /);
  }));

Deno.test("conf show, set and check on a recorded file of Skywire's: values, one changed byte for byte, faults by exit code", () =>
  withControlDouble(undefined, async ({ run, plain, world }) => {
    await world.files.write(FILE, utf8(SAMPLE), { mode: 0o600 });
    const shown = await run("conf", "show", "dmsg.sessions_count", "launcher.bin_path", "--origin");
    assert.deepEqual(shown.stdout.trim().split("\n").map((line) => line.split(/\s+/).slice(0, 3).join(" ")), [
      "field origin value",
      "dmsg.sessions_count file 2",
      "launcher.bin_path file ./",
    ]);
    const all = await run("conf", "show", "--all", "--json");
    assert(!all.stdout.includes(JSON.parse(SAMPLE).sk));
    const flagged = await run("conf", "show", "log_level", "--log-level", "debug", "--origin");
    assert.match(flagged.stdout, /log_level\s+flag\s+debug/);
    const nothing = await run("conf", "show", "nothing");
    assert.deepEqual([nothing.code, nothing.stderr], [
      2,
      `Error: No field is called "nothing"\nHint: skyctl conf show --all lists the fields\n`,
    ]);
    assert.match((await run("conf", "show", "launcher.apps[2].name")).stdout, /\[2\]\.name +skysocks\n$/);
    const beyond = await run("conf", "show", "launcher.apps[9]");
    assert.match(
      beyond.stderr,
      /^Error: No field is called "launcher\.apps\[9\]"\nHint: is launcher\.apps mea/,
    );
    const set = await run("conf", "set", "dmsg.sessions_count", "5");
    assert.equal(set.stdout, `dmsg.sessions_count is 5 now in ${FILE}, was 2\n`);
    assert.match(set.stderr, /^a running visor takes it at its next start: skyctl visor stop/);
    assert.equal(await textOf(world, FILE), SAMPLE.replace('"sessions_count": 2', '"sessions_count": 5'));
    assert.equal((await world.files.info(FILE))?.mode, 0o600);
    assert.match((await run("conf", "set", "dmsg.sessions_count", "5")).stdout, /is 5 already/);
    const would = await run("conf", "set", "is_public", "true", "--dry-run");
    assert.match(would.stdout, /would be true now/);
    assert.equal(would.stderr, "");
    await world.files.write("/another.json", utf8("{}"));
    const other = await run("conf", "set", "is_public", "true", "-c", "/another.json");
    assert.deepEqual([other.code, other.stderr], [0, ""]);
    const refused = await run("conf", "set", "dmsg.sessions_count", "many");
    assert.equal(refused.code, 2);
    assert.equal(await textOf(world, FILE), SAMPLE.replace('"sessions_count": 2', '"sessions_count": 5'));
    await world.files.write("/bad.json", utf8('{"log_level":"loud","dmsg":{"sessions_count":-1}}'));
    const checked = await plain(["conf", "check", "-c", "/bad.json"], HOME);
    assert.equal(checked.code, 2);
    assert.match(
      checked.stdout,
      /^error: dmsg\.sessions_count: value -1: .*\n {2}remedy: skyctl conf set dmsg\.sessions_count/,
    );
    assert.match(checked.stderr, /\/bad\.json has 2 errors/);
    const json = await plain(["conf", "check", "-c", "/bad.json", "--json"], HOME);
    assert.equal(JSON.parse(json.stdout).findings.length, 2, "one document: its exit code says the rest");
    assert.equal((await plain(["conf", "check", "-c", "/none.json"], HOME)).code, 3);
    await world.files.write("/good one.json", utf8(SAMPLE), { mode: 0o644 });
    const several = ["conf", "check", "/good one.json", "/none.json", "/bad.json", "/bad.json"];
    const each = await plain(several, HOME);
    assert.equal(each.code, 2);
    const starts = each.stdout.split("\n").filter((line) => !line.startsWith(" ")).map((line) =>
      line.split(": value")[0]!.slice(0, 40)
    );
    assert.deepEqual(starts.filter((line) => !line.startsWith("note:")), [
      "warning: /good one.json: others may read",
      "error: /none.json: No such file: /none.j",
      "error: /bad.json: dmsg.sessions_count",
      "error: /bad.json: log_level",
      "",
    ]);
    assert.match(each.stdout, /\n {2}remedy: chmod 600 '\/good one\.json'\n/);
    assert.match(each.stdout, /\n {2}remedy: skyctl conf set log_level VALUE -c \/bad\.json, where/);
    assert.match(each.stderr, /^Error: \/none\.json, \/bad\.json have 3 errors: a visor would not start/);
    const lines = (await plain([...several, "--json"], HOME)).stdout.trimEnd().split("\n");
    assert.deepEqual(lines.map((line) => JSON.parse(line)).map(({ file, error }) => file ?? error.code), [
      "/good one.json",
      "/none.json",
      "/bad.json",
      "FAULTY_CONFIG",
    ]);
    assert.equal((await plain(["conf", "show", "-c", "/none.json"], HOME)).code, 3);
  }));

Deno.test("conf pull and dmsg conf pull: the line of every program, the diff of a dry run, exit codes", () =>
  withControlDouble(undefined, async ({ plain, world }) => {
    await world.files.write("/s.json", utf8(SERVICES));
    const pull = (...more: string[]) => plain(["conf", "pull", "-c", "/s.json", ...more]);
    const dry = await pull("--deployment", "/net.json", "--dry-run");
    assert.match(dry.stdout, /^--- \/s\.json\n\+\+\+ \/s\.json\n@@ /);
    assert.match(
      dry.stdout,
      /\nwould update 2 dmsg_servers array\(s\) in \/s\.json with 2 servers \(fetched over dmsg\)\n$/,
    );
    assert.equal(await textOf(world, "/s.json"), SERVICES);
    const { code, stdout, stderr } = await plain(["dmsg", "conf", "pull", "-c", "/s.json"], {
      SKYDEPLOY: "/net.json",
    });
    assert.deepEqual([code, stdout], [
      0,
      "updated 2 dmsg_servers array(s) in /s.json with 2 servers (fetched over dmsg)\n",
    ]);
    assert.match(stderr, /has to be built again/);
    assert.notEqual(await textOf(world, "/s.json"), SERVICES);
    const json = JSON.parse((await pull("--deployment", "/net.json", "--json")).stdout);
    assert.deepEqual([json.arrays, json.servers.length, json.changed, json.dryRun], [2, 2, false, false]);
    await world.files.write("/n.json", utf8("{}"));
    const none = await plain(["conf", "pull", "-c", "/n.json", "--deployment", "/net.json"]);
    assert.equal(none.code, 2);
    assert.match(none.stderr, /^Error: no dmsg_servers array found in \/n\.json\n/);
    const nobody = await pull("--discovery", `dmsg://${publicKey}:80`, "--deployment", "/net.json");
    assert.equal(nobody.code, 3);
    assert.match(nobody.stderr, /^Error: fetch all_servers over dmsg: /);
    assert.equal((await plain(["conf", "pull"])).code, 3, "the default file is not there");
  }, { setUp: local }));
