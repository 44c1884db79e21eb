/** `log tail` and `visor doctor` against a control API that a test answers for. */
import assert from "node:assert/strict";
import type { VisorFinding } from "../../lib/control/mod.ts";
import type { StreamActions } from "../../lib/visor/control_server.ts";
import { LogRefusedError } from "../../lib/visor/mod.ts";
import { TOLD_LINES_MAX } from "../../lib/base/mod.ts";
import type { PublicKey } from "../../lib/crypto/mod.ts";
import { HERE, withControlDouble } from "./_control_double.ts";
import { network } from "./_network_beside.ts";

const THERE = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const LINES = [
  "[2026-06-18T09:00:01.000Z] INFO [dmsg.client]: Session established server=02cd",
  "no line of ours \x1b[2J",
];

Deno.test("log tail asks for what was said, and prints the lines; with --json each in its parts", () => {
  const asked: unknown[] = [];
  const log: StreamActions["log"] = (input, tell) => {
    asked.push(input);
    for (const line of LINES) tell({ lines: [line] });
    return Promise.resolve();
  };
  return withControlDouble({}, async ({ run }) => {
    const plain = await run("log", "tail");
    assert.deepEqual(plain, { code: 0, stdout: `${LINES[0]}\nno line of ours \\x1b[2J\n`, stderr: "" });
    const json = await run(
      "log",
      "tail",
      THERE,
      "-n",
      "5",
      "-l",
      "warn",
      "-m",
      "dmsg",
      "-g",
      "a b",
      "--json",
    );
    assert.deepEqual(json.stdout.trimEnd().split("\n").map((line) => JSON.parse(line)), [
      {
        at: "2026-06-18T09:00:01.000Z",
        level: "INFO",
        module: "dmsg.client",
        text: "Session established server=02cd",
      },
      { text: LINES[1] },
    ]);
    assert.deepEqual(asked, [{ limit: 100 }, {
      key: THERE,
      limit: 5,
      minLevel: "warn",
      module: "dmsg",
      grep: "a b",
    }]);
    assert.equal((await run("log", "tail", "zz")).code, 2);
    assert.equal((await run("log", "tail", "-l", "loud")).code, 2);
    assert.equal(asked.length, 2);
  }, { streams: { log } });
});

Deno.test("log tail --follow goes on until Ctrl-C, its orderly end, and when the visor comes back", () => {
  let asked = 0;
  const limits: unknown[] = [];
  const log: StreamActions["log"] = async ({ limit }, tell, signal) => {
    limits.push(limit);
    if (asked++ === 0) return tell({ lines: ["[0] line of run 1"] });
    if (asked === 2) {
      tell({ lines: ["[0] line of run 1", "[1] line of run 2", "[3] of another one"] });
      tell({ event: "gone", failure: "no way there" });
      tell({ event: "back" });
    }
    if (asked === 2) {
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    }
  };
  return withControlDouble({}, async ({ interrupted }) => {
    const { code, stdout, stderr } = await interrupted(3_000, "log", "tail", THERE, "-f", "-n", "7");
    assert.deepEqual([code, stdout], [0, "[0] line of run 1\n[1] line of run 2\n[3] of another one\n"]);
    assert.deepEqual(stderr.trimEnd().split("\n"), [
      "the visor is gone: it was stopped; waiting for it", // a followed log ends with the visor alone
      `the visor is back: ${HERE}`,
      `${THERE} is gone: no way there; waiting for it`,
      `${THERE} is back`,
    ]);
    assert.deepEqual(limits, [7, TOLD_LINES_MAX]);
  }, { streams: { log } });
});

const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));

Deno.test("log tail --follow: a visor that is back with its clock set back is heard as soon as all that was is told", () => {
  let asked = 0;
  const log: StreamActions["log"] = async (_, tell, signal) => {
    if (++asked === 1) return tell({ lines: ["[5] e"] });
    tell({ lines: ["[1] a", "[2] b"] });
    tell({ lines: [] });
    tell({ lines: ["[3] c"] });
    await untilAborted(signal);
  };
  return withControlDouble({}, async ({ interrupted }) => {
    const { code, stdout } = await interrupted(600, "log", "tail", "-f", "-n", "1");
    assert.deepEqual([code, stdout], [0, "[5] e\n[1] a\n[2] b\n[3] c\n"]);
  }, { streams: { log } });
});

Deno.test("log tail --follow: a break within what was prints no old line, be it of the visor, of whose log it is, or the last", () => {
  let asked = 0;
  const log: StreamActions["log"] = (_, tell) => {
    switch (++asked) {
      case 1:
        tell({ lines: ["[8] h"] });
        break;
      case 2:
        tell({ lines: ["[0] a", "[1] b"] });
        tell({ event: "gone", failure: "no way there" });
        tell({ event: "back" });
        tell({ lines: ["[7] g", "[8] h", "[9] new"] });
        break;
      case 3:
        tell({ lines: ["[0] a", "[1] b"] });
        break;
      default:
        tell({ lines: ["[7] g", "[0] a"] });
        return Promise.reject(new LogRefusedError(THERE as PublicKey, 401));
    }
    return Promise.resolve();
  };
  return withControlDouble({}, async ({ interrupted }) => {
    const { code, stdout, stderr } = await interrupted(9_000, "log", "tail", THERE, "-f");
    assert.deepEqual([code, stdout], [4, "[8] h\n[9] new\n"]);
    assert.match(stderr, /is gone: no way there; waiting for it\n/);
  }, { streams: { log } });
});

Deno.test("log tail --follow: what a break held back is printed once all that was is told, once", () => {
  let asked = 0;
  const log: StreamActions["log"] = async (_, tell, signal) => {
    switch (++asked) {
      case 1:
        return tell({ lines: ["[8] h"] });
      case 2:
        return tell({ lines: ["[1] a", "[1] b"] }); // its visor is stopped: the next one tells them once more
      default:
        tell({ lines: ["[1] a", "[1] b"] });
        tell({ event: "gone", failure: "no way there" }); // what it told already, it does not tell again
        tell({ event: "back" });
        tell({ lines: ["[1] c"] });
        tell({ lines: [] });
        tell({ lines: ["[1] d"] });
        await untilAborted(signal);
    }
  };
  return withControlDouble({}, async ({ interrupted }) => {
    const { code, stdout } = await interrupted(9_000, "log", "tail", THERE, "-f");
    assert.deepEqual([code, stdout], [0, "[8] h\n[1] a\n[1] b\n[1] c\n[1] d\n"]);
  }, { streams: { log } });
});

Deno.test("log tail --follow survives the restart of a visor that had nothing to say", () => {
  let asked = 0;
  const log: StreamActions["log"] = async (_, tell, signal) => {
    tell({ lines: [] });
    if (++asked === 2) await untilAborted(signal);
  };
  return withControlDouble({}, async ({ interrupted }) => {
    const { code, stdout, stderr } = await interrupted(3_000, "log", "tail", "-f", "-l", "error");
    assert.deepEqual([code, stdout], [0, ""]);
    assert.equal(
      stderr,
      `the visor is gone: it was stopped; waiting for it\nthe visor is back: ${HERE}\n`,
    );
  }, { streams: { log } });
});

Deno.test("log tail --follow KEY: a visor that is back tells older lines once more, which are not printed", () => {
  let asked = 0;
  const log: StreamActions["log"] = async (_, tell, signal) => {
    if (++asked === 1) return tell({ lines: ["[3] c"] });
    tell({ lines: ["[1] a", "[2] b"] });
    tell({ lines: ["[3] c", "[4] d"] });
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  };
  return withControlDouble({}, async ({ interrupted }) => {
    const { code, stdout } = await interrupted(3_000, "log", "tail", THERE, "-f", "-n", "1");
    assert.deepEqual([code, stdout], [0, "[3] c\n[4] d\n"]);
  }, { streams: { log } });
});

Deno.test("log tail of a visor that trusts us not is the peer's refusal, with what to do", () =>
  withControlDouble({}, async ({ run }) => {
    const { code, stdout, stderr } = await run("log", "tail", THERE);
    assert.deepEqual([code, stdout], [4, ""]);
    assert.match(stderr, /^Error: 0279.* \(status 401\)\nHint: .*survey_whitelist/);
  }, { streams: { log: () => Promise.reject(new LogRefusedError(THERE as PublicKey, 401)) } }));

const FINE: VisorFinding = { check: "clock", severity: "ok", text: "it is right" };
const WARNING: VisorFinding = {
  check: "entry",
  severity: "warning",
  text: "names a server without a session",
  cause: "02cd",
  next: "skyctl dmsg connect-all",
};
const ERROR: VisorFinding = {
  check: "files",
  severity: "error",
  text: "others can open it",
  next: "chmod 600 it",
};

Deno.test("visor doctor shows each finding with cause and next command; its exit code is by the worst", () => {
  let findings: VisorFinding[] = [FINE];
  return withControlDouble({ doctor: () => findings, dmsgSessions: () => [] }, async ({ run, plain }) => {
    assert.deepEqual(await run("visor", "doctor"), {
      code: 0,
      stdout: "ok       clock  it is right\n",
      stderr: "",
    });
    findings = [FINE, WARNING, { ...FINE, severity: "unknown" }];
    const warned = await run("visor", "doctor");
    assert.deepEqual(warned, {
      code: 1,
      stdout: [
        "ok       clock  it is right",
        "WARNING  entry  names a server without a session",
        "                because: 02cd",
        "                next: skyctl dmsg connect-all --home /home",
        "?        clock  it is right",
        "",
      ].join("\n"),
      stderr: "Error: The visor of /home: 1 warning\n",
    });
    findings = [ERROR, WARNING, WARNING];
    const unwell = await run("visor", "doctor", "--json");
    assert.deepEqual([unwell.code, unwell.stderr], [3, "Error: The visor of /home: 1 error, 2 warnings\n"]);
    const told = findings.map((each) =>
      each === WARNING ? { ...each, next: `${each.next} --home /home` } : each
    );
    assert.deepEqual(JSON.parse(unwell.stdout), { home: "/home", running: true, findings: told });
    const { stdout } = await plain(["visor", "doctor"], { SKYCTL_HOME: "/home" });
    assert.match(stdout, /next: skyctl dmsg connect-all\n/);
  });
});

Deno.test("visor doctor while no visor runs: ports that a visor would need, by TCP and UDP; the default control port is none", () =>
  withControlDouble(undefined, async ({ run, world: { files, network: machine } }) => {
    const findings = async (config: unknown): Promise<VisorFinding[]> => {
      const text = new TextEncoder().encode(JSON.stringify(config));
      await files.write("/home/visor.json", text, { mode: 0o600 });
      const { code, stdout } = await run("visor", "doctor", "--json");
      assert.equal(code, 1);
      return JSON.parse(stdout).findings;
    };
    const ports = async (config: unknown) =>
      (await findings(config)).filter(({ check }) => check === "ports").map(({ severity, text }) =>
        `${severity}: ${text}`
      );
    const taken = [
      await machine.listen({ hostname: "127.0.0.1", port: 3435 }),
      await machine.listen({ hostname: "127.0.0.1", port: 4000 }),
      await machine.listen({ hostname: "0.0.0.0", port: 7777 }),
      await machine.datagrams({ hostname: "0.0.0.0", port: 7002 }),
    ];
    assert.deepEqual(await ports({}), ["ok: the ports that the visor needs are free"], "a free one is taken");
    assert.deepEqual(
      await ports({
        cli_addr: "127.0.0.1:4000",
        "skywire-tcp": { listening_address: ":7777" },
        transport: { stcpr_port: 7002, sudph_port: 7002 },
      }),
      [
        "warning: The port of the control API, 127.0.0.1:4000, cannot be had",
        "warning: The port of sudph transports, 0.0.0.0:7002, cannot be had",
        "warning: The port of stcp transports, 0.0.0.0:7777, cannot be had",
      ],
    );
    const [visor] = await findings({});
    assert.deepEqual([visor!.check, visor!.severity], ["visor", "warning"]);
    for (const each of taken) each.close();
  }, { setUp: network("both") }));

Deno.test("visor doctor of a visor that hangs says so in time, with its process, and looks at its files", () =>
  withControlDouble({
    dmsgSessions: (_, signal) =>
      new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason), { once: true })
      ),
  }, async ({ run, nowMs }) => {
    const startedMs = nowMs();
    const { code, stdout } = await run("visor", "doctor", "--json");
    assert.equal(code, 3);
    const { running, findings: [visor, files] } = JSON.parse(stdout);
    assert.deepEqual([running, visor.severity, files.check], [true, "error", "files"]);
    assert.match(visor.text, new RegExp(`^Visor ${HERE} runs, and does not answer$`));
    assert.match(
      `${visor.cause}; ${visor.next}`,
      /^process 1 is stopped .*; ps -o pid,stat,time -p 1; kill -CONT 1/,
    );
    assert(nowMs() - startedMs < 6_000);
  }));
