/** Whether another process uses a visor's key: what the doctor knows of it, and from when on. */
import assert from "node:assert/strict";
import {
  DUPLICATE_TOLD_MS,
  OWN_ENTRY_CHECK_JITTER_MS,
  OWN_ENTRY_CHECK_MS,
} from "../../lib/dmsg/_publisher.ts";
import { visorWarnings } from "../../lib/visor/_warnings.ts";
import {
  type Finding,
  KEY_SETTLED_MS,
  type KeyFacts,
  keyFindings,
  POST_ANSWER_MS,
  refusalFindings,
  whoPublished,
} from "../../lib/visor/doctor/mod.ts";
import { one, two, WELL, wrong } from "./_doctor_facts.ts";
import { type Fleet, pairOf, withFleet } from "./_fleet.ts";
import { startVisor } from "./_nodes.ts";

const CHECK_MS_MAX = OWN_ENTRY_CHECK_MS + OWN_ENTRY_CHECK_JITTER_MS + 1_000;

const ended = (livedMs: number, server = one) => ({ server, postQuantum: false, livedMs, atMs: 0 });
const NO_ENDS = { shortLives: 0, lastEnded: undefined, lastRefused: undefined };
const DUPLICATE = { code: "DUPLICATE_KEY", text: "Another process", hint: "stop one" };
const REFUSED = { code: "SESSION_REFUSED", text: "it may be full", hint: "others" };

const sayings = (findings: readonly Finding[]) =>
  findings.map(({ check, severity, text, cause }) => `${severity} ${check}: ${text}; ${cause}`).join("\n");

/** What is so, and what is said of the key and of a server that refuses. */
const CASES: readonly (readonly [string, Partial<KeyFacts>, RegExp])[] = [
  ["it runs for long", {}, /^ok key: no other process uses this visor's key; undefined$/],
  ["long enough", { oldestSessionMs: KEY_SETTLED_MS }, /^ok key/],
  [
    "it has just started",
    { oldestSessionMs: 400, uptimeMs: 900 },
    /^unknown key: .* is not known yet; the oldest session with a server began 0\.4 s ago/,
  ],
  ["not yet long enough", { oldestSessionMs: KEY_SETTLED_MS - 1 }, /^unknown key: .*began 45 s ago/],
  [
    "the only session was taken over",
    { oldestSessionMs: undefined, ends: { ...NO_ENDS, lastEnded: ended(60_000) } },
    /^unknown key: .*there is no session with a server, which/,
  ],
  [
    "the entry is not known",
    { publishedBy: undefined },
    /^unknown key: .*what the discovery has under it could not be told/,
  ],
  [
    "a session lived shortly",
    { ends: { shortLives: 1, lastEnded: ended(5_000), lastRefused: undefined } },
    new RegExp(`^unknown key: .*server ${one} ended a session after 5 s, as it does for a newer one`),
  ],
  [
    "a server refuses, after the start",
    {
      oldestSessionMs: undefined,
      uptimeMs: 10_000,
      warnings: [REFUSED],
      ends: { ...NO_ENDS, lastEnded: ended(500), lastRefused: ended(500) },
    },
    new RegExp(
      `^unknown key: .*\nunknown sessions: Server ${one} ended a session at once, and why is not known yet; it may be full, or`,
    ),
  ],
  [
    "a server refuses, beside a session that is new",
    { oldestSessionMs: 10_000, warnings: [REFUSED], ends: { ...NO_ENDS, lastRefused: ended(500) } },
    /^unknown key: .*\nunknown sessions: /,
  ],
  [
    "a server refuses, beside a session that lasts",
    { warnings: [REFUSED], ends: { ...NO_ENDS, lastRefused: ended(500) } },
    /^ok key: .*\nwarning sessions: it may be full; /,
  ],
  [
    "every server refuses, for long",
    {
      oldestSessionMs: undefined,
      warnings: [REFUSED],
      ends: { ...NO_ENDS, lastEnded: ended(5), lastRefused: ended(5) },
    },
    /^unknown key: .*there is no session.*\nwarning sessions: it may be full; /,
  ],
  [
    "it lets the next one live, and ends it",
    { warnings: [REFUSED], ends: { shortLives: 1, lastEnded: ended(5_000), lastRefused: ended(500) } },
    new RegExp(
      `^error key: Server ${one} ends this visor's sessions soon .*another process seems to use its key; two`,
    ),
  ],
  [
    "one server refuses, and another one goes away",
    { warnings: [REFUSED], ends: { shortLives: 1, lastEnded: ended(5_000, two), lastRefused: ended(500) } },
    /^unknown key: .*\nunknown sessions: /,
  ],
  [
    "one server goes away, and another one, that is full, refuses",
    { warnings: [REFUSED], ends: { shortLives: 1, lastEnded: ended(200), lastRefused: ended(200) } },
    new RegExp(`^unknown key: .*server ${one} ended a session after 0\\.2 s.*\nunknown sessions: `),
  ],
  [
    "the status has it",
    { warnings: [REFUSED, DUPLICATE], ends: { ...NO_ENDS, lastRefused: ended(500) } },
    /^error key: Another process; two processes run with one secret key.*$/,
  ],
  [
    "its entry is there",
    {
      publishedBy: "another",
      warnings: [REFUSED],
      ends: { ...NO_ENDS, lastRefused: ended(500) },
      oldestSessionMs: 1,
    },
    /^error key: Another process has published an entry under this visor's key since this visor did; two.*$/,
  ],
];

Deno.test("of its key and of full servers a visor says what is known, and what is not yet", () => {
  for (const [name, facts, expected] of CASES) {
    const whole: KeyFacts = { ...WELL, ...facts };
    const findings = [...keyFindings(whole), ...refusalFindings(whole)];
    assert.match(sayings(findings), expected, name);
    assert(findings.every(({ severity, next }) => severity === "ok" || next !== undefined), name);
  }
  assert.equal(CASES.length, 16);
});

Deno.test("whoPublished() knows another's entry by a number that this visor did not give yet", () => {
  const own = { sequence: 4n, unanswered: 0 };
  assert.equal(whoPublished(4n, own), "us");
  assert.equal(whoPublished(3n, own), "us", "a discovery that came back with an older one");
  assert.equal(whoPublished(5n, own), "another");
  assert.equal(
    whoPublished(5n, { ...own, unanswered: 1 }),
    undefined,
    "our next one, its answer under way or lost",
  );
  assert.equal(whoPublished(undefined, own), undefined, "no entry");
  assert.equal(whoPublished(9n, { ...own, sequence: undefined }), undefined, "of an earlier run");
});

/** A second visor with the key of A, on a machine of its own. */
async function startTwin(fleet: Fleet, more: object) {
  const world = fleet.simulation.node("twin", { address: "203.0.113.77" });
  const { publicKey, secretKey } = pairOf("A");
  const utf8 = (text: string) => new TextEncoder().encode(text);
  await world.files.write("/deployment.json", utf8(fleet.deployment));
  const config = JSON.stringify({ pk: publicKey, sk: secretKey.reveal(), ...more });
  await world.files.write("/visor.json", utf8(config), { mode: 0o600 });
  const options = { local: false, deploymentFile: "/deployment.json", configFile: "/visor.json" };
  return await startVisor(world, options, { steps: [], records: [] });
}

/** With 1 both are on one server or on two, by chance; with 2 of the two that there are on both. */
for (const [seed, sessions] of [[901, 1], [902, 1], [903, 1], [904, 2], [905, 2], [906, 2]] as const) {
  const config = { dmsg: { sessions_count: sessions } };
  Deno.test(`two visors with one key and ${sessions} sessions, ${seed}: none ever says that all is well before it says what is wrong`, () =>
    withFleet(seed, ["A"], async (fleet) => {
      await fleet.sleep(90_000);
      assert.equal(fleet.running("A").visor.dmsg.sessions().length, sessions);
      const first = fleet.running("A").visor;
      const look = async (visor: typeof first) =>
        (await visor.examine(new AbortController().signal))
          .filter(({ check }) => check === "key" || check === "sessions");
      assert.match(sayings(await look(first)), /^ok sessions: .*\nok key: no other process/m);
      const twin = await startTwin(fleet, config);
      const startedMs = fleet.nowMs;
      const knownMs = new Map<string, number>();
      while (fleet.nowMs - startedMs < 60_000) {
        for (const [name, visor] of [["first", first], ["twin", twin.visor]] as const) {
          const findings = await look(visor);
          const said = sayings(findings);
          assert.doesNotMatch(said, /full, or refuse|may be full(?!, or have a newer session)/, said);
          const key = findings.filter(({ check }) => check === "key").map(({ severity }) => severity).join();
          if (key === "error") knownMs.set(name, knownMs.get(name) ?? fleet.nowMs - startedMs);
          // The second one's entry is there after a second.
          if (name === "twin" || fleet.nowMs - startedMs > 3_000) {
            assert.notEqual(key, "ok", `${name} after ${fleet.nowMs - startedMs} ms`);
          }
        }
        await fleet.sleep(500);
      }
      for (const name of ["first", "twin"]) {
        const ms = knownMs.get(name);
        assert(ms !== undefined && ms <= KEY_SETTLED_MS, `the ${name} one after ${ms} ms`);
      }
      await twin.close();
    }, { configs: { A: config } }));
}

Deno.test("a second visor with the key has stopped: soon after, the first one says that all is well again", () =>
  withFleet(908, ["A"], async (fleet) => {
    await fleet.sleep(90_000);
    const { visor } = fleet.running("A");
    const keySaid = async () =>
      sayings(await visor.examine(new AbortController().signal)).match(/^.* key: .*$/m)?.[0];
    const twin = await startTwin(fleet, {});
    await fleet.sleep(60_000);
    await twin.close();
    assert.match((await keySaid())!, /^error key: Another process publishes/);
    await fleet.sleep(DUPLICATE_TOLD_MS - 120_000);
    assert.match((await keySaid())!, /^error key: /, "it may come back");
    await fleet.sleep(120_000 + CHECK_MS_MAX);
    assert.match((await keySaid())!, /^ok key: no other process/);
  }));

Deno.test("an entry of the own whose answer is slow is no other process's", () =>
  withFleet(907, ["A"], async (fleet) => {
    await fleet.sleep(90_000);
    const { visor } = fleet.running("A");
    const { discovery } = visor.dmsg;
    const now = (await discovery.published(visor.publicKey))!;
    const look = discovery.published.bind(discovery);
    // As if the visor had posted this just now.
    discovery.published = () => Promise.resolve({ ...now, sequence: now.sequence + 1n });
    const startedMs = fleet.nowMs;
    const slow = visor.examine(new AbortController().signal);
    await fleet.sleep(POST_ANSWER_MS - 500);
    const status = visor.dmsg.status.bind(visor.dmsg);
    visor.dmsg.status = () => {
      const told = status();
      return { ...told, entry: { ...told.entry!, sequence: now.sequence + 1n } };
    };
    const findings = await slow;
    assert(fleet.nowMs - startedMs >= POST_ANSWER_MS);
    assert.deepEqual(wrong(findings).filter(({ check }) => check === "key"), []);
    visor.dmsg.status = status;
    const other = await visor.examine(new AbortController().signal);
    assert.match(sayings(other), /^error key: Another process has published/m);
    discovery.published = look;
    assert.match(sayings(await visor.examine(new AbortController().signal)), /^ok key: /m);
  }));

Deno.test("the words of the status stand for what the doctor takes them for", () => {
  const dmsg = { ...NO_ENDS, lastRefused: ended(500), entry: undefined } as unknown as Parameters<
    typeof visorWarnings
  >[0]["dmsg"];
  const told = (more: object) =>
    visorWarnings({ dmsg: { ...dmsg, ...more }, discoveryAheadMs: 0, wallMs: 0, logFailure: undefined });
  assert.deepEqual(told({}).map(({ code }) => code), [REFUSED.code]);
  const rivals = told({ shortLives: 2, lastEnded: ended(5_000) });
  assert.deepEqual(rivals.map(({ code }) => code), [DUPLICATE.code, REFUSED.code]);
});
