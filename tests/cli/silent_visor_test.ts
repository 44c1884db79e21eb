/** A visor whose process is stopped (Ctrl-Z, a debugger): whoever asks it is told so soon, and who knows more. */
import assert from "node:assert/strict";
import { CallerError, untilAborted } from "../../lib/base/mod.ts";
import { CONTROL_TIMEOUT_MS, MEMORY_CALL_TIMEOUT_MS } from "../../lib/control/client.ts";
import { STREAM_SILENCE_MS } from "../../lib/control/mod.ts";
import { renderDeploymentFile } from "../../lib/directory/mod.ts";
import { renderSocketAddress, type World } from "../../lib/runtime/mod.ts";
import type { ControlActions } from "../../lib/visor/control_server.ts";
import { type Beside, HERE, withControlDouble } from "./_control_double.ts";
import { FILE, NOBODY } from "./_network_beside.ts";

const silent = (_input: unknown, signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

const until = (_input: unknown, _tell: unknown, signal: AbortSignal) => untilAborted(signal);

/** A network whose only service takes connections, and says nothing. */
async function silentNetwork(world: World): Promise<Beside> {
  const listener = await world.network.listen({ hostname: "127.0.0.1", port: 0 });
  const discoveryHttp = `http://${renderSocketAddress(listener.address)}`;
  const text = renderDeploymentFile({
    name: "silent",
    file: FILE,
    servers: [],
    discoveryHttp,
    discoveryDmsg: undefined,
  });
  await world.files.write(FILE, new TextEncoder().encode(text));
  return { deploymentFile: FILE, [Symbol.asyncDispose]: () => Promise.resolve(listener.close()) };
}

const DOCTOR = "skyctl visor doctor --home /home";

/** Each call, and a verb that asks it first. */
const FROM_MEMORY: readonly (readonly [call: keyof ControlActions, verb: readonly string[]])[] = [
  ["status", ["visor", "status"]],
  ["visorUptime", ["visor", "uptime"]],
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
      assert.equal(
        stderr,
        `Error: Call ${call} of the visor did not finish within 10000 ms\nHint: ${DOCTOR}\n`,
      );
    }));
}

Deno.test("visor stop: who is told of a visor that does not answer is told that it was asked all the same", () =>
  withControlDouble({ stop: silent }, async ({ run, nowMs }) => {
    const startedMs = nowMs();
    const { code, stdout, stderr } = await run("visor", "stop");
    assert.deepEqual([code, stdout, nowMs() - startedMs], [3, "", MEMORY_CALL_TIMEOUT_MS]);
    assert.equal(
      stderr,
      `Error: Stop of visor ${HERE} did not finish within 10000 ms\n` +
        `Hint: ${DOCTOR}; the visor has been asked, and stops as soon as it goes on\n`,
    );
  }));

class Refused extends CallerError {
  readonly code = "REFUSED_HERE";
}

Deno.test("visor stop: what the visor says itself is told as it is", () =>
  withControlDouble({ stop: () => Promise.reject(new Refused("not now")) }, async ({ run }) => {
    const { code, stderr } = await run("visor", "stop");
    assert.deepEqual([code, stderr], [2, "Error: not now\n"]);
  }));

/** Each verb that a visor without an answer holds up, what it waited for, and how long. */
const ELSEWHERE: readonly (readonly [verb: readonly string[], what: string, afterMs: number])[] = [
  [["log", "tail"], "Stream log of the visor", STREAM_SILENCE_MS],
  [["log", "tail", "-f"], "Stream log of the visor", STREAM_SILENCE_MS],
  [["visor", "ping", "-w", NOBODY], "Stream visorPingWatch of the visor", STREAM_SILENCE_MS],
  [["dmsg", "serve", "/home"], "Stream serve of the visor", STREAM_SILENCE_MS],
  [
    ["dmsg", "curl", "--visor", `dmsg://${NOBODY}/`, "--timeout", "7s"],
    `Request to dmsg://${NOBODY}/`,
    7_000,
  ],
  [["dmsg", "ping", NOBODY], `Ping of ${NOBODY}`, 30_000],
  [["visor", "ping", NOBODY], `Ping of ${NOBODY}`, 60_000],
];

for (const [verb, what, afterMs] of ELSEWHERE) {
  Deno.test(`${verb.slice(0, 3).join(" ")}: a visor that does not answer is told in time, and the doctor named`, () =>
    withControlDouble({ dmsgPing: silent, visorPing: silent }, async ({ run, nowMs }) => {
      const startedMs = nowMs();
      const { code, stdout, stderr } = await run(...verb);
      assert.deepEqual([code, stdout, nowMs() - startedMs], [3, "", afterMs]);
      assert.equal(stderr, `Error: ${what} did not finish within ${afterMs} ms\nHint: ${DOCTOR}\n`);
    }, {
      streams: { log: until, visorPingWatch: until, serve: until },
      fetch: (_request, signal) => silent({}, signal),
    }));
}

Deno.test("log tail --follow: a visor that falls silent is waited for, and the doctor named", () =>
  withControlDouble({}, async ({ interrupted }) => {
    const { code, stdout, stderr } = await interrupted(STREAM_SILENCE_MS + 300, "log", "tail", "-f");
    assert.deepEqual([code, stdout], [0, "[0] a\n"]);
    assert.equal(
      stderr,
      `the visor is gone: Stream log of the visor did not finish within 16000 ms (${DOCTOR}); waiting for it\n`,
    );
  }, {
    streams: {
      log: (_input, tell, signal) => {
        tell({ lines: ["[0] a"] });
        return untilAborted(signal);
      },
    },
  }));

Deno.test("dmsg ping, dmsg curl: without a visor the limit is that of an own client, and no doctor's matter", () =>
  withControlDouble(undefined, async ({ run, nowMs }) => {
    const url = `dmsg://${NOBODY}/`;
    for (const [verb, asked, what] of [["ping", NOBODY, "Ping of"], ["curl", url, "Request to"]] as const) {
      const startedMs = nowMs();
      const { code, stderr } = await run("dmsg", verb, asked, "--timeout", "2s");
      assert.deepEqual([code, nowMs() - startedMs], [3, 2_000]);
      assert.equal(stderr, `Error: ${what} ${asked} did not finish within 2000 ms\n`);
    }
  }, { setUp: silentNetwork }));

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
