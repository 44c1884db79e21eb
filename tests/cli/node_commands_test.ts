/** `tp`, `route`, `app`, `proxy` and `visor ping` against a control API that a test answers for. */
import assert from "node:assert/strict";
import type { AppSummary, RuleSummary, TransportSummary } from "../../lib/control/mod.ts";
import type { ControlActions } from "../../lib/visor/control_server.ts";
import { PeerError } from "../../lib/base/mod.ts";
import { HERE, withControlDouble } from "./_control_double.ts";

// Keys of the curve: commands parse what they are given.
const THERE = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const OTHER = "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5";
const ID = "e2973841-33a2-0ed6-90cb-e777a6615a73";
const ANOTHER = "00000000-0000-0000-0000-000000000001";

const TRANSPORT: TransportSummary = {
  id: ID,
  type: "stcpr",
  remote: THERE,
  label: "user",
  initiator: true,
  latency: { min: 1, max: 3, avg: 2 },
  bytesSent: 2048,
  bytesReceived: 0,
  uptimeMs: 65_000,
};
const DMSG: TransportSummary = { ...TRANSPORT, id: ANOTHER, type: "dmsg", remote: OTHER };
const RULE: RuleSummary = {
  id: 7,
  type: "intermediary",
  nextId: 9,
  nextTransport: ID,
  keepAliveMs: 600_000,
  idleMs: 5,
};

class Refused extends PeerError {
  readonly code = "SETTLEMENT_FAILED";
}

Deno.test("tp ls shows the transports, all or of one type or key; JSON is what the visor said", () =>
  withControlDouble({ transports: () => [TRANSPORT, DMSG] }, async ({ run }) => {
    const json = await run("tp", "ls", "--json");
    assert.deepEqual([json.code, json.stderr, JSON.parse(json.stdout)], [0, "", [TRANSPORT, DMSG]]);
    const text = await run("tp", "ls", "-t", "dmsg");
    assert.match(text.stdout, new RegExp(`^type .*\\ndmsg +${ANOTHER} +${OTHER} +user .*\\n$`));
    assert.deepEqual(JSON.parse((await run("tp", "ls", "-p", THERE, "--json")).stdout), [TRANSPORT]);
    assert.equal((await run("tp", "ls", "-t", "sudph")).stdout, "no transport\n");
    const wrong = await run("tp", "ls", "-t", "stcprr");
    assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
    assert.match(wrong.stderr, /"stcprr"[^]*Hint: use one of stcpr/);
  }));

Deno.test("tp add asks for one transport; a peer's refusal is exit code 4, and JSON too", () => {
  const asked: unknown[] = [];
  const transportAdd: ControlActions["transportAdd"] = (input) => {
    asked.push(input);
    if (input.type === "dmsg") throw new Refused("The peer does not agree");
    if (input.key === OTHER) {
      return { ...DMSG, passedOver: [{ type: "stcpr", failure: "no public address" }] };
    }
    return TRANSPORT;
  };
  return withControlDouble({ transportAdd }, async ({ run }) => {
    const made = await run("tp", "add", THERE, "-t", "stcpr", "--timeout", "5s", "--json");
    assert.deepEqual([made.code, JSON.parse(made.stdout)], [0, TRANSPORT]);
    assert.match((await run("tp", "add", THERE)).stdout, /^type .*\nstcpr /);
    const refused = await run("tp", "add", THERE, "-t", "dmsg", "--json");
    assert.equal(refused.code, 4);
    assert.equal(JSON.parse(refused.stdout).error.code, "SETTLEMENT_FAILED");
    assert.deepEqual(asked.slice(0, 2), [
      { key: THERE, type: "stcpr", timeoutMs: 5_000 },
      { key: THERE, timeoutMs: 60_000 },
    ]);
    const fallenBack = await run("tp", "add", OTHER);
    assert.deepEqual([fallenBack.code, fallenBack.stderr], [0, "not by stcpr: no public address\n"]);
    assert.match(fallenBack.stdout, /^type .*\ndmsg /);
    assert.equal((await run("tp", "add", "zz")).code, 2);
    assert.equal(asked.length, 4, "a key that is none is told before the visor is asked");
  });
});

Deno.test("tp rm closes what there is, tells of each, and is an error for what there is not", () => {
  const open = new Set([ID]);
  const transportRemove: ControlActions["transportRemove"] = ({ id }) => ({ id, removed: open.delete(id) });
  const transports = () => [...open].map((id) => ({ ...TRANSPORT, id }));
  return withControlDouble({ transportRemove, transports }, async ({ run }) => {
    const both = await run("tp", "rm", ANOTHER, ID, "--json");
    assert.deepEqual(JSON.parse(both.stdout), [{ id: ANOTHER, removed: false }, { id: ID, removed: true }]);
    assert.equal(both.code, 2);
    assert.match(both.stderr, new RegExp(`^Error: Transport ${ANOTHER} is not found\n`));
    assert.deepEqual(await run("tp", "rm", "--all"), { code: 0, stdout: "no transport\n", stderr: "" });
    assert.deepEqual(await run("tp", "rm", ANOTHER, ID), { // told once, on stderr
      code: 2,
      stdout: "",
      stderr: `Error: Transport ${ANOTHER} is not found; Transport ${ID} is not found\nHint: skyctl tp ls\n`,
    });
    open.add(ANOTHER);
    assert.equal((await run("tp", "rm", ANOTHER, ID)).stdout, `${ANOTHER} closed\n`);
    open.add(ANOTHER);
    assert.equal((await run("tp", "rm", "--all")).stdout, `${ANOTHER} closed\n`);
    assert.equal((await run("tp", "rm", "--all", ID)).code, 2);
  });
});

Deno.test("route ls and route rm: rules, and those that are not there", () => {
  let rules = [RULE];
  const routeRuleRemove: ControlActions["routeRuleRemove"] = ({ id }) => {
    const removed = rules.some((rule) => rule.id === id);
    rules = rules.filter((rule) => rule.id !== id);
    return { id, removed };
  };
  return withControlDouble({ routeRules: () => rules, routeRuleRemove }, async ({ run }) => {
    assert.deepEqual(JSON.parse((await run("route", "ls", "--json")).stdout), [RULE]);
    assert.deepEqual(await run("route", "rm", "7"), { code: 0, stdout: "7 removed\n", stderr: "" });
    const none = await run("route", "rm", "7", "--json");
    assert.deepEqual([none.code, JSON.parse(none.stdout)], [2, [{ id: 7, removed: false }]]);
    assert.match(none.stderr, /^Error: Rule 7 is not found\nHint: skyctl route ls\n$/);
    assert.deepEqual(await run("route", "rm", "7", "8"), {
      code: 2,
      stdout: "",
      stderr: "Error: Rule 7 is not found; Rule 8 is not found\nHint: skyctl route ls\n",
    });
    const noId = await run("route", "rm", "7", "abc");
    assert.equal(noId.code, 2);
    assert.match(noId.stderr, /'abc' is invalid for argument 'id'. Not a whole number from 1 to/);
    assert.equal((await run("route", "ls")).stdout, "no rule\n");
  });
});

Deno.test("route groups shows connections over routes", () =>
  withControlDouble({
    routeGroups: () => [{
      local: { key: HERE, port: 49_152 },
      remote: { key: THERE, port: 3 },
      initiator: true,
      transport: ID,
      postQuantum: true,
      bytesSent: 1,
      bytesReceived: 2,
      uptimeMs: 3,
    }],
  }, async ({ run }) => {
    assert.match(
      (await run("route", "groups")).stdout,
      new RegExp(`\\n49152 +${THERE}:3 +this visor +yes +${ID} `),
    );
    assert.equal(JSON.parse((await run("route", "groups", "--json")).stdout)[0].remote.port, 3);
  }));

Deno.test("visor ping asks with its hops and bounds, and shows each round trip and hop", () => {
  const asked: unknown[] = [];
  const visorPing: ControlActions["visorPing"] = async (input, signal) => {
    asked.push(input);
    if (input.count === 2) {
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    }
    const hop = { transport: ID, from: HERE, to: THERE, latencyMs: null };
    return {
      key: input.key,
      dialMs: 12,
      roundTripsMs: [3, 1],
      forward: [hop],
      reverse: [{ ...hop, latencyMs: 0.5 }],
    };
  };
  return withControlDouble({ visorPing }, async ({ run, interrupted, nowMs }) => {
    const text = await run("visor", "ping", THERE, "--forward", `${ID}, ${OTHER}`);
    assert.equal(text.code, 0, text.stderr);
    assert.match(
      text.stdout,
      /reached in 12 ms over 1 hop\nround trip 1: 3 ms\nround trip 2: 1 ms\nmin 1 ms, mean 2 ms, max 3 ms\n/,
    );
    assert.match(text.stdout, new RegExp(`there +${ID} .* -\nback +${ID} .* 500 us\n$`));
    assert.deepEqual(asked[0], { key: THERE, count: 4, forward: [ID, OTHER] });
    assert.deepEqual(JSON.parse((await run("visor", "ping", THERE, "--json")).stdout).roundTripsMs, [3, 1]);
    const startedMs = nowMs();
    const late = await run("visor", "ping", THERE, "-n", "2", "-t", "3s", "--json");
    assert.deepEqual([late.code, JSON.parse(late.stdout).error.code], [3, "TIMED_OUT"]);
    assert(nowMs() - startedMs < 3_100);
    const stopped = await interrupted(1_000, "visor", "ping", THERE, "-n", "2");
    assert.deepEqual([stopped.code, stopped.stderr], [130, "Error: Interrupted\n"]);
  });
});

const SERVER: AppSummary = {
  name: "skysocks",
  app: "skysocks",
  builtIn: true,
  args: [],
  port: 3,
  autoStart: true,
  status: "running",
  detailedStatus: "Running",
  restarts: 0,
};
const CLIENT: AppSummary = {
  ...SERVER,
  name: "skysocks-client",
  app: "skysocks-client",
  port: 13,
  autoStart: false,
  status: "stopped",
  detailedStatus: "Stopped",
};
const PROXY = {
  server: THERE,
  address: "127.0.0.1:1080",
  direct: false,
  connected: true,
  connections: 1,
  bytesIn: 1024,
  bytesOut: 0,
  latencyMs: 1.5,
  sessions: 2,
  lastFailure: "no transports available",
};

Deno.test("app ls, start, stop and rm: states, and arguments only when there are some", () => {
  const asked: unknown[] = [];
  const actions: Partial<ControlActions> = {
    apps: () => [SERVER, { ...CLIENT, name: "vpn", app: "vpn", builtIn: false }],
    appStart: (input) => (asked.push(input), Promise.resolve(SERVER)),
    appStop: () => Promise.resolve({ ...SERVER, status: "stopped", detailedStatus: "Stopped" }),
    appRemove: ({ name }) => Promise.resolve({ ...CLIENT, name }),
  };
  return withControlDouble(actions, async ({ run }) => {
    const list = (await run("app", "ls")).stdout;
    assert.match(list, /^app .*\nskysocks +3 +yes +running +Running/);
    assert.match(list, /\nvpn .* not built in/);
    assert.equal((await run("app", "start", "skysocks")).code, 0);
    const given = await run("app", "start", "skysocks", "--json", "--", "--passcode", "x");
    assert.deepEqual(asked, [{ name: "skysocks" }, { name: "skysocks", args: ["--passcode", "x"] }]);
    assert.deepEqual(JSON.parse(given.stdout), SERVER);
    assert.match((await run("app", "stop", "skysocks")).stdout, /\nskysocks +3 +yes +stopped +Stopped/);
    assert.deepEqual(await run("app", "rm", "two"), { code: 0, stdout: "two removed\n", stderr: "" });
  });
});

/** A launcher with one client, whose states come one after the other with each look. */
function clientThat(...states: Partial<AppSummary>[]) {
  const asked: Record<string, unknown>[] = [];
  let looks = 0;
  const actions: Partial<ControlActions> = {
    appStart: (input) => (asked.push(input), Promise.resolve(CLIENT)),
    apps: () => [SERVER, { ...CLIENT, ...states[Math.min(looks++, states.length - 1)] }],
  };
  return { actions, asked };
}

const TRYING = { status: "starting", detailedStatus: "Connection failed, reconnecting" } as const;
const CONNECTED = { status: "running", detailedStatus: "Running", proxy: PROXY } as const;

Deno.test("proxy start waits for the connection, and says on stderr what it waits for, each state once", () => {
  const { actions, asked } = clientThat(TRYING, TRYING, TRYING, CONNECTED);
  return withControlDouble(actions, async ({ run }) => {
    const started = await run("proxy", "start", "-k", THERE, "-a", ":1081", "--min-hops", "2", "--json");
    assert.deepEqual([started.code, JSON.parse(started.stdout).proxy], [0, PROXY]);
    assert.equal(started.stderr, "starting: Connection failed, reconnecting\n");
    assert.deepEqual(asked, [{
      name: "skysocks-client",
      app: "skysocks-client",
      args: ["--srv", THERE, "--addr", ":1081", "--min-hops", "2"],
    }]);
    const people = await run("proxy", "start", "-k", THERE);
    assert.equal(people.code, 0);
    assert.match(
      people.stderr,
      /where that skysocks has a passcode: curl -x socks5h:\/\/any:PASSCODE@127\.0\.0\.1:1080 /,
    );
    asked.pop();
    const direct = await run("proxy", "start", "-k", THERE, "--direct", "-n", "two");
    assert.equal(direct.code, 4, "a client of another name is not this one");
    assert.deepEqual(asked[1]!["args"], ["--srv", THERE, "--addr", ":1080", "--direct"]);
  });
});

Deno.test("proxy start that does not connect in time: exit code 4, within its bound, and what to do", () => {
  const { actions } = clientThat({ ...TRYING, proxy: { ...PROXY, connected: false } });
  return withControlDouble(actions, async ({ run, nowMs }) => {
    const startedMs = nowMs();
    const late = await run("proxy", "start", "-k", THERE, "-t", "2s", "--json");
    assert.deepEqual([late.code, JSON.parse(late.stdout).error.code], [4, "PROXY_NOT_CONNECTED"]);
    assert.match(late.stderr, /\(no transports available\)\nHint: .*skyctl proxy stop -n skysocks-client\n$/);
    const tookMs = nowMs() - startedMs;
    assert(tookMs >= 2_000 && tookMs < 2_500, `${tookMs} ms`);
  });
});

Deno.test("proxy start whose client ends by itself fails at once, as the world's fault, with the reason", () => {
  const detailedStatus = "Cannot listen on 127.0.0.1:1080: the port is in use";
  const { actions } = clientThat({ status: "errored", detailedStatus });
  const removed: string[] = [];
  const appRemove: ControlActions["appRemove"] = ({ name }) => {
    if (name === CLIENT.name) throw new Refused("The configuration has it");
    removed.push(name);
    return CLIENT;
  };
  return withControlDouble({ ...actions, appRemove }, async ({ run, nowMs }) => {
    const startedMs = nowMs();
    const failed = await run("proxy", "start", "-k", THERE);
    assert.equal(failed.code, 3);
    assert.match(
      failed.stderr,
      new RegExp(
        `^Error: skysocks-client does not run: ${detailedStatus}\nHint: .*--addr.* until skyctl proxy stop`,
      ),
    );
    assert(nowMs() - startedMs < 100);
  }).then(() => {
    const second = () => [{ ...CLIENT, name: "two", status: "errored" as const, detailedStatus }];
    return withControlDouble({ ...actions, apps: second, appRemove }, async ({ run }) => {
      const failed = await run("proxy", "start", "-k", THERE, "-n", "two");
      assert.equal(failed.code, 3);
      assert.match(
        failed.stderr,
        /^Error: two does not run: .*\nHint: choose another --addr where a port is taken\n$/,
      );
      assert.deepEqual(removed, ["two"], "what nobody configured is not left behind");
    });
  });
});

Deno.test("Ctrl-C while proxy start waits: exit code 130, and a word that the client goes on", () => {
  const { actions } = clientThat(TRYING);
  return withControlDouble(actions, async ({ interrupted, nowMs }) => {
    const startedMs = nowMs();
    const stopped = await interrupted(1_050, "proxy", "start", "-k", THERE);
    assert.equal(stopped.code, 130);
    assert.match(
      stopped.stderr,
      /\nskysocks-client goes on trying: skyctl proxy stop -n skysocks-client ends it\n/,
    );
    assert(nowMs() - startedMs < 1_100);
  });
});

Deno.test("proxy status and stop know a client by its app, whether it runs or not", () => {
  const failed: AppSummary = { ...CLIENT, name: "two", status: "errored", detailedStatus: "no port" };
  const stopped: string[] = [];
  const actions: Partial<ControlActions> = {
    apps: () => [SERVER, { ...CLIENT, ...CONNECTED }, failed],
    appStop: ({ name }) => (stopped.push(name), Promise.resolve({ ...CLIENT, name })),
  };
  return withControlDouble(actions, async ({ run }) => {
    const all = await run("proxy", "status");
    assert.match(
      all.stdout,
      /^name: +skysocks-client\nstatus: +running\nserver: +02[^]*\n\nname: +two\nstatus: +errored \(no port\)\n/,
    );
    assert.match(
      all.stdout,
      /\nlatency: +1\.5 ms\nconnections: +1\nin: +1 KiB\n[^]*\nfailed before: +no transports/,
    );
    const one = await run("proxy", "status", "-n", "two", "--json");
    assert.deepEqual(JSON.parse(one.stdout), [failed]);
    for (const name of ["skysocks", "three"]) {
      const none = await run("proxy", "status", "-n", name);
      assert.deepEqual([none.code, none.stdout], [2, ""]);
      assert.match(none.stderr, new RegExp(`No skysocks client is called "${name}"`));
    }
    assert.equal((await run("proxy", "stop", "--all")).code, 0);
    assert.deepEqual(stopped, ["skysocks-client", "two"]);
    assert.equal((await run("proxy", "stop", "--all", "-n", "two")).code, 2);
    assert.equal((await run("proxy", "stop", "-n", "a b")).code, 2);
  });
});
