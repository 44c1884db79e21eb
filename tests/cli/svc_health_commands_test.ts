/** `svc health` through a visor's control API, by a client of its own, and over time. */
import assert from "node:assert/strict";
import { WorldError } from "../../lib/base/mod.ts";
import { Command, intervalOption } from "../../lib/cli/mod.ts";
import type { ControlOutput } from "../../lib/control/mod.ts";
import { refuseDown } from "../../commands/svc/_health.ts";
import { changesBetween } from "../../commands/svc/_health_watch.ts";
import type { HealthRow } from "../../commands/svc/_ask_health.ts";
import { withControlDouble } from "./_control_double.ts";
import { FILE, network, NOBODY } from "./_network_beside.ts";

type Health = ControlOutput<"serviceHealth">;

const UP = {
  service: "route-finder",
  way: "dmsg",
  address: "dmsg://rf:80",
  isUp: true,
  latencyMs: 3,
} as const;
const DOWN = {
  service: "route-finder",
  way: "http",
  address: "http://rf",
  isUp: false,
  failure: "refused",
} as const;
const BEHIND = { ...UP, service: "transport-discovery", clockAheadMs: -61_400 };
const AHEAD = { ...UP, service: "uptime-tracker", clockAheadMs: 7_000 };

/** No file of a deployment: whoever made a client of its own would miss it. */
const nothing = () =>
  Promise.resolve({ deploymentFile: "/nowhere.json", [Symbol.asyncDispose]: () => Promise.resolve() });

class Unreachable extends WorldError {
  readonly code = "NO_SERVER";
}

Deno.test("svc health: what a running visor says is the answer, in its name; what is down is the exit code", () => {
  const asked: unknown[] = [];
  const answers: Health[] = [
    { rows: [UP], withoutSession: [] },
    { rows: [UP, DOWN, BEHIND, AHEAD], withoutSession: [] },
  ];
  return withControlDouble(
    {
      serviceHealth: (input) => {
        asked.push(input);
        return answers[asked.length - 1]!;
      },
    },
    async ({ run }) => {
      const fine = await run("svc", "health", "-t", "2s", "--json");
      assert.deepEqual([fine.code, fine.stderr], [0, ""]);
      assert.deepEqual(JSON.parse(fine.stdout), [{ ...UP, askedBy: "visor" }]);
      const { code, stdout, stderr } = await run("svc", "health");
      assert.equal(code, 3);
      assert.match(stdout, /route-finder +dmsg +up +3\.0 ms +the visor/);
      assert.match(stdout, /route-finder +http +down +the visor +http:\/\/rf +refused/);
      assert.match(
        stdout,
        /transport-disc.* its clock is 61 s behind that of its store\nuptime-t.* 7 s ahead of that of its/,
      );
      assert.match(
        stderr,
        /1 of 4 ways to the services of the deployment are down: route-finder over http\nHint: /,
      );
      assert.deepEqual(asked, [{ timeoutMs: 2_000 }, { timeoutMs: 5_000 }]);
    },
    { setUp: nothing },
  );
});

Deno.test("svc health -i alone watches, too: an interval means nothing else", () => {
  let looks = 0;
  return withControlDouble(
    { serviceHealth: () => (looks++, { rows: [UP], withoutSession: [] }) },
    async ({ run }) => {
      const { code, stdout } = await run("svc", "health", "-i", "1s", "-n", "1", "--json");
      const events = stdout.trim().split("\n").map((line) => JSON.parse(line).event);
      assert.deepEqual([code, events.at(-1)], [0, "summary"]);
      assert.equal(looks, 1);
      const wanted = new Command("x").option("-w, --watch")
        .addOption(intervalOption({ minMs: 1_000, defaultMs: 2_000, written: "2s" }));
      const given = (...args: string[]) => wanted.parse(args, { from: "user" }).opts();
      assert.deepEqual(given(), { interval: 2_000 });
      assert.deepEqual(given("-i", "1s"), { interval: 1_000, watch: true });
    },
    { setUp: nothing },
  );
});

Deno.test("refuseDown() names a few of what is down, each once, and counts the rest", () => {
  const down = (names: readonly string[]) =>
    names.map((service): HealthRow => ({ ...DOWN, service, askedBy: "visor" }));
  const said = (rows: readonly HealthRow[]) => {
    try {
      refuseDown(rows, { deployment: "net.json" } as Parameters<typeof refuseDown>[1]);
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.equal(said([{ ...UP, askedBy: "visor" }]), undefined);
  const names = ["a", "b", "c", "d", "e"];
  const five = names.map((name) => `${name} over http`).join(", ");
  assert.equal(
    said(down([...names, "a"])),
    `6 of 6 ways to the services of net.json are down: ${five}`,
  );
  assert.equal(
    said(down([...names, "f", "g"])),
    `7 of 7 ways to the services of net.json are down: ${five} and 2 more`,
  );
});

Deno.test("svc health: servers without a session of the visor's are looked at by the command, nothing else is", () =>
  withControlDouble(
    {
      serviceHealth: () => ({
        rows: [UP],
        withoutSession: [{ publicKey: NOBODY, address: "127.0.0.1:1" }],
      }),
    },
    async ({ run }) => {
      const { code, stdout } = await run("svc", "health", "-t", "1s", "--json");
      assert.equal(code, 3);
      assert.deepEqual(
        JSON.parse(stdout).map((
          { service, isUp, askedBy, publicKey }: HealthRow,
        ) => [service, isUp, askedBy, publicKey]),
        [["route-finder", true, "visor", undefined], ["dmsg-server", false, "client", NOBODY]],
      );
    },
    { setUp: network("dmsg") },
  ));

for (
  const [what, serviceHealth] of [
    ["no visor runs", undefined],
    ["the visor has no session", () => Promise.reject(new Unreachable("no session"))],
    [
      "the visor hangs",
      (_: unknown, signal: AbortSignal) =>
        new Promise<Health>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    ],
  ] as const
) {
  Deno.test(`svc health, when ${what}: by a client of the command's own, everything`, () =>
    withControlDouble(serviceHealth && { serviceHealth }, async ({ run, nowMs }) => {
      const startedMs = nowMs();
      const { code, stdout, stderr } = await run("svc", "health", "-t", "2s", "--json");
      assert.deepEqual([code, stderr], [0, ""]);
      const rows: HealthRow[] = JSON.parse(stdout);
      const ways = new Set(rows.map(({ service, way }) => `${service} ${way}`));
      for (const service of ["dmsg-discovery", "transport-discovery", "route-finder"]) {
        assert(ways.has(`${service} http`), service);
      }
      for (const service of ["dmsg-discovery", "transport-discovery", "setup-node", "dmsg-server"]) {
        assert(ways.has(`${service} dmsg`), service);
      }
      for (const { isUp, askedBy, latencyMs } of rows) {
        assert.deepEqual([isUp, askedBy], [true, "client"]);
        assert(latencyMs! >= 0);
      }
      assert(nowMs() - startedMs < 6_000, `${nowMs() - startedMs} ms`);
    }, { setUp: network("both") }));
}

Deno.test("svc health --deployment passes the visor over", () =>
  withControlDouble({
    serviceHealth: () => {
      throw new Error("nobody asks here");
    },
  }, async ({ run }) => {
    const { code } = await run("svc", "health", "--deployment", FILE, "--json");
    assert.equal(code, 0);
  }, { setUp: network("both") }));

/** Rows of one look after the other, and the last one for ever. */
function looks(...each: readonly Health["rows"][]): { serviceHealth: () => Health } {
  let look = 0;
  return { serviceHealth: () => ({ rows: each[Math.min(look++, each.length - 1)]!, withoutSession: [] }) };
}

const BACK = { ...DOWN, isUp: true, failure: undefined, latencyMs: 9 };

Deno.test("svc health --watch --json: what turns, then each look, a line each; the sum ends it", () =>
  withControlDouble(looks([UP, DOWN], [UP, DOWN], [UP, BACK]), async ({ run }) => {
    const { code, stdout, stderr } = await run("svc", "health", "--watch", "-n", "3", "-i", "2s", "--json");
    assert.deepEqual([code, stderr], [0, ""]);
    const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(lines.map(({ event }) => event), [
      "down",
      "health",
      "health",
      "up",
      "health",
      "summary",
    ]);
    assert.deepEqual(lines[0].row, { ...DOWN, askedBy: "visor" });
    for (const [before, after] of [[1, 2], [2, 4]]) {
      assert.equal(Math.round((lines[after!].atMs - lines[before!].atMs) / 100), 20);
    }
    assert.deepEqual(lines.at(-1), {
      event: "summary",
      looks: 3,
      ways: [
        {
          service: UP.service,
          way: "dmsg",
          address: UP.address,
          looks: 3,
          up: 3,
          latencyMs: { min: 3, avg: 3, max: 3 },
        },
        {
          service: DOWN.service,
          way: "http",
          address: DOWN.address,
          looks: 3,
          up: 1,
          latencyMs: { min: 9, avg: 9, max: 9 },
        },
      ],
    });
  }));

Deno.test("svc health --watch in a pipe: lines; what is down at the last look is the exit code, Ctrl-C or not", () =>
  withControlDouble(looks([UP, BACK], [UP, DOWN]), async ({ interrupted }) => {
    const { code, stdout, stderr } = await interrupted(5_000, "svc", "health", "--watch", "-i", "3s");
    assert.equal(code, 3);
    const [first, down, second, ...sum] = stdout.trimEnd().split("\n");
    assert.match(first!, /^\d\d:\d\d:\d\dZ 2 of 2 up; slowest: route-finder over http, 9\.0 ms$/);
    assert.match(down!, /^\d\d:\d\d:\d\dZ route-finder over http \(http:\/\/rf\) is down: refused$/);
    assert.match(second!, /Z 1 of 2 up; slowest: route-finder over dmsg, 3\.0 ms$/);
    assert.match(
      sum.join("\n"),
      /^2 looks\nservice +way +up .*\n.* dmsg +100 % +3\.0 ms.*\n.* http +50 % +9\.0 ms/,
    );
    assert.match(stderr, /1 of 2 ways to the services/);
  }));

Deno.test("svc health --watch on a terminal: the table and what happened; the terminal is given back", () =>
  withControlDouble(looks([UP, BACK], [UP, DOWN]), async ({ onTerminal }) => {
    const { code, stdout } = await onTerminal(
      { columns: 100, rows: 20, interruptMs: 4_500 },
      ["svc", "health", "--watch", "-i", "3s"],
    );
    assert.equal(code, 3);
    assert.match(stdout, /look 1: 2 of 2 up/);
    assert.match(stdout, /look 2: 1 of 2 up/);
    assert.match(stdout, /is down: refused/);
    assert.match(stdout, /\?1049l[^]*2 looks/);
  }));

Deno.test("changesBetween(): nodes of one kind are told apart, and what never was down is not up again", () => {
  const row = (address: string, isUp: boolean): HealthRow => ({ ...UP, address, isUp, askedBy: "visor" });
  const events = (before: HealthRow[], now: HealthRow[]) =>
    [...changesBetween(before, now, 0)].map((event) =>
      event.event === "health" ? "health" : `${event.event} ${event.row.address}`
    );
  assert.deepEqual(events([], [row("a", true), row("b", true)]), ["health"]);
  assert.deepEqual(events([row("a", true), row("b", false)], [row("a", false), row("b", true)]), [
    "down a",
    "up b",
    "health",
  ]);
  assert.deepEqual(events([row("a", true)], [row("b", true)]), ["health"]);
});
