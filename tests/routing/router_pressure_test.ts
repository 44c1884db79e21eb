/** Readers that stall: what they hold up, for how long, and what it costs. @module */
import assert from "node:assert/strict";
import { ConnResetError, TimedOutError } from "../../lib/base/mod.ts";
import { type RouteGroup, type RouteListener } from "../../lib/routing/mod.ts";
import { withDeadlines } from "../../lib/wire/mod.ts";
import { type RoutingBench, withRouting } from "./_bench.ts";
import { decode, encode, link, Node, openRoute } from "./_rig.ts";

const RECEIVE_BYTES_MAX = 1 << 20;
const CHUNK = new Uint8Array(64 * 1024);

async function open(bench: RoutingBench, path: readonly Node[]) {
  const listener: RouteListener = path.at(-1)!.router.listen(3);
  const group = await bench.within(1_000, openRoute(path));
  const other = (await listener.accept())!;
  listener.close();
  return { group, other };
}

/** Writes until nothing more is taken; how much was, and the write that waits. */
async function fill(bench: RoutingBench, group: RouteGroup) {
  for (let bytes = 0;; bytes += CHUNK.length) {
    assert.ok(bytes < 64 * RECEIVE_BYTES_MAX, "everything is taken");
    let isTaken = false;
    const write = group.write(CHUNK).then(() => isTaken = true);
    write.catch(() => {});
    for (let turn = 0; turn < 4 && !isTaken; turn++) await bench.settle();
    if (!isTaken) return { bytes, write };
  }
}

const failureOf = (promise: Promise<unknown>) => promise.then(() => undefined, (error) => error);

Deno.test("a group that nobody reads holds 1 MiB and what was under way; its transport waits, and goes on with it", () =>
  withRouting(async (bench) => {
    const [alice, bob] = [bench.node("alice"), bench.node("bob")];
    link(alice, bob);
    const { group, other } = await open(bench, [alice, bob]);
    const { bytes, write } = await fill(bench, group);
    assert.ok(bytes > 0.9 * RECEIVE_BYTES_MAX && bytes < 2 * RECEIVE_BYTES_MAX, `${bytes} bytes were taken`);
    for (let got = 0; got < bytes + CHUNK.length;) got += (await other.read())!.length;
    await write;
    group.close();
    other.close();
  }));

Deno.test("a stalled group holds up others of its transport for 8 s, then ends with an error, and they go on", () =>
  withRouting(async (bench) => {
    const [alice, bob, carol] = [bench.node("alice"), bench.node("bob"), bench.node("carol")];
    link(alice, bob);
    link(alice, carol);
    const [stalled, beside, elsewhere] = [
      await open(bench, [alice, bob]),
      await open(bench, [alice, bob]),
      await open(bench, [alice, carol]),
    ];
    await fill(bench, stalled.group);
    void beside.group.write(encode("beside"));
    let heard: string | null | undefined;
    void beside.other.read().then((view) => heard = decode(view));
    await elsewhere.group.write(encode("elsewhere")); // another transport: not held up at all
    assert.equal(decode(await elsewhere.other.read()), "elsewhere");
    await bench.clock.advance(7_800);
    assert.equal(heard, undefined);
    await bench.clock.advance(400);
    assert.equal(heard, "beside");
    assert.equal(bob.router.counters().groupsStalled, 1);
    let failure: unknown;
    for (let got = 0; failure === undefined;) {
      failure = await failureOf(stalled.other.read().then((view) => got += view!.length));
      assert.ok(got < 2 * RECEIVE_BYTES_MAX);
    }
    assert.ok(failure instanceof ConnResetError && failure.cause instanceof TimedOutError, `${failure}`);
    assert.ok(await failureOf(stalled.group.read()) instanceof ConnResetError);
    assert.deepEqual(bob.router.groups().length, 1);
    for (const { group, other } of [stalled, beside, elsewhere]) {
      group.close();
      other.close();
    }
  }));

Deno.test("a full group that is closed lets its transport go at once", () =>
  withRouting(async (bench) => {
    const [alice, bob] = [bench.node("alice"), bench.node("bob")];
    link(alice, bob);
    const [full, beside] = [await open(bench, [alice, bob]), await open(bench, [alice, bob])];
    await fill(bench, full.group);
    const reading = beside.other.read();
    void beside.group.write(encode("beside"));
    await bench.settle();
    full.other.close();
    assert.equal(decode(await bench.within(0, reading)), "beside");
    for (const each of [full.group, beside.group, beside.other]) each.close();
  }));

Deno.test("a full group and its own close: the relay between does not wedge either", () =>
  withRouting(async (bench) => {
    const [alice, carol, bob] = [bench.node("alice"), bench.node("carol"), bench.node("bob")];
    link(alice, carol);
    link(carol, bob);
    const { group, other } = await open(bench, [alice, carol, bob]);
    const { write } = await fill(bench, group);
    group.close(new Error("enough"));
    await assert.rejects(write);
    await bench.clock.advance(31_000); // bob's reader never came back
    assert.deepEqual([alice, carol, bob].map(({ router }) => router.rules()), [[], [], []]);
    other.close();
  }));

Deno.test("both ends writing 64 MiB before they read end in waiting and in errors, not in memory", () =>
  withRouting(async (bench) => {
    const [alice, bob] = [bench.node("alice"), bench.node("bob")];
    link(alice, bob);
    const { group, other } = await open(bench, [alice, bob]);
    const megabyte = new Uint8Array(1 << 20);
    const ends = [group, other].map((conn) => withDeadlines(conn, bench.clock, { writeMs: 60_000 }));
    const taken = [0, 0];
    const floods = ends.map((end, index) =>
      Array.from({ length: 64 }, () => {
        const write = end.write(megabyte);
        write.then(() => taken[index]!++, () => {});
        return failureOf(write);
      })
    );
    for (let turn = 0; turn < 20; turn++) await bench.settle();
    assert.ok(taken.every((count) => count <= 3), `${taken} MiB were taken in`);
    await bench.clock.advance(70_000);
    const failures = await Promise.all(floods.map((writes) => writes.at(-1)!));
    assert.ok(failures.some((failure) => failure instanceof ConnResetError), `${failures}`);
    for (const end of ends) end.close();
  }));
