/** KCP: segments, and a port with dialled and accepted sessions that gets damaged datagrams. @module */
import { KcpSocket, parseSegments } from "../../../lib/kcp/mod.ts";
import { SeededRandom, VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { answeredTransaction, mappedAddress, parseAnnouncement } from "../../../lib/transport/sudph/mod.ts";
import { fromHex } from "../../../lib/crypto/mod.ts";
import { MemoryNet } from "../../kcp/support.ts";
import sessions from "../../vectors/services/address-resolver-udp.json" with { type: "json" };
import resolver from "../../vectors/transport/address_resolver.json" with { type: "json" };
import dial from "../../vectors/transport/kcp_sudph.json" with { type: "json" };
import { byteMutants, jsonMutants } from "../_mutants.ts";
import { alone, ended } from "../_rig.ts";
import type { FuzzTarget } from "../_target.ts";

const recordings = [
  dial.datagrams.map(({ hex }) => fromHex(hex)),
  ...sessions.sessions.map(({ datagrams }) => datagrams.map(({ hex }) => fromHex(hex))),
];
/** Each datagram behind its length, two bytes. */
const streams = recordings.map((datagrams) =>
  Uint8Array.from(datagrams.flatMap((each) => [each.length >> 8, each.length & 0xff, ...each]))
);
/** Of the recorded dial: half of the datagrams find a session that was dialled. */
const CONVERSATION = 0x1122_3344;
/** A session that was begun sends again at times, and so do ours; never in proportion to what came. */
const ANSWERS_BYTES_MAX = 256 * 1024;

function feed(stream: Uint8Array): Promise<unknown> {
  return alone(async (ledger) => {
    const clock = new VirtualClock({ ledger });
    const net = new MemoryNet({ clock, ledger });
    const world = { clock, ledger, random: new SeededRandom(1) };
    const socket = new KcpSocket(net.open(), { world, admits: () => true });
    const peer = net.open("203.0.113.66");
    let answered = 0;
    net.watch = (bytes, from) => {
      if (from.port === socket.address.port) answered += bytes.length;
      return true;
    };
    const conns = [socket.dial(peer.address, { conversation: CONVERSATION })];
    await conns[0]!.write(new Uint8Array(5_000));
    const using = (async () => {
      for (let conn = await socket.accept(); conn !== null; conn = await socket.accept()) {
        conns.push(conn);
        conn.write(new Uint8Array(100)).catch(() => {});
        if (conns.length % 2 === 0) conn.read().catch(() => {});
      }
    })();
    for (let at = 0; at + 2 <= stream.length;) {
      const end = at + 2 + (stream[at]! << 8 | stream[at + 1]!);
      await peer.send(stream.subarray(at + 2, end), socket.address);
      at = end;
    }
    await clock.advance(1_000);
    if (answered > ANSWERS_BYTES_MAX + 2 * stream.length) throw new Error(`${answered} bytes were answered`);
    for (const [index, conn] of conns.entries()) conn.close(index % 2 === 0 ? undefined : new Error("fuzz"));
    socket.close();
    try {
      await ended(clock, Promise.all([using, socket.closed, ...conns.map(({ closed }) => closed)]));
    } finally {
      peer.close();
      await clock.advance(0);
    }
    return conns.length;
  });
}

export const kcpTargets: readonly FuzzTarget[] = [
  { name: "kcp/parseSegments", inputs: byteMutants(recordings.flat()), feed: parseSegments },
  { name: "kcp/KcpSocket", inputs: byteMutants(streams), refuses: false, feed },
  {
    name: "transport/mappedAddress",
    inputs: byteMutants([fromHex("0101000c2112a442b7e7a701bc34d686fa87dfae002000080001a147e112a643")]),
    refuses: false, // what is no answer is nobody's
    feed: (bytes: Uint8Array) => bytes.length >= 20 && [answeredTransaction(bytes), mappedAddress(bytes)],
  },
  {
    name: "transport/parseAnnouncement",
    inputs: jsonMutants(resolver.sudph_session.flatMap(({ text }) => text?.includes("PK") ? [text] : [])),
    feed: parseAnnouncement,
  },
];
