/** ServiceRegistration: registers at its interval, removes what is offered no more, tries again, ends in time. */
import assert from "node:assert/strict";
import {
  type ServiceRecord,
  ServiceRefusedError,
  ServiceUnreachableError,
} from "../../../lib/directory/mod.ts";
import {
  type Offer,
  PUBLIC_TYPE,
  ServiceRegistration,
  type ServiceRegistrationOptions,
} from "../../../lib/visor/presence/mod.ts";
import { type Bench, keyAt, onBench, told } from "./support.ts";

const publicKey = keyAt(1);
const SKYSOCKS: Offer = { type: "skysocks", port: 3 };
const PUBLIC: Offer = { type: PUBLIC_TYPE, port: 5505 };

class Registry {
  readonly calls: string[] = [];
  readonly records: ServiceRecord[] = [];
  readonly addresses: (string | undefined)[] = [];
  /** What keeps the next calls from working. */
  failure: (what: string) => Error | undefined = () => undefined;
  /** Until the signal: the service is silent. */
  isSilent = false;

  constructor(readonly nowMs: () => number) {}

  register(
    record: ServiceRecord,
    { publicAddress, signal }: { publicAddress?: string; signal?: AbortSignal },
  ) {
    this.records.push(record);
    this.addresses.push(publicAddress);
    return this.#call(`put ${record.type}:${record.port}`, signal);
  }

  remove({ type, port }: Pick<ServiceRecord, "type" | "port">, signal?: AbortSignal) {
    return this.#call(`remove ${type}:${port}`, signal);
  }

  async #call(what: string, signal: AbortSignal | undefined): Promise<void> {
    this.calls.push(`${Math.round(this.nowMs() / 1_000)} ${what}`);
    const failure = this.failure(what);
    if (failure !== undefined) throw failure;
    if (!this.isSilent) return;
    await new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
  }

  /** Calls since the last look. */
  taken(): string[] {
    return this.calls.splice(0);
  }
}

function start(
  bench: Bench,
  offers: () => readonly Offer[],
  more: Partial<ServiceRegistrationOptions> = {},
): { registry: Registry; registration: ServiceRegistration } {
  const registry = new Registry(bench.nowMs);
  const registration = new ServiceRegistration({
    clock: bench.world.clock,
    publicKey,
    registry,
    offers,
    addresses: () => ["10.0.0.1", "203.0.113.7"],
    publicAddress: () => "203.0.113.7",
    version: "v1.2.3",
    displayNodeIp: false,
    isPublic: true,
    intervalMs: 90_000,
    publicTimeoutMs: 600_000,
    log: bench.log,
    ...more,
  });
  return { registry, registration };
}

const away = () => new ServiceUnreachableError("Cannot reach the service discovery");
const no = () => new ServiceRefusedError("service discovery", "to register visor", 403, "Forbidden: no");

Deno.test("VI-1: what is offered is registered after a second, again every 90 s, and removed at the end", () =>
  onBench(async (bench) => {
    const { registry, registration } = start(bench, () => [PUBLIC, SKYSOCKS]);
    await bench.wait(182_000);
    assert.deepEqual(
      registry.taken(),
      [1, 91, 181].flatMap((at) => [
        `${at} put visor:5505`,
        `${at} put skysocks:3`,
      ]),
    );
    const [visor, skysocks] = registry.records;
    const localIps = ["10.0.0.1", "203.0.113.7"];
    const common = { publicKey, version: "v1.2.3", displayNodeIp: false };
    assert.deepEqual(visor, { ...common, port: 5505, type: "visor", localIps });
    assert.deepEqual(skysocks, { ...common, port: 3, type: "skysocks", localIps: undefined });
    assert.deepEqual(new Set(registry.addresses), new Set(["203.0.113.7"]));
    const states = registration.states().map((
      { registeredMs, ...rest },
    ) => [rest.type, registeredMs !== undefined]);
    assert.deepEqual(states, [["visor", true], ["skysocks", true]]);
    await registration.close();
    assert.deepEqual(registry.taken().sort(), ["182 remove skysocks:3", "182 remove visor:5505"]);
    await bench.wait(200_000);
    assert.deepEqual(registry.taken(), []);
    assert.deepEqual(told(bench.records), []);
  }));

Deno.test("addresses of an app are told only where they are shown to everybody", () =>
  onBench(async (bench) => {
    const { registry, registration } = start(bench, () => [SKYSOCKS], { displayNodeIp: true });
    await bench.wait(2_000);
    assert.deepEqual([registry.records[0]?.localIps?.length, registry.records[0]?.displayNodeIp], [2, true]);
    await registration.close();
  }));

Deno.test("what starts is registered at once, what stops is removed at once, a new port takes the old one's place", () =>
  onBench(async (bench) => {
    let offers: Offer[] = [PUBLIC];
    const { registry, registration } = start(bench, () => offers);
    await bench.wait(10_000);
    registry.taken();
    offers = [PUBLIC, SKYSOCKS];
    registration.changed();
    await bench.wait(1_000);
    assert.deepEqual(registry.taken(), ["10 put skysocks:3"], "the other one is not due");
    offers = [PUBLIC, { ...SKYSOCKS, port: 4 }];
    registration.changed();
    await bench.wait(1_000);
    assert.deepEqual(registry.taken(), ["11 put skysocks:4"]);
    offers = [PUBLIC];
    registration.changed();
    await bench.wait(1_000);
    assert.deepEqual(registry.taken(), ["12 remove skysocks:4"]);
    assert.deepEqual(registration.states().map(({ type }) => type), ["visor"]);
    await registration.close();
    assert.deepEqual(registry.taken(), ["13 remove visor:5505"]);
  }));

Deno.test("what is due in a moment is registered in a round that comes for others' sake, and not an interval later", () =>
  onBench(async (bench) => {
    const { registry, registration } = start(bench, () => [PUBLIC]);
    await bench.wait(90_500);
    registration.changed();
    await bench.wait(500);
    assert.deepEqual(registry.taken(), ["1 put visor:5505", "91 put visor:5505"]);
    registration.changed();
    await bench.wait(88_000);
    registration.changed();
    await bench.wait(400);
    assert.deepEqual(registry.taken(), [], "not yet");
    await registration.close();
  }));

Deno.test("a visor that is not public says so once, with port 0; where that fails, again", () =>
  onBench(async (bench) => {
    const { registry, registration } = start(bench, () => [SKYSOCKS], { isPublic: false });
    registry.failure = (what) => what === "remove visor:0" ? away() : undefined;
    await bench.wait(3_000);
    assert.deepEqual(
      registry.taken(),
      ["1 remove visor:0", "1 put skysocks:3"],
      "one failure keeps nothing else up",
    );
    registry.failure = () => undefined;
    await bench.wait(95_000);
    assert.deepEqual(registry.taken(), ["6 remove visor:0", "96 put skysocks:3"]);
    await registration.close();
    assert.deepEqual(registry.taken(), ["98 remove skysocks:3"]);
  }));

Deno.test("a service that is away is asked again after 5, 10, 20 ... s, 90 at most; it is told once, and when it is over", () =>
  onBench(async (bench) => {
    const { registry, registration } = start(bench, () => [PUBLIC]);
    registry.failure = away;
    await bench.wait(1_800_000);
    const times = registry.taken().map((call) => Number(call.split(" ")[0]));
    assert.deepEqual(times.slice(0, 8), [1, 6, 16, 36, 76, 156, 246, 336]);
    assert.equal(times.length, 24, "it is never given up, for it says nothing about the visor");
    const [state] = registration.states();
    assert.equal(state!.registeredMs, undefined);
    assert.match(state!.failure!, /Cannot reach the service discovery/);
    assert.deepEqual(told(bench.records), ["warn It does not work, and is tried again"]);
    registry.failure = () => undefined;
    await bench.wait(91_000);
    assert.equal(registration.states()[0]!.failure, undefined);
    assert.deepEqual(told(bench.records).slice(1), ["info It works again"]);
    await registration.close();
  }));

Deno.test("a single failure is nothing that anybody must know", () =>
  onBench(async (bench) => {
    const { registry, registration } = start(bench, () => [PUBLIC]);
    registry.failure = away;
    await bench.wait(2_000);
    registry.failure = () => undefined;
    await bench.wait(10_000);
    assert.deepEqual(registry.taken(), ["1 put visor:5505", "6 put visor:5505"]);
    assert.deepEqual(told(bench.records), []);
    await registration.close();
  }));

Deno.test("a public visor that is refused for 10 min is given up; its apps are not, and another port is a new try", () =>
  onBench(async (bench) => {
    let port = 5505;
    const { registry, registration } = start(bench, () => [{ type: PUBLIC_TYPE, port }, SKYSOCKS]);
    registry.failure = (what) => what.includes("visor") ? no() : undefined;
    await bench.wait(1_000_000);
    const tries = registry.taken().filter((call) => call.includes("put visor"));
    assert.deepEqual(tries.slice(0, 3), ["1 put visor:5505", "6 put visor:5505", "16 put visor:5505"]);
    const lastS = Number(tries.at(-1)!.split(" ")[0]);
    assert(lastS >= 601 && lastS < 700, `the last at ${lastS} s`);
    assert.equal(told(bench.records).filter((line) => line.startsWith("error")).length, 1);
    const [visor, skysocks] = registration.states();
    assert.match(visor!.failure!, /Forbidden: no/);
    assert.equal(visor!.registeredMs, undefined);
    assert(bench.world.clock.monotonicMs() - skysocks!.registeredMs! <= 91_000, "it is registered on");
    registry.failure = () => undefined;
    await bench.wait(100_000);
    assert.deepEqual(registry.taken().filter((call) => call.includes("visor")), []);
    port = 5506;
    registration.changed();
    await bench.wait(1_000);
    assert.deepEqual(registry.taken().at(-1), "1100 put visor:5506");
    assert.equal(registration.states()[0]!.failure, undefined);
    await registration.close();
  }));

Deno.test("what cannot be registered yet is looked at again, and its reason is shown", () =>
  onBench(async (bench) => {
    let offer: Offer = { type: PUBLIC_TYPE, port: undefined, problem: "stcpr does not listen" };
    const { registry, registration } = start(bench, () => [offer]);
    await bench.wait(3_000);
    assert.deepEqual(registry.taken(), []);
    assert.equal(registration.states()[0]!.failure, "stcpr does not listen");
    offer = PUBLIC;
    await bench.wait(5_000);
    assert.deepEqual(registry.taken(), ["6 put visor:5505"]);
    offer = { ...offer, port: undefined, problem: "gone" };
    registration.changed();
    await bench.wait(1_000);
    assert.deepEqual(registry.taken(), ["8 remove visor:5505"], "what listens no more is no use to anybody");
    await registration.close();
  }));

Deno.test("VI-1: a silent service holds the end up for half a second, whatever was under way", () =>
  onBench(async (bench) => {
    for (const afterMs of [1_500, 30_000]) {
      const { registry, registration } = start(bench, () => [PUBLIC, SKYSOCKS]);
      await bench.wait(afterMs - 1_000);
      registry.isSilent = true;
      await bench.wait(1_000);
      registration.changed();
      const startedMs = bench.nowMs();
      await registration.close();
      assert(bench.nowMs() - startedMs <= 500, `${bench.nowMs() - startedMs} ms`);
    }
    const { registry, registration } = start(bench, () => [PUBLIC]);
    registry.failure = away;
    await bench.wait(2_000);
    await registration.close(); // never rejects
    assert.match(registry.taken().at(-1)!, /remove/, "an answer may have been lost, and not the question");
  }));

Deno.test("an end before the first round asks nothing", () =>
  onBench(async (bench) => {
    const { registry, registration } = start(bench, () => [PUBLIC]);
    await registration.close();
    assert.deepEqual(registry.taken(), []);
  }));
