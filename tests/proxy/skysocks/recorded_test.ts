/** Recordings of Go's skysocks (v24), replayed in both roles. */
import assert from "node:assert/strict";
import { type Conn, memoryPair, silentLog } from "../../../lib/base/mod.ts";
import { SkysocksClient, skysocksServer } from "../../../lib/proxy/mod.ts";
import type { SocketAddress, SocketConn, World } from "../../../lib/runtime/mod.ts";
import { ConnReader } from "../../../lib/wire/mod.ts";
import { withSimulation } from "../../support/world.ts";
import { echo, LOOPBACK, Offers } from "./_bench.ts";

interface Event {
  readonly dir: "client>server" | "server>client";
  readonly hex: string;
  readonly yamux_header?: { readonly type: number; readonly flags: number; readonly length: number };
}

const url = new URL("../../vectors/routing/skysocks.json", import.meta.url);
const recorded = JSON.parse(await Deno.readTextFile(url));
const recordings: { name: string; events: Event[]; passcode?: string }[] = [
  { name: "without a passcode", events: recorded.no_auth },
  { name: "with a passcode", events: recorded.with_passcode.events, passcode: "pass" },
];

const SYN_OR_ACK = 3;

/** What is left free: the extra window beside SYN and ACK, 0 in v24 and more in v26. */
function masked(bytes: Uint8Array, event: Event): string {
  const { yamux_header: header } = event;
  const isOpening = header?.type === 1 && (header.flags & SYN_OR_ACK) !== 0;
  return isOpening ? bytes.toHex().slice(0, 16) : bytes.toHex();
}

/** The address in a SOCKS message that ends with one. */
function addressIn(hex: string): SocketAddress {
  const bytes = Uint8Array.fromHex(hex).subarray(4);
  return { hostname: bytes.subarray(0, 4).join("."), port: (bytes[4]! << 8) | bytes[5]! };
}

/** The request and the reply: the only messages with an IPv4 address. */
function addresses(events: readonly Event[]): { target: SocketAddress; bound: SocketAddress } {
  const [request, reply] = events.filter(({ hex }) => hex.length === 20 && hex.startsWith("05"));
  return { target: addressIn(request!.hex), bound: addressIn(reply!.hex) };
}

/** A server whose targets echo; dials are noted. */
function recordedServer(world: World, bound: SocketAddress, passcode: string | undefined) {
  const offers = new Offers();
  const dialled: SocketAddress[] = [];
  const server = skysocksServer({
    world,
    listener: offers,
    passcode,
    log: silentLog,
    dialTcp: (to) => {
      dialled.push(to);
      const [near, far] = memoryPair({ ledger: world.ledger });
      void echo(far).then(() => far.close(), (error) => far.close(error));
      return Promise.resolve(Object.assign(near, { local: bound, remote: to }) as SocketConn);
    },
  });
  return { offers, server, dialled };
}

for (const { name, events, passcode } of recordings) {
  Deno.test(`the server answers a recorded client byte for byte, ${name}`, () =>
    withSimulation(1, async (simulation) => {
      const world = simulation.node("visor");
      await simulation.run(async () => {
        const { target, bound } = addresses(events);
        const { offers, server, dialled } = recordedServer(world, bound, passcode);
        const [client, far] = memoryPair({ ledger: world.ledger });
        offers.offer(far);
        const reader = new ConnReader(client);
        for (const event of events) {
          const bytes = Uint8Array.fromHex(event.hex);
          if (event.dir === "client>server") await client.write(bytes);
          else assert.equal(masked(await reader.readExactly(bytes.length), event), masked(bytes, event));
        }
        assert.deepEqual(dialled, [target]);
        client.close();
        await server.close();
      });
    }));

  Deno.test(`the client sends what a recorded client sends, ${name}`, () =>
    withSimulation(1, async (simulation) => {
      const world = simulation.node("visor");
      await simulation.run(async () => {
        const [near, far] = memoryPair({ ledger: world.ledger });
        const client = await SkysocksClient.start({
          world,
          dial: () => Promise.resolve(near),
          listen: { hostname: LOOPBACK, port: 0 },
          log: silentLog,
        });
        const reader = new ConnReader(far);
        await answerPing(reader, far);
        await client.ready(1_000);
        const program = await world.network.dial(client.listen);
        const answers = new ConnReader(program);
        for (const [index, event] of events.entries()) {
          const bytes = Uint8Array.fromHex(event.hex);
          const isPayload = event.yamux_header === undefined;
          if (event.dir === "server>client") {
            await far.write(bytes);
            if (isPayload) assert.equal((await answers.readExactly(bytes.length)).toHex(), event.hex);
          } else {
            const { type, flags } = event.yamux_header ?? { type: 0, flags: 0 };
            const next = events[index + 1]?.hex ?? "";
            if (type === 0 && !isPayload) await program.write(Uint8Array.fromHex(next));
            if (type === 1 && flags === 4) await program.closeWrite();
            assert.equal(masked(await reader.readExactly(bytes.length), event), masked(bytes, event));
          }
        }
        assert.equal(await answers.isAtEnd(), true);
        program.close();
        await client.close();
        far.close();
      });
    }));
}

async function answerPing(reader: ConnReader, conn: Conn): Promise<void> {
  const ping = await reader.readExactly(12);
  assert.equal(ping.toHex().slice(0, 8), "00020001");
  ping[3] = 2;
  await conn.write(ping);
}

Deno.test("every message of a recorded client with another version, command or password is refused", () =>
  withSimulation(1, async (simulation) => {
    const world = simulation.node("visor");
    let refused = 0;
    await simulation.run(async () => {
      for (const { events, passcode } of recordings) {
        const { bound } = addresses(events);
        const sent = events.filter(({ dir }) => dir === "client>server");
        const ofHandshake = sent.filter(({ yamux_header }) => yamux_header === undefined).slice(0, -1);
        for (const message of ofHandshake) {
          for (const at of damagesOf(message.hex)) {
            const { offers, server, dialled } = recordedServer(world, bound, passcode);
            const [client, far] = memoryPair({ ledger: world.ledger });
            offers.offer(far);
            for (const { hex } of sent.slice(0, sent.findIndex(({ hex }) => hex === message.hex))) {
              await client.write(Uint8Array.fromHex(hex));
            }
            const bytes = Uint8Array.fromHex(message.hex);
            bytes[at]! ^= 0x40;
            await client.write(bytes);
            await untilFin(client);
            assert.deepEqual(dialled, [], `byte ${at} of ${message.hex}`);
            refused++;
            client.close();
            await server.close();
          }
        }
      }
    });
    assert.equal(refused, 2 + 3 + 2 + 2 + 3);
  }));

/** Places of a message of which each change makes it another one: versions, methods, command, type, password. */
function damagesOf(hex: string): number[] {
  if (hex.startsWith("01")) return [0, 5];
  return hex.length === 6 ? [0, 2] : [0, 1, 3];
}

/** Reads until the server has ended stream 1, by FIN or RST. */
async function untilFin(conn: Conn): Promise<void> {
  const reader = new ConnReader(conn);
  for (;;) {
    const header = await reader.readExactly(12);
    if (header[1] === 0) await reader.readExactly(new DataView(header.buffer).getUint32(8));
    if ((header[3]! & 12) !== 0) return;
  }
}

Deno.test("the recording has as many events as it says", () => {
  const { no_auth, with_passcode_events } = recorded.case_counts;
  assert.deepEqual([no_auth, with_passcode_events], [16, 20]);
  assert.deepEqual(recordings.map(({ events }) => events.length), [16, 20]);
});
