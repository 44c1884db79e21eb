/** `log tail KEY`: the log of a service and of another visor, once and followed, while those go and come (SV-5). */
import assert from "node:assert/strict";
import { type Log, LogRing, logTo, renderLogRecord } from "../../lib/base/mod.ts";
import { ControlClient, type StreamInput, type StreamLine } from "../../lib/control/mod.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import type { World } from "../../lib/runtime/mod.ts";
import { attachService } from "../../lib/services/hosting/mod.ts";
import { runTransportDiscovery } from "../../lib/services/transport_discovery/mod.ts";
import { type Fleet, keyOf, withFleet } from "./_fleet.ts";

const SERVICE = keyPairFromSeed(new TextEncoder().encode("service"));
const textOf = (line: string) => line.replace(/^\[[^\]]*\] /, "");

function serviceWorld(fleet: Fleet): World {
  return fleet.simulation.node("services", { address: "198.51.100.7" });
}

/** A service that trusts A, and what it says in a test's name. */
async function startService(
  fleet: Fleet,
  world = serviceWorld(fleet),
): Promise<{ readonly log: Log; close(): Promise<void> }> {
  const ring = new LogRing();
  const sink = (record: Parameters<typeof renderLogRecord>[0]) => ring.push(renderLogRecord(record));
  const log = logTo(sink, () => world.clock.wallMs(), undefined, ring);
  const network = { ...fleet.network.network, surveyWhitelist: [keyOf("A")] };
  const service = await runTransportDiscovery({
    world,
    log,
    settings: { address: { hostname: "198.51.100.7", port: 9091 }, store: "memory", mode: "dual" },
    dmsg: attachService({ world, network, log, userAgent: "skyctl/1.2.3", local: SERVICE }),
  });
  await fleet.sleep(5_000);
  return { log: log.child("trial"), close: () => service.close() };
}

/** What A's control API tells, in one list: lines without their time, and `(gone: ...)`, `(back)`, `(end)`. */
function follow(
  fleet: Fleet,
  input: StreamInput<"log">,
): { readonly told: string[]; leave(): Promise<void> } {
  const told: string[] = [];
  const left = new AbortController();
  const textsOf = (line: StreamLine<"log">) =>
    "lines" in line
      ? line.lines.map(textOf)
      : [line.event === "gone" ? `(gone: ${line.failure})` : `(${line.event})`];
  const ended = (async () => {
    await using client = await ControlClient.open("/home", fleet.world("A"));
    try {
      for await (const line of client.stream("log", { follow: true, ...input }, left.signal)) {
        told.push(...textsOf(line));
      }
      told.push("(end)");
    } catch (error) {
      if (!left.signal.aborted) told.push(`(failed: ${(error as { code?: string }).code})`);
    }
  })();
  return {
    told,
    async leave() {
      left.abort(new DOMException("Enough", "AbortError"));
      await ended;
    },
  };
}

Deno.test("SV-5: of a service's log what is asked for, by level, part, text and number", () =>
  withFleet(390, ["A"], async (fleet) => {
    const { log, close } = await startService(fleet);
    log.info("one");
    log.warn("two");
    log.child("part").warn("three");
    log.error("four");
    await using client = await ControlClient.open("/home", fleet.world("A"));
    const asked = async (input: StreamInput<"log">) => {
      const told: string[] = [];
      const never = new AbortController().signal;
      for await (const line of client.stream("log", { key: SERVICE.publicKey, ...input }, never)) {
        assert("lines" in line);
        told.push(...line.lines.map((text) => text.replace(/^.*\]: /, "")));
      }
      return told;
    };
    const module = "trial";
    assert.deepEqual(await asked({ module }), ["one", "two", "three", "four"]);
    assert.deepEqual(await asked({ module, minLevel: "warn" }), ["two", "three", "four"]);
    assert.deepEqual(await asked({ minLevel: "error" }), ["four"]);
    assert.deepEqual(await asked({ module: "trial.part" }), ["three"]);
    assert.deepEqual(await asked({ module, grep: "o" }), ["one", "two", "four"]);
    assert.deepEqual(await asked({ module, limit: 2 }), ["three", "four"]);
    await close();
  }));

Deno.test("SV-5: a service's log is followed: each line once, over its restart; the end of the own visor is no end of it", () =>
  withFleet(391, ["A"], async (fleet) => {
    const machine = serviceWorld(fleet);
    const first = await startService(fleet, machine);
    first.log.info("old");
    first.log.info("early");
    const { told, leave } = follow(fleet, {
      key: SERVICE.publicKey,
      module: "trial",
      minLevel: "info",
      limit: 1,
    });
    await fleet.sleep(30_000);
    assert.deepEqual(told, ["INFO [trial]: early"]);
    first.log.debug("not meant");
    first.log.warn("later");
    first.log.info("later still");
    await fleet.sleep(5_000);
    assert.deepEqual(told.splice(0), [
      "INFO [trial]: early",
      "WARN [trial]: later",
      "INFO [trial]: later still",
    ]);
    await first.close();
    await fleet.sleep(60_000);
    assert.equal(told.length, 1);
    assert.match(told.splice(0)[0]!, /^\(gone: .+\)$/);
    const second = await startService(fleet, machine);
    second.log.info("once more");
    await fleet.until("it is found again", () => told.length === 2, 60_000);
    assert.deepEqual(told.splice(0), ["(back)", "INFO [trial]: once more"]);
    await fleet.stop("A");
    await fleet.sleep(5_000);
    assert.deepEqual(told, ["(end)"], "nobody else went");
    await leave();
    await second.close();
  }));

Deno.test("SV-5: another visor's log is followed over its restart, and over a break no line is told twice", () =>
  withFleet(392, ["A", "B", "C"], async (fleet) => {
    await fleet.sleep(2_000);
    const { told, leave } = follow(fleet, { key: keyOf("B"), grep: "Visor started" });
    await fleet.sleep(60_000); // longer than a silent visor would be given
    assert.equal(told.length, 1);
    assert.match(told.splice(0)[0]!, /^INFO \[skyctl\]: Visor started key=/);
    fleet.simulation.reset("B", "net"); // its sessions, and the streams on them
    await fleet.until("the break is over", () => told.length === 2, 60_000);
    await fleet.sleep(20_000);
    const [gone, back] = told.splice(0);
    assert.match(gone!, /^\(gone: .+\)$/);
    assert.equal(back, "(back)", "and nothing that was told before");
    await fleet.stop("B");
    await fleet.sleep(5_000);
    assert.match(told.splice(0).join(), /^\(gone: [^,]+\)$/);
    await fleet.sleep(5_000); // each try fails until it is back, and none has a memory of the one before
    await fleet.start("B");
    await fleet.until("it is found again", () => told.length === 2, 5_000);
    assert.match(told.splice(0).join("; "), /^\(back\); INFO \[skyctl\]: Visor started key=/);
    await fleet.stop("B");
    await fleet.start("B", { config: { survey_whitelist: [] } });
    await fleet.until("it is refused", () => told.length === 2, 90_000);
    assert.match(told.splice(0).join("; "), /^\(gone: .+\); \(failed: LOG_REFUSED\)$/);
    await leave();
    const refused = follow(fleet, { key: keyOf("C") });
    await fleet.sleep(5_000);
    assert.deepEqual(refused.told, ["(failed: LOG_REFUSED)"]);
    await refused.leave();
  }, { configs: { B: { survey_whitelist: [keyOf("A")] } } }));

Deno.test("SV-5: over a break the log of another visor is told behind the last line, nothing that a limit left out", () =>
  withFleet(392, ["A", "B"], async (fleet) => {
    await fleet.sleep(20_000);
    const { told, leave } = follow(fleet, { key: keyOf("B"), limit: 1, minLevel: "info" });
    await fleet.sleep(10_000);
    assert.match(told.splice(0).join("; "), /^INFO \[dmsg\]: Session established [^;]+$/);
    fleet.simulation.reset("B", "net");
    await fleet.sleep(60_000);
    const [gone, back, ...behind] = told;
    assert.match(`${gone}; ${back}`, /^\(gone: .+\); \(back\)$/);
    assert.match(
      behind.join("; "),
      /^WARN \[dmsg\]: Session ended [^;]+; INFO \[dmsg\]: Session established [^;]+$/,
    );
    await leave();
  }, { configs: { B: { survey_whitelist: [keyOf("A")] } } }));

Deno.test("SV-5: a visor that is back with its clock set back is heard at once, and all that it says", () =>
  withFleet(394, ["A", "B"], async (fleet) => {
    await fleet.sleep(2_000);
    const { told, leave } = follow(fleet, { key: keyOf("B"), limit: 1, minLevel: "info" });
    await fleet.sleep(10_000);
    assert.equal(told.splice(0).length, 1);
    await fleet.stop("B");
    await fleet.sleep(5_000);
    assert.match(told.splice(0).at(-1)!, /^\(gone: .+\)$/);
    fleet.simulation.setSkew("B", -600_000);
    await fleet.start("B");
    await fleet.until("it is found again", () => told.includes("(back)"), 90_000);
    await fleet.sleep(1_000);
    const [back, started] = told;
    assert.match(`${back}; ${started}`, /^\(back\); INFO \[skyctl\]: Visor started key=/);
    assert.equal(new Set(told).size, told.length);
    await leave();
  }, { configs: { B: { survey_whitelist: [keyOf("A")] } } }));
