/** Transports over real sockets, on the loopback interface of this machine. @module */
import assert from "node:assert/strict";
import {
  encodePacket,
  packetEndAt,
  PacketType,
  stcpCarrier,
  sudphCarrier,
  TransportManager,
} from "../../lib/transport/mod.ts";
import { withSystemWorld } from "../support/world.ts";
import { alice, bob } from "./support.ts";
import { TestResolver } from "./sudph_support.ts";

Deno.test("a transport over real TCP moves 32 MiB of packets in order, and leaves nothing", () =>
  withSystemWorld(async (world) => {
    let next = 0;
    const done = Promise.withResolvers<void>();
    const count = 24 * 1024;
    const listen = { hostname: "127.0.0.1", port: 0 };
    const carrier = stcpCarrier({ world, local: bob, table: new Map(), listen });
    const far = new TransportManager({
      world,
      local: bob,
      carriers: [carrier],
      onPackets(packets) {
        for (let at = 0; at < packets.length; at = packetEndAt(packets, at)) {
          assert.equal(new DataView(packets.buffer, packets.byteOffset).getUint32(at + 7), next++);
        }
        if (next === count) done.resolve();
      },
    });
    while (carrier.address === undefined) await new Promise((resolve) => setTimeout(resolve, 1));
    const table = new Map([[bob.publicKey, carrier.address]]);
    const near = new TransportManager({
      world,
      local: alice,
      carriers: [stcpCarrier({ world, local: alice, table })],
      onPackets: () => {},
    });
    const transport = await near.dial(bob.publicKey, "stcp");
    const batchPackets = 46; // 64 KiB
    const packet = encodePacket(PacketType.data, 1, new Uint8Array(1_400));
    const batch = new Uint8Array(batchPackets * packet.length);
    const view = new DataView(batch.buffer);
    for (let index = 0; index < batchPackets; index++) batch.set(packet, index * packet.length);
    for (let sent = 0; sent < count;) {
      const packets = Math.min(batchPackets, count - sent);
      for (let index = 0; index < packets; index++) view.setUint32(index * packet.length + 7, sent++);
      await transport.write(batch.subarray(0, packets * packet.length));
    }
    await done.promise;
    assert.ok(await transport.ping() < 5_000);
    assert.equal(transport.bytesSent >= count * 1_400, true);
    await Promise.all([near.close(), far.close()]);
  }));

Deno.test("a link over TCP is handed over with the address that it came from", () =>
  withSystemWorld(async (world) => {
    const listen = { hostname: "127.0.0.1", port: 0 };
    const far = stcpCarrier({ world, local: bob, table: new Map(), listen });
    const told = Promise.withResolvers<(string | undefined)[]>();
    await far.start((conn, remote, from) => {
      told.resolve([remote, from]);
      conn.close();
    });
    const near = stcpCarrier({ world, local: alice, table: new Map([[bob.publicKey, far.address!]]) });
    const conn = await near.dial(bob.publicKey, { signal: new AbortController().signal });
    assert.deepEqual(await told.promise, [alice.publicKey, "127.0.0.1"]);
    conn.close();
    await conn.closed;
    await Promise.all([near.close(), far.close()]);
  }));

Deno.test("a transport over real UDP, found by a resolver, moves 8 MiB in order, and leaves nothing", () =>
  withSystemWorld(async (world) => {
    const loopback = { hostname: "127.0.0.1", port: 0 };
    const resolver = await TestResolver.start(world, loopback);
    let next = 0;
    const done = Promise.withResolvers<void>();
    const count = 1_024;
    const managerOf = (local: typeof alice, onPackets: (packets: Uint8Array) => void) => {
      const carrier = sudphCarrier({
        world,
        local,
        resolver: resolver.client(local.publicKey),
        resolverAddress: async () => resolver.address,
        listen: loopback,
        addresses: () => ["127.0.0.1"],
        allowLoopback: true,
      });
      return new TransportManager({ world, local, carriers: [carrier], onPackets });
    };
    const near = managerOf(alice, () => {});
    const far = managerOf(bob, (packets) => {
      for (let at = 0; at < packets.length; at = packetEndAt(packets, at)) {
        assert.equal(new DataView(packets.buffer, packets.byteOffset).getUint32(at + 7), next++);
      }
      if (next === count) done.resolve();
    });
    while (resolver.bound.size < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    const transport = await near.dial(bob.publicKey, "sudph");
    const payload = new Uint8Array(8 * 1024);
    for (let sent = 0; sent < count; sent++) {
      new DataView(payload.buffer).setUint32(0, sent);
      await transport.send(PacketType.data, 1, payload);
    }
    await done.promise;
    assert.ok(await transport.ping() < 5_000);
    await Promise.all([near.close(), far.close()]);
    await resolver.close();
  }));
