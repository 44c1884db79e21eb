/** Beats that several instances tell of late, and what `/health` says of a clock that is not the one they count by (SV-4, SV-7). */
import assert from "node:assert/strict";
import { Ledger, silentLog } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { dayOf, openUptimeStore, SqliteUptimeStore, StoreError } from "../../lib/services/store/mod.ts";
import { Beats } from "../../lib/services/transport_discovery/_beats.ts";
import { REGISTRATION_BEAT_MS } from "../../lib/services/uptimes/mod.ts";
import {
  pair,
  ServiceDiscoveryUnderTest,
  TransportDiscoveryUnderTest,
  transportOf,
  UptimeTrackerUnderTest,
} from "./service_support.ts";

const [alice, bob] = [pair("alice"), pair("bob")];
const SECOND = 1_000;
const MIDNIGHT = Date.UTC(2026, 5, 11);

Deno.test("a beat that one instance holds back while another one tells of the transport counts once", async () => {
  const clock = new VirtualClock({ wallMs: MIDNIGHT });
  const ledger = new Ledger();
  {
    await using visors = await openUptimeStore("memory", { clock, ledger }, { of: "visor_uptime" });
    await using transports = await openUptimeStore<string>("memory", { clock, ledger }, {
      of: "transport_uptime",
    });
    const one = () =>
      new Beats({ visors, transports }, {
        transports: { byEdges: () => Promise.resolve([]) },
        clock,
        log: silentLog,
      });
    const [holding, other] = [one(), one()];
    const record = transportOf(alice, bob);
    const hours = 3;
    const told: number[] = [];
    const { beats } = transports;
    transports.beats = (some) => {
      told.push(...some.map(({ agoMs = 0 }) => agoMs));
      return beats.call(transports, some);
    };
    for (let atMs = 0; atMs < hours * 3_600 * SECOND; atMs += 10 * SECOND) {
      const second = atMs / SECOND % 600; // 10 min
      if (second <= 20) await holding.registered(alice.publicKey, [record], undefined);
      if (second % 60 === 30) await other.registered(bob.publicKey, [record], undefined);
      await clock.advance(10 * SECOND);
    }
    const [day] = await transports.days(dayOf(MIDNIGHT), dayOf(MIDNIGHT));
    const truth = hours * 3_600 * SECOND / REGISTRATION_BEAT_MS;
    assert(day!.beats <= truth && day!.beats >= truth - 1, `${day!.beats} of ${truth}`);
    assert.equal(
      told.filter((agoMs) => agoMs === 580 * SECOND).length,
      hours * 6 - 1,
      "it was held for so long",
    );
    const [seen] = await transports.visors();
    assert.equal(seen!.lastSeenMs, clock.wallMs() - 30 * SECOND);
  }
  assert.deepEqual(ledger.live(), {});
});

Deno.test("what was held back before the store's clock was set back is told as of now", async () => {
  const clock = new VirtualClock({ wallMs: MIDNIGHT });
  await using visors = new SqliteUptimeStore({ clock });
  await using transports = new SqliteUptimeStore<string>({ clock });
  const beats = new Beats({ visors, transports }, {
    transports: { byEdges: () => Promise.resolve([]) },
    clock,
    log: silentLog,
  });
  const register = () => beats.registered(alice.publicKey, [transportOf(alice, bob)], undefined);
  await register();
  await clock.advance(20 * SECOND);
  await register();
  clock.setWallMs(MIDNIGHT - 3_600 * SECOND);
  await register();
  const days = await transports.days("0000", "9999");
  assert.deepEqual(days.map(({ day, beats }) => [day, beats]), [["2026-06-10", 1], ["2026-06-11", 1]]);
});

const SERVICES = {
  "a transport discovery": () => {
    const service = new TransportDiscoveryUnderTest();
    return { service, uptimes: service.uptimes.visors };
  },
  "a service discovery": () => {
    const service = new ServiceDiscoveryUnderTest();
    return { service, uptimes: service.uptimes };
  },
  "an uptime tracker": () => {
    const service = new UptimeTrackerUnderTest();
    return { service, uptimes: service.store };
  },
};

for (const [what, start] of Object.entries(SERVICES)) {
  Deno.test(`${what} says in /health by how much its clock is not that of its store`, async () => {
    const { service, uptimes } = start();
    await using _ = service;
    const health = async (clockAheadMs: () => Promise<number>) => {
      uptimes.clockAheadMs = clockAheadMs;
      const { status, body } = await service.ask("/health");
      const { store, clock_ahead_ms } = JSON.parse(body);
      return [status, store, clock_ahead_ms];
    };
    for (const ms of [0, 5_000, -5_000]) {
      assert.deepEqual(await health(() => Promise.resolve(ms)), [200, undefined, undefined]);
    }
    for (const ms of [5_001, -61_000]) {
      assert.deepEqual(await health(() => Promise.resolve(ms)), [200, undefined, ms]);
    }
    const gone = () => Promise.reject(new StoreError("gone"));
    assert.deepEqual(await health(gone), [503, "unavailable", undefined]);
    for (const state of ["full", "read-only", "unwritable"] as const) {
      service.store.check = () => Promise.reject(new StoreError("as it is", { state }));
      assert.deepEqual(await health(() => Promise.resolve(0)), [503, state, undefined]);
    }
  });
}
