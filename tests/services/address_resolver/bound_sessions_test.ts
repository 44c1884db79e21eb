/** BoundSessions: what heartbeats keep in a store that may lose it. */
import assert from "node:assert/strict";
import { silentLog } from "../../../lib/base/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { BoundSessions } from "../../../lib/services/address_resolver/_bound_sessions.ts";
import type { UdpSession } from "../../../lib/services/address_resolver/_udp_session.ts";
import { BINDING_TTL_MS } from "../../../lib/services/address_resolver/mod.ts";
import type { BindingStore } from "../../../lib/services/store/mod.ts";
import { pair } from "../service_support.ts";

const HEARTBEAT_MS = 10_000;

/** A session whose visor bound, and a store that can lose what it is given. */
async function bound(ttlMs: number) {
  const clock = new VirtualClock();
  const kept = new Map<string, { readonly ttlMs: number }>();
  let puts = 0;
  const store = {
    put: (_type: string, key: string, _binding: object, { ttlMs }: { readonly ttlMs: number }) => {
      puts++;
      kept.set(key, { ttlMs });
      return Promise.resolve();
    },
    remove: (_type: string, key: string) => Promise.resolve(void kept.delete(key)),
  } as unknown as BindingStore;
  const sessions = new BoundSessions({ clock, log: silentLog, store, ttlMs, holder: "here" });
  const session = { key: pair("alice").publicKey, address: "192.0.2.1:1" } as UdpSession;
  await sessions.bind(session, { port: 1, addresses: [] });
  const beatFor = async (ms: number) => {
    for (let leftMs = ms; leftMs > 0; leftMs -= HEARTBEAT_MS) {
      await clock.advance(HEARTBEAT_MS);
      await sessions.renew(session);
    }
  };
  return { sessions, session, kept, beatFor, puts: () => puts };
}

for (const ttlMs of [0, BINDING_TTL_MS, 100 * BINDING_TTL_MS]) {
  Deno.test(`a binding of ${ttlMs} ms that the store lost is there again within a minute`, async () => {
    const { sessions, session, kept, beatFor, puts } = await bound(ttlMs);
    await beatFor(3_600_000);
    assert.equal(puts(), 61, "no more than one a minute");
    kept.clear();
    await beatFor(60_000);
    assert.deepEqual([...kept], [[session.key, { ttlMs }]]);
    await beatFor(3_540_000);
    assert.equal(puts(), 121);
    await sessions.remove(session);
    assert.equal(kept.size, 0);
    await beatFor(120_000); // a late heartbeat brings nothing back
    assert.deepEqual([puts(), kept.size], [121, 0]);
  });
}

Deno.test("a binding with a short life is written as much more often", async () => {
  const { beatFor, puts } = await bound(100_000);
  await beatFor(3_600_000);
  assert.equal(puts(), 181);
});
