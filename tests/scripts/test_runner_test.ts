import assert from "node:assert/strict";
import { countsIn, exitCodeOf, renderCounts, testArguments } from "../../scripts/test.ts";

const root = new URL("../../", import.meta.url);

Deno.test("countsIn() reads the last summary, with steps, colours and skipped tests", () => {
  const coloured =
    "ok | 1 passed | 0 failed\n\x1b[32mok\x1b[0m | 12 passed (3 steps) | 0 failed | 2 ignored (1 step) (1s)\n";
  assert.deepEqual(countsIn(coloured), { passed: 12, failed: 0, skipped: 2 });
  assert.deepEqual(countsIn("FAILED | 3 passed | 4 failed (12ms)\n\nerror: Test failed\n"), {
    passed: 3,
    failed: 4,
    skipped: 0,
  });
  assert.deepEqual(countsIn("Check tests/x.ts\nerror: Type checking failed.\n"), undefined);
});

Deno.test("exitCodeOf() takes a run without a passed test for a failure", () => {
  assert.deepEqual(exitCodeOf({ passed: 0, failed: 0, skipped: 0 }, 0), 1);
  assert.deepEqual(exitCodeOf({ passed: 0, failed: 0, skipped: 9 }, 0), 1);
  assert.deepEqual(exitCodeOf(undefined, 0), 1);
  assert.deepEqual(exitCodeOf({ passed: 5, failed: 1, skipped: 0 }, 0), 1);
  assert.deepEqual(exitCodeOf({ passed: 5, failed: 0, skipped: 0 }, 7), 7);
  assert.deepEqual(exitCodeOf({ passed: 5, failed: 0, skipped: 1 }, 0), 0);
});

Deno.test("testArguments() keeps the leak checks, and takes all of tests/ when no path is given", () => {
  assert.deepEqual(testArguments([]), ["test", "-A", "--sanitize-ops", "--sanitize-resources", "tests/"]);
  assert.deepEqual(testArguments(["--no-check", "tests/yamux"]).slice(-2), ["--no-check", "tests/yamux"]);
  assert.deepEqual(testArguments(["--filter=x"]).slice(-2), ["--filter=x", "tests/"]);
});

/** Runs the script on a folder with one test file, as `deno task test FOLDER` would. */
async function runOn(body: string): Promise<{ code: number; lastLine: string }> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/planted_test.ts`, body);
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "scripts/test.ts", "--no-check", folder],
      cwd: root,
      stderr: "null",
    }).output();
    return { code, lastLine: new TextDecoder().decode(stdout).trimEnd().split("\n").at(-1)! };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("the test script counts, and fails for a failed, a leaking and a missing test", async (t) => {
  const cases = [
    {
      name: "one passed, one skipped",
      body: `Deno.test("a", () => {}); Deno.test.ignore("b", () => {});`,
      code: 0,
      counts: { passed: 1, failed: 0, skipped: 1 },
    },
    {
      name: "one failed",
      body: `Deno.test("a", () => { throw new Error("no"); });`,
      code: 1,
      counts: { passed: 0, failed: 1, skipped: 0 },
    },
    {
      name: "a timer left behind",
      body: `Deno.test("a", () => { setTimeout(() => {}, 5000); });`,
      code: 1,
      counts: { passed: 0, failed: 1, skipped: 0 },
    },
    { name: "no test at all", body: `export {};`, code: 1, counts: { passed: 0, failed: 0, skipped: 0 } },
  ];
  for (const { name, body, code, counts } of cases) {
    await t.step(name, async () => {
      assert.deepEqual(await runOn(body), { code, lastLine: renderCounts(counts) });
    });
  }
});
