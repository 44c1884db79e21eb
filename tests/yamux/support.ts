/** A yamux session, and a peer that is played by hand: bytes in, frames out. @module */
import assert from "node:assert/strict";
import { type Conn, Ledger, memoryPair } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { FrameReader } from "../../lib/yamux/_frame_reader.ts";
import { HEADER_BYTES, putHeader } from "../../lib/yamux/frame.ts";
import { type WindowBudget, type YamuxLimits, YamuxSession, type YamuxStream } from "../../lib/yamux/mod.ts";

export const TYPES = ["data", "window_update", "ping", "go_away"];
const FLAGS = ["SYN", "ACK", "FIN", "RST"];

/** `data SYN|FIN 1 5`: a frame as tests write it. */
export type FrameText = string;

/** A frame of bytes: `frame("data SYN 1", payload)` or `frame("window_update FIN 1 0")`. */
export function frame(text: FrameText, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const words = text.split(" ");
  const type = TYPES.indexOf(words.shift()!);
  const flags = /^[A-Z]/.test(words[0]!) ? words.shift()!.split("|") : [];
  const id = Number(words.shift());
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  const bits = flags.reduce((sum, flag) => sum | (1 << FLAGS.indexOf(flag)), 0);
  putHeader(bytes, 0, type, bits, id, Number(words.shift() ?? payload.length));
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

export function frameText(type: number, flags: number, id: number, length: number): FrameText {
  const names = FLAGS.filter((_, bit) => flags & (1 << bit)).join("|");
  return [TYPES[type], names, id, length].filter((word) => word !== "").join(" ");
}

/** Every frame of `bytes`, which must end at a border. */
export function framesOf(bytes: Uint8Array): FrameText[] {
  const frames: FrameText[] = [];
  const reader = new FrameReader({
    onHeader: (type, flags, id, length) => frames.push(frameText(type, flags, id, length)),
    onPayload() {},
  });
  reader.push(bytes);
  assert.equal(reader.isAtBorder, true);
  return frames;
}

/** The other end of a session's connection. */
export class Peer {
  readonly conn: Conn;
  /** Everything that the session sent since the last {@link takeBytes}. */
  #bytes: Uint8Array[] = [];
  /** True once the session's end of the connection has ended. */
  isEnded = false;
  #isReading = false;

  constructor(conn: Conn) {
    this.conn = conn;
  }

  /** Reads from now on. */
  start(): this {
    if (!this.#isReading) void this.#read();
    this.#isReading = true;
    return this;
  }

  async #read(): Promise<void> {
    try {
      for (let view = await this.conn.read(); view !== null; view = await this.conn.read()) {
        this.#bytes.push(view.slice());
      }
    } catch {
      // reset: the same end
    }
    this.isEnded = true;
  }

  /** Sends without waiting: a session that reads no more must not hold the test. */
  send(...frames: Uint8Array[]): void {
    for (const bytes of frames) this.conn.write(bytes).catch(() => {});
  }

  takeBytes(): Uint8Array {
    const bytes = joined(this.#bytes);
    this.#bytes = [];
    return bytes;
  }

  takeFrames(): FrameText[] {
    return framesOf(this.takeBytes());
  }
}

export interface Bench {
  readonly clock: VirtualClock;
  readonly ledger: Ledger;
  readonly session: YamuxSession;
  readonly peer: Peer;
  /** Streams that the peer opened. */
  readonly accepted: YamuxStream[];
  /** Lets everything that can happen now happen. */
  settle(): Promise<void>;
}

export interface BenchOptions {
  readonly role?: "client" | "server";
  readonly limits?: Partial<YamuxLimits>;
  readonly windowBudget?: WindowBudget;
  readonly onStream?: (stream: YamuxStream) => void;
  /** False: the peer reads nothing until `peer.start()`. */
  readonly isReading?: boolean;
  /** Bytes that the connection holds each way. */
  readonly bytesMax?: number;
}

/** Runs `test` with a session and its peer; then ends both and demands that nothing is left. */
export async function withBench(options: BenchOptions, test: (bench: Bench) => Promise<void>): Promise<void> {
  const { role = "server", limits, windowBudget, onStream, isReading = true, bytesMax = 4 * 1024 * 1024 } =
    options;
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const [near, far] = memoryPair({ bytesMax, ledger });
  const accepted: YamuxStream[] = [];
  const session = new YamuxSession(near, {
    role,
    world: { clock, ledger },
    limits,
    windowBudget,
    onStream: (stream) => {
      accepted.push(stream);
      onStream?.(stream);
    },
  });
  const peer = new Peer(far);
  if (isReading) peer.start();
  await test({ clock, ledger, session, peer, accepted, settle: () => clock.advance(0) });
  session.close();
  far.close();
  await session.closed;
  assert.deepEqual(ledger.live(), {});
}

/** Two sessions over one connection. */
export function sessionPair(
  world: { readonly clock: VirtualClock; readonly ledger: Ledger },
  { onStream, limits, bytesMax }: {
    onStream: (stream: YamuxStream) => void;
    limits?: Partial<YamuxLimits>;
    bytesMax?: number;
  },
): { client: YamuxSession; server: YamuxSession } {
  const [near, far] = memoryPair({ bytesMax, ledger: world.ledger });
  return {
    client: new YamuxSession(near, { role: "client", world, limits, onStream }),
    server: new YamuxSession(far, { role: "server", world, limits, onStream }),
  };
}

/** What a promise has come to, without waiting for it. Look after `settle`. */
export function watch<T>(
  promise: Promise<T>,
): { state: "pending" | "done" | "failed"; value?: T; error?: Error } {
  const watched: { state: "pending" | "done" | "failed"; value?: T; error?: Error } = { state: "pending" };
  promise.then((value) => {
    watched.state = "done";
    watched.value = value;
  }, (error) => {
    watched.state = "failed";
    watched.error = error;
  });
  return watched;
}

/** Reads to the end. */
export async function readAll(conn: Conn): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (let view = await conn.read(); view !== null; view = await conn.read()) pieces.push(view.slice());
  return joined(pieces);
}

/** Reads exactly `count` bytes; what a read gives beyond them is an error. */
export async function readCount(conn: Conn, count: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let left = count;
  while (left > 0) {
    const view = await conn.read();
    assert.ok(view !== null && view.length <= left, `${left} bytes short`);
    pieces.push(view.slice());
    left -= view.length;
  }
  return joined(pieces);
}

export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}

/** Bytes that differ at every place, told apart by `seed`. */
export function pattern(length: number, seed = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = (seed * 2_654_435_761 + 12_345) >>> 0;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

/** A small generator of its own, so that a schedule is known by its seed. */
export function randomInts(seed: number): (below: number) => number {
  let state = (seed ^ 0x9e37_79b9) >>> 0;
  return (below) => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

export function text(bytes: Uint8Array | null | undefined): string {
  return bytes instanceof Uint8Array ? new TextDecoder().decode(bytes) : String(bytes);
}

export function utf8(characters: string): Uint8Array {
  return new TextEncoder().encode(characters);
}
