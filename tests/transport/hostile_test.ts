/** Whoever connects to a visor's transport port: probes, forgers, replays, floods. None of it ends the accepting. @module */
import assert from "node:assert/strict";
import type { Conn } from "../../lib/base/mod.ts";
import type { KeyPair } from "../../lib/crypto/mod.ts";
import { kkConnect, noiseConn } from "../../lib/noise/mod.ts";
import { sleep, type World } from "../../lib/runtime/mod.ts";
import { HANDSHAKES_MAX } from "../../lib/transport/_socket_links.ts";
import { openAddressHandshake, parseNonce, renderClaim } from "../../lib/transport/address_handshake.ts";
import {
  RefusalCounters,
  type RefusalReason,
  renderSignedEntry,
  signEntry,
  stcpCarrier,
  transportEntry,
  TransportManager,
} from "../../lib/transport/mod.ts";
import { sign } from "../../lib/crypto/mod.ts";
import { ConnReader } from "../../lib/wire/mod.ts";
import { withSimulation } from "../support/world.ts";
import { alice, bob, carol, text } from "./support.ts";

const PORT = 7777;

interface Scene {
  readonly world: World; // the enemy's machine
  readonly bob: TransportManager;
  readonly refusals: RefusalCounters;
  connect(): Promise<Conn>;
  /** A proved link of `local`, not settled. */
  link(local: KeyPair): Promise<Conn>;
}

/** Bob serves; whatever `attack` does, Alice must get her transport afterwards, and `expected` was counted. */
function attacked(
  name: string,
  expected: Partial<Record<RefusalReason, number>>,
  attack: (scene: Scene) => Promise<void>,
): void {
  Deno.test(`${name}, and the next one is served`, () =>
    withSimulation(name, async (simulation) => {
      const [aliceWorld, bobWorld, world] = ["alice", "bob", "enemy"].map((at) => simulation.node(at)) as [
        World,
        World,
        World,
      ];
      await simulation.run(async () => {
        const refusals = new RefusalCounters();
        const listen = { hostname: "0.0.0.0", port: PORT };
        const at = { hostname: "bob", port: PORT };
        const carrier = stcpCarrier({ world: bobWorld, local: bob, table: new Map(), listen, refusals });
        const far = new TransportManager({
          world: bobWorld,
          local: bob,
          carriers: [carrier],
          onPackets: () => {},
          refusals,
        });
        await sleep(bobWorld.clock, 1);
        const connect = () => world.network.dial(at);
        await attack({
          world,
          bob: far,
          refusals,
          connect,
          async link(local) {
            const localPort = 49_153;
            const plain = await openAddressHandshake(await connect(), {
              world,
              local,
              localPort,
              remote: bob.publicKey,
            });
            const { clock, random } = world;
            const { conn, result } = await kkConnect(plain, { local, remote: bob.publicKey, clock, random });
            return noiseConn(conn, result.keys);
          },
        });
        const near = new TransportManager({
          world: aliceWorld,
          local: alice,
          carriers: [stcpCarrier({ world: aliceWorld, local: alice, table: new Map([[bob.publicKey, at]]) })],
          onPackets: () => {},
        });
        const transport = await near.dial(bob.publicKey, "stcp");
        await transport.ping();
        await near.close();
        await sleep(world.clock, 1_000);
        assert.deepEqual(refusals.snapshot(), expected);
        assert.deepEqual(far.transports(), []);
        await far.close();
      });
    }));
}

attacked("a port probe is not even a failure", { probe: 2 }, async ({ connect }) => {
  (await connect()).close();
  await (await connect()).closeWrite();
});

attacked("somebody who speaks HTTP", { handshake: 1 }, async ({ connect }) => {
  const conn = await connect();
  await conn.write(text("GET / HTTP/1.1\r\n\r\n"));
  await conn.read().catch(() => null);
  conn.close();
});

attacked(
  "somebody who says nothing for ever is left after ten seconds",
  { handshake: 1 },
  async ({ world, connect }) => {
    const conn = await connect();
    await sleep(world.clock, 10_500);
    await assert.rejects(async () => assert.notEqual(await conn.read(), null));
    conn.close();
  },
);

/** The frames f0 and f1, then `claim` for the nonce. What Bob says to it, or null. */
async function claiming(conn: Conn, claim: (nonce: Uint8Array) => string): Promise<Uint8Array | null> {
  await conn.write(text("get_nonce"));
  const reader = new ConnReader(conn);
  const line = await reader.readUntil(0x0a, { bytesMax: 1_000 });
  await conn.write(text(claim(parseNonce(new TextDecoder().decode(line)))));
  try {
    return await reader.readUntil(0x0a, { bytesMax: 1_000 });
  } catch {
    return null; // closed without a word
  } finally {
    conn.close();
  }
}

function claimOf(signer: KeyPair, nonce: Uint8Array, { port = 45, claimed = signer } = {}): string {
  const claim = {
    source: { publicKey: claimed.publicKey, port: 49_153 },
    destination: { publicKey: bob.publicKey, port },
    nonce,
  };
  return renderClaim(claim, sign(text(renderClaim(claim)), signer.secretKey));
}

attacked("a claim with somebody else's key", { handshake: 1 }, async ({ connect }) => {
  assert.equal(await claiming(await connect(), (nonce) => claimOf(carol, nonce, { claimed: alice })), null);
});

attacked("a claim that was heard before, replayed", { handshake: 1, noise: 1 }, async ({ connect }) => {
  let heard = "";
  await claiming(await connect(), (nonce) => heard = claimOf(carol, nonce)); // goes no further: its noise ends
  assert.equal(await claiming(await connect(), () => heard), null);
});

attacked(
  "a claim for a port that nobody listens on is refused by a word",
  { handshake: 1 },
  async ({ connect }) => {
    const answer = await claiming(await connect(), (nonce) => claimOf(carol, nonce, { port: 46 }));
    assert.equal(new TextDecoder().decode(answer!), '{"OK":false,"ErrMsg":"not listening on given port"}\n');
  },
);

attacked("claims that are too long, no JSON, or of other types", { handshake: 5 }, async ({ connect }) => {
  const wrong = [
    "{" + " ".repeat(4_000),
    "[]",
    '{"SrcAddr":1}',
    "{}",
    '{"SrcAddr":{"public_key":"00","port":-1}}\n',
  ];
  for (const line of wrong) {
    const conn = await connect();
    assert.equal(await claiming(conn, () => line), null);
  }
});

/** What Bob answers to a settlement line on a fresh link of Carol's. */
async function settling({ link }: Scene, line: string): Promise<number | undefined> {
  const conn = await link(carol);
  await conn.write(text(line));
  const view = await conn.read().catch(() => null);
  conn.close();
  return view?.[0];
}

function lineOf(signer: KeyPair, edges: readonly [KeyPair, KeyPair], type = "stcp"): string {
  const entry = transportEntry(edges[0].publicKey, edges[1].publicKey, { type, label: "user" });
  const signed = edges.includes(signer)
    ? signEntry({ entry, signatures: [undefined, undefined] }, signer)
    : { entry, signatures: [undefined, undefined] as const };
  return renderSignedEntry(signed);
}

attacked("settlements of other keys, other types, unsigned, no JSON", { settlement: 6 }, async (scene) => {
  const lines = [
    lineOf(alice, [alice, bob]), // another's entry
    lineOf(carol, [carol, bob], "stcpr"), // another type
    lineOf(carol, [carol, bob]).replace(/[0-9a-f]{130}/g, "0".repeat(130)), // nobody signed
    lineOf(bob, [carol, bob]).replace(/"t_id":"./, '"t_id":"0'), // another id
    "{}\n",
    "hello\n",
  ];
  for (const line of lines) assert.equal(await settling(scene, line), 3);
});

attacked("a settlement without an end", { settlement: 2 }, async (scene) => {
  assert.equal(await settling(scene, "x".repeat(5_000)), undefined);
  const conn = await scene.link(carol);
  await conn.write(text('{"entry":'));
  await sleep(scene.world.clock, 20_500);
  assert.equal(await conn.read().catch(() => null), null);
  conn.close();
});

attacked(
  "a link that ends between noise and settlement, which stops peers of 2024",
  { settlement: 1 },
  async (scene) => {
    const conn = await scene.link(carol);
    conn.close(new Error("gone"));
    await sleep(scene.world.clock, 1_000);
  },
);

attacked("noise of another key than the one claimed", { noise: 1 }, async ({ world, connect }) => {
  const plain = await openAddressHandshake(await connect(), {
    world,
    local: carol,
    localPort: 49_153,
    remote: bob.publicKey,
  });
  const { clock, random } = world;
  await assert.rejects(kkConnect(plain, { local: alice, remote: bob.publicKey, clock, random }));
});

attacked(
  "more silent connections than there is room",
  { busy: 37 },
  async ({ connect, world }) => {
    const conns: Conn[] = [];
    for (let count = 0; count < HANDSHAKES_MAX + 36; count++) conns.push(await connect());
    await sleep(world.clock, 100);
    world.clock.timer(30_000, () => conns.forEach((conn) => conn.close()));
  },
);
