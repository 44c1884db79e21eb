import assert from "node:assert/strict";
import { endsAtHangUp, onInterrupts, SAME_INTERRUPT_MS } from "../../lib/cli/mod.ts";

Deno.test("onInterrupts(): what comes within half a second of the first is the same, what comes later means now", () => {
  let nowMs = 1_000;
  const calls: string[] = [];
  const onSignal = onInterrupts({
    end: () => calls.push("end"),
    endNow: () => calls.push("end now"),
    nowMs: () => nowMs,
  });
  onSignal();
  assert.deepEqual(calls, ["end"]);
  for (nowMs of [1_000, 1_001, 1_000 + SAME_INTERRUPT_MS - 1]) onSignal();
  assert.deepEqual(calls, ["end"]);
  nowMs = 1_000 + SAME_INTERRUPT_MS;
  onSignal();
  assert.deepEqual(calls, ["end", "end now"]);
});

Deno.test("endsAtHangUp(): not where SIGHUP is ignored, as far as the system tells", () => {
  const status = (mask: string) =>
    `Name:\tdeno\nSigBlk:\t0000000000000000\nSigIgn:\t${mask}\nSigCgt:\t0000\n`;
  const cases: [processStatus: string | undefined, isOnTerminal: boolean, ends: boolean][] = [
    [status("0000000000000000"), false, true],
    [status("0000000000001000"), true, true], // SIGPIPE alone
    [status("0000000000000001"), true, false],
    [status("0000000000001001"), false, false],
    [undefined, true, true],
    [undefined, false, false],
    ["no such line\n", true, true],
  ];
  for (const [processStatus, isOnTerminal, ends] of cases) {
    assert.equal(endsAtHangUp({ processStatus, isOnTerminal }), ends, `${processStatus} ${isOnTerminal}`);
  }
});
