/** A route group keeps the contract of Conn, over one transport and through a relay. @module */
import { SeededRandom } from "../../lib/runtime/simulated/mod.ts";
import type { RouteListener } from "../../lib/routing/mod.ts";
import { connCompliance, type ConnPair, type ConnPairContext } from "../base/conn_compliance.ts";
import { encodePacket, PacketType } from "../../lib/transport/mod.ts";
import { link, Node, openRoute } from "./_rig.ts";

async function routePair(context: ConnPairContext, names: readonly string[]): Promise<ConnPair> {
  const world = { ...context, random: new SeededRandom(1) };
  const path = names.map((name) => new Node(name, world));
  const links = path.slice(1).map((node, index) => link(path[index]!, node));
  const last = path.at(-1)!;
  const listener: RouteListener = last.router.listen(3);
  const accepted = listener.accept();
  const near = await openRoute(path);
  const far = (await accepted)!;
  listener.close();
  return {
    near,
    far,
    async truncate() {
      const { nextRouteId } = last.router.groups()[0]!;
      const back = links.at(-1)!.peer;
      await back.write(encodePacket(PacketType.data, nextRouteId, Uint8Array.of(0, 100, 1, 2, 3)));
      await back.write(encodePacket(PacketType.close, nextRouteId, Uint8Array.of(0)));
    },
    async dispose() {
      const closing = path.map((node) => node.router.close());
      for (let turns = 0; turns < 4; turns++) await context.clock.advance(2_000);
      await Promise.all(closing);
    },
  };
}

const options = {
  takenInBytesMax: 4 << 20,
  pairs: 100,
  cannot: {
    resetPastUnread: "a close packet is in line behind the data packets; see router_pressure_test.ts",
  },
};
connCompliance(
  "a route group over one transport",
  (context) => routePair(context, ["alice", "bob"]),
  options,
);
connCompliance(
  "a route group through a relay",
  (context) => routePair(context, ["alice", "carol", "bob"]),
  { ...options, pairs: 50 },
);
