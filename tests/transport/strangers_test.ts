/** What strangers can take of a visor: keys cost nothing, so that each of them may have many. */
import assert from "node:assert/strict";
import { type Conn, Ledger, memoryPair } from "../../lib/base/mod.ts";
import { type KeyPair, keyPairFromSeed, type ProvenKey } from "../../lib/crypto/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import {
  SETTLEMENTS_MAX,
  SETTLEMENTS_OF_ADDRESS_MAX,
  SETTLEMENTS_OF_KEY_MAX,
} from "../../lib/transport/_settlements.ts";
import { LOST_AFTER_MS } from "../../lib/transport/_precedence.ts";
import { UNASKED_OF_ADDRESS_MAX, UNASKED_TRANSPORTS_MAX } from "../../lib/transport/_accepted_links.ts";
import { type LinkHandler, TransportManager, type TransportManagerOptions } from "../../lib/transport/mod.ts";
import { settleAsInitiator, settleAsResponder } from "../../lib/transport/settlement.ts";
import { assertNothingAlive } from "../support/world.ts";
import { alice, bob, carol } from "./support.ts";

/** Alice's transports over memory, and the far ends of all its links. */
class Door implements AsyncDisposable {
  readonly ledger = new Ledger();
  readonly clock = new VirtualClock({ ledger: this.ledger });
  readonly manager: TransportManager;
  /** What comes of a dial: given the far end before the near one is settled. */
  onDial: (far: Conn) => void | Promise<void> = () => {};
  readonly #fars: Conn[] = [];
  #onLink!: LinkHandler;

  constructor(options: Partial<TransportManagerOptions> = {}) {
    this.manager = new TransportManager({
      world: this,
      local: alice,
      carriers: [{
        type: "stcp",
        dial: async () => {
          const [near, far] = this.#pair();
          await this.onDial(far);
          return near;
        },
        start: (onLink) => Promise.resolve(void (this.#onLink = onLink)),
        close: () => Promise.resolve(),
      }],
      onPackets: () => {},
      ...options,
    });
  }

  /** A link of `peer` that says nothing yet: its far end, and whether that is still open. */
  knock(peer: KeyPair, from?: string): { conn: Conn; isOpen: () => boolean } {
    const [near, far] = this.#pair();
    let isOpen = true;
    near.closed.then(() => isOpen = false);
    this.#onLink(near, peer.publicKey as ProvenKey, from);
    return { conn: far, isOpen: () => isOpen };
  }

  /** A link of `peer` that is settled; rejects when it is refused. */
  enter(peer: KeyPair, conn = this.knock(peer).conn): Promise<Conn> {
    const remote = alice.publicKey;
    return settleAsInitiator(conn, { clock: this.clock, local: peer, remote, type: "stcp", label: "user" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.manager.close();
    for (const conn of this.#fars) conn.close();
    await Promise.all(this.#fars.map(({ closed }) => closed));
    assertNothingAlive(this.ledger);
  }

  #pair(): [Conn, Conn] {
    const pair = memoryPair({ ledger: this.ledger });
    this.#fars.push(pair[1]);
    return pair;
  }
}

function stranger(number: number): KeyPair {
  return keyPairFromSeed(new TextEncoder().encode(`stranger ${number}`));
}

Deno.test("settlements that say nothing shut no door: the oldest makes room", async () => {
  await using door = new Door();
  await door.clock.advance(0);
  const silent = Array.from({ length: SETTLEMENTS_MAX }, (_, number) => door.knock(stranger(number)));
  await door.clock.advance(0);
  assert.ok(silent.every(({ isOpen }) => isOpen()));
  await door.enter(bob);
  await door.clock.advance(0);
  assert.equal(door.manager.to(bob.publicKey).length, 1);
  assert.deepEqual(silent.map(({ isOpen }) => isOpen()), [false, ...silent.slice(1).map(() => true)]);
  assert.deepEqual(door.manager.refusals.snapshot(), { busy: 1 }, "counted once");
  await door.enter(carol);
  assert.deepEqual(
    door.manager.refusals.snapshot(),
    { busy: 1 },
    "a place that was given back is there again",
  );
});

Deno.test("one key takes its own places and nobody else's", async () => {
  await using door = new Door();
  await door.clock.advance(0);
  const other = door.knock(carol);
  const silent = Array.from({ length: 2 * SETTLEMENTS_MAX }, () => door.knock(stranger(1)));
  await door.clock.advance(0);
  assert.equal(silent.filter(({ isOpen }) => isOpen()).length, SETTLEMENTS_OF_KEY_MAX);
  assert.ok(silent.at(-1)!.isOpen(), "the newest is the one that may be meant");
  await door.enter(stranger(1), silent.at(-1)!.conn);
  await door.enter(bob);
  await door.enter(carol, other.conn);
  await door.clock.advance(0);
  assert.equal(door.manager.transports().length, 3);
  const busy = 2 * SETTLEMENTS_MAX - SETTLEMENTS_OF_KEY_MAX;
  assert.deepEqual(door.manager.refusals.snapshot(), { busy });
});

Deno.test("transports of strangers have a maximum; dialled and persistent ones always find room", async () => {
  const [wanted, dialled] = [stranger(1_000), stranger(1_001)];
  await using door = new Door({
    unaskedMax: 3,
    persistent: [{ remote: wanted.publicKey, type: "stcp" }],
  });
  await door.clock.advance(0);
  for (let number = 0; number < 3; number++) await door.enter(stranger(number));
  await door.clock.advance(0);
  await assert.rejects(door.enter(stranger(3)));
  assert.deepEqual(door.manager.refusals.snapshot(), { full: 1 });
  assert.equal(door.manager.transports().length, 3);

  await door.enter(wanted); // opened by the peer, and wanted here
  const remote = alice.publicKey;
  door.onDial = (far) =>
    void settleAsResponder(far, { clock: door.clock, local: dialled, remote, type: "stcp" });
  await door.manager.dial(dialled.publicKey, "stcp");
  await door.enter(stranger(0)); // the same transport anew is none more
  await door.clock.advance(0);
  assert.equal(door.manager.transports().length, 5);

  await door.manager.dial(stranger(1).publicKey, "stcp"); // now somebody here asked for it
  await door.enter(stranger(4));
  await door.clock.advance(0);
  await assert.rejects(door.enter(stranger(5)));
  const [left] = door.manager.to(stranger(2).publicKey);
  await door.manager.remove(left!.id);
  await door.enter(stranger(5));
  await door.clock.advance(0);
  assert.equal(door.manager.transports().length, 6);
  assert.deepEqual(door.manager.refusals.snapshot(), { full: 2 });
});

Deno.test("a transport whose peer is back after a silent death keeps its place, and no stranger's becomes ours by it", async () => {
  for (const isDialled of [true, false]) {
    await using door = new Door({ isUsed: () => true, unaskedMax: isDialled ? 1 : 2 });
    await door.clock.advance(0);
    const peer = stranger(1_000);
    if (isDialled) {
      const remote = alice.publicKey;
      door.onDial = (far) =>
        void settleAsResponder(far, { clock: door.clock, local: peer, remote, type: "stcp" });
      await door.manager.dial(peer.publicKey, "stcp");
    } else await door.enter(peer);
    await door.enter(stranger(0)); // the last place of strangers
    await door.clock.advance(10_000);
    const [old] = door.manager.to(peer.publicKey);
    const back = door.enter(peer); // nothing is read on the old connection
    await door.clock.advance(LOST_AFTER_MS);
    await back;
    await door.clock.advance(0);
    const [now, ...others] = door.manager.to(peer.publicKey);
    assert.ok(now !== undefined && now !== old && !old!.isLive);
    assert.deepEqual([now.isLive, others, door.manager.refusals.snapshot()], [true, [], {}]);
    await assert.rejects(door.enter(stranger(1)));
    await door.manager.remove(now.id);
    if (isDialled) await assert.rejects(door.enter(stranger(2)));
    else await door.enter(stranger(2)); // its place was one of the strangers'
  }
});

Deno.test("transports of strangers have a maximum of one address: many keys there leave room for others", async () => {
  const wanted = stranger(1_000);
  await using door = new Door({ persistent: [{ remote: wanted.publicKey, type: "stcp" }] });
  await door.clock.advance(0);
  const most = UNASKED_OF_ADDRESS_MAX;
  const enter = (number: number, from?: string) =>
    door.enter(stranger(number), door.knock(stranger(number), from).conn);
  // One network of 64 bits is one subscriber's; an IPv4 address is alone, also in its IPv6 form.
  for (let number = 0; number < most; number++) {
    await enter(number, number % 2 === 0 ? "203.0.113.7" : "::ffff:203.0.113.7");
    await enter(2_000 + number, `2001:db8:1:2::${number.toString(16)}`);
  }
  await door.clock.advance(0);
  await assert.rejects(enter(3_000, "203.0.113.7"));
  await assert.rejects(enter(3_000, "2001:db8:1:2:ffff::1"));
  assert.deepEqual(door.manager.refusals.snapshot(), { full: 2 });
  await enter(3_001, "203.0.113.8");
  await enter(3_002, "2001:db8:1:3::1");
  await enter(3_003); // over dmsg there is no address
  await door.enter(wanted, door.knock(wanted, "203.0.113.7").conn); // wanted here: always
  await enter(0, "203.0.113.7"); // the same anew is none more
  await door.clock.advance(0);
  assert.equal(door.manager.transports().length, 2 * most + 4);

  const [left] = door.manager.to(stranger(2).publicKey);
  await door.manager.remove(left!.id);
  await enter(3_000, "203.0.113.7"); // one that ended gives its place back
  await door.clock.advance(0);
  await assert.rejects(enter(3_004, "203.0.113.7"));
  await door.manager.dial(stranger(4).publicKey, "stcp"); // and so does one that somebody here asked for
  await enter(3_004, "203.0.113.7");
  await door.clock.advance(0);
  await assert.rejects(enter(3_005, "203.0.113.7"));
});

Deno.test("one address takes its own places for settlements and nobody else's", async () => {
  await using door = new Door();
  await door.clock.advance(0);
  const other = door.knock(carol, "203.0.113.8");
  const silent = Array.from(
    { length: 2 * SETTLEMENTS_MAX },
    (_, number) => door.knock(stranger(number), "203.0.113.7"),
  );
  await door.clock.advance(0);
  const open = silent.map(({ isOpen }) => isOpen());
  assert.deepEqual(open.indexOf(true), silent.length - SETTLEMENTS_OF_ADDRESS_MAX, "the newest are left");
  assert.ok(other.isOpen());
  await door.enter(stranger(500), silent.at(-1)!.conn).catch(() => {}); // not its key: the place is given back
  await door.enter(bob, door.knock(bob, "203.0.113.7").conn);
  await door.enter(carol, other.conn);
  await door.clock.advance(0);
  assert.equal(door.manager.transports().length, 2);
});

Deno.test("settlements side by side do not pass the maximum", async () => {
  await using door = new Door({ unaskedMax: 3 });
  await door.clock.advance(0);
  await Promise.allSettled(Array.from({ length: 20 }, (_, number) => door.enter(stranger(number))));
  await door.clock.advance(0);
  assert.equal(door.manager.transports().length, 3);
  assert.deepEqual(door.manager.refusals.snapshot(), { full: 17 });
});

Deno.test("the maximum holds without being set", async () => {
  await using door = new Door();
  await door.clock.advance(0);
  const peers = Array.from({ length: UNASKED_TRANSPORTS_MAX + 10 }, (_, number) => stranger(number));
  let refused = 0;
  for (const peer of peers) await door.enter(peer).catch(() => refused++);
  await door.clock.advance(0);
  assert.equal(door.manager.transports().length, UNASKED_TRANSPORTS_MAX);
  assert.equal(refused, 10);
});

Deno.test("a dial that crosses the peer's does not replace a transport that a routing rule uses", async () => {
  const isAfter = ({ publicKey }: KeyPair) => alice.publicKey < publicKey; // of such a peer, our dial stays
  const peer = Array.from({ length: 50 }, (_, number) => stranger(number)).find(isAfter)!;
  for (const isUsed of [true, false]) {
    await using door = new Door({ isUsed: () => isUsed, unaskedMax: 0 }); // it is wanted here
    await door.clock.advance(0);
    let isDialledOpen = true;
    door.onDial = async (far) => {
      far.closed.then(() => isDialledOpen = false);
      await Promise.resolve(); // no carrier has a link in the turn in which it is asked
      await door.enter(peer); // while our own link was being made
      const remote = alice.publicKey;
      settleAsResponder(far, { clock: door.clock, local: peer, remote, type: "stcp" }).catch(() => {});
    };
    const transport = await door.manager.dial(peer.publicKey, "stcp");
    await door.clock.advance(0);
    assert.deepEqual(door.manager.transports(), [transport]);
    assert.deepEqual([transport.isInitiator, isDialledOpen], [!isUsed, !isUsed]);
  }
});
