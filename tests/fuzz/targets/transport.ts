/** What a transport reads: packets, frames of streams, entries, the lines of its handshakes. @module */
import { memoryPair } from "../../../lib/base/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import {
  acceptAddressHandshake,
  openAddressHandshake,
  parseClaim,
  parseNonce,
  parseVerdict,
} from "../../../lib/transport/address_handshake.ts";
import {
  parsePackets,
  parseSignedEntry,
  parseTransportEntry,
  parseTransportId,
  Transport,
  transportIdBytes,
} from "../../../lib/transport/mod.ts";
import { settleAsInitiator, settleAsResponder } from "../../../lib/transport/settlement.ts";
import { fromHex } from "../../../lib/crypto/mod.ts";
import { alice, bob, pairOf } from "../../transport/support.ts";
import packets from "../../vectors/routing/packets.json" with { type: "json" };
import entries from "../../vectors/transport/entries.json" with { type: "json" };
import frames from "../../vectors/transport/handshake_frames.json" with { type: "json" };
import stcprConn from "../../vectors/transport/stcpr_conn.json" with { type: "json" };
import ids from "../../vectors/transport/transport_ids.json" with { type: "json" };
import { byteMutants, jsonMutants, textMutants } from "../_mutants.ts";
import { alone, ended } from "../_rig.ts";
import type { FuzzTarget } from "../_target.ts";

const packetSeeds = packets.vectors.map(({ hex }) => fromHex(hex));
const batchSeeds = [0, 8, 16].map((from) =>
  Uint8Array.from(packetSeeds.slice(from, from + 9).flatMap((packet) => [...packet]))
);
const entryLines = entries.vectors.map(({ entry_json }) => entry_json);
const signedLines = entries.vectors.flatMap((each) => [
  each.signed_entry_by_initiator_line,
  each.signed_entry_by_both_line,
]);
const lines = (frame: number) =>
  [frames.ok, frames.rejected, frames.ar_sudph_bind].map(({ events }) => events[frame]!.text);
const parseJson = (text: string) => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

const a = pairOf(stcprConn.initiator.static_sk);
const b = pairOf(stcprConn.responder.static_sk);
const encoder = new TextEncoder();
const nonce = parseNonce(frames.ok.events[1]!.text);
/** Draws the recorded nonce, so that the recorded claim is right. */
const random = { bytes: (length: number) => nonce.slice(0, length) };
const recorded = (role: "I>R" | "R>I") =>
  Uint8Array.from(frames.ok.events.filter(({ dir }) => dir === role).flatMap(({ hex }) => [...fromHex(hex)]));

/** Feeds `bytes` in one piece to what `open` makes of a connection; the peer then ends its half. */
async function fed<T>(
  bytes: Uint8Array,
  open: (conn: ReturnType<typeof memoryPair>[0], clock: VirtualClock) => Promise<T>,
): Promise<T> {
  return await alone(async (ledger) => {
    const clock = new VirtualClock({ ledger });
    const [near, far] = memoryPair({ ledger, bytesMax: 1 << 20 });
    const opened = open(near, clock);
    opened.catch(() => {});
    far.write(bytes).then(() => far.closeWrite()).catch(() => {});
    try {
      return await ended(clock, opened);
    } finally {
      near.close();
      far.close();
      await clock.advance(60_000);
      await Promise.all([near.closed, far.closed]);
    }
  });
}

const settlementOptions = (clock: VirtualClock) => ({ clock, type: "stcpr" });

export const transportTargets: readonly FuzzTarget[] = [
  {
    name: "transport/parsePackets",
    inputs: byteMutants([...packetSeeds, ...batchSeeds]),
    feed: parsePackets,
  },
  {
    name: "transport/transportId",
    inputs: textMutants(ids.vectors.slice(0, 10).map(({ uuid }) => uuid)),
    feed: (text: string) => transportIdBytes(parseTransportId(text)),
  },
  {
    name: "transport/parseTransportEntry",
    inputs: jsonMutants(entryLines),
    feed: (text: string) => parseTransportEntry(parseJson(text)),
  },
  {
    name: "transport/parseSignedEntry",
    inputs: jsonMutants(signedLines),
    feed: (text: string) => parseSignedEntry(parseJson(text)),
  },
  { name: "transport/parseNonce", inputs: jsonMutants(lines(1)), feed: parseNonce },
  { name: "transport/parseClaim", inputs: jsonMutants(lines(2)), feed: parseClaim },
  { name: "transport/parseVerdict", inputs: jsonMutants(lines(3)), feed: parseVerdict },
  {
    name: "transport/acceptAddressHandshake",
    inputs: byteMutants([recorded("I>R")]),
    feed: (bytes: Uint8Array) =>
      fed(
        bytes,
        async (conn, clock) => (await acceptAddressHandshake(conn, { world: { clock, random } })).remote,
      ),
  },
  {
    name: "transport/openAddressHandshake",
    inputs: byteMutants([recorded("R>I")]),
    feed: (bytes: Uint8Array) =>
      fed(bytes, async (conn, clock) => {
        const world = { clock, random };
        await openAddressHandshake(conn, { world, local: a, localPort: 49_153, remote: b.publicKey });
      }),
  },
  {
    name: "transport/settleAsResponder",
    inputs: byteMutants(signedLines.slice(0, 2).map((line) => encoder.encode(line))),
    feed: (bytes: Uint8Array) =>
      fed(bytes, async (conn, clock) => {
        const options = { ...settlementOptions(clock), local: b, remote: a.publicKey };
        return (await settleAsResponder(conn, options)).label;
      }),
  },
  {
    name: "transport/settleAsInitiator",
    inputs: byteMutants([Uint8Array.of(1)]),
    feed: (bytes: Uint8Array) =>
      fed(bytes, async (conn, clock) => {
        const options = { ...settlementOptions(clock), local: a, remote: b.publicKey, label: "user" };
        await settleAsInitiator(conn, options);
      }),
  },
  {
    name: "transport/Transport",
    inputs: byteMutants(batchSeeds),
    refuses: false, // nothing of it is a reason to refuse: it ends with the connection
    feed: (bytes: Uint8Array) =>
      alone(async (ledger) => {
        const clock = new VirtualClock({ ledger });
        const [near, far] = memoryPair({ ledger, bytesMax: 1 << 20 });
        let seen = 0;
        const transport = new Transport({
          world: { clock, ledger },
          local: bob.publicKey,
          remote: alice.publicKey,
          type: "stcp",
          label: "user",
          conn: near,
          isInitiator: false,
          onPackets: (batch) => void (seen += parsePackets(batch).length),
          onStream: (_kind, stream) => {
            stream.read().catch(() => {});
            return true;
          },
        });
        far.write(bytes).then(() => far.closeWrite()).catch(() => {});
        await clock.advance(60_000);
        transport.close();
        far.close();
        await clock.advance(60_000);
        await Promise.all([transport.closed, far.closed]);
        return seen;
      }),
  },
];
