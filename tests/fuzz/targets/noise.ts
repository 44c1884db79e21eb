/** Frames, session objects, and the messages of handshakes, with and without the post-quantum payload. @module */
import { type Conn, memoryPair } from "../../../lib/base/mod.ts";
import { fromHex, seededKem } from "../../../lib/crypto/mod.ts";
import {
  kkInitiator,
  kkResponder,
  noiseConn,
  ObjectOpener,
  ObjectSealer,
  PostQuantum,
  type PqHandshake,
  xkAccept,
  xkConnect,
  xkInitiator,
  xkResponder,
} from "../../../lib/noise/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { u16Frame } from "../../../lib/wire/mod.ts";
import { alice, bob, KEYS, seededRandom } from "../../noise/support.ts";
import pqKk from "../../vectors/pq/handshake-kk.json" with { type: "json" };
import { byteMutants } from "../_mutants.ts";
import { alone, ended } from "../_rig.ts";
import type { FuzzTarget } from "../_target.ts";

/** Both roles with the same ephemeral keys and coins each time, so that a recorded message stays good. */
const initiator = () => ({ local: alice, remote: bob.publicKey, random: seededRandom("initiator") });
const responder = () => ({ local: bob, random: seededRandom("responder") });
const kkResponderOptions = () => ({ ...responder(), remote: alice.publicKey });

/** Its key pair is made once: most of an initiator's time would go into it. */
const kemPair = await seededKem(seededRandom("kem pair")).generate();

function hybrid(role: "initiator" | "responder", mode: "offer" | "off"): PqHandshake {
  const random = seededRandom(`kem ${role}`);
  const kem = { ...seededKem(random), generate: () => Promise.resolve(kemPair) };
  return new PostQuantum({ mode, kem, random }).begin(role);
}

const MODES = ["offer", "off"] as const;

/** The messages of XK and KK in each mode. */
async function recordXk(mode: "offer" | "off"): Promise<[Uint8Array, Uint8Array, Uint8Array]> {
  using near = hybrid("initiator", mode);
  using far = hybrid("responder", mode);
  const [dialling, accepting] = [xkInitiator(initiator()), xkResponder(responder())];
  const first = dialling.writeMessage1(await near.outgoing());
  await far.incoming(accepting.readMessage1(first));
  const second = accepting.writeMessage2(await far.outgoing());
  await near.incoming(dialling.readMessage2(second));
  return [first, second, dialling.writeMessage3(await near.outgoing())];
}

async function recordKk(mode: "offer" | "off"): Promise<[Uint8Array, Uint8Array]> {
  using near = hybrid("initiator", mode);
  using far = hybrid("responder", mode);
  const [dialling, accepting] = [kkInitiator(initiator()), kkResponder(kkResponderOptions())];
  const first = dialling.writeMessage1(await near.outgoing());
  await far.incoming(accepting.readMessage1(first));
  return [first, accepting.writeMessage2(await far.outgoing())];
}

const xk = { offer: await recordXk("offer"), off: await recordXk("off") };
const kk = { offer: await recordKk("offer"), off: await recordKk("off") };

const concat = (...pieces: Uint8Array[]) => Uint8Array.from(pieces.flatMap((piece) => [...piece]));

/** The sealed bytes of some writes. */
async function sealedFrames(): Promise<Uint8Array> {
  const [near, far] = memoryPair({ bytesMax: 1 << 20 });
  const conn = noiseConn(near, KEYS.near);
  for (const length of [1, 30, 300, 4_070, 9_000]) await conn.write(new Uint8Array(length).fill(length));
  const pieces: Uint8Array[] = [];
  await conn.closeWrite();
  for (let view = await far.read(); view !== null; view = await far.read()) pieces.push(view.slice());
  return concat(...pieces);
}

/**
 * Feeds `bytes` in pieces to what `open` makes of a connection, and holds that it ends. The peer then ends its
 * stream, or says no more: by the parity of what it sent.
 */
function overConn(
  bytes: Uint8Array,
  open: (conn: Conn, clock: VirtualClock) => Promise<unknown>,
  { ends = bytes.length % 2 === 0 } = {},
): Promise<unknown> {
  return alone(async (ledger) => {
    const clock = new VirtualClock({ ledger });
    const [near, far] = memoryPair({ bytesMax: 1 << 20, ledger });
    for (let offset = 0, step = 1; offset < bytes.length; offset += step, step = step * 3 % 4_001) {
      void far.write(bytes.subarray(offset, offset + step)).catch(() => {}); // refused once the reader is gone
    }
    if (ends) void far.closeWrite().catch(() => {});
    try {
      return await ended(clock, open(near, clock));
    } finally {
      near.close();
      far.close();
      await Promise.all([near.closed, far.closed]);
    }
  });
}

const frames = await sealedFrames();
const sealer = new ObjectSealer(KEYS.near.send);
const objects = [0, 1, 40, 400, 4_000].map((length) => sealer.seal(new Uint8Array(length)).subarray(2));
const offers = pqKk.vectors.flatMap(({ messages }) => messages.map(({ payload }) => fromHex(payload)))
  .filter(({ length }) => length > 0);

export const noiseTargets: readonly FuzzTarget[] = [
  {
    name: "noise/frames",
    inputs: byteMutants([frames, frames.subarray(0, 400), frames.subarray(0, 27)]),
    feed: (bytes: Uint8Array) =>
      overConn(bytes, async (near) => {
        const conn = noiseConn(near, KEYS.far);
        let length = 0;
        try {
          for (let view = await conn.read(); view !== null; view = await conn.read()) length += view.length;
          return length;
        } finally {
          conn.close();
        }
      }, { ends: true }),
  },
  {
    name: "noise/session-objects",
    inputs: byteMutants(objects),
    feed(body: Uint8Array) {
      const opener = new ObjectOpener(KEYS.far.receive);
      const object = opener.open(body);
      return [object.length, opener.open(objects[4]!).length];
    },
  },
  ...MODES.flatMap((mode): FuzzTarget[] => [
    {
      name: `noise/xk-responder-pq-${mode}`,
      inputs: byteMutants([concat(u16Frame(xk[mode][0]), u16Frame(xk[mode][2])), u16Frame(xk[mode][0])]),
      feed: (bytes: Uint8Array) =>
        overConn(bytes, async (conn, clock) => {
          using extension = hybrid("responder", mode);
          const { result } = await xkAccept(conn, { ...responder(), clock, extension });
          return result.keys;
        }),
    },
    {
      name: `noise/xk-initiator-pq-${mode}`,
      inputs: byteMutants([u16Frame(xk[mode][1]), u16Frame(xk.off[1])]),
      feed: (bytes: Uint8Array) =>
        overConn(bytes, async (conn, clock) => {
          using extension = hybrid("initiator", mode);
          const { result } = await xkConnect(conn, { ...initiator(), clock, extension });
          return result.keys;
        }),
    },
    {
      name: `noise/kk-responder-pq-${mode}`,
      inputs: byteMutants([kk[mode][0], kk.off[0]]),
      async feed(message: Uint8Array) {
        using extension = hybrid("responder", mode);
        const handshake = kkResponder(kkResponderOptions());
        await extension.incoming(handshake.readMessage1(message));
        handshake.writeMessage2(await extension.outgoing());
        const { keys, handshakeHash, remote } = handshake.finish();
        return extension.keys(keys, handshakeHash, remote);
      },
    },
    {
      name: `noise/kk-initiator-pq-${mode}`,
      inputs: byteMutants([kk[mode][1], kk.off[1]]),
      async feed(message: Uint8Array) {
        using extension = hybrid("initiator", mode);
        const handshake = kkInitiator(initiator());
        handshake.writeMessage1(await extension.outgoing());
        await extension.incoming(handshake.readMessage2(message));
        const { keys, handshakeHash, remote } = handshake.finish();
        return extension.keys(keys, handshakeHash, remote);
      },
    },
  ]),
  {
    // Authentic payloads: what a peer that holds a key can say.
    name: "noise/pq-payloads",
    inputs: byteMutants(offers),
    async feed(payload: Uint8Array) {
      using near = hybrid("initiator", "offer");
      using far = hybrid("responder", "offer");
      await near.outgoing();
      await Promise.all([near.incoming(payload), far.incoming(payload)]);
      return await far.outgoing();
    },
    refuses: false,
  },
];
