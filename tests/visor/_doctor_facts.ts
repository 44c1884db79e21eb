/** A visor that is as it should be, and faults of it, each with what the doctor says. @module */
import assert from "node:assert/strict";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import {
  type BindingFacts,
  type Finding,
  KEY_SETTLED_MS,
  PONG_OVERDUE_MS,
  PRESENCE_LIFE_MS,
  TRANSPORT_SETTLED_MS,
  type VisorFacts,
} from "../../lib/visor/doctor/mod.ts";

export const key = (name: string) => keyPairFromSeed(new TextEncoder().encode(name)).publicKey;
export const [one, two] = [key("server one"), key("server two")];
const ID = "e2973841-33a2-0ed6-90cb-e777a6615a73";

export const STCPR: BindingFacts = {
  type: "stcpr",
  port: 7000,
  known: { value: { remoteAddress: "203.0.113.1", port: 7000, addresses: ["203.0.113.1"], isLocal: true } },
};
const SUDPH: BindingFacts = {
  type: "sudph",
  port: 7001,
  known: {
    value: { remoteAddress: "203.0.113.1:7001", port: 7001, addresses: ["203.0.113.1"], isLocal: true },
  },
  isBound: true,
  isSymmetric: false,
};
const clocks = (...aheadMs: number[]) => ({
  clocks: aheadMs.map((ms, index) => ({
    name: ["dmsg discovery", "address resolver", "X"][index]!,
    aheadMs: ms,
  })),
});

/** Entries of servers, of so much later than now. */
const signed = (...aheadMs: number[]) =>
  aheadMs.map((ms, index) => ({ name: `server ${index}`, aheadMs: ms }));

/** Of a visor that is as it should be. */
export const WELL: VisorFacts = {
  publicKey: key("own"),
  configFile: "/home/visor.json",
  wallMs: 0,
  clocks: [{ name: "dmsg discovery", aheadMs: -400 }],
  uptimeMs: 3_600_000,
  oldestSessionMs: 3_500_000,
  ends: { shortLives: 0, lastEnded: undefined, lastRefused: undefined },
  publishedBy: "us",
  sessionsWanted: 2,
  sessions: [one, two],
  lastSessionFailure: undefined,
  entryFailure: undefined,
  isPublished: true,
  publishedServers: { value: [one, two] },
  warnings: [],
  carrierFailures: [],
  types: ["stcpr", "sudph", "dmsg"],
  ownAddresses: ["127.0.0.1", "203.0.113.1"],
  bindings: [STCPR, SUDPH],
  transports: [{ id: ID, type: "stcpr", remote: key("peer"), ageMs: 3_600_000, isMeasured: true }],
  registered: { value: [ID] },
  presence: [{ at: "the service discovery, as visor", agoMs: 60_000, failure: undefined }],
};

export const wrong = (findings: readonly Finding[]) =>
  findings.filter(({ severity }) => severity === "error" || severity === "warning");

function valueOf({ known }: BindingFacts) {
  assert("value" in known && known.value !== undefined);
  return known.value;
}

/** The fault, and what is said of it. */
export const FAULTS: readonly (readonly [Partial<VisorFacts>, string, RegExp])[] = [
  [clocks(4_999), "", /^$/],
  [clocks(5_000), "warning clock", /clock is 5 s behind that of the dmsg discovery/],
  [clocks(-90_000), "error clock", /clock is 90 s ahead of that of the dmsg discovery; because: it reads/],
  [
    clocks(90_000, 89_000),
    "error clock",
    /clock is 89 s behind that of the dmsg discovery, the address resolver/,
  ],
  [
    clocks(0, 30_000),
    "warning clock",
    /clock of the address resolver is 30 s ahead of the others; because: this machine's clock and that of the dmsg/,
  ],
  [
    clocks(-30_000, -30_000, 400),
    "warning clock, warning clock",
    /machine's clock is 30 s ahead of .*\n.*clock of the X is 30 s ahead of the others; because: that of the dmsg/,
  ],
  [{ signed: signed(-65_000, -3_600_000) }, "", /^$/],
  [{ signed: signed(4_999) }, "", /^$/],
  [
    { signed: signed(-9_000, 5_000) },
    "warning clock",
    /clock of the server 1 is 5 s or more ahead of the others; because: .*by this machine's clock and that of the dmsg/,
  ],
  [
    { ...clocks(300_000, 300_000, 300_000), signed: signed(...Array<number>(8).fill(251_000)) },
    "error clock",
    /machine's clock is 300 s behind that of the dmsg discovery, the address resolver, the X; /,
  ],
  [
    { ...clocks(300_000, 300_000), signed: signed(304_999, 306_000) },
    "error clock, warning clock",
    /300 s behind that of .*\n.*clock of the server 1 is 6 s or more ahead of the others; because: .* now, by that of the/,
  ],
  [
    { ...clocks(-90_000), signed: signed(-84_000) },
    "error clock, warning clock",
    /90 s ahead of .*\n.*clock of the server 0 is 6 s or more ahead/,
  ],
  [{ publishedServers: { failure: "Timed out" } }, "error discovery", /does not answer.*because: Timed out/],
  [
    { sessions: [], lastSessionFailure: "refused", publishedServers: { value: undefined } },
    "error sessions, error entry",
    /no session with any dmsg server; because: refused/,
  ],
  [
    { sessions: [one], publishedServers: { value: [one] } },
    "warning sessions",
    /sessions with 1 .* of 2 that are wanted/,
  ],
  [
    { warnings: [{ code: "DUPLICATE_KEY", text: "Another process publishes", hint: "stop one" }] },
    "error key",
    /Another process publishes; .*next: stop one/,
  ],
  [
    { publishedServers: { value: undefined }, entryFailure: "stale" },
    "error entry",
    /no entry of this visor.*stale/,
  ],
  [
    { publishedServers: { value: [key("old"), one] } },
    "warning entry",
    /names servers without a session: 1 of 2/,
  ],
  [
    { publishedServers: { value: [key("old")] } },
    "error entry",
    /names no server that this visor has a session with/,
  ],
  [
    { isPublished: false, entryFailure: "422" },
    "warning entry",
    /newest entry is not in the discovery; because: 422/,
  ],
  [
    { carrierFailures: [{ type: "stcpr", failure: "Address in use" }] },
    "warning ports",
    /type stcpr cannot come in; because: Address in use/,
  ],
  [
    {
      bindings: [{ ...STCPR, known: { failure: "Unreachable" } }, {
        ...SUDPH,
        known: { failure: "Unreachable" },
      }],
    },
    "warning addresses",
    /resolver does not answer.*because: Unreachable/,
  ],
  [
    { bindings: [{ ...STCPR, known: { value: undefined } }] },
    "warning addresses",
    /does not know this visor: stcpr/,
  ],
  [
    { bindings: [{ ...STCPR, known: { value: { ...valueOf(STCPR), addresses: ["198.51.100.9"] } } }] },
    "warning addresses",
    /for stcpr that this machine does not have .*198\.51\.100\.9; this machine's: 127\.0\.0\.1/,
  ],
  [
    { bindings: [{ ...STCPR, known: { value: { ...valueOf(STCPR), port: 6999 } } }] },
    "warning addresses",
    /has port 6999 for stcpr, and this visor listens on 7000; because: it is that of an earlier run/,
  ],
  [{ bindings: [{ ...STCPR, port: undefined, known: { value: undefined } }] }, "", /^$/],
  [
    { bindings: [STCPR, { ...SUDPH, known: { value: undefined } }] },
    "warning addresses",
    /not know this visor: sudph .*because: the resolver has lost it/,
  ],
  [
    { bindings: [STCPR, { ...SUDPH, known: { value: undefined }, isBound: false }] },
    "warning addresses",
    /not know this visor: sudph .*because: nothing comes back from the resolver's UDP side/,
  ],
  [
    { bindings: [STCPR, { ...SUDPH, isBound: false }] },
    "warning addresses",
    /has 203\.0\.113\.1:7001, port 7001 for sudph, and no session with this visor: it is stale/,
  ],
  [
    { bindings: [STCPR, { ...SUDPH, known: { value: { ...valueOf(SUDPH), port: 9 } } }] },
    "warning addresses",
    /has port 9 for sudph, and this visor listens on 7001/,
  ],
  [
    { bindings: [STCPR, { ...SUDPH, isSymmetric: true, isBound: false, known: { value: undefined } }] },
    "",
    /^$/,
  ],
  [
    {
      carrierFailures: [{ type: "sudph", failure: "in use" }],
      bindings: [STCPR, { ...SUDPH, isBound: false }],
    },
    "warning ports",
    /type sudph cannot come in; because: in use/,
  ],
  [
    { presence: [{ at: "the service discovery, as visor", agoMs: undefined, failure: "refused" }] },
    "warning registration",
    /not known at the service discovery, as visor; because: refused/,
  ],
  [
    { presence: [{ at: "the uptime tracker", agoMs: PRESENCE_LIFE_MS, failure: "refused" }] },
    "warning registration",
    /not known at the uptime tracker any more: the last time was 300 s ago/,
  ],
  [{ presence: [{ at: "the uptime tracker", agoMs: PRESENCE_LIFE_MS - 1, failure: "refused" }] }, "", /^$/],
  [
    { registered: { failure: "Unreachable" } },
    "error registration",
    /transport discovery does not answer.*next: skyctl svc health/,
  ],
  [
    { registered: { value: [] } },
    "warning registration",
    new RegExp(`not in the transport discovery: 1 of 1; .*${ID}`),
  ],
  [
    { registered: { value: [ID, "gone"] } },
    "warning registration",
    /that there are not: 1; because: gone/,
  ],
  [
    { transports: [{ ...WELL.transports[0]!, ageMs: TRANSPORT_SETTLED_MS - 1 }], registered: { value: [] } },
    "",
    /^$/,
  ],
  [
    { transports: [{ ...WELL.transports[0]!, isMeasured: false, ageMs: PONG_OVERDUE_MS }] },
    "warning transports",
    new RegExp(`No ping over transport ${ID} .*next: skyctl visor ping ${key("peer")} --watch`),
  ],
  [{ transports: [{ ...WELL.transports[0]!, isMeasured: false, ageMs: PONG_OVERDUE_MS - 1 }] }, "", /^$/],
  [
    { warnings: [{ code: "LOG_NOT_WRITTEN", text: "in memory only", hint: "room" }] },
    "warning files",
    /memory/,
  ],
  [{ warnings: [{ code: "SESSION_REFUSED", text: "full" }] }, "warning sessions", /full/],
  [
    { sessions: [], oldestSessionMs: undefined, warnings: [{ code: "SESSION_REFUSED", text: "full" }] },
    "error sessions, error entry, warning sessions",
    /full/,
  ],
  [
    { oldestSessionMs: KEY_SETTLED_MS - 1, warnings: [{ code: "SESSION_REFUSED", text: "full" }] },
    "",
    /^$/,
  ],
  [
    { publishedBy: "another", sessions: [one], publishedServers: { value: [key("its")] } },
    "warning sessions, error key, error entry",
    /because: another process with this visor's key takes them over.*\n.*published an entry under this visor's key .*\n.*because: another process with this visor's key has published it/,
  ],
  [
    { carrierFailures: [{ type: "stcp", failure: "Address in use" }], configFile: "/my home/visor.json" },
    "warning ports",
    /conf set skywire-tcp\.listening_address :7778 -c '\/my home\/visor\.json'/,
  ],
  [{ carrierFailures: [{ type: "dmsg", failure: "taken" }] }, "warning ports", /next: skyctl log tail/],
];
