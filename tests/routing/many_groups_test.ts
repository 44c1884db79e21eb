/** Many route groups: at once, and one after the other. @module */
import assert from "node:assert/strict";
import type { RouteGroup } from "../../lib/routing/mod.ts";
import { withRouting } from "./_bench.ts";
import { link, openRoute } from "./_rig.ts";

Deno.test("100 groups at once through one relay carry what is theirs, both ways", () =>
  withRouting(async (bench) => {
    const path = [bench.node("alice"), bench.node("carol"), bench.node("bob")] as const;
    const [alice, carol, bob] = path;
    link(alice, carol);
    link(carol, bob);
    const listener = bob.router.listen(3);
    const bytes = 50_000;
    const serving = (async () => {
      const served: Promise<void>[] = [];
      for (let group = await listener.accept(); group !== null; group = await listener.accept()) {
        served.push(echo(group));
      }
      await Promise.all(served);
    })();
    const groups = await bench.within(3_000, Promise.all(Array.from({ length: 100 }, () => openRoute(path))));
    assert.deepEqual(path.map(({ router }) => router.rules().length), [200, 200, 200]);
    await Promise.all(groups.map(async (group, index) => {
      const sending = group.write(new Uint8Array(bytes).fill(index));
      for (let got = 0; got < bytes;) {
        const view = (await group.read())!;
        assert.ok(view.every((byte) => byte === index), "bytes of another group");
        got += view.length;
      }
      await sending;
      group.close();
    }));
    await bench.settle();
    listener.close();
    await bench.within(3_000, serving);
    assert.deepEqual(path.map(({ router }) => router.rules().length), [0, 0, 0]);
    assert.equal(alice.router.counters().groupsOpened, 100);
  }));

async function echo(group: RouteGroup): Promise<void> {
  for (let view = await group.read(); view !== null; view = await group.read()) await group.write(view);
  group.close();
}

Deno.test("1,000 groups opened and closed, in every way, leave no rule, timer or group", () =>
  withRouting(async (bench) => {
    const path = [bench.node("alice"), bench.node("carol"), bench.node("bob")] as const;
    const [alice, carol, bob] = path;
    link(alice, carol);
    link(carol, bob);
    const listener = bob.router.listen(3);
    for (let opened = 0; opened < 1_000; opened++) {
      const group = await bench.within(1_000, openRoute(path));
      const other = (await listener.accept())!;
      const reason = new Error("enough");
      const ways = [
        () => [group.close(), other.close()],
        () => [other.close(), group.close(reason)],
        () => [group.close(reason), other.close(reason)],
        () => [group.closeWrite().catch(() => {}), other.close(), group.close()],
        () => [other.closeWithText("bye"), group.close()],
      ];
      ways[opened % ways.length]!();
      await bench.settle();
    }
    await bench.clock.advance(2_500);
    for (const { router } of path) assert.deepEqual([router.rules(), router.groups()], [[], []]);
    listener.close();
    assert.deepEqual(bench.clock.pendingTimers, 0);
  }));
