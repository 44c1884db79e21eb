/** `visor ping` finds the port that answers, the likelier first, however late the other one says that nobody listens. */
import assert from "node:assert/strict";
import { ConnResetError, TimedOutError } from "../../lib/base/mod.ts";
import { RouteClosedByPeerError } from "../../lib/routing/mod.ts";
import { nodeActions } from "../../lib/visor/_node_actions.ts";
import { PING_PORTS_MAX, PingPorts } from "../../lib/visor/_route_ping.ts";
import type { VisorNode } from "../../lib/visor/node.ts";
import { withSimulation } from "../support/world.ts";
import { keyOf } from "./_fleet.ts";

const refused = new RouteClosedByPeerError("no listener on port 58, service offline");
const LATENCY = { min: 1, max: 1, avg: 1 };

/** What a visor's routes to another one do, by port: so many pongs before they fail. */
interface Peer {
  pongs: Record<number, number>;
  failure: Error;
  /** It answered a ping of a transport. */
  isRecent: boolean;
}

class Routes {
  readonly dialled: number[] = [];
  readonly closed: number[] = [];
  readonly node: VisorNode;

  constructor(peer: Peer) {
    const dial = ({ port }: { port: number }) => {
      this.dialled.push(port);
      let left = peer.pongs[port] ?? Infinity;
      if (left < 0) return Promise.reject(peer.failure);
      const ping = ({ count = 1 }) =>
        (left -= count) < 0 ? Promise.reject(peer.failure) : Promise.resolve(Array(count).fill(2));
      const close = () => this.closed.push(port);
      return Promise.resolve({ ping, close, closed: Promise.resolve() });
    };
    const to = () => [{ latencyMs: undefined }, { latencyMs: peer.isRecent ? LATENCY : undefined }];
    this.node = { dialer: { dial, routeOf: () => undefined }, transports: { to } } as unknown as VisorNode;
  }

  /** The ports that were dialled since the last look. */
  ports(): number[] {
    return this.dialled.splice(0);
  }
}

/** Pings of a visor `peer`, by name `B` unless said otherwise. */
async function withPeer(
  peer: Partial<Peer>,
  test: (
    routes: Routes,
    ping: (name?: string) => Promise<{ readonly roundTripsMs: readonly number[] }>,
  ) => Promise<void>,
): Promise<void> {
  await withSimulation("ping", async (simulation) => {
    const { clock } = simulation.node("alice");
    const { signal } = new AbortController();
    const routes = new Routes(Object.assign(peer, { pongs: {}, failure: refused, isRecent: false, ...peer }));
    const { visorPing } = nodeActions(routes.node, { clock });
    await test(routes, async (name = "B") => await visorPing({ key: keyOf(name), count: 3 }, signal));
  });
}

Deno.test("visorPing() asks who answers no transport pings on the port of 2024 first, and who does on that of 2026", async () => {
  await withPeer({ pongs: { 58: 0 } }, async (routes, ping) => {
    assert.deepEqual([(await ping()).roundTripsMs, routes.ports()], [[2, 2, 2], [48]]);
  });
  await withPeer({ pongs: { 48: 0 }, isRecent: true }, async (routes, ping) => {
    assert.deepEqual([(await ping()).roundTripsMs, routes.ports()], [[2, 2, 2], [58]]);
  });
});

for (const [wrong, right, isRecent] of [[58, 48, true], [48, 58, false]] as const) {
  Deno.test(`visorPing() goes on to port ${right} when ${wrong} refuses while dialling, or before or behind a pong, or is silent`, async () => {
    for (const pongs of [-1, 0, 1, 3]) {
      await withPeer({ pongs: { [wrong]: pongs }, isRecent }, async (routes, ping) => {
        assert.deepEqual((await ping()).roundTripsMs, [2, 2, 2]);
        assert.deepEqual(routes.ports(), [wrong, right], `${pongs} pongs`);
        assert.deepEqual(routes.closed, pongs < 0 ? [right] : [wrong, right], "each group is closed");
      });
    }
    const failure = new TimedOutError("A ping", 5_000);
    await withPeer({ pongs: { [wrong]: 0 }, isRecent, failure }, async (routes, ping) => {
      assert.deepEqual([(await ping()).roundTripsMs, routes.ports()], [[2, 2, 2], [wrong, right]]);
    });
  });
}

Deno.test("visorPing() remembers the port that answered, until another one does", async () => {
  const peer: Partial<Peer> = { pongs: { 58: 1 }, isRecent: true };
  await withPeer(peer, async (routes, ping) => {
    await ping();
    assert.deepEqual(routes.ports(), [58, 48]);
    await ping();
    assert.deepEqual(routes.ports(), [48]);
    await ping("C");
    assert.deepEqual(routes.ports(), [58, 48], "another visor is another matter");
    peer.pongs = { 48: 0 }; // it was replaced by a newer one
    await ping();
    assert.deepEqual(routes.ports(), [48, 58]);
    await ping();
    assert.deepEqual(routes.ports(), [58]);
  });
});

Deno.test("the ports of so many visors are remembered; the one that answered longest ago goes first", () => {
  const ports = new PingPorts();
  const names = Array.from({ length: PING_PORTS_MAX }, (_, index) => `visor ${index}` as never);
  const order = (name: string) => ports.inOrder(name as never, { isRecent: true });
  for (const name of names) ports.answered(name, 48);
  ports.answered(names[0]!, 48);
  assert.deepEqual(order(names[1]!), [48, 58]);
  ports.answered("one more" as never, 48);
  assert.deepEqual([order(names[0]!), order(names[1]!), order(names[2]!)], [[48, 58], [58, 48], [48, 58]]);
});

Deno.test("visorPing() asks no other port when the route itself fails, and tells the refusal of the last", async () => {
  const failure = new ConnResetError("Transport is gone");
  await withPeer({ pongs: { 48: 0 }, failure }, async (routes, ping) => {
    await assert.rejects(ping(), failure);
    assert.deepEqual(routes.ports(), [48]);
  });
  await withPeer({ pongs: { 48: -1, 58: -1 } }, async (routes, ping) => {
    await assert.rejects(ping(), refused);
    assert.deepEqual(routes.ports(), [48, 58]);
    await assert.rejects(ping(), refused);
    assert.deepEqual(routes.ports(), [48, 58], "a refusal is nothing to remember");
  });
});
