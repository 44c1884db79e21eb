/** An outage of a store: it is told of, does not drown what else is said, and nothing that is lost is acknowledged. */
import assert from "node:assert/strict";
import { type LogRecord, logTo } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { handlerOf, STORE_FAILURES_TOLD_MS, StoreFailures } from "../../lib/services/hosting/mod.ts";
import { wireTransport } from "../../lib/directory/mod.ts";
import { BoundSessions } from "../../lib/services/address_resolver/_bound_sessions.ts";
import type { UdpSession } from "../../lib/services/address_resolver/_udp_session.ts";
import { type BindingStore, StoreError, type UptimeStore } from "../../lib/services/store/mod.ts";
import { REGISTRATION_BEAT_MS } from "../../lib/services/uptimes/mod.ts";
import {
  pair,
  ServiceDiscoveryUnderTest,
  signed,
  TransportDiscoveryUnderTest,
  transportOf,
} from "./service_support.ts";

Deno.test("StoreFailures tells at once, then each 10 s at most with how many there were", async () => {
  const clock = new VirtualClock();
  const records: LogRecord[] = [];
  const failures = new StoreFailures(logTo((record) => records.push(record), () => 0), clock);
  const told = () => records.splice(0).map(({ message, fields }) => [message, fields.path, fields.times]);
  failures.tell(new StoreError("gone"), { path: "/one" });
  assert.deepEqual(told(), [["Store failed", "/one", 1]]);
  for (let time = 0; time < 500; time++) failures.tell(new StoreError("gone"), { path: "/more" });
  await clock.advance(STORE_FAILURES_TOLD_MS - 1);
  failures.tell(new StoreError("gone"), { path: "/more" });
  assert.deepEqual(told(), []);
  await clock.advance(1);
  failures.tell(new StoreError("gone"), { path: "/".padEnd(1_000, "x") });
  assert.deepEqual(told(), [["Store failed", "/".padEnd(128, "x"), 502]]);
});

/** What a service says in the log, and how often it says that it happened. */
function logOf(clock: VirtualClock) {
  const records: LogRecord[] = [];
  const log = logTo((record) => records.push(record), () => clock.wallMs());
  return { log, told: () => records.splice(0).map(({ message, fields }) => [message, fields.times]) };
}

/** Uptimes that cannot be kept for an hour, by `register` each 10 ms of its first 10 s. */
async function withoutUptimes(
  service: TransportDiscoveryUnderTest | ServiceDiscoveryUnderTest,
  visors: UptimeStore,
  register: () => Promise<{ readonly status: number }>,
): Promise<void> {
  visors.beat = () => Promise.reject(new StoreError("gone"));
  for (let time = 0; time <= 1_000; time++) {
    assert.ok([200, 201].includes((await register()).status));
    await service.clock.advance(STORE_FAILURES_TOLD_MS / 1_000);
  }
}

Deno.test("a transport discovery whose uptimes cannot be kept says so once in 10 s", async () => {
  const { log, told } = logOf(new VirtualClock());
  await using service = new TransportDiscoveryUnderTest({ requestsPerMinute: 0 }, { log });
  const body = JSON.stringify([wireTransport(transportOf(pair("alice"), pair("bob")))]);
  await withoutUptimes(
    service,
    service.uptimes.visors,
    () => service.askAs(pair("alice"), "/v3/transports/", { method: "POST", body }),
  );
  assert.deepEqual(told(), [["Uptimes cannot be kept", 1], ["Uptimes cannot be kept", 1_000]]);
});

Deno.test("a fault of the program while uptimes are kept is a failure of the registration, and no outage", async () => {
  const { log, told } = logOf(new VirtualClock());
  await using service = new TransportDiscoveryUnderTest({}, { log });
  const body = JSON.stringify([wireTransport(transportOf(pair("alice"), pair("bob")))]);
  service.uptimes.visors.beat = () => Promise.reject(new TypeError("a slip"));
  const register = () => service.askAs(pair("alice"), "/v3/transports/", { method: "POST", body });
  await assert.rejects(register(), { name: "TypeError", message: "a slip" });
  assert.deepEqual(told(), []);
});

Deno.test("a service discovery whose uptimes cannot be kept says so once in 10 s", async () => {
  const { log, told } = logOf(new VirtualClock());
  await using service = new ServiceDiscoveryUnderTest({}, { log });
  const body = JSON.stringify({ address: `${pair("alice").publicKey}:44`, type: "vpn", version: "v1.3.29" });
  await withoutUptimes(
    service,
    service.uptimes,
    () => service.askAs(pair("alice"), "/api/services", { method: "POST", body }),
  );
  assert.deepEqual(told(), [["Uptimes cannot be kept", 1], ["Uptimes cannot be kept", 1_000]]);
});

Deno.test("a resolver whose bindings cannot be kept says so once in 10 s, whatever the session and the act", async () => {
  const clock = new VirtualClock();
  const { log, told } = logOf(clock);
  const gone = () => Promise.reject(new StoreError("gone"));
  const store = { put: gone, remove: gone } as unknown as BindingStore;
  const bound = new BoundSessions({ clock, log, store, ttlMs: 60_000, holder: "here" });
  const sessions = Array.from({ length: 500 }, (_, at) => {
    return { key: pair(`visor ${at}`).publicKey, address: "192.0.2.1:1" } as UdpSession;
  });
  for (const session of sessions) await bound.bind(session, { port: 1, addresses: [] });
  for (const session of sessions) await bound.renew(session);
  await clock.advance(STORE_FAILURES_TOLD_MS);
  for (const session of sessions) await bound.remove(session);
  assert.deepEqual(told(), [["Sudph bindings cannot be kept", 1], ["Sudph bindings cannot be kept", 1_000]]);
  assert.equal(bound.size, 0);
});

Deno.test("handlerOf() answers 500 each time, and says so once", async () => {
  const records: LogRecord[] = [];
  const handler = handlerOf(() => Promise.reject(new StoreError("gone")), {
    log: logTo((record) => records.push(record), () => 0),
    clock: new VirtualClock(),
  });
  for (let time = 0; time < 3; time++) {
    const body = { read: () => Promise.resolve(null) };
    const answer = await handler(
      {
        method: "GET",
        target: "/it?x",
        headers: new Headers(),
        body,
        remote: "192.0.2.1:1",
      } as unknown as Parameters<
        typeof handler
      >[0],
    );
    assert.equal(answer.status, 500);
  }
  assert.deepEqual(records.map(({ fields }) => [fields.path, fields.times]), [["/it", 1]]);
});

for (const way of ["dmsg", "http"] as const) {
  Deno.test(`a heartbeat that cannot be kept is not acknowledged, and counts once it can be (${way})`, async () => {
    const alice = pair("alice");
    await using service = new TransportDiscoveryUnderTest({ requestsPerMinute: 0 });
    const body = JSON.stringify([wireTransport(transportOf(alice, pair("bob")))]);
    await service.askAs(alice, "/v3/transports/", { method: "POST", body });
    await service.clock.advance(REGISTRATION_BEAT_MS);
    const heartbeat = async () => {
      if (way === "dmsg") return (await service.askAs(alice, "/v4/update")).status;
      const headers = signed(alice, await service.nonceOf(alice));
      return (await service.ask("/v4/update", { headers })).status;
    };
    const { visors } = service.uptimes;
    for (const method of ["beat", "visors"] as const) {
      Object.assign(visors, { [method]: () => Promise.reject(new StoreError("gone")) });
      assert.equal(await heartbeat(), 500, method);
      Reflect.deleteProperty(visors, method);
    }
    const beats = async () => (await visors.days("0000", "9999"))[0]!.beats;
    assert.equal(await beats(), 1);
    assert.equal(await heartbeat(), 200);
    assert.equal(await beats(), 2);
  });
}
