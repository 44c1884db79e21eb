/** `visor doctor`: planted faults, each with what is said of it. */
import assert from "node:assert/strict";
import { sleep } from "../../lib/runtime/mod.ts";
import {
  examineHome,
  examineStopped,
  type Finding,
  inOrder,
  judge,
  LOOK_TIMEOUT_MS,
  looked,
} from "../../lib/visor/doctor/mod.ts";
import { withSimulation } from "../support/world.ts";
import { FAULTS, STCPR, WELL, wrong } from "./_doctor_facts.ts";
import { keyOf, pairOf, withFleet } from "./_fleet.ts";

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
  assert.equal(FAULTS.length, 48);
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
    // Entries of dmsg servers are a minute old by the time that they are signed anew: no clock is blamed for that.
    for (let look = 0; look < 8; look++) {
      await fleet.sleep(9_000);
      const [own, ...others] = await clockOf();
      assert.match(own!, /^error This machine's clock is (?:299|300|301) s behind that of .*discovery/);
      assert.deepEqual(others, []);
    }
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
