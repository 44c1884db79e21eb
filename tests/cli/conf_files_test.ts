/** `conf set` and `conf gen -r` as processes: at once, and on files of somebody else. */
import assert from "node:assert/strict";
import { RUN_ARGUMENTS, skyctl } from "./_run.ts";

const SAMPLE = Deno.readTextFileSync(
  new URL("../vectors/deployment/visor-config-2024-http.json", import.meta.url),
);

async function withFile(test: (at: string, file: string) => Promise<void>): Promise<void> {
  const at = await Deno.makeTempDir();
  try {
    const file = `${at}/visor.json`;
    await Deno.writeTextFile(file, SAMPLE);
    await test(at, file);
  } finally {
    await Deno.remove(at, { recursive: true });
  }
}

/** A field each, and what becomes of it. */
const CHANGES: readonly (readonly [field: string, given: string, read: (config: Loose) => unknown])[] = [
  ["dmsg.sessions_count", "7", (config) => config.dmsg.sessions_count],
  ["log_level", "debug", (config) => config.log_level],
  ["transport.stcpr_port", "7001", (config) => config.transport.stcpr_port],
  ["transport.sudph_port", "7002", (config) => config.transport.sudph_port],
  ["routing.min_hops", "3", (config) => config.routing.min_hops],
  ["launcher.apps[2].port", "99", (config) => config.launcher.apps[2].port],
];

// deno-lint-ignore no-explicit-any
type Loose = any;

Deno.test("conf set by six processes at once: each change that was acknowledged is in the file, and nothing else stays", () =>
  withFile(async (at, file) => {
    const ends = await Promise.all(
      CHANGES.map(([field, given]) => skyctl(["conf", "set", field, given, "-c", file, "--home", at], at)),
    );
    assert.deepEqual(ends.map(({ code, stderr }) => [code, stderr]), CHANGES.map(() => [0, ""]));
    const config = JSON.parse(await Deno.readTextFile(file));
    assert.deepEqual(CHANGES.map(([, , read]) => String(read(config))), CHANGES.map(([, given]) => given));
    assert.deepEqual([...Deno.readDirSync(at)].map(({ name }) => name), ["visor.json"]);
  }));

Deno.test({
  name: "conf set and conf gen -r by root leave a file to the user whose it is",
  ignore: Deno.build.os === "windows" || Deno.uid() !== 0,
  fn: () =>
    withFile(async (at, file) => {
      await Deno.chown(file, 1000, 1001);
      await Deno.chmod(file, 0o664);
      const owner = async () => {
        const { uid, gid, mode } = await Deno.stat(file);
        return [uid, gid, mode! & 0o777];
      };
      assert.equal(
        (await skyctl(["conf", "set", "log_level", "debug", "-c", file, "--home", at], at)).code,
        0,
      );
      assert.deepEqual(await owner(), [1000, 1001, 0o664]);
      const { code } = await skyctl(["conf", "gen", "-r", "--nofetch", "-o", file, "--home", at], at);
      assert.equal(code, 0);
      assert.deepEqual(await owner(), [1000, 1001, 0o600]);
    }),
});

Deno.test({
  name: "conf set changes files alone: what a pipe gives can be looked at, and not be changed",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withFile(async (at) => {
      const piped = (...args: string[]) =>
        skyctl(["conf", ...args, "-c", "/dev/stdin"], at, { stdin: SAMPLE });
      const set = await piped("set", "log_level", "debug");
      assert.deepEqual([set.code, set.stdout], [2, ""]);
      assert.match(set.stderr, /\/dev\/stdin: it is a pipe or a device, and no file\nHint: name the file/);
      const pull = await piped("pull", "--deployment", `${at}/none.json`);
      assert.match(pull.stderr, /it is a pipe or a device, and no file/);
      const dry = await piped("set", "log_level", "debug", "--dry-run");
      assert.deepEqual([dry.code, dry.stderr], [0, ""]);
      assert.match(dry.stdout, /log_level would be "debug" now/);
      const folder = await skyctl(["conf", "set", "log_level", "debug", "-c", at, "--home", at], at);
      assert.equal(folder.code, 2);
      assert.match(folder.stderr, /it is a folder, and no file/);
    }),
});

Deno.test({
  name: "conf gen -o /dev/stdout into a pipe writes it there without reading it, and -r is refused",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withFile(async (at) => {
      const piped = async (...more: string[]) => {
        const late = new AbortController();
        const timer = setTimeout(() => late.abort(), 30_000); // it would wait for its own words for ever
        const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
          args: [...RUN_ARGUMENTS, "conf", "gen", "--nofetch", "-o", "/dev/stdout", "--home", at, ...more],
          cwd: at,
          stdin: "null",
          env: { NO_COLOR: "1" },
          signal: late.signal,
        }).output();
        clearTimeout(timer);
        return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
      };
      const made = await piped("-w");
      assert.deepEqual([made.code, made.stderr], [0, ""]);
      assert.match(JSON.parse(made.stdout).sk, /^[0-9a-f]{64}$/);
      for (const more of [[], ["--stdout"], ["-f"]]) {
        const { code, stdout, stderr } = await piped("-r", ...more);
        assert.deepEqual([code, stdout], [2, ""], more.join());
        assert.match(stderr, /\/dev\/stdout: it is a pipe or a device, and no file/);
      }
    }),
});

Deno.test("conf set, check and gen -r leave a deployment file as it is, and say that it is one", () =>
  withFile(async (at) => {
    const file = `${at}/deployment.json`;
    const content = '{"own": {"dmsg_discovery": "http://127.0.0.1:1", "dmsg_servers": []}}';
    await Deno.writeTextFile(file, content);
    for (
      const args of [
        ["check", file],
        ["set", "log_level", "debug", "-c", file],
        ["gen", "-r", "--nofetch", "-o", file],
        ["show", "-c", file],
      ]
    ) {
      const { code, stdout, stderr } = await skyctl(["conf", ...args, "--home", at], at);
      assert.equal(code, 2, args.join(" "));
      assert.match(stdout + stderr, /it is a deployment file, and no configuration of a visor/);
      assert.doesNotMatch(stdout + stderr, /gen -r/);
      assert.equal(await Deno.readTextFile(file), content);
    }
  }));
