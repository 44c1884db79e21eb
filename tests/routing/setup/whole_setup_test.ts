/** Routes from end to end: dmsg, transports, routers and a setup node, all real, in one simulation. */
import assert from "node:assert/strict";
import { said } from "../../dmsg/client_support.ts";
import { transportId } from "../../../lib/transport/mod.ts";
import { inFleet, key } from "./_world.ts";

const bob = { publicKey: key("bob"), port: 3 };
const carol = { publicKey: key("carol"), port: 3 };

Deno.test("A to B to C: two hops by a setup node, bytes both ways, nothing left", () =>
  inFleet(1, ["alice", "bob", "carol"], async (fleet) => {
    await fleet.join("alice", "bob", "carol");
    fleet.paths = [["alice", "bob", "carol"]];
    fleet.visor("carol").echo();
    const group = await fleet.visor("alice").dialer.dial(carol);
    assert.equal(await said(group, "across bob"), "across bob");
    assert.equal(fleet.visor("bob").router.rules().length, 2);
    const stats = fleet.node.stats();
    assert.deepEqual([stats.successful, stats.failed, stats.route_length_hist], [1, 0, { "2": 1 }]);
    assert.equal(fleet.node.pooledConnections, 3);
    group.close();
    await group.closed;
  }));

Deno.test("one hop is set up with the peer itself: no setup node, no route finder", () =>
  inFleet(2, ["alice", "bob"], async (fleet) => {
    await fleet.join("alice", "bob");
    fleet.visor("bob").echo();
    const group = await fleet.visor("alice").dialer.dial(bob);
    assert.equal(await said(group), "hello");
    assert.deepEqual([fleet.node.stats().total_requests, fleet.asked], [0, 0]);
    group.close();
    await group.closed;
  }));

Deno.test("one hop to a visor that does not serve direct set-up: the setup node, and the peer is remembered", () =>
  inFleet(3, ["alice", "bob"], async (fleet) => {
    await fleet.join("alice", "bob");
    fleet.visor("bob").echo();
    for (let time = 1; time <= 2; time++) {
      const group = await fleet.visor("alice").dialer.dial(bob);
      assert.equal(await said(group), "hello");
      assert.equal(fleet.node.stats().successful, time);
      group.close();
      await group.closed;
    }
  }, { visors: { bob: { direct: false } } }));

Deno.test("--direct goes over the transport's own stream, and says when nobody listens", () =>
  inFleet(4, ["alice", "bob"], async (fleet) => {
    await fleet.join("alice", "bob");
    const { dialer } = fleet.visor("alice");
    const conn = await dialer.dial(bob, { direct: true });
    assert.equal(await said(conn, "straight"), "straight");
    assert.equal(fleet.visor("alice").router.groups().length, 0);
    conn.close();
    await conn.closed;
    await assert.rejects(dialer.dial({ ...bob, port: 4 }, { direct: true }), { code: "APP_PORT_CLOSED" });
  }));

Deno.test("--direct to a visor of 2024 says so", () =>
  inFleet(5, ["alice", "bob"], async (fleet) => {
    await fleet.join("alice", "bob");
    await assert.rejects(
      fleet.visor("alice").dialer.dial(bob, { direct: true }),
      { code: "DIRECT_DIAL_FAILED", message: /visors of 2024 have none/ },
    );
    assert.equal(fleet.node.stats().total_requests, 0);
  }, { visors: { bob: { direct: false } } }));

Deno.test("RT-4, RT-11: a destination without the last transport is asked once, and no rule is left at the relay", () =>
  inFleet(6, ["alice", "bob", "carol"], async (fleet) => {
    await fleet.join("alice", "bob"); // bob and carol share nothing: the route finder's data is old
    fleet.paths = [["alice", "bob", "carol"]];
    await assert.rejects(fleet.visor("alice").dialer.dial(carol), (error: Error & { code?: string }) => {
      assert.equal(error.code, "NO_ROUTE");
      assert.match(
        (error.cause as Error).message,
        /failed to broadcast rules to destination router: failure code 1 \(.*not found locally/,
      );
      return true;
    });
    assert.deepEqual([fleet.asked, fleet.node.stats().failures_by_reason], [2, { destination_rules: 1 }]);
    await fleet.network.sleep(100);
    assert.deepEqual(["alice", "bob", "carol"].map((name) => fleet.visor(name).router.rules().length), [
      0,
      0,
      0,
    ]);
  }));

Deno.test("RT-8: hops that are given by transport and by key, without a route finder", () =>
  inFleet(7, ["alice", "bob", "carol"], async (fleet) => {
    await fleet.join("alice", "bob", "carol");
    fleet.visor("carol").echo();
    const [toBob] = fleet.visor("alice").transports.to(key("bob"));
    const group = await fleet.visor("alice").dialer.dial(carol, { forward: [{ transportId: toBob!.id }] });
    assert.equal(await said(group, "my own way"), "my own way");
    assert.equal(fleet.asked, 0);
    group.close();
    await group.closed;
  }, {
    visors: {
      alice: {
        dialer: {
          directory: {
            byId: () => Promise.resolve(undefined),
            byEdge: () =>
              Promise.resolve([
                {
                  id: transportId(key("bob"), key("carol"), "stcp"),
                  edges: [key("bob"), key("carol")],
                  type: "stcp",
                },
              ]),
          },
        },
      },
    },
  }));

Deno.test("a relay that does not trust the setup node is named, and the next route goes around it", () =>
  inFleet(8, ["alice", "bob", "carol", "dave"], async (fleet) => {
    await fleet.join("alice", "bob", "carol");
    await fleet.join("alice", "dave", "carol");
    fleet.paths = [["alice", "bob", "carol"], ["alice", "dave", "carol"]];
    fleet.visor("carol").echo();
    const group = await fleet.visor("alice").dialer.dial(carol);
    assert.equal(await said(group, "around bob"), "around bob");
    assert.deepEqual([fleet.asked, fleet.node.stats().failures_by_reason], [2, { id_reservation: 1 }]);
    assert.equal(fleet.visor("dave").router.rules().length, 2);
    group.close();
    await group.closed;
  }, { visors: { bob: { trusted: [], direct: false } } }));
