/** A server and two clients of ours, whole, over connections in memory and a clock that the test moves. @module */
import assert from "node:assert/strict";
import { Ledger, type LogRecord, logTo } from "../../lib/base/mod.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { DmsgClient, DmsgServer, type Entry, MemoryDiscovery } from "../../lib/dmsg/mod.ts";
import type { Network } from "../../lib/runtime/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { assertNothingAlive } from "../support/world.ts";
import { countingRandom } from "./_session_rig.ts";
import { asSocket, HandListener, widePair } from "./_wires.ts";

export const [near, far, relay] = ["near", "far", "relay"].map((name) =>
  keyPairFromSeed(new TextEncoder().encode(name))
) as [
  ReturnType<typeof keyPairFromSeed>,
  ReturnType<typeof keyPairFromSeed>,
  ReturnType<typeof keyPairFromSeed>,
];

/** Near and far, each with one session at the server. Both are known by their entries. */
export class Trio {
  readonly records: LogRecord[] = [];
  readonly log = logTo((record) => this.records.push(record), () => this.clock.wallMs());
  readonly world;
  readonly server: DmsgServer;
  readonly near: DmsgClient;
  readonly far: DmsgClient;
  readonly #listener = new HandListener();

  constructor(readonly clock: VirtualClock, readonly ledger: Ledger) {
    const network = {
      listen: () => Promise.resolve(this.#listener),
      dial: () => {
        const [dialled, accepted] = widePair(ledger);
        this.#listener.give(asSocket(accepted, { hostname: "203.0.113.9", port: 50_000 }));
        return Promise.resolve(asSocket(dialled, this.#listener.address));
      },
    } as unknown as Network;
    const world = this.world = { clock, ledger, random: countingRandom(), network };
    this.server = new DmsgServer({ world, local: relay, log: this.log });
    const serverEntry = entryOf(relay.publicKey, {
      server: { address: "127.0.0.1:8081", availableSessions: 100 },
    });
    const clientEntry = (key: Entry["static"]) =>
      entryOf(key, { client: { delegatedServers: [relay.publicKey] } });
    const discovery = new MemoryDiscovery();
    const seeded = [serverEntry, clientEntry(near.publicKey), clientEntry(far.publicKey)];
    const options = { world, discovery, seeded, log: this.log, sessionsMin: 1, publish: false };
    this.near = new DmsgClient({ ...options, local: near });
    this.far = new DmsgClient({ ...options, local: far });
  }

  /** Listens, and waits for both sessions. */
  async begin(): Promise<this> {
    await this.server.listen(this.#listener.address);
    await this.clock.advance(100);
    assert.equal(this.near.isReady && this.far.isReady, true);
    return this;
  }

  settle(): Promise<void> {
    return this.clock.advance(0);
  }

  async end(): Promise<void> {
    const ending = Promise.all([this.near.close(), this.far.close(), this.server.close()]);
    await this.clock.advance(1_000);
    await ending;
    await this.settle();
  }
}

function entryOf(key: Entry["static"], members: Partial<Entry>): Entry {
  return { version: "0.0.1", sequence: 0n, timestamp: 0n, static: key, ...members } as Entry;
}

/** Runs `test` with a trio of its own; then nothing may be alive. */
export async function withTrio(test: (trio: Trio) => Promise<void>): Promise<void> {
  const ledger = new Ledger();
  const trio = await new Trio(new VirtualClock({ ledger }), ledger).begin();
  await test(trio);
  await trio.end();
  assertNothingAlive(ledger);
}
