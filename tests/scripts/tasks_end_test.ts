/** Whatever way a task ends that runs others' programs, nothing stays of these: of benches, and of tests of mutants. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { runDenoTest } from "../../scripts/mutants.ts";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url)).replace(/[/\\]$/, "");
/** For some processes to start and to end on a busy machine. */
const PATIENCE_MS = 30_000;
/** Of a bench or of tests that hang: longer than they need to start. */
const LATE_MS = 4_000;

/** A project with nothing but scripts of ours; what runs there calls back when it is there, and holds the line. */
class Planted implements AsyncDisposable {
  readonly #calls = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #pids: number[] = [];
  /** Aborts when all of it has had its time. */
  readonly isLate: AbortSignal = AbortSignal.timeout(PATIENCE_MS);
  private constructor(readonly folder: string) {
    this.isLate.addEventListener("abort", this.#giveUp);
  }

  static async at(files: Record<string, string>): Promise<Planted> {
    const planted = new Planted(await Deno.makeTempDir());
    for (const [name, text] of Object.entries(files)) {
      await Deno.mkdir(`${planted.folder}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.writeTextFile(
        `${planted.folder}/${name}`,
        text.replaceAll("PORT", String(planted.#calls.addr.port)),
      );
    }
    return planted;
  }

  /** The next that calls back, by its process id. */
  async called(): Promise<{ readonly pid: number; readonly ended: Promise<void> }> {
    const line = await this.#calls.accept();
    const said = new Uint8Array(16);
    const pid = Number(new TextDecoder().decode(said.subarray(0, await line.read(said) ?? 0)));
    this.#pids.push(pid);
    const ended = line.read(said).then(() => {}, () => {}).finally(() => line.close());
    return { pid, ended };
  }

  /** Runs a script of the project. */
  task(script: string, args: string[] = []): Deno.ChildProcess {
    const run = ["run", "-A", "--no-check", `--config=${PROJECT}/deno.json`];
    const child = new Deno.Command(Deno.execPath(), {
      args: [...run, `${this.folder}/scripts/${script}.ts`, ...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      env: { TMPDIR: `${this.folder}/dist` }, // which is not copied
    }).spawn();
    this.#pids.push(child.pid);
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isLate.removeEventListener("abort", this.#giveUp);
    if (!this.isLate.aborted) this.#calls.close();
    await Deno.remove(this.folder, { recursive: true });
    assert.ok(!this.isLate.aborted, "something stayed, or never came");
  }

  /** Or the test would wait for what stayed. */
  readonly #giveUp = () => {
    this.#calls.close();
    for (const pid of this.#pids) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch {
        // it has ended
      }
    }
  };
}

/** Source of a module: calls back. */
const CALL = `
  const line = await Deno.connect({ hostname: "127.0.0.1", port: PORT });
  await line.write(new TextEncoder().encode(String(Deno.pid)));`;
const HANG = `await new Promise(() => setInterval(() => {}, 1_000));`;

/** A test that starts a process, which calls back and stays, and that hangs itself. */
const HANGING_TEST = `
  Deno.test("hangs", async () => {
    const code = ${JSON.stringify(CALL + HANG)};
    new Deno.Command(Deno.execPath(), { args: ["eval", "--no-config", code] }).spawn();
    ${HANG}
  });`;

const script = (name: string) => Deno.readTextFile(`${PROJECT}/scripts/${name}.ts`);

/** A test of what Windows has no groups for. */
function testEnd(claim: string, fn: () => Promise<void>): void {
  Deno.test({ name: claim, ignore: Deno.build.os === "windows", fn });
}

testEnd("tests that hang are ended after a time, with what they started", async () => {
  await using planted = await Planted.at({ "hanging_test.ts": HANGING_TEST });
  const isGreen = runDenoTest({ runMaxMs: LATE_MS, signal: planted.isLate })(planted.folder, {
    tests: ["hanging_test.ts"],
  });
  const { ended } = await planted.called();
  assert.equal(await isGreen, false);
  await ended;
});

/** The task of mutants in a project with one mutant, whose tests hang with it. */
async function hangingMutant(): Promise<Planted> {
  const planted = await Planted.at({
    "dist/none": "",
    "sum.ts": "export const isHanging = false;\n",
    "sum_test.ts": `
      import { isHanging } from "./sum.ts";
      if (isHanging) await import("./hanging_test.ts");
      else Deno.test("is green", () => {});`,
    "hanging_test.ts": HANGING_TEST,
    "tests/mutants/all.json": JSON.stringify(["false", "false;"].map((find, at) => ({
      row: `X-${at}`,
      file: "sum.ts",
      find,
      replace: "true",
      tests: ["sum_test.ts"],
    }))),
    "scripts/mutants.ts": await script("mutants"),
    "scripts/_arguments.ts": await script("_arguments"),
    "scripts/_process_group.ts": await script("_process_group"),
  });
  await Deno.symlink(`${PROJECT}/lib`, `${planted.folder}/lib`);
  return planted;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  testEnd(
    `a task of mutants that is ended by ${signal} takes everything with it, and judges no more`,
    async () => {
      await using planted = await hangingMutant();
      const task = planted.task("mutants");
      const { ended } = await planted.called();
      task.kill(signal);
      const { code, stdout } = await task.output();
      await ended;
      assert.equal(code, 130);
      assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), []);
      const left = await Array.fromAsync(Deno.readDir(`${planted.folder}/dist`));
      assert.deepEqual(left.map(({ name }) => name), ["none"]);
    },
  );
}

testEnd("a task of mutants that is killed takes everything with it", async () => {
  await using planted = await hangingMutant();
  const task = planted.task("mutants");
  const { ended } = await planted.called();
  task.kill("SIGKILL");
  await task.output();
  await ended;
});

/** The task of benches with these. */
async function benches(files: Record<string, string>, edit = (source: string) => source): Promise<Planted> {
  return await Planted.at({
    ...Object.fromEntries(
      Object.entries(files).map(([name, body]) => [
        `tests/bench/${name}_bench.ts`,
        `export default async function () { ${CALL}\n${body} }`,
      ]),
    ),
    "scripts/bench.ts": edit(await script("bench")),
    "scripts/_process_group.ts": await script("_process_group"),
  });
}

const ROWS = [{ name: "a", value: 1, unit: "ms" }];
const RETURN = `return ${JSON.stringify(ROWS)};`;
const texts = ({ stdout, stderr }: Deno.CommandOutput) =>
  [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)) as [string, string];

testEnd("a bench that leaves something running is over when it has its rows", async () => {
  await using planted = await benches({ a: `setInterval(() => {}, 1_000); ${RETURN}` });
  const task = planted.task("bench", ["--json"]);
  const { ended } = await planted.called();
  const output = await task.output();
  await ended;
  assert.equal(output.code, 0);
  assert.deepEqual(JSON.parse(texts(output)[0]), ROWS);
});

for (const [others, more] of [["and begins no other", { b: RETURN }], ["the last one", {}]] as const) {
  testEnd(`a task of benches that is interrupted ends the one that runs, ${others}`, async () => {
    await using planted = await benches({ a: HANG, ...more });
    const task = planted.task("bench");
    const { ended } = await planted.called();
    task.kill("SIGINT");
    const output = await task.output();
    await ended;
    assert.equal(output.code, 130);
    assert.deepEqual(texts(output), ["", "a_bench.ts: interrupted\n"]);
  });
}

testEnd("a task of benches that is killed takes the one that runs with it", async () => {
  await using planted = await benches({ a: HANG });
  const task = planted.task("bench");
  const { ended } = await planted.called();
  task.kill("SIGKILL");
  await task.output();
  await ended;
});

testEnd("a bench that hangs is ended after a time, and the next one has its turn", async () => {
  const limit = "const BENCH_TIMEOUT_MS = 120_000;";
  await using planted = await benches({ a: HANG, b: RETURN }, (source) => {
    assert.ok(source.includes(limit));
    return source.replace(limit, `const BENCH_TIMEOUT_MS = ${LATE_MS};`);
  });
  const task = planted.task("bench", ["--json"]);
  for (const _ of "ab") await (await planted.called()).ended;
  const output = await task.output();
  assert.equal(output.code, 1);
  assert.deepEqual(JSON.parse(texts(output)[0]), ROWS);
  assert.equal(texts(output)[1], "a_bench.ts: takes too long\n");
});
