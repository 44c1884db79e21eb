/** `visor ping --watch` and `tp ls --watch` against a control API that a test answers for. */
import assert from "node:assert/strict";
import { SCREEN_LEAVE } from "../../lib/cli/screen.ts";
import type { PingEvent, TransportSummary } from "../../lib/control/mod.ts";
import type { StreamActions } from "../../lib/visor/control_server.ts";
import { RouteHopError } from "../../lib/routing/setup/mod.ts";
import { withoutSteering } from "./_fakes.ts";
import { HERE, withControlDouble } from "./_control_double.ts";

const THERE = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const OTHER = "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5";
const ID = "e2973841-33a2-0ed6-90cb-e777a6615a73";
const ANOTHER = "00000000-0000-0000-0000-000000000001";

const HOP = { transport: ID, from: HERE, to: THERE, latencyMs: 1.5 };
const DETOUR = [
  { transport: ANOTHER, from: HERE, to: OTHER, latencyMs: null },
  { ...HOP, from: OTHER, transport: ID },
];
const at = (second: number) => Date.parse("2026-11-21T16:31:00Z") + second * 1_000;

const ROUTE: PingEvent = { event: "route", atMs: at(0), dialMs: 12, forward: [HOP], reverse: [HOP] };
const EVENTS: readonly PingEvent[] = [
  { event: "dialling", atMs: at(0) },
  ROUTE,
  { event: "reply", atMs: at(1), sequence: 1, roundTripMs: 10 },
  { event: "reply", atMs: at(2), sequence: 2, roundTripMs: 14 },
  { event: "lost", atMs: at(3), sequence: 3, failure: "A ping took longer than 5 s" },
  { event: "hops", atMs: at(3), forward: [{ ...HOP, latencyMs: 2 }], reverse: [HOP] },
  { event: "routeEnded", atMs: at(4), failure: "Transport is closed" },
  { event: "dialling", atMs: at(4) },
  {
    event: "unreachable",
    atMs: at(5),
    code: "ROUTE_SETUP_FAILED",
    failure: "No answer of\n02aa",
    retryMs: 1_000,
  },
  { event: "dialling", atMs: at(6) },
  { ...ROUTE, event: "route", atMs: at(6), forward: DETOUR, reverse: DETOUR.toReversed() },
  { event: "routeEnded", atMs: at(7), failure: "the far visor closed it" },
  { ...ROUTE, event: "route", atMs: at(8), forward: DETOUR, reverse: DETOUR.toReversed() },
  { event: "reply", atMs: at(9), sequence: 4, roundTripMs: 12 },
];

/** Tells the events, then nothing until the caller leaves; notes what was asked. */
function telling(events: readonly PingEvent[], asked: unknown[] = []): Partial<StreamActions> {
  return {
    visorPingWatch: async (input, tell, signal) => {
      asked.push(input);
      for (const event of events) tell(event);
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    },
  };
}

Deno.test("visor ping --watch in a pipe: each round trip, loss, end and new route with its time, then the sum", () => {
  const asked: unknown[] = [];
  return withControlDouble({}, async ({ run }) => {
    const { code, stdout, stderr } = await run("visor", "ping", THERE, "-w", "-n", "4", "-i", "250ms");
    assert.deepEqual([code, stderr], [0, ""]);
    assert.deepEqual(stdout.split("\n"), [
      `16:31:00Z route: 1 hop, dialled in 12 ms: ${ID}`,
      "16:31:01Z reply 1: 10 ms",
      "16:31:02Z reply 2: 14 ms",
      "16:31:03Z lost 3: A ping took longer than 5 s",
      "16:31:04Z route ended: Transport is closed",
      "16:31:05Z not reached: No answer of\\x0a02aa (ROUTE_SETUP_FAILED); again in 1 s",
      `16:31:06Z another route: 2 hops, dialled in 12 ms: ${ANOTHER} ${ID}`,
      "16:31:07Z route ended: the far visor closed it",
      `16:31:08Z route again, the same: 2 hops, dialled in 12 ms: ${ANOTHER} ${ID}`,
      "16:31:09Z reply 4: 12 ms",
      stdout.split("\n")[10]!,
      "min 10 ms, avg 12 ms, p95 14 ms, max 14 ms, jitter 3 ms",
      "",
    ]);
    assert.match(
      stdout,
      new RegExp(`\n${THERE}: 4 pings, lost 1 of 4 \\(25.0 %\\); routes: 3, without one: `),
    );
    assert.deepEqual(asked, [{ key: THERE, intervalMs: 250 }]);
  }, { streams: telling(EVENTS, asked) });
});

Deno.test("visor ping --watch --json: each event as the visor told it, a line each, then the sum", () =>
  withControlDouble({}, async ({ run }) => {
    const { code, stdout } = await run("visor", "ping", THERE, "-w", "-n", "4", "--json");
    const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual([code, lines.slice(0, -1)], [0, EVENTS]);
    const { event, sent, lost, p95, routes } = lines.at(-1);
    assert.deepEqual({ event, sent, lost, p95, routes }, {
      event: "summary",
      sent: 4,
      lost: 1,
      p95: 14,
      routes: 3,
    });
  }, { streams: telling(EVENTS) }));

/** The last picture before the terminal was given back. */
function lastPicture(stdout: string): string[] {
  const [drawn] = stdout.split(SCREEN_LEAVE);
  const picture = drawn!.split("\x1b[?2026h\x1b[H").at(-1)!;
  return withoutSteering(picture).split("\r\n");
}

Deno.test("visor ping --watch on a terminal: figures, hops and what happened, keys in short; Ctrl-C ends in order", () =>
  withControlDouble({}, async ({ onTerminal }) => {
    const { code, stdout, stderr } = await onTerminal(
      { columns: 78, rows: 24, interruptMs: 2_500 },
      ["visor", "ping", THERE, "--watch"],
    );
    assert.deepEqual([code, stderr], [0, ""]);
    const [first, second, ...rest] = lastPicture(stdout);
    assert.match(first!, new RegExp(`^\\d\\d:\\d\\d:\\d\\dZ  ${THERE}$`.slice(0, 78)));
    assert.match(second!, /^over 2 hops for .*; routes: 3, without one: /);
    assert.deepEqual(rest.slice(0, 9), [
      "",
      "round trip  loss             jitter  min    avg    p95    max",
      "12 ms       1 of 4 (25.0 %)  3 ms    10 ms  12 ms  14 ms  14 ms",
      "",
      "way    transport      from           to             latency",
      "there  00000000…0001  02aaaaaa…aaaa  02c6047f…9ee5  -",
      "there  e2973841…5a73  02c6047f…9ee5  0279be66…1798  1.5 ms",
      "back   e2973841…5a73  02c6047f…9ee5  0279be66…1798  1.5 ms",
      "back   00000000…0001  02aaaaaa…aaaa  02c6047f…9ee5  -",
    ]);
    assert.deepEqual(rest.slice(9, 12), [
      "",
      `16:31:00Z route: 1 hop, dialled in 12 ms: ${ID}`,
      "16:31:03Z lost 3: A ping took longer than 5 s",
    ]);
    assert.match(stdout.split(SCREEN_LEAVE)[1]!, /: 4 pings, lost 1 of 4 .*\nmin 10 ms, .*\n$/);
  }, { streams: telling(EVENTS) }));

Deno.test("visor ping --watch on a low terminal keeps the figures and the newest that happened", () =>
  withControlDouble({}, async ({ onTerminal }) => {
    const { stdout } = await onTerminal({ columns: 200, rows: 13, interruptMs: 500 }, [
      "visor",
      "ping",
      THERE,
      "-w",
    ]);
    const picture = lastPicture(stdout);
    assert.equal(picture.length, 13);
    assert.match(picture.at(-1)!, /^16:31:08Z route again/);
    assert.match(
      picture[7]!,
      new RegExp(`^there  ${ANOTHER}  ${HERE}  ${OTHER}  -$`),
      "wide enough for keys",
    );
  }, { streams: telling(EVENTS) }));

Deno.test("visor ping --watch says that the visor is gone, and goes on when it is back", () => {
  let asked = 0;
  const visorPingWatch: StreamActions["visorPingWatch"] = (_input, tell) => {
    asked++;
    tell(ROUTE);
    tell({ event: "reply", atMs: at(asked), sequence: 1, roundTripMs: asked });
    return Promise.resolve(); // it stops
  };
  return withControlDouble({}, async ({ run }) => {
    const { code, stdout } = await run("visor", "ping", THERE, "-w", "-n", "2");
    assert.equal(code, 0);
    assert.deepEqual(
      stdout.split("\n").map((line) => line.replace(/^\S+Z /, "").replace(/:.*/, "")).slice(0, 6),
      [
        "route",
        "reply 1",
        "this visor is gone",
        "this visor is back",
        "route again, the same",
        "reply 1",
      ],
    );
    assert.match(
      stdout,
      new RegExp(`this visor is gone: it was stopped; waiting for it\n.* is back: ${HERE}\n`),
    );
    assert.equal(asked, 2);
  }, { streams: { visorPingWatch } });
});

Deno.test("visor ping --watch ends with what the visor refuses, at once and later", () => {
  const refusing = (after: readonly PingEvent[]): Partial<StreamActions> => ({
    visorPingWatch: (_input, tell) => {
      for (const event of after) tell(event);
      return Promise.reject(new RouteHopError("It is no hop", { hint: "skyctl tp ls" }));
    },
  });
  return withControlDouble({}, async ({ run }) => {
    const { code, stdout, stderr } = await run("visor", "ping", THERE, "-w");
    assert.deepEqual([code, stdout, stderr], [2, "", "Error: It is no hop\nHint: skyctl tp ls\n"]);
  }, { streams: refusing([]) }).then(() =>
    withControlDouble({}, async ({ run }) => {
      const { code, stdout } = await run("visor", "ping", THERE, "-w", "--json");
      const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
      assert.deepEqual([code, lines[0].event, lines[1].error.code], [2, "dialling", "ROUTE_HOP"]);
    }, { streams: refusing(EVENTS.slice(0, 1)) })
  );
});

const TRANSPORT: TransportSummary = {
  id: ID,
  type: "stcpr",
  remote: THERE,
  label: "user",
  initiator: true,
  latency: { min: 1, max: 3, avg: 2 },
  bytesSent: 0,
  bytesReceived: 0,
  uptimeMs: 10_000,
};
const DMSG: TransportSummary = { ...TRANSPORT, id: ANOTHER, type: "dmsg", remote: OTHER, latency: null };

/** The list at each look: bytes grow, another one comes, the first is made anew, and goes. */
const LOOKS: readonly (readonly TransportSummary[])[] = [
  [TRANSPORT],
  [{ ...TRANSPORT, uptimeMs: 11_000, bytesSent: 2_048 }],
  [{ ...TRANSPORT, uptimeMs: 12_000, bytesSent: 2_048 }, DMSG],
  [{ ...TRANSPORT, uptimeMs: 900 }, { ...DMSG, uptimeMs: 11_000 }],
  [{ ...DMSG, uptimeMs: 12_000 }],
];

function looking() {
  let look = 0;
  return { transports: () => [...LOOKS[Math.min(look++, LOOKS.length - 1)]!] };
}

Deno.test("tp ls --watch in a pipe: what is there, what it carries, what comes and goes", () =>
  withControlDouble(looking(), async ({ interrupted }) => {
    const { code, stdout, stderr } = await interrupted(4_500, "tp", "ls", "-w", "-i", "1s");
    assert.deepEqual([code, stderr], [0, ""]);
    assert.deepEqual(stdout.replaceAll(/^\S+Z /gm, "").split("\n"), [
      `stcpr ${ID} ${THERE}: there for 10 s`,
      `stcpr ${ID} ${THERE}: latency 2 ms, out 2 KiB/s, in 0 B/s, sent 2 KiB, received 0 B`,
      `dmsg ${ANOTHER} ${OTHER}: came`,
      `stcpr ${ID} ${THERE}: went and came again`,
      `stcpr ${ID} ${THERE}: went after 900 ms`,
      "1 transport at the end; came 1, went 1, made anew 1",
      "",
    ]);
  }));

Deno.test("tp ls --watch --json: each change, and each look with rates, a line each", () =>
  withControlDouble(looking(), async ({ interrupted }) => {
    const { stdout } = await interrupted(4_500, "tp", "ls", "-w", "-i", "1s", "--json");
    const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(lines.map(({ event }) => event), [
      ...["came", "transports"],
      "transports",
      ...["came", "transports"],
      ...["remade", "transports"],
      ...["went", "transports"],
      "summary",
    ]);
    const rates = lines.filter(({ event }) => event === "transports").map(({ transports }) =>
      transports.map((each: { sentPerSecond: number | null }) =>
        each.sentPerSecond && Math.round(each.sentPerSecond / 32) * 32
      )
    );
    assert.deepEqual(rates, [[null], [2_048], [0, null], [null, 0], [0]]);
    assert.deepEqual(lines.at(-1), { event: "summary", transports: 1, came: 1, went: 1, remade: 1 });
  }));

Deno.test("tp ls --watch on a terminal: live ones, and those that went a moment ago", () =>
  withControlDouble(looking(), async ({ onTerminal }) => {
    const { code, stdout } = await onTerminal({ columns: 120, rows: 20, interruptMs: 4_500 }, [
      ...["tp", "ls", "-w", "-i", "1s"],
    ]);
    const [first, ...rest] = lastPicture(stdout);
    assert.equal(code, 0);
    assert.match(first!, /^\S+Z {2}1 transport; came 1, went 1, made anew 1$/);
    assert.deepEqual(rest.slice(0, 5), [
      "",
      "state     type   remote key     latency    out     in  sent  received  uptime  label  id",
      "live      dmsg   02c6047f…9ee5        -  0 B/s  0 B/s   0 B       0 B    12 s  user   00000000…0001",
      "gone 0 s  stcpr  0279be66…1798     2 ms      -      -   0 B       0 B  900 ms  user   e2973841…5a73",
      "",
    ]);
    assert.deepEqual(rest.slice(5).map((line) => line.replace(/^\S+Z /, "")), [
      "dmsg 00000000…0001 02c6047f…9ee5: came",
      "stcpr e2973841…5a73 0279be66…1798: went and came again",
      "stcpr e2973841…5a73 0279be66…1798: went after 900 ms",
    ]);
  }));

Deno.test("tp ls --watch looks only at what was asked for", () =>
  withControlDouble(looking(), async ({ interrupted }) => {
    const { stdout } = await interrupted(4_500, "tp", "ls", "-w", "-i", "1s", "-t", "dmsg");
    assert.match(stdout, /^\S+Z dmsg \S+ \S+: came\n1 transport at the end; came 1, went 0, made anew 0\n$/);
  }));
