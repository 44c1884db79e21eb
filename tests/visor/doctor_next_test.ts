/** What the doctor says to do next: command lines that are carried out as they are written. */
import assert from "node:assert/strict";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import {
  clockFindings,
  examineHome,
  examineStopped,
  type Finding,
  judge,
} from "../../lib/visor/doctor/mod.ts";
import { withOptions } from "../../commands/visor/_next_steps.ts";
import { visorWarnings } from "../../lib/visor/_warnings.ts";
import { linesIn, whyRefused } from "../cli/_command_lines.ts";
import { withControlDouble } from "../cli/_control_double.ts";
import { withSimulation } from "../support/world.ts";
import { FAULTS, one, WELL } from "./_doctor_facts.ts";
import { pairOf, withFleet } from "./_fleet.ts";

Deno.test("linesIn() and whyRefused() take command lines apart, and tell what the program would refuse", async () => {
  const hint = "wait; skyctl log tail -m x, then (skyctl dmsg ping 02: who) and skyctl conf set a 'b c'";
  assert.deepEqual(linesIn(hint), ["skyctl log tail -m x", "skyctl dmsg ping 02", "skyctl conf set a 'b c'"]);
  const refused: [string, RegExp | undefined][] = [
    ["skyctl dmsg entry", /missing required argument 'pk'/],
    [`skyctl dmsg entry ${one}`, undefined],
    ["skyctl dmsg entry 02 and more", /too many arguments/],
    ["skyctl dmsg nothing", /unknown command/],
    ["skyctl dmsg", /^names no verb$/],
    ["skyctl visor doctor --nothing", /unknown option/],
    ["skyctl conf set transport.stcpr 0", /No field is called "transport\.stcpr"/],
    ["skyctl conf set transport.stcpr_port x -c '/a b.json'", /transport\.stcpr_port/],
    ["skyctl conf set transport.stcpr_port 0 -c '/a b.json'", undefined],
  ];
  for (const [line, why] of refused) {
    const said = await whyRefused(line);
    if (why === undefined) assert.equal(said, undefined, line);
    else assert.match(said ?? "", why, line);
  }
});

/** Everything that the doctor says of planted faults: of a visor that runs, of files, and of one that does not run. */
async function allFindings(): Promise<Finding[]> {
  const findings = FAULTS.flatMap(([fault]) => judge({ ...WELL, ...fault }));
  const ended = { server: one, postQuantum: false, livedMs: 500, atMs: 0 };
  const told = [
    { lastRefused: ended, shortLives: 0, lastEnded: ended },
    { lastRefused: { ...ended, postQuantum: true }, shortLives: 0, lastEnded: ended },
    { lastRefused: undefined, shortLives: 2, lastEnded: ended },
    { lastRefused: ended, shortLives: 1, lastEnded: ended },
  ];
  for (const ends of told) {
    const dmsg = { ...ends, entry: { published: true, failure: "stale" } } as unknown as Parameters<
      typeof visorWarnings
    >[0]["dmsg"];
    const warnings = visorWarnings({ dmsg, discoveryAheadMs: 90_000, wallMs: 0, logFailure: "full" });
    findings.push(
      ...judge({ ...WELL, ends, warnings }),
      ...judge({ ...WELL, ends, warnings, oldestSessionMs: 1 }),
    );
  }
  findings.push(...clockFindings({ clocks: [], wallMs: 0 }));
  await withSimulation("doctor", async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      const options = { home: "/my home", configFile: "/my home/visor.json" };
      findings.push(...await examineHome(world, options));
      await world.files.makeDirectory("/my home");
      await world.files.write("/my home/visor.json", new Uint8Array(1), { mode: 0o644 });
      const full = { ...world.files, write: () => Promise.reject(new Error("No space left on device")) };
      findings.push(...await examineHome({ files: full, outside: (work) => work() }, options));
    });
  });
  await withFleet(373, ["A"], async (fleet) => {
    const world = fleet.simulation.node("other", { address: "203.0.113.50" });
    const look = async (network: typeof fleet.network.network) => {
      const { publicKey } = pairOf("A");
      const options = { network, publicKey, ports: [], userAgent: "skyctl/1.2.3" };
      findings.push(...await examineStopped(world, options, new AbortController().signal));
    };
    await look(fleet.network.network);
    fleet.simulation.partition("net", "other");
    await look(fleet.network.network);
    fleet.simulation.heal("net", "other");
  });
  return findings;
}

Deno.test("every command line that the doctor says to run is one that the program takes as it is", async () => {
  const findings = await allFindings();
  await withControlDouble(undefined, async ({ run }) => {
    findings.push(...JSON.parse((await run("visor", "doctor", "--json")).stdout).findings);
  });
  const lines = new Set(findings.flatMap(({ next = "" }) => linesIn(next)));
  const refused: string[] = [];
  for (const line of lines) {
    const why = await whyRefused(line);
    if (why !== undefined) refused.push(`${line}: ${why}`);
  }
  assert.deepEqual(refused, []);
  // None is left out: whatever the sources say to run was said above.
  let checked = 0;
  for (const path of await sources()) {
    for (const template of linesIn((await Deno.readTextFile(path)).replace(/["`]/g, ", "))) {
      if (!/^skyctl [a-z]+ [a-z]/.test(template)) continue; // the name of the program, in prose
      checked++;
      const parts = template.replace(/,$/, "").split(/\$\{[^}]*\}?/).map((part) =>
        RegExp.escape(part.trim())
      );
      const wanted = new RegExp(`^${parts.join(".*")}`);
      assert(
        [...lines].some((line) => wanted.test(line)),
        `${path.pathname}: ${template} is said of no fault`,
      );
    }
  }
  assert(lines.size >= 15 && checked >= 20, `${lines.size} command lines, ${checked} in the sources`);
});

Deno.test("what the doctor says to run has the home and the deployment that it was given, wherever they are taken", async () => {
  const given = { home: "/my home", deployment: "/a/net.json" };
  const options = { "--home": "'/my home'", "--deployment": "/a/net.json" };
  const lines = new Set((await allFindings()).flatMap(({ next = "" }) => linesIn(next)));
  for (const line of lines) {
    assert.equal(withOptions(line, {}), line);
    const said = withOptions(line, given);
    assert.equal(await whyRefused(said), undefined, said);
    for (const [name, value] of Object.entries(options)) {
      if (line.includes(name)) continue; // it tells of a home
      const isTaken = await whyRefused(`${line} ${name} ${value}`) === undefined;
      assert.equal(said.includes(` ${name} ${value}`), isTaken, said);
    }
  }
  assert.equal(
    withOptions("wait; skyctl log tail -m x, or skyctl dmsg ping 02: who; skyctl visor run --home /a", given),
    "wait; skyctl log tail --home '/my home' -m x, or " +
      "skyctl dmsg ping --home '/my home' --deployment /a/net.json 02: who; skyctl visor run --home /a --deployment /a/net.json",
  );
});

async function sources(): Promise<URL[]> {
  const folder = new URL("../../lib/visor/doctor/", import.meta.url);
  const found = [new URL("../../commands/visor/_doctor.ts", import.meta.url)];
  for await (const { name } of Deno.readDir(folder)) found.push(new URL(name, folder));
  return found;
}

Deno.test("keys in hints are whole, and no finding that is wrong is without a next step", () => {
  const { publicKey } = keyPairFromSeed(new TextEncoder().encode("own"));
  const findings = FAULTS.flatMap(([fault]) => judge({ ...WELL, ...fault }));
  assert(findings.some(({ next }) => next === `skyctl dmsg entry ${publicKey}; skyctl dmsg sessions`));
  for (const { severity, next, text } of findings) {
    if (severity === "error" || severity === "warning") assert.notEqual(next, undefined, text);
  }
});
