/** A visor whose process is stopped (Ctrl-Z, a debugger): whoever asks it is told so soon, and who knows more. */
import assert from "node:assert/strict";
import { CONTROL_TIMEOUT_MS, MEMORY_CALL_TIMEOUT_MS } from "../../lib/control/client.ts";
import type { ControlActions } from "../../lib/visor/control_server.ts";
import { withControlDouble } from "./_control_double.ts";

const silent = (_input: unknown, signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

/** Each call, and a verb that asks it first. */
const FROM_MEMORY: readonly (readonly [call: keyof ControlActions, verb: readonly string[]])[] = [
  ["status", ["visor", "status"]],
  ["visorUptime", ["visor", "uptime"]],
  ["stop", ["visor", "stop"]],
  ["dmsgSessions", ["dmsg", "sessions"]],
  ["transports", ["tp", "ls"]],
  ["routeRules", ["route", "ls"]],
  ["routeGroups", ["route", "groups"]],
  ["apps", ["app", "ls"]],
];

for (const [call, verb] of FROM_MEMORY) {
  Deno.test(`${verb.join(" ")}: a visor that does not answer is told after some seconds, and the doctor named`, () =>
    withControlDouble({ [call]: silent }, async ({ run, nowMs }) => {
      const startedMs = nowMs();
      const { code, stdout, stderr } = await run(...verb);
      assert.deepEqual([code, stdout], [3, ""]);
      assert.equal(nowMs() - startedMs, MEMORY_CALL_TIMEOUT_MS);
      assert.match(stderr, new RegExp(`^Error: Call ${call} of the visor did not finish within 10000 ms\n`));
      assert.match(stderr, /\nHint: skyctl visor doctor --home \/home\n$/);
    }));
}

Deno.test("a call that reaches into the network is given its minute, and Ctrl-C ends it before", () =>
  withControlDouble({ dmsgConnectAll: silent, status: silent }, async ({ run, interrupted, nowMs }) => {
    const startedMs = nowMs();
    const { code, stderr } = await run("dmsg", "connect-all");
    assert.deepEqual([code, nowMs() - startedMs], [3, CONTROL_TIMEOUT_MS]);
    assert.match(stderr, /\nHint: skyctl visor doctor --home/);
    const ended = await interrupted(2_000, "visor", "status");
    assert.equal(ended.code, 130);
    assert.doesNotMatch(ended.stderr, /doctor/);
  }));
