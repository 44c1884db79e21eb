/** `skyctl sim run`: a bad verdict is printed, and is exit code 4. */
import assert from "node:assert/strict";
import { renderRehearsal } from "../../commands/sim/_render.ts";
import { failureOf } from "../../lib/cli/failure.ts";
import { RehearsalFailedError, type Verdict } from "../../lib/sim/mod.ts";

const BAD: Verdict = {
  scenario: "redeploy",
  seed: "7",
  servers: 3,
  visors: 5,
  good: false,
  complaints: ["visor-1 does not reach visor-2 in 60 s: dmsg error 202", "alive at the end: visor-1 timer 1"],
  reachableAfterMs: undefined,
  streams: { complete: 1, unopened: 4, cut: 2, lost: 3, bytes: 2048 },
  virtualMs: 61_000,
  events: 10,
  hash: "00112233445566ff",
};

Deno.test("a bad verdict is exit code 4, with the command that repeats it", () => {
  const failure = failureOf(new RehearsalFailedError(BAD));
  assert.deepEqual([failure.exitCode, failure.code], [4, "REHEARSAL_FAILED"]);
  assert.match(failure.message, /redeploy with seed 7: 2 things are wrong/);
  assert.equal(failure.hint, "skyctl sim run redeploy --seed 7 --servers 3 --visors 5");
});

Deno.test("renderRehearsal() shows times, events and every complaint, and says what it left out", () => {
  const timeline = [
    { atMs: 0, node: "visor-1", event: "started" },
    { atMs: 3_723_004.4, node: "s", event: "told to stop" },
  ];
  assert.equal(
    renderRehearsal({ timeline, leftOut: 3, verdict: BAD }),
    [
      "00:00.000  visor-1  started",
      "62:03.004  s        told to stop",
      "... and 3 events more",
      "",
      "scenario:     redeploy",
      "seed:         7",
      "fleet:        discovery, 3 servers, 5 visors",
      "virtual time: 1m 01s",
      "all reached:  no",
      "streams:      1 complete, 4 not opened, 2 cut with an error, 3 with their visor",
      "bytes:        2 KiB arrived, each as it was sent",
      "trace:        00112233445566ff, 10 events",
      "verdict:      bad: 2 complaints",
      "  - visor-1 does not reach visor-2 in 60 s: dmsg error 202",
      "  - alive at the end: visor-1 timer 1",
    ].join("\n"),
  );
});
