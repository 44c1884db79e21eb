/** Visors of type sudph behind NAT boxes of every kind, brought together by the resolver (SV-3, TP-1). */
import assert from "node:assert/strict";
import type { Conn } from "../../../lib/base/mod.ts";
import type { KeyPair } from "../../../lib/crypto/mod.ts";
import { readResolved } from "../../../lib/directory/mod.ts";
import { sleep } from "../../../lib/runtime/mod.ts";
import { type LinkProfile, NAT_KINDS, type NatKind } from "../../../lib/runtime/simulated/mod.ts";
import { type SudphCarrier, sudphCarrier } from "../../../lib/transport/mod.ts";
import { pair } from "../service_support.ts";
import { RESOLVER, Rig } from "./support.ts";

const SECOND = 1_000;

interface Node {
  readonly carrier: SudphCarrier;
  readonly local: KeyPair;
  /** Links that came in. */
  readonly accepted: Conn[];
}

/** A visor's sudph, bound at the resolver. */
async function visor(rig: Rig, name: string, behind?: string): Promise<Node> {
  const address = behind === undefined ? `198.51.100.${name.length}` : undefined;
  const world = rig.simulation.node(name, { behind, address });
  const local = pair(name);
  const carrier = sudphCarrier({
    world,
    local,
    resolver: {
      async resolve(_type, key) {
        const answer = await rig.askAs(local, `/resolve/sudph/${key}`);
        return answer.status === 404 ? undefined : readResolved(JSON.parse(answer.body));
      },
    },
    resolverAddress: () => Promise.resolve(RESOLVER),
    listen: { hostname: "0.0.0.0", port: 0 },
    addresses: () => world.network.addresses(),
  });
  const accepted: Conn[] = [];
  await carrier.start((conn) => {
    accepted.push(conn);
  });
  for (let turn = 0; !carrier.isBound && turn < 100; turn++) await sleep(world.clock, 100);
  assert.ok(carrier.isBound, `${name} is bound`);
  await sleep(world.clock, SECOND); // it has said so; now the resolver has heard
  return { carrier, local, accepted };
}

/** Dials; on success says something both ways. */
async function meet(rig: Rig, dialer: Node, callee: Node): Promise<boolean> {
  const before = callee.accepted.length;
  let conn: Conn;
  try {
    conn = await dialer.carrier.dial(callee.local.publicKey, { signal: new AbortController().signal });
  } catch {
    return false;
  }
  while (callee.accepted.length === before) await sleep(rig.world.clock, 10);
  const far = callee.accepted.at(-1)!;
  for (const [from, to, text] of [[conn, far, "ping"], [far, conn, "pong"]] as const) {
    await from.write(new TextEncoder().encode(text));
    assert.equal(new TextDecoder().decode((await to.read())!), text);
  }
  conn.close();
  far.close();
  await Promise.all([conn.closed, far.closed]);
  return true;
}

/** Who meets whom, for every pair of kinds, the dialler's first. */
async function failures(link: Partial<LinkProfile>, seed: number): Promise<string[]> {
  const failed: string[] = [];
  await Rig.run(
    async (rig) => {
      const nodes: [string, Node][] = [["open", await visor(rig, "open")]];
      for (const place of ["east", "west"]) {
        for (const kind of NAT_KINDS) {
          const box = `${place} ${kind}`;
          rig.simulation.nat(box, { kind });
          nodes.push([box, await visor(rig, `behind ${box}`, box)]);
        }
      }
      for (const [one] of nodes) {
        for (const [two] of nodes) {
          if (one !== two) rig.simulation.link(nodeName(one), nodeName(two), link);
        }
        rig.simulation.link(nodeName(one), "resolver", link);
      }
      for (const [one, dialer] of nodes) {
        for (const [two, callee] of nodes) {
          if (one.startsWith("west") || two.startsWith("east") || dialer === callee) continue;
          if (!(await meet(rig, dialer, callee))) failed.push(`${kindOf(one)} > ${kindOf(two)}`);
        }
      }
      for (const [, { carrier }] of nodes) await carrier.close();
    },
    {},
    seed,
  );
  return failed;
}

const nodeName = (box: string) => box === "open" ? box : `behind ${box}`;
const kindOf = (box: string) => box.replace(/^(east|west) /, "") as NatKind | "open";

const IMPOSSIBLE = [
  "port-restricted > symmetric",
  "symmetric > port-restricted",
  "symmetric > symmetric",
];

Deno.test("sudph meets across every pair of NAT kinds that lets anybody meet", async () => {
  assert.deepEqual(await failures({}, 1), IMPOSSIBLE);
});

for (const seed of [2, 3]) {
  Deno.test(`the same with 3 % of bursty loss, jitter and datagrams out of order (seed ${seed})`, async () => {
    const link = { burstLossPct: 3, jitterMs: 30, reorderPct: 5, duplicatePct: 1 };
    assert.deepEqual(await failures(link, seed), IMPOSSIBLE);
  });
}

Deno.test("visors find each other again after the resolver was restarted, and after their NAT box was", () =>
  Rig.run(async (rig) => {
    for (const box of ["east", "west"]) rig.simulation.nat(box, { kind: "port-restricted" });
    const [alice, bob] = [await visor(rig, "alice", "east"), await visor(rig, "bob", "west")];
    assert.equal(await meet(rig, alice, bob), true);
    await rig.stop();
    await sleep(rig.world.clock, 30 * SECOND);
    await rig.start();
    await sleep(rig.world.clock, 90 * SECOND);
    assert.equal(rig.side.counters().sessions, 2);
    assert.equal(await meet(rig, bob, alice), true);
    rig.simulation.restartNat("west");
    await sleep(rig.world.clock, 150 * SECOND);
    assert.equal(rig.side.counters().sessions, 2);
    assert.equal(await meet(rig, alice, bob), true);
    for (const { carrier } of [alice, bob]) await carrier.close();
  }));
