/** Packets that are lost on the way: a route ends with an error, and never goes on with a hole in it. @module */
import assert from "node:assert/strict";
import { ConnClosedError, ConnResetError } from "../../lib/base/mod.ts";
import { RouteBrokenError } from "../../lib/routing/mod.ts";
import { GapError } from "../../lib/noise/mod.ts";
import { PacketType, packetTypeAt } from "../../lib/transport/mod.ts";
import { withRouting } from "./_bench.ts";
import { decode, encode, link, openRoute } from "./_rig.ts";

const failureOf = (promise: Promise<unknown>) => promise.then(() => undefined, (error) => error);

for (const isBack of [false, true]) {
  Deno.test(`packets lost below a group on the way ${isBack ? "back" : "there"} end it with ROUTE_BROKEN`, () =>
    withRouting(async (bench) => {
      const [alice, carol, bob] = [bench.node("alice"), bench.node("carol"), bench.node("bob")];
      const first = link(alice, carol);
      link(carol, bob);
      const listener = bob.router.listen(3);
      const group = await bench.within(1_000, openRoute([alice, carol, bob]));
      const other = (await listener.accept())!;
      const [writer, reader] = isBack ? [other, group] : [group, other];
      const end = isBack ? first : first.peer; // where packets come in
      const sink = end.sink;
      await writer.write(encode("one"));
      assert.equal(decode(await reader.read()), "one");
      let lost = 0;
      end.sink = (packets, from) => {
        if (packetTypeAt(packets, 0) !== PacketType.data) return sink(packets, from);
        lost++;
      };
      await writer.write(encode("two"));
      await bench.settle();
      end.sink = sink;
      assert.equal(lost, 1);
      const heard = failureOf(writer.read());
      const reading = failureOf(reader.read());
      await writer.write(encode("three"));
      await bench.settle();
      const failure = await reading;
      assert.ok(failure instanceof RouteBrokenError && failure.code === "ROUTE_BROKEN", `${failure}`);
      assert.ok(failure.cause instanceof GapError);
      assert.ok(failure instanceof ConnResetError); // as every end of a way
      await assert.rejects(reader.read(), ConnClosedError);
      assert.ok(await heard instanceof ConnResetError); // and the writer is told
      await assert.rejects(writer.write(encode("four")));
      assert.deepEqual([alice, carol, bob].map(({ router }) => router.rules()), [[], [], []]);
      for (const each of [group, other, listener]) each.close();
    }));
}
