import assert from "node:assert/strict";
import type { KeyPair, PublicKey } from "../../lib/crypto/mod.ts";
import type { SocketAddress, World } from "../../lib/runtime/mod.ts";
import {
  encodePacket,
  PacketType,
  parsePackets,
  stcpCarrier,
  TransportDialError,
  TransportManager,
  type TransportManagerOptions,
} from "../../lib/transport/mod.ts";
import { withSimulation } from "../support/world.ts";
import { alice, bob, text } from "./support.ts";

const PORT = 7777;

/** A visor's transports over stcp, at its node's address. */
function visor(
  world: World,
  local: KeyPair,
  table: ReadonlyMap<PublicKey, SocketAddress>,
  options: Partial<TransportManagerOptions> = {},
): TransportManager {
  const carrier = stcpCarrier({ world, local, table, listen: { hostname: "0.0.0.0", port: PORT } });
  return new TransportManager({ world, local, carriers: [carrier], onPackets: () => {}, ...options });
}

const TABLE = new Map([
  [alice.publicKey, { hostname: "alice", port: PORT }],
  [bob.publicKey, { hostname: "bob", port: PORT }],
]);

Deno.test("dial() makes one transport for all who ask at once, and both ends find it", () =>
  withSimulation("manager dial", async (simulation) => {
    const [a, b] = [simulation.node("alice"), simulation.node("bob")];
    await simulation.run(async () => {
      const seen: string[] = [];
      const near = visor(a, alice, TABLE);
      const far = visor(b, bob, TABLE, {
        onPackets(packets) {
          for (const { payload } of parsePackets(packets)) seen.push(new TextDecoder().decode(payload));
        },
      });
      const [one, two] = await Promise.all([
        near.dial(bob.publicKey, "stcp"),
        near.dial(bob.publicKey, "stcp", { label: "automatic" }),
      ]);
      assert.equal(one, two);
      assert.equal(near.find(one.id), one);
      assert.equal(await near.dial(bob.publicKey, "stcp"), one);
      const other = far.find(one.id)!;
      assert.equal(other.isInitiator, false);
      assert.equal(other.label, "user");
      await one.write(encodePacket(PacketType.data, 5, text("hello")));
      assert.ok(await one.ping() >= 0);
      assert.deepEqual(seen, ["hello"]);
      await near.remove(one.id);
      assert.equal(near.find(one.id), undefined);
      await other.closed;
      assert.deepEqual(far.transports(), []);
      await Promise.all([near.close(), far.close()]);
    });
  }));

Deno.test("dial() of nobody fails with the cause", () =>
  withSimulation("manager nobody", async (simulation) => {
    const a = simulation.node("alice");
    await simulation.run(async () => {
      const near = visor(a, alice, TABLE);
      await assert.rejects(near.dial(bob.publicKey, "stcp"), TransportDialError);
      await near.close();
    });
  }));

Deno.test("a transport of a visor to itself carries packets", () =>
  withSimulation("manager self", async (simulation) => {
    const a = simulation.node("alice");
    await simulation.run(async () => {
      const seen: number[] = [];
      const near = visor(a, alice, TABLE, {
        onPackets: (packets) => void seen.push(...parsePackets(packets).map(({ routeId }) => routeId)),
      });
      const transport = await near.dial(alice.publicKey, "stcp");
      await transport.send(PacketType.data, 9, text("me"));
      await transport.ping();
      assert.deepEqual(seen, [9]);
      assert.deepEqual(near.transports(), [transport]);
      await near.close();
    });
  }));
