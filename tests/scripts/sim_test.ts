/** `deno task sim`: what it prints, and how it exits. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Verdict } from "../../lib/sim/mod.ts";
import { commitOf, renderFailure, renderSummary } from "../../scripts/sim.ts";

const script = fileURLToPath(new URL("../../scripts/sim.ts", import.meta.url));
const config = fileURLToPath(new URL("../../deno.json", import.meta.url));

async function sim(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", `--config=${config}`, script, ...args],
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

const bad = { scenario: "stall", seed: "17", hash: "0011", complaints: ["one", "two"] } as unknown as Verdict;

Deno.test("sim: a failure has scenario, seed, hash, commit, every complaint, and the line that repeats it", () => {
  assert.equal(
    renderFailure(bad, "abc123"),
    [
      "BAD stall seed 17 hash 0011 commit abc123",
      "  - one",
      "  - two",
      "  again: deno task sim --scenario stall --seed 17",
    ].join("\n"),
  );
});

Deno.test("sim: the summary counts, and says simulated hours for each real minute", () => {
  const text = renderSummary({
    rehearsals: 4,
    bad: [bad],
    tookMs: 120_000,
    virtualMs: 7_200_000,
    events: 600,
  });
  assert.equal(
    text,
    "4 rehearsals, 3 good, 1 bad\ntook 120.0 s: 30.00 s each\n2.0 simulated hours, 1.00 per real minute\n" +
      "600 events, 5 per second",
  );
});

Deno.test("sim: a folder without a repository has an unknown commit", async () => {
  const folder = await Deno.makeTempDir();
  try {
    assert.equal(await commitOf(new URL(`file://${folder}/`)), "unknown");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("sim: one seed of one scenario runs, and a name that is none fails", async () => {
  const { code, stdout, stderr } = await sim("--scenario", "stall", "--seed", "2");
  assert.match(stdout, /^1 rehearsals, 1 good, 0 bad\ntook /);
  assert.match(stderr, /^1\/1 good stall seed 2 \d+ ms\n$/);
  assert.equal(code, 0);
  const unknown = await sim("--scenario", "no-such");
  assert.deepEqual([unknown.code, unknown.stderr], [2, 'Error: No scenario is called "no-such"\n']);
});
