/** The recorded session of two Go clients (2024) with a Go server: its keys, its bytes, and what they mean. @module */
import assert from "node:assert/strict";
import { fromHex, type KeyPair, type PublicKey, SecretKey } from "../../lib/crypto/mod.ts";
import { ObjectOpener, PostQuantum } from "../../lib/noise/mod.ts";
import type { Random } from "../../lib/runtime/mod.ts";
import decoded from "../vectors/dmsg/session-decoded.json" with { type: "json" };
import recorded from "../vectors/dmsg/session-recorded.json" with { type: "json" };

export type Party = "a" | "b";
export type Direction = "c2s" | "s2c";

/** What the test program of the recording did, in order. */
export const events: readonly { readonly event: string; readonly plaintext?: string }[] = recorded.events;
/** Every request to the discovery, by all three parties. */
export const discoveryHttp = recorded.discovery_http;

const CONNECTION = { a: "client_a_to_server", b: "client_b_to_server" } as const;

export const statics: Readonly<Record<Party | "server", KeyPair>> = {
  a: pairOf(recorded.statics.client_a.sk),
  b: pairOf(recorded.statics.client_b.sk),
  server: pairOf(recorded.statics.server.sk),
};

/** Which recorded ephemeral secrets each party drew, in its own order: the session's first, then the streams'. */
const DRAWN = { b: [0, 5, 7, 9], server: [1, 3], a: [2, 4, 6, 8, 10] } as const;

/** The recorded parties knew nothing of the post-quantum hybrid: with it our bytes would be others. */
export const NO_OFFER = new PostQuantum({
  mode: "off",
  random: { bytes: () => assert.fail("nothing is drawn for a hybrid") },
});

/** How many ephemeral keys the recording has, and how many of them the parties above drew. */
export const ephemeralCounts = {
  recorded: recorded.ephemerals.length,
  drawn: Object.values(DRAWN).flat().length,
};

/** Yields the ephemeral secrets that `party` drew, and nothing beyond them. */
export function recordedRandom(party: keyof typeof DRAWN): Random & { readonly left: number } {
  const secrets = DRAWN[party].map((index) => fromHex(recorded.ephemerals[index]!.sk));
  return {
    get left() {
      return secrets.length;
    },
    bytes(length) {
      const secret = secrets.shift();
      assert.ok(secret !== undefined, `${party} draws more than was recorded`);
      assert.equal(length, secret.length);
      return secret;
    },
  };
}

export interface Segment {
  readonly tMs: number;
  readonly direction: Direction;
  readonly isEnd: boolean;
  readonly bytes: Uint8Array;
}

/** The segments of one connection as they were seen, both directions. */
export function segmentsOf(party: Party): Segment[] {
  return (recorded.connections[CONNECTION[party]] as { t_ms: number; dir: string; data?: string }[])
    .map(({ t_ms, dir, data }) => ({
      tMs: t_ms,
      direction: dir.slice(0, 3) as Direction,
      isEnd: dir.endsWith("-eof"),
      bytes: fromHex(data ?? ""),
    }));
}

/** All bytes of one direction. */
export function bytesOf(party: Party, direction: Direction): Uint8Array {
  return concat(segmentsOf(party).filter((each) => each.direction === direction).map(({ bytes }) => bytes));
}

/** A recorded stream with its decoded objects and the plaintext of its frames. */
export interface RecordedStream {
  readonly stream: number;
  readonly request: RecordedObject;
  readonly response?: RecordedObject;
  readonly frames_initiator_to_responder?: readonly string[];
  readonly frames_responder_to_initiator?: readonly string[];
}

export interface RecordedObject {
  readonly counter: number;
  readonly signed_object: string;
  readonly hash?: string;
  readonly fields: {
    readonly ReqHash?: string;
    readonly Accepted?: boolean;
    readonly Timestamp?: string;
    readonly SrcAddr?: { readonly PK: string; readonly Port: string };
    readonly DstAddr?: { readonly PK: string; readonly Port: string };
    readonly IPinfo?: boolean;
    readonly IP?: string;
    readonly NoiseMsg?: string;
  };
}

export function streamsOf(party: Party): readonly RecordedStream[] {
  return decoded.connections[CONNECTION[party]].streams as unknown as RecordedStream[];
}

/** The stream that asks for `port` of B, on A's connection. */
export function streamToPort(port: number): RecordedStream {
  const found = streamsOf("a").find(({ request }) => request.fields.DstAddr!.Port === String(port));
  assert.ok(found !== undefined, `No stream to port ${port} was recorded`);
  return found;
}

/** Opens the session objects of one direction of a recorded connection. */
export function recordedOpener(party: Party, direction: Direction): ObjectOpener {
  const connection = decoded.connections[CONNECTION[party]];
  return new ObjectOpener(fromHex(
    direction === "c2s" ? connection.session_key_client_to_server : connection.session_key_server_to_client,
  ));
}

/** The key of one direction of a recorded session's objects. */
export function sessionKey(party: Party, direction: Direction): Uint8Array {
  const connection = decoded.connections[CONNECTION[party]];
  return fromHex(
    direction === "c2s" ? connection.session_key_client_to_server : connection.session_key_server_to_client,
  );
}

/** What went one way on one mux stream. */
export interface MuxStreamBytes {
  readonly data: Uint8Array;
  readonly isOpened: boolean;
  readonly isAccepted: boolean;
  readonly isEnded: boolean;
  readonly isReset: boolean;
}

/** One yamux frame, with its header. */
export interface MuxFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly bytes: Uint8Array;
}

const HEADER_BYTES = 12;
const [SYN, ACK, FIN, RST] = [1, 2, 4, 8];

/** The handshake messages in front of one direction, each with its length, and what follows. */
export function splitHandshake(
  bytes: Uint8Array,
  direction: Direction,
): { messages: Uint8Array[]; mux: Uint8Array } {
  const messages: Uint8Array[] = [];
  let offset = 0;
  for (let count = direction === "c2s" ? 2 : 1; count > 0; count--) {
    const length = 2 + ((bytes[offset]! << 8) | bytes[offset + 1]!);
    messages.push(bytes.subarray(offset, offset + length));
    offset += length;
  }
  return { messages, mux: bytes.subarray(offset) };
}

/** Whole frames in order; a rest that is no whole frame is left out. */
export function muxFrames(bytes: Uint8Array): MuxFrame[] {
  const frames: MuxFrame[] = [];
  for (let offset = 0; offset + HEADER_BYTES <= bytes.length;) {
    const header = new DataView(bytes.buffer, bytes.byteOffset + offset, HEADER_BYTES);
    const type = header.getUint8(1);
    const end = offset + HEADER_BYTES + (type === 0 ? header.getUint32(8) : 0);
    if (end > bytes.length) break;
    frames.push({
      type,
      flags: header.getUint16(2),
      stream: header.getUint32(4),
      bytes: bytes.subarray(offset, end),
    });
    offset = end;
  }
  return frames;
}

/** What each mux stream carried one way. Stream 0 holds the session's own frames. */
export function muxStreams(bytes: Uint8Array): Map<number, MuxStreamBytes> {
  const frames = Map.groupBy(muxFrames(bytes), ({ stream }) => stream);
  return new Map(
    [...frames].map(([stream, ofStream]) => {
      const flags = ofStream.reduce((all, frame) => all | frame.flags, 0);
      const payloads = ofStream.filter(({ type }) => type === 0).map(({ bytes }) =>
        bytes.subarray(HEADER_BYTES)
      );
      return [stream, {
        data: concat(payloads),
        isOpened: (flags & SYN!) !== 0,
        isAccepted: (flags & ACK!) !== 0,
        isEnded: (flags & FIN!) !== 0,
        isReset: (flags & RST!) !== 0,
      }];
    }),
  );
}

/** A Data frame, or with `flags` another that carries no bytes. */
export function muxFrame(stream: number, payload: Uint8Array, flags = 0): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + payload.length);
  const header = new DataView(frame.buffer);
  header.setUint8(1, flags === 0 ? 0 : 1);
  header.setUint16(2, flags);
  header.setUint32(4, stream);
  header.setUint32(8, payload.length);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

/** The sealed object in front of a stream's bytes, without its length, and what follows it. */
export function splitObject(data: Uint8Array): { object: Uint8Array; rest: Uint8Array } {
  const length = (data[0]! << 8) | data[1]!;
  return { object: data.subarray(2, 2 + length), rest: data.subarray(2 + length) };
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** The plaintext of frames that were recorded as hex. */
export function plaintext(frames: readonly string[] | undefined): Uint8Array {
  return concat((frames ?? []).map(fromHex));
}

export function keyOf(party: Party | "server"): PublicKey {
  return statics[party].publicKey;
}

function pairOf(secret: string): KeyPair {
  const secretKey = SecretKey.parse(secret);
  return { secretKey, publicKey: secretKey.publicKey };
}
