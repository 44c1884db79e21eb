/** Routes that wait for their groups: how many there may be, in all and of one source. @module */
import assert from "node:assert/strict";
import {
  ACCEPT_QUEUE_MAX,
  ACCEPTING_FIRST_MAX,
  ACCEPTING_MAX,
  ACCEPTS_OF_KEY_MAX,
  RouteBusyError,
} from "../../lib/routing/mod.ts";
import { addEdges } from "./_accepts.ts";
import { type RoutingBench, withRouting } from "./_bench.ts";
import { link, openRoute } from "./_rig.ts";

/** alice - carol - bob. */
function line(bench: RoutingBench) {
  const [alice, carol, bob] = [bench.node("alice"), bench.node("carol"), bench.node("bob")];
  link(alice, carol);
  link(carol, bob);
  return { alice, carol, bob };
}

Deno.test("the accept queue is bounded, and one group that fails does not end it", () =>
  withRouting(async (bench) => {
    const { alice, carol, bob } = line(bench);
    const sources = Array.from({ length: 10 }, (_, at) => bench.node(`source ${at}`));
    assert.deepEqual(addEdges(sources, [carol, bob], ACCEPTS_OF_KEY_MAX), []);
    const all = ACCEPTING_MAX + 8 + ACCEPT_QUEUE_MAX; // eight began as the only ones of their source
    const refused = addEdges([bench.node("last")], [carol, bob], ACCEPTS_OF_KEY_MAX);
    assert.ok(refused.every((error) => error instanceof RouteBusyError));
    assert.equal(ACCEPTS_OF_KEY_MAX - refused.length, 1 + Math.floor(ACCEPT_QUEUE_MAX / 9)); // one begins; of the queue a ninth
    assert.equal(bob.router.rules().length, 2 * (all + 1)); // others made room
    addEdges(Array.from({ length: 300 }, (_, at) => bench.node(`${at}`)), [carol, bob], 3);
    assert.equal(bob.router.rules().length, 2 * (ACCEPTING_MAX + ACCEPTING_FIRST_MAX + ACCEPT_QUEUE_MAX));
    await bench.clock.advance(60_000); // nobody came to any of them
    assert.deepEqual([bob.router.rules(), bob.router.groups()], [[], []]);
    const listener = bob.router.listen(3);
    const group = await bench.within(1_000, openRoute([alice, carol, bob]));
    group.close();
    (await listener.accept())!.close();
  }));

Deno.test("ten sources that never come keep nobody waiting: another one's route is up at once", () =>
  withRouting(async (bench) => {
    const { alice, carol, bob } = line(bench);
    const sources = Array.from({ length: 11 }, (_, at) => bench.node(`source ${at}`));
    addEdges(sources, [carol, bob], ACCEPTS_OF_KEY_MAX);
    const listener = bob.router.listen(3);
    const groups = [];
    for (let count = 0; count < 3; count++) {
      groups.push(await bench.within(100, openRoute([alice, carol, bob])));
      groups.push((await listener.accept())!);
    }
    for (const each of [...groups, listener]) each.close();
    await bench.clock.advance(60_000);
  }));

Deno.test("sources take turns: who has one route waiting does not wait behind 100 of another", () =>
  withRouting(async (bench) => {
    const { alice, carol, bob } = line(bench);
    const sources = Array.from({ length: 4 }, (_, at) => bench.node(`source ${at}`));
    addEdges(sources, [carol, bob], ACCEPTS_OF_KEY_MAX);
    addEdges([alice], [carol, bob], 2); // the first begins now, the second when others fail
    const ofAlice = () => bob.router.groups().filter(({ remote }) => remote.publicKey === alice.key).length;
    assert.equal(ofAlice(), 1);
    await bench.clock.advance(6_100);
    assert.equal(ofAlice(), 1);
    await bench.clock.advance(60_000);
  }));

Deno.test("one source has 128 places of the accept queue: it does not keep the others out", () =>
  withRouting(async (bench) => {
    const { alice, carol, bob } = line(bench);
    const mallory = bench.node("mallory");
    const refused = addEdges([mallory], [carol, bob], 1_600);
    assert.equal(refused.length, 1_600 - ACCEPTS_OF_KEY_MAX);
    assert.ok(refused.every((error) => error instanceof RouteBusyError));
    assert.equal(bob.router.rules().length, 2 * ACCEPTS_OF_KEY_MAX); // what is refused is not saved
    const listener = bob.router.listen(3);
    const group = await bench.within(100, openRoute([alice, carol, bob]));
    group.close();
    (await listener.accept())!.close();
    await bench.clock.advance(10_000); // the source's routes came to nothing: it may try again
    assert.equal(addEdges([mallory], [carol, bob], ACCEPTS_OF_KEY_MAX + 1).length, 1);
    await bench.clock.advance(10_000);
  }));
