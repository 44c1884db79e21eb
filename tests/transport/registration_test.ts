/** When the transport discovery is told of transports: the first at once, a burst together (transport.md 10). */
import assert from "node:assert/strict";
import { silentLog } from "../../lib/base/mod.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { type Clock, sleep } from "../../lib/runtime/mod.ts";
import { Registration } from "../../lib/transport/_registration.ts";
import { type RegisteredTransport, transportId, type TransportRegistrar } from "../../lib/transport/mod.ts";
import { withSimulation } from "../support/world.ts";
import { alice, bob, text } from "./support.ts";

/** A discovery that notes when it was told of what. */
class Calls implements TransportRegistrar {
  readonly all: { readonly at: number; readonly registered: readonly RegisteredTransport[] }[] = [];
  fails = false;
  constructor(readonly clock: Clock) {}
  register(registered: readonly RegisteredTransport[]): Promise<void> {
    this.all.push({ at: this.clock.monotonicMs(), registered: [...registered] });
    return this.fails ? Promise.reject(new Error("unreachable")) : Promise.resolve();
  }
  remove(): Promise<void> {
    return Promise.resolve();
  }
}

Deno.test("a burst is the first at once and the others 5 s later; transports that go on coming are a call each 5 s", () =>
  withSimulation("registration burst", async (simulation) => {
    const { clock } = simulation.node("alice");
    await simulation.run(async () => {
      const registrar = new Calls(clock);
      const live: RegisteredTransport[] = [];
      const registration = new Registration({ clock, registrar, log: silentLog, transports: () => live });
      const open = () => {
        const remote = keyPairFromSeed(text(`peer ${live.length}`)).publicKey;
        const id = transportId(alice.publicKey, remote, "stcp");
        live.push({ id, edges: [alice.publicKey, remote], type: "stcp", label: "user" });
        registration.onOpened(id);
      };
      const startMs = clock.monotonicMs();
      const calls = () => registrar.all.map(({ at, registered }) => [at - startMs, registered!.length]);
      await sleep(clock, 20_000); // one call, of none
      for (let at = 0; at < 10; at++, await sleep(clock, 100)) open();
      await sleep(clock, 5_000);
      open(); // a second behind a call: no quiet
      await sleep(clock, 20_000);
      assert.deepEqual(calls(), [[5_000, 0], [20_000, 1], [25_000, 10], [31_000, 11]]);

      for (let at = 0; at < 60; at++, await sleep(clock, 500)) open();
      await sleep(clock, 20_000);
      const since = calls().slice(4);
      assert.deepEqual(since[0], [46_000, 12]);
      assert.ok(since.length >= 7 && since.length <= 8, `${since.length} calls in 30 s`);
      assert.equal(since.at(-1)![1], 71);
      const pauses = since.slice(1).map(([at], index) => at! - since[index]![0]!);
      assert.ok(pauses.every((pause) => pause >= 5_000), pauses.join());
      await registration.close();
    });
  }));

Deno.test("a first registration that fails is repeated with those that follow it", () =>
  withSimulation("registration of a first fails", async (simulation) => {
    const { clock } = simulation.node("alice");
    await simulation.run(async () => {
      const registrar = new Calls(clock);
      const registration = new Registration({ clock, registrar, log: silentLog, transports: () => [] });
      await sleep(clock, 20_000);
      const startMs = clock.monotonicMs();
      registrar.fails = true;
      registration.onOpened(transportId(alice.publicKey, bob.publicKey, "stcp"));
      await sleep(clock, 4_000);
      registrar.fails = false;
      await sleep(clock, 4_000);
      assert.deepEqual(registrar.all.slice(1).map(({ at }) => at - startMs), [0, 5_000]);
      await registration.close();
    });
  }));

Deno.test("a first is registered at once also right behind a call that no transport was the reason of", () =>
  withSimulation("registration behind a beat", async (simulation) => {
    const { clock } = simulation.node("alice");
    await simulation.run(async () => {
      const registrar = new Calls(clock);
      const registration = new Registration({ clock, registrar, log: silentLog, transports: () => [] });
      const startMs = clock.monotonicMs();
      await sleep(clock, 6_000); // a second behind the call at the start
      registration.onOpened(transportId(alice.publicKey, bob.publicKey, "stcp"));
      await sleep(clock, 6_000); // a second behind the one that follows the first
      registration.onOpened(transportId(alice.publicKey, bob.publicKey, "dmsg"));
      await sleep(clock, 10_000);
      assert.deepEqual(registrar.all.map(({ at }) => at - startMs), [5_000, 6_000, 11_000, 17_000]);
      await registration.close();
    });
  }));
