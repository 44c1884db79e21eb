/** What `visor status` and `visor uptime` say of the node. */
import assert from "node:assert/strict";
import { renderStatus } from "../../commands/visor/_render_status.ts";
import { renderUptime } from "../../commands/visor/_render_uptime.ts";
import type { NodeCounters, UptimeSummary, VisorStatus } from "../../lib/control/mod.ts";
import { newCounters } from "../../lib/routing/counters.ts";
import { newSetupCounters } from "../../lib/routing/setup/counters.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const START = Date.parse("2026-06-18T09:00:00Z");

const COUNTERS: NodeCounters = {
  transports: {},
  router: { ...newCounters(), packetsForwarded: 7, bytesForwarded: 700, packetsConsumed: 9, groupsOpened: 1 },
  setup: newSetupCounters(),
  apps: { streamsRefused: 0 },
};

function status(counters: NodeCounters): VisorStatus {
  return {
    publicKey: "02".padEnd(66, "a"),
    version: "1.2.3",
    ready: true,
    startedAtMs: START,
    uptimeMs: 65_000,
    home: "/home/x",
    deployment: { name: "local" },
    dmsg: { ready: true, sessions: [], entry: { published: true, sequence: "3" } },
    node: {
      transports: { stcpr: 2, dmsg: 1 },
      rules: 4,
      routeGroups: 1,
      apps: { running: 1, known: 2 },
      presence: {
        services: [
          { type: "visor", failure: "stcpr does not listen" },
          { type: "skysocks", port: 3, registeredAgoMs: 4_000 },
        ],
        heartbeat: { service: "uptime tracker", lastAgoMs: 61_000, failure: "away" },
        autoconnect: { connected: 2, wanted: 5 },
      },
      counters,
    },
    services: [],
    serving: [],
    warnings: [],
  };
}

/** The lines `name: value` of a text. */
function fieldsOf(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split("\n").flatMap((line) => {
      const match = /^([a-z0-9 ]+): +(.*)$/.exec(line);
      return match === null ? [] : [[match[1]!, match[2]!]];
    }),
  );
}

Deno.test("visor status has a line on transports, routes, apps, and on what was refused", () => {
  const { transports, routes, apps, refused } = fieldsOf(renderStatus(status(COUNTERS)));
  assert.deepEqual([transports, routes, apps, refused], [
    "stcpr 2, dmsg 1",
    "1 connection, 4 rules",
    "1 of 2 running",
    "none",
  ]);
});

Deno.test("visor status tells what is offered, heartbeats, and public visors", () => {
  const text = renderStatus(status(COUNTERS));
  for (
    const line of [
      "offers:        visor, not registered (stcpr does not listen)",
      "offers:        skysocks on port 3, registered 4 s ago",
      "heartbeat:     uptime tracker, taken 1m 01s ago (away)",
      "public visors: 2 of at most 5 connected",
    ]
  ) assert(text.split("\n").includes(line), `${line} is not in\n${text}`);
  const given = status(COUNTERS);
  const without = renderStatus({ ...given, node: { ...given.node, presence: { services: [] } } });
  assert.doesNotMatch(without, /offers|heartbeat|public visors/);
});

Deno.test("visor status names each kind of bad input with its number", () => {
  const { refused } = fieldsOf(renderStatus(status({
    ...COUNTERS,
    transports: { "unknown packet": 2, settlement: 3 },
    router: { ...COUNTERS.router, unknownRoute: 5, rulesRefused: 1 },
    setup: { connectionsRefused: 4, callsRefused: 6, gatewayConnectionsRefused: 8 },
    apps: { streamsRefused: 9 },
  })));
  assert.equal(
    refused,
    "unknown packet 2, settlement 3, unknownRoute 5, rulesRefused 1, connectionsRefused 4, callsRefused 6, " +
      "gatewayConnectionsRefused 8, streamsRefused 9",
  );
});

const times = (runningMs: number, dmsgMs: number, skynetMs: number, skynetWithoutDmsgMs = 0) => ({
  runningMs,
  dmsgMs,
  skynetMs,
  skynetWithoutDmsgMs,
});

function uptime(more: Partial<UptimeSummary> = {}): UptimeSummary {
  return {
    sampleIntervalMs: MINUTE,
    now: { dmsg: true, skynet: false },
    panel: { fromMs: START, toMs: START + 2 * HOUR, ...times(2 * HOUR, HOUR, HOUR / 2) },
    retained: times(10 * HOUR, 10 * HOUR, 0),
    hours: [
      { startMs: START, ...times(HOUR, HOUR, HOUR / 2) },
      { startMs: START + HOUR, ...times(HOUR, 0, 0) },
    ],
    ...more,
  };
}

Deno.test("visor uptime shows both tiers as shares of the same time, by the hour (VI-4)", () => {
  const text = renderUptime(uptime());
  const fields = fieldsOf(text);
  assert.equal(fields["now"], "dmsg up, skynet down");
  assert.match(fields["24 hours"]!, /^ran 2h[^:]*: dmsg 50\.0 %, skynet 25\.0 %$/);
  assert.match(fields["30 days"]!, /^ran 10h[^:]*: dmsg 100\.0 %, skynet 0\.0 %$/);
  const rows = text.split("\n").filter((line) => line.startsWith("2026-")).map((line) => line.split(/ {2,}/));
  assert.deepEqual(rows.map(([hour, , dmsg, skynet, alone]) => [hour, dmsg, skynet, alone]), [
    ["2026-06-18 09:00", "100.0 %", "50.0 %", "0.0 %"],
    ["2026-06-18 10:00", "0.0 %", "0.0 %", "0.0 %"],
  ]);
  assert(!text.includes("without dmsg:"));
});

Deno.test("visor uptime says why skynet was up without dmsg, that nothing is sampled, and that a disk fails (VI-4)", () => {
  const alone = times(HOUR, 0, HOUR, HOUR);
  const said = renderUptime(uptime({ panel: { fromMs: START, toMs: START + HOUR, ...alone } }));
  assert.match(said, /Skynet without dmsg: other transports than those over dmsg were up/);
  const none = renderUptime(uptime({
    sampleIntervalMs: 0,
    panel: { fromMs: START, toMs: START, ...times(0, 0, 0) },
    retained: times(0, 0, 0),
    hours: [],
    failure: "no space left",
  }));
  assert.equal(fieldsOf(none)["24 hours"], "no sample yet");
  assert.match(none, /looks every: never: switched off \(stats\.disabled\)/);
  assert.match(none, /Warning: the newest samples are not on disk: no space left$/);
});
