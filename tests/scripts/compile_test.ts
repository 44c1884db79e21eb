import assert from "node:assert/strict";
import { resolve } from "node:path";
import {
  awaitingModules,
  bundle,
  compile,
  COMPILE_FLAGS,
  orderOf,
  reasonOf,
  renderSums,
  TARGETS,
} from "../../scripts/compile.ts";
import { fileURLToPath } from "node:url";
import config from "../../deno.json" with { type: "json" };

/** Far above today's bundle: a package that must not be in it would pass this. */
const BUNDLE_BYTES_MAX = 4 * 1024 * 1024;
/** The bundle, and what Deno adds to it. */
const PAYLOAD_BYTES_MAX = BUNDLE_BYTES_MAX + 4 * 1024 * 1024;
/** The first Node that parses `using`. */
const NODE_MAJOR_MIN = 24;

async function inTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir();
  try {
    return await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function output(command: string, args: readonly string[]): Promise<{ code: number; stdout: string }> {
  const { code, stdout } = await new Deno.Command(command, { args: [...args], stderr: "null" }).output();
  return { code, stdout: new TextDecoder().decode(stdout) };
}

Deno.test("bundle() gives equal bytes and file times twice, and what it gives runs on its own", () =>
  inTemporaryFolder(async (folder) => {
    const first = await bundle(`${folder}/a`);
    const second = await bundle(`${folder}/b/deeper`);
    assert.deepEqual(first, second);
    assert(first.bytes > 10_000 && first.bytes < BUNDLE_BYTES_MAX, `${first.bytes} bytes`);
    const times = await Promise.all(
      [`${folder}/a`, `${folder}/b/deeper`].map(async (at) =>
        (await Deno.stat(`${at}/skyctl.js`)).mtime?.getTime()
      ),
    );
    assert.deepEqual(times, [315_532_800_000, 315_532_800_000]);
    const version = await output(Deno.execPath(), [
      "run",
      "--no-config",
      `${folder}/a/skyctl.js`,
      "--version",
    ]);
    assert.deepEqual(version, { code: 0, stdout: `${config.version}\n` });
    const help = await output(Deno.execPath(), [
      "run",
      "-A",
      "--no-config",
      `${folder}/a/skyctl.js`,
      "keys",
      "--help",
    ]);
    assert.deepEqual(help.code, 0);
    assert.match(help.stdout, /Usage: skyctl keys/);
  }));

Deno.test("awaitingModules() names what a bundle would start too early; the program has none", () =>
  inTemporaryFolder(async (folder) => {
    const files = {
      "start.ts": `export const key = await Promise.resolve("key");`,
      "door.ts": `export * from "./start.ts";`,
      "all.ts": `export * from "./door.ts";`,
      "main.ts": `console.log((await import("./all.ts")).key);`,
    };
    for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${folder}/${name}`, text);
    const names = (await awaitingModules(`${folder}/main.ts`)).map((path) => path.split("/").at(-1));
    assert.deepEqual(names.toSorted(), ["all.ts", "door.ts", "start.ts"]);
    assert.deepEqual(await awaitingModules("main.ts"), []);
  }));

const node = await output("node", ["--version"]).catch(() => undefined);
const nodeMajor = Number(/^v(\d+)/.exec(node?.stdout ?? "")?.[1] ?? 0);

Deno.test({
  name: nodeMajor < NODE_MAJOR_MIN
    ? `the bundle on Node: skipped, needs Node ${NODE_MAJOR_MIN}, found ${node?.stdout.trim() ?? "none"}`
    : "the bundle's --version runs on Node too",
  ignore: nodeMajor < NODE_MAJOR_MIN,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      await bundle(folder);
      const version = await output("node", [`${folder}/skyctl.js`, "--version"]);
      assert.deepEqual(version, { code: 0, stdout: `${config.version}\n` });
    }),
});

const LINUX = "x86_64-unknown-linux-gnu";

Deno.test({
  name: "compile() gives equal bytes from two folders: the bundle over the runtime, nothing more",
  ignore: Deno.build.target !== LINUX, // the runtime that stands in must have the target's format
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const runtime = Deno.execPath(); // in place of a release's smaller one, which would be fetched
      Deno.env.set("DENORT_BIN", runtime);
      try {
        const made = [];
        for (const at of [`${folder}/a`, `${folder}/b/deeper`]) {
          await bundle(at);
          made.push(await compile(at, LINUX));
        }
        const [first, second] = made;
        assert.deepEqual(first, second);
        assert(first !== undefined && "bytes" in first, JSON.stringify(first));
        const payload = first.bytes - (await Deno.stat(runtime)).size;
        assert(payload > 0 && payload < PAYLOAD_BYTES_MAX, `${payload} bytes`);
        using binary = await Deno.open(`${folder}/a/${first.file}`);
        const magic = new Uint8Array(4);
        await binary.read(magic);
        assert.deepEqual(magic, new Uint8Array([0x7f, 0x45, 0x4c, 0x46]));
      } finally {
        Deno.env.delete("DENORT_BIN");
      }
    }),
});

Deno.test("orderOf() reads targets, folder and time, and says what it cannot read", () => {
  const project = fileURLToPath(new URL("../..", import.meta.url)); // decoded: the folder's name may have blanks
  assert.deepEqual(orderOf([]), { targets: TARGETS, folder: resolve(project, "dist"), epochS: 315_532_800 });
  assert.deepEqual(orderOf(["--target", LINUX, "--out", "a b"], "7"), {
    targets: [LINUX],
    folder: resolve(project, "a b"),
    epochS: 7,
  });
  const elsewhere = resolve("/", "out");
  assert.deepEqual((orderOf(["--out", elsewhere]) as { folder: string }).folder, elsewhere);
  const problems: [args: string[], epoch: string | undefined, told: RegExp][] = [
    [["--taget", LINUX], undefined, /--taget/],
    [["extra"], undefined, /extra/],
    [["--target"], undefined, /--target/],
    [["--target", "z80"], undefined, /^No such target: z80\. There are: x86_64/],
    [[], "yesterday", /SOURCE_DATE_EPOCH.*"yesterday"/],
    [[], "", /SOURCE_DATE_EPOCH/],
  ];
  for (const [args, epoch, told] of problems) {
    const order = orderOf(args, epoch);
    assert("problem" in order, args.join(" "));
    assert.match(order.problem, told);
  }
});

Deno.test("reasonOf() tells a base runtime that cannot be fetched from a defect of ours", () => {
  assert.match(
    reasonOf("error: Setting up base binary.\n\nCaused by: dns error"),
    /base runtime cannot be fetched/,
  );
  assert.match(
    reasonOf("Download https://dl.deno.land/release/v2/denort-x.zip\nerror: Request failed"),
    /fetched/,
  );
  assert.deepEqual(reasonOf('Check x\nerror: Module not found "y"\n  at z'), 'error: Module not found "y"');
  assert.deepEqual(
    reasonOf(
      "error: Writing executable\n\nCaused by:\n    0: Outer\n    1: Invalid format\n\nStack backtrace:\n   0: x",
    ),
    "error: Writing executable: Invalid format",
  );
  assert.deepEqual(reasonOf(""), "no reason given");
});

Deno.test("renderSums() is what sha256sum -c reads", () => {
  const artifact = { target: null, bytes: 1, flags: [] };
  const sums = renderSums([
    { ...artifact, file: "z/skyctl", sha256: "22" },
    { ...artifact, file: "skyctl.js", sha256: "11" },
  ]);
  assert.deepEqual(sums, "11  skyctl.js\n22  z/skyctl\n");
});

Deno.test("a binary is built with named permissions only, for five targets", () => {
  assert.deepEqual(TARGETS.length, 5);
  assert(!COMPILE_FLAGS.includes("-A") && !COMPILE_FLAGS.includes("--allow-all"));
  assert(!COMPILE_FLAGS.includes("--allow-run") && !COMPILE_FLAGS.includes("--allow-ffi"));
});
