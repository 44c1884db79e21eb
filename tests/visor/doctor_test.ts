/** `visor doctor`: planted faults, each with what is said of it. */
import assert from "node:assert/strict";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { sleep } from "../../lib/runtime/mod.ts";
import {
  type BindingFacts,
  examineHome,
  examineStopped,
  type Finding,
  inOrder,
  judge,
  LOOK_TIMEOUT_MS,
  looked,
  PONG_OVERDUE_MS,
  PRESENCE_LIFE_MS,
  TRANSPORT_SETTLED_MS,
  type VisorFacts,
} from "../../lib/visor/doctor/mod.ts";
import { withSimulation } from "../support/world.ts";
import { keyOf, pairOf, withFleet } from "./_fleet.ts";

const key = (name: string) => keyPairFromSeed(new TextEncoder().encode(name)).publicKey;
const [one, two] = [key("server one"), key("server two")];
const ID = "e2973841-33a2-0ed6-90cb-e777a6615a73";

const STCPR: BindingFacts = {
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

/** Of a visor that is as it should be. */
const WELL: VisorFacts = {
  publicKey: key("own"),
  wallMs: 0,
  clocks: [{ name: "dmsg discovery", aheadMs: -400 }],
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

const wrong = (findings: readonly Finding[]) =>
  findings.filter(({ severity }) => severity === "error" || severity === "warning");

Deno.test("judge() says of a visor that is as it should be that each check is fine", () => {
  const findings = judge(WELL);
  assert.deepEqual(findings.map(({ severity }) => severity), findings.map(() => "ok"));
  assert.deepEqual(findings.map(({ check }) => check), [
    "visor",
    "clock",
    "discovery",
    "sessions",
    "key",
    "entry",
    "ports",
    "addresses",
    "addresses",
    "registration",
    "transports",
  ]);
});

function valueOf({ known }: BindingFacts) {
  assert("value" in known && known.value !== undefined);
  return known.value;
}

/** The fault, and what is said of it. */
const FAULTS: readonly (readonly [Partial<VisorFacts>, string, RegExp])[] = [
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
];

Deno.test("judge() tells each planted fault with its severity, its cause and what to do, and no other", () => {
  for (const [fault, expected, text] of FAULTS) {
    const found = wrong(judge({ ...WELL, ...fault }));
    assert.equal(found.map(({ severity, check }) => `${severity} ${check}`).join(", "), expected, `${text}`);
    const told = found.map(({ text, cause, next }) => `${text}; because: ${cause}; next: ${next}`).join("\n");
    assert.match(told, text);
    for (const { cause, next, check } of found) {
      assert.notEqual(next, undefined, `${check}: what to do`);
      assert(cause !== undefined || fault.warnings !== undefined, `${check}: why`);
    }
  }
  assert.equal(FAULTS.length, 37);
  const kinds = new Set(FAULTS.flatMap(([, kinds]) => kinds.split(", ").map((kind) => kind.split(" ")[1])));
  const wanted = [
    "clock",
    "ports",
    "discovery",
    "sessions",
    "key",
    "addresses",
    "registration",
    "transports",
  ];
  for (const kind of wanted) assert(kinds.has(kind), kind);
});

Deno.test("judge() of a network without services, and of a visor without stcpr, finds nothing wrong", () => {
  assert.deepEqual(wrong(judge({ ...WELL, bindings: [], registered: undefined, presence: [] })), []);
  assert.deepEqual(wrong(judge({ ...WELL, types: ["dmsg"], bindings: [{ ...STCPR, port: undefined }] })), []);
});

Deno.test("inOrder() shows the checks in their order, the worst of each first", () => {
  const finding = (check: Finding["check"], severity: Finding["severity"]) => ({ check, severity, text: "" });
  const shown = inOrder([finding("transports", "ok"), finding("clock", "ok"), finding("clock", "error")]);
  assert.deepEqual(shown.map(({ check, severity }) => `${check} ${severity}`), [
    "clock error",
    "clock ok",
    "transports ok",
  ]);
});

Deno.test("looked() tells a failure, gives up in time, and ends with who asked", () =>
  withSimulation("doctor", async (simulation) => {
    const { clock } = simulation.node("alice");
    await simulation.run(async () => {
      const never = new AbortController().signal;
      assert.deepEqual(await looked("A look", clock, never, () => Promise.resolve(7)), { value: 7 });
      assert.deepEqual(await looked("A look", clock, never, () => Promise.reject(new Error("no"))), {
        failure: "no",
      });
      const startedMs = clock.monotonicMs();
      const late = await looked("A look", clock, never, (signal) => sleep(clock, 1e9, signal));
      assert.match("failure" in late ? late.failure : "", /A look/);
      assert.equal(Math.round(clock.monotonicMs() - startedMs), LOOK_TIMEOUT_MS);
      const left = AbortSignal.abort(new DOMException("Interrupted", "AbortError"));
      await assert.rejects(looked("A look", clock, left, (signal) => sleep(clock, 1, signal)), {
        name: "AbortError",
      });
    });
  }));

Deno.test("examineHome() finds key files that others can open, and a disk that takes nothing; it leaves nothing", () =>
  withSimulation("doctor", async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      const { files } = world;
      const options = { home: "/home", configFile: "/home/visor.json" };
      assert.match((await examineHome(world, options))[0]!.text, /no home \/home yet/);
      await files.makeDirectory("/home/local");
      for (const name of ["visor.json", "local/setup-node.key", "local/other.json"]) {
        await files.write(`/home/${name}`, new Uint8Array(1), { mode: 0o600 });
      }
      assert.deepEqual(wrong(await examineHome(world, options)), []);
      assert.deepEqual(await files.list("/home"), ["local", "visor.json"]);
      for (const name of ["visor.json", "local/setup-node.key", "local/other.json"]) {
        await files.remove(`/home/${name}`);
        await files.write(`/home/${name}`, new Uint8Array(1), { mode: 0o640 });
      }
      const open = wrong(await examineHome(world, options));
      assert.deepEqual(open.map(({ severity, next }) => `${severity} ${next}`), [
        "error chmod 600 /home/visor.json",
        "error chmod 600 /home/local/setup-node.key",
      ]);
      assert.match(open[0]!.cause!, /0640/);
      const full = { ...files, write: () => Promise.reject(new Error("No space left on device")) };
      const disk = wrong(await examineHome({ files: full, outside: (work) => work() }, options)).at(-1)!;
      assert.match(
        `${disk.severity} ${disk.text} ${disk.cause}`,
        /^error Nothing can be written .*No space left/,
      );
    });
  }));

Deno.test("visor doctor of a running visor: well at first, then each fault of its network", () =>
  withFleet(370, ["A", "B"], async (fleet) => {
    await fleet.world("A").files.remove("/visor.json"); // what a fleet writes, everybody can open
    const id = await fleet.link("A", "B");
    await fleet.sleep(120_000);
    const well = await fleet.call("A", "doctor", {});
    assert.deepEqual(wrong(well as Finding[]), [], JSON.stringify(well));
    assert(well.length >= 11);
    const known = well.filter(({ check }) => check === "addresses").map(({ text }) => text);
    assert.match(
      known.join("\n"),
      /has 203\.0\.113\.1, port \d+ for stcpr\n.* 203\.0\.113\.1:\d+, port \d+ for sudph/,
    );
    assert.match(
      well.find(({ check }) => check === "clock")!.text,
      /the address resolver, the dmsg discovery, /,
    );
    fleet.kill("B");
    await fleet.until(
      "the transport is gone",
      () => fleet.node("A").transports.transports().length === 0,
      120_000,
    );
    await fleet.sleep(10_000);
    const record = { id, edges: [keyOf("A"), keyOf("B")] as const, type: "stcpr", label: "user" };
    await fleet.node("A").services.transportDiscovery!.register([record]);
    const stale = wrong(await fleet.call("A", "doctor", {}) as Finding[]);
    assert.deepEqual(stale.map(({ check, cause }) => `${check} ${cause}`), [`registration ${id}`]);
    await fleet.node("A").services.addressResolver!.bindStcpr({ port: 7, addresses: ["192.0.2.77"] });
    const moved = wrong(await fleet.call("A", "doctor", {}) as Finding[]);
    assert(moved.some(({ check, cause }) => check === "addresses" && /192\.0\.2\.77/.test(cause!)));
    fleet.simulation.partition("net", "A");
    await fleet.sleep(90_000);
    const alone = wrong(await fleet.call("A", "doctor", {}) as Finding[]);
    const errors = alone.filter(({ severity }) => severity === "error").map(({ check }) => check);
    assert.deepEqual(errors, ["discovery", "sessions", "registration"]);
    assert(alone.every(({ next }) => next !== undefined));
    fleet.simulation.heal("net", "A");
    await fleet.sleep(60_000);
  }));

Deno.test("visor doctor of a visor whose clock was set right: what services said before is not held against it", () =>
  withFleet(372, ["A"], async (fleet) => {
    const clockOf = async () => {
      const findings = await fleet.call("A", "doctor", {});
      return findings.filter(({ check }) => check === "clock").map(({ severity, text }) =>
        `${severity} ${text}`
      );
    };
    await fleet.sleep(30_000);
    fleet.simulation.setSkew("A", -300_000);
    await fleet.call("A", "serviceHealth", { timeoutMs: 5_000 }); // asks every service, of which doctor asks three
    const [slow] = await clockOf();
    assert.match(slow!, /^error This machine's clock is 300 s behind that of .*the route finder/);
    fleet.simulation.setSkew("A", 0);
    const [right] = await clockOf();
    assert.match(
      right!,
      /^ok this machine's clock agrees with that of the address resolver, the dmsg discovery, /,
    );
    assert.doesNotMatch(right!, /route finder/);
    assert.deepEqual((await fleet.call("A", "status", {})).warnings, []);
  }));

Deno.test("visor doctor while no visor runs: the network is there, and somebody is on it with the key", () =>
  withFleet(371, ["A"], async (fleet) => {
    const world = fleet.simulation.node("other", { address: "203.0.113.50" });
    const network = fleet.network.network;
    const look = (name: string, ports: Parameters<typeof examineStopped>[1]["ports"] = []) =>
      examineStopped(
        world,
        { network, publicKey: pairOf(name).publicKey, ports, userAgent: "skyctl/1.2.3" },
        new AbortController().signal,
      );
    assert.deepEqual(wrong(await look("nobody")), []);
    const twice = wrong(await look("A"));
    assert.deepEqual(twice.map(({ check, severity }) => `${severity} ${check}`), ["warning key"]);
    assert.match(twice[0]!.next!, new RegExp(`skyctl dmsg ping ${keyOf("A")}`));
    const taken = await world.network.listen({ hostname: "127.0.0.1", port: 3435 });
    const [port] = wrong(await look("nobody", [{ name: "the control API", address: taken.address }]));
    assert.match(port!.text, /port of the control API, 127\.0\.0\.1:3435, cannot be had/);
    taken.close();
    const udp = await world.network.datagrams({ hostname: "0.0.0.0", port: 7002 });
    const isUdp = true;
    const [port2] = wrong(await look("nobody", [{ name: "sudph transports", address: udp.address, isUdp }]));
    assert.match(
      `${port2!.text}; ${port2!.next}`,
      /sudph transports, 0\.0\.0\.0:7002, cannot be had; ss -lunp/,
    );
    assert.deepEqual(
      wrong(await look("nobody", [{ name: "stcpr", address: udp.address }])),
      [],
      "TCP is free",
    );
    udp.close();
    const ahead = fleet.simulation.node("ahead", { address: "203.0.113.51", skewMs: 90_000 });
    const [clock] = wrong(
      await examineStopped(
        ahead,
        { network, publicKey: undefined, ports: [], userAgent: "skyctl/1.2.3" },
        new AbortController().signal,
      ),
    );
    assert.match(
      `${clock!.severity} ${clock!.text}`,
      /^error This machine's clock is (?:89|90|91) s ahead of/,
    );
    fleet.simulation.partition("net", "other");
    const alone = wrong(await look("nobody"));
    assert.deepEqual(alone.map(({ check }) => check), ["discovery"]);
    fleet.simulation.heal("net", "other");
  }));
