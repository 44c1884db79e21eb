/** Shares and turns of callers, without what they wait for. @module */
import assert from "node:assert/strict";
import { CallerPlaces } from "../../../lib/routing/setup/_caller_places.ts";
import { key } from "./_fake_visors.ts";

const [ALICE, BOB, CAROL] = [key("alice"), key("bob"), key("carol")];

function make(options: Partial<ConstructorParameters<typeof CallerPlaces>[0]> = {}) {
  const places = new CallerPlaces({
    placesMax: 4,
    placesOfKeyMax: 2,
    waitingMax: 6,
    waitingOfKeyMax: 4,
    ...options,
  });
  const entered: string[] = [];
  const never = new AbortController().signal;
  const wait = (name: string, signal = never) =>
    places.wait(key(name), signal).then(
      () => void entered.push(name),
      () => void entered.push(`not ${name}`),
    );
  return { places, entered, wait };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
}

Deno.test("a key gets its share, and no more while others have places to take", async () => {
  const { places, entered, wait } = make();
  assert.deepEqual([1, 2, 3].map(() => places.tryEnter(ALICE)), [true, true, false]);
  assert.deepEqual([1, 2, 3].map(() => places.tryEnter(BOB)), [true, true, false]);
  assert.equal(places.tryEnter(CAROL), false); // none is free
  void wait("alice");
  places.leave(BOB);
  await settle();
  assert.deepEqual(entered, []); // a place is free, and not for Alice
  assert.equal(places.tryEnter(CAROL), true);
  places.leave(ALICE);
  await settle();
  assert.deepEqual(entered, ["alice"]);
  for (const each of [ALICE, ALICE, BOB, CAROL]) places.leave(each);
  assert.equal(places.callers, 0);
});

Deno.test("free places go round the callers, not round the requests", async () => {
  const { places, entered, wait } = make({ placesMax: 1 });
  assert(places.tryEnter(CAROL));
  for (const name of ["alice", "alice", "alice", "bob", "carol", "bob"]) void wait(name);
  const order = ["alice", "bob", "carol", "alice", "bob", "alice"];
  let holder = "carol";
  for (const name of order) {
    places.leave(key(holder));
    await settle();
    assert.equal(entered.at(-1), name);
    holder = name;
  }
  places.leave(key(holder));
  assert.deepEqual([entered, places.callers], [order, 0]);
});

Deno.test("what waits is bounded, of one key and in all", async () => {
  const { places, wait } = make({ placesMax: 1 });
  assert(places.tryEnter(CAROL));
  const over = new AbortController();
  const waits: Promise<void>[] = [];
  for (let each = 0; each < 4; each++) {
    assert.equal(places.mayWait(ALICE), true);
    waits.push(wait("alice", over.signal));
  }
  assert.deepEqual([places.mayWait(ALICE), places.mayWait(BOB)], [false, true]);
  waits.push(wait("bob", over.signal), wait("bob", over.signal));
  assert.deepEqual([places.mayWait(BOB), places.mayWait(CAROL)], [false, false]);
  over.abort(new Error("over"));
  await Promise.all(waits);
  assert.deepEqual([places.mayWait(ALICE), places.mayWait(BOB), places.callers], [true, true, 1]);
  places.leave(CAROL);
  assert.equal(places.callers, 0);
});

Deno.test("who gave up is passed over, and gets nothing", async () => {
  const { places, entered, wait } = make({ placesMax: 1 });
  assert(places.tryEnter(CAROL));
  const gone = new AbortController();
  void wait("alice", gone.signal);
  void wait("bob");
  gone.abort(new Error("gone"));
  places.leave(CAROL);
  await settle();
  assert.deepEqual(entered, ["not alice", "bob"]);
  await assert.rejects(places.wait(ALICE, gone.signal), /gone/);
  places.leave(BOB);
  assert.equal(places.callers, 0);
});
