/** `visor ping` finds the port that answers, however late the other one says that nobody listens. */
import assert from "node:assert/strict";
import { ConnResetError } from "../../lib/base/mod.ts";
import { RouteClosedByPeerError } from "../../lib/routing/mod.ts";
import { nodeActions } from "../../lib/visor/_node_actions.ts";
import { SKY_PING_PORTS, type VisorNode } from "../../lib/visor/node.ts";
import { withSimulation } from "../support/world.ts";
import { keyOf } from "./_fleet.ts";

const refused = new RouteClosedByPeerError("no listener on port 58, service offline");

/** A visor whose routes to port 58 fail once they have answered so many pings; those to port 48 answer all. */
function nodeWhere(pongs: number, failure: Error, dialled: number[], closed: number[]): VisorNode {
  const group = (port: number) => {
    let left = port === SKY_PING_PORTS[0] ? pongs : Infinity;
    return {
      ping: ({ count = 1 }) => {
        if ((left -= count) < 0) return Promise.reject(failure);
        return Promise.resolve(Array(count).fill(2));
      },
      close: () => closed.push(port),
      closed: Promise.resolve(),
    };
  };
  const dial = ({ port }: { port: number }) => {
    dialled.push(port);
    const isRefused = port === SKY_PING_PORTS[0] && pongs < 0;
    return isRefused ? Promise.reject(failure) : Promise.resolve(group(port));
  };
  return { dialer: { dial, routeOf: () => undefined } } as unknown as VisorNode;
}

Deno.test("visorPing() goes on to the port of 2024 when the first one refuses while dialling, or before or behind a pong", () =>
  withSimulation("ping", async (simulation) => {
    const { clock } = simulation.node("alice");
    for (const pongs of [-1, 0, 1, 3]) {
      const [dialled, closed]: number[][] = [[], []];
      const { visorPing } = nodeActions(nodeWhere(pongs, refused, dialled!, closed!), { clock });
      const said = await visorPing({ key: keyOf("B"), count: 3 }, new AbortController().signal);
      assert.deepEqual([said.roundTripsMs, dialled], [[2, 2, 2], [58, 48]], `${pongs} pongs`);
      assert.deepEqual(closed, pongs < 0 ? [48] : [58, 48], "each group is closed");
    }
  }));

Deno.test("visorPing() asks no other port when the route itself fails, and tells the refusal of the last", () =>
  withSimulation("ping", async (simulation) => {
    const { clock } = simulation.node("alice");
    const { signal } = new AbortController();
    const dialled: number[] = [];
    const broken = new ConnResetError("Transport is gone");
    const { visorPing } = nodeActions(nodeWhere(0, broken, dialled, []), { clock });
    await assert.rejects(async () => await visorPing({ key: keyOf("B"), count: 1 }, signal), broken);
    assert.deepEqual(dialled, [58]);
    const deaf = { dialer: { dial: () => Promise.reject(refused) } } as unknown as VisorNode;
    const other = nodeActions(deaf, { clock });
    await assert.rejects(async () => await other.visorPing({ key: keyOf("B"), count: 1 }, signal), refused);
  }));
