/**
 * The virtual streams of one transport: which frame is whose (protocol: transport, section 8.3).
 *
 * @module
 */
import { ConnResetError, LimitError, TimedOutError } from "../base/mod.ts";
import { publicKeyBytes } from "../crypto/mod.ts";
import type { Clock } from "../runtime/mod.ts";
import {
  parseStreamFrame,
  STREAM_FIN,
  STREAM_HEADER_BYTES,
  STREAM_RELAY,
  STREAM_RELAYED,
  STREAM_SYN,
  writeStreamHeader,
} from "./_stream_frame.ts";
import type { RefusalCounters } from "./counters.ts";
import {
  PACKET_HEADER_BYTES,
  packetPayloadAt,
  PacketType,
  packetTypeAt,
  writePacketHeader,
} from "./packet.ts";
import type { Transport } from "./transport.ts";
import { FULL_QUEUE_MS, VirtualStream } from "./virtual_stream.ts";

/** Streams of one transport at once, both sides' together. */
export const STREAMS_MAX = 1024;

/** The packet types that carry streams; each counts its streams by itself. */
export type StreamKind = 13 | 14 | 15 | 16;

/** True for a packet type that carries streams. */
export function isStreamKind(type: number): type is StreamKind {
  return type >= PacketType.setupRpc && type <= PacketType.appDirect;
}

export interface StreamMuxOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly refusals: RefusalCounters;
  /** Takes a stream that the peer opened; false: nobody does. */
  readonly onStream: (kind: StreamKind, stream: VirtualStream) => boolean;
  /** Sends packets on the connection that is in use now; rejects with it. */
  readonly write: (packets: Uint8Array) => Promise<void>;
  /** Sends a packet of route id 0, if the peer takes any. */
  readonly send: (packet: Uint8Array) => void;
}

export class StreamMux {
  readonly #options: StreamMuxOptions;
  readonly #streams = new Map<StreamKind, Map<bigint, VirtualStream>>();
  readonly #ownKey: Uint8Array;
  readonly #remoteKey: Uint8Array;
  #count = 0;
  #opened = 0n;

  constructor(options: StreamMuxOptions) {
    this.#options = options;
    this.#ownKey = publicKeyBytes(options.transport.local);
    this.#remoteKey = publicKeyBytes(options.transport.remote);
  }

  get count(): number {
    return this.#count;
  }

  /** Opens a stream; its SYN is on its way. `LimitError` when {@link STREAMS_MAX} are open. */
  open(kind: StreamKind): VirtualStream {
    if (this.#count >= STREAMS_MAX) {
      throw new LimitError(`Cannot open a stream: ${STREAMS_MAX} are open on this transport`);
    }
    const { local, remote } = this.#options.transport;
    const isOdd = local > remote ? 1n : 0n;
    let streamId: bigint;
    do streamId = ++this.#opened * 2n + isOdd; while (this.#of(kind).has(streamId)); // old peers take any id
    return this.#add(kind, streamId, { isOpener: true });
  }

  /** A packet of a {@link StreamKind}. What it returns settles when the next one can be taken. */
  onPacket(packet: Uint8Array): void | Promise<void> {
    const { refusals, transport } = this.#options;
    const kind = packetTypeAt(packet, 0) as StreamKind;
    const frame = parseStreamFrame(packetPayloadAt(packet, 0));
    if (frame === undefined) return refusals.add("malformed packet");
    const { streamId, flags, data } = frame;
    if ((flags & (STREAM_RELAY | STREAM_RELAYED)) !== 0 || !isSame(frame.sender, this.#remoteKey)) {
      refusals.add("relayed stream");
      if ((flags & STREAM_SYN) !== 0) this.#sendFrame(kind, streamId, STREAM_FIN);
      return;
    }
    let stream = this.#of(kind).get(streamId);
    if ((flags & STREAM_SYN) !== 0) {
      if (stream !== undefined) {
        // Peers of early 2026 count without regard to ours. Neither side can tell both streams' frames apart.
        refusals.add("stream");
        this.#sendFrame(kind, streamId, STREAM_FIN);
        return stream.fail(new ConnResetError("The peer opened a stream of the same id"));
      }
      stream = this.#accept(kind, streamId);
    }
    if (stream === undefined) return; // frames behind our own close: normal
    const hasRoom = stream.receive(data);
    if ((flags & STREAM_FIN) !== 0) return stream.receiveEnd();
    if (!hasRoom) return this.#waitForRoom(stream, transport);
  }

  /** The transport is gone, or its connection was replaced, which loses frames. */
  failAll(reason: unknown): void {
    for (const streams of [...this.#streams.values()]) {
      for (const stream of [...streams.values()]) stream.fail(reason);
    }
  }

  #accept(kind: StreamKind, streamId: bigint): VirtualStream | undefined {
    if (this.#count < STREAMS_MAX) {
      const stream = this.#add(kind, streamId, { isOpener: false });
      if (this.#options.onStream(kind, stream)) return stream;
      stream.fail(new ConnResetError("Nobody accepts such streams"));
    }
    this.#options.refusals.add("stream");
    this.#sendFrame(kind, streamId, STREAM_FIN);
    return undefined;
  }

  #add(kind: StreamKind, streamId: bigint, options: { readonly isOpener: boolean }): VirtualStream {
    const { transport } = this.#options;
    const streams = this.#of(kind);
    let isGone = false;
    const stream: VirtualStream = new VirtualStream(
      {
        transport,
        writeHeader: (into, at, flags, dataBytes) => {
          const payloadAt = writePacketHeader(into, at, kind, 0, STREAM_HEADER_BYTES + dataBytes);
          return writeStreamHeader(into, payloadAt, { streamId, sender: this.#ownKey, flags });
        },
        write: this.#options.write,
        signal: (flags) => this.#sendFrame(kind, streamId, flags),
        onGone: () => {
          if (isGone) return;
          isGone = true;
          this.#count--;
          if (streams.get(streamId) === stream) streams.delete(streamId);
        },
      },
      kind,
      options,
    );
    this.#count++;
    streams.set(streamId, stream);
    return stream;
  }

  #of(kind: StreamKind): Map<bigint, VirtualStream> {
    let streams = this.#streams.get(kind);
    if (streams === undefined) this.#streams.set(kind, streams = new Map());
    return streams;
  }

  #sendFrame(kind: StreamKind, streamId: bigint, flags: number): void {
    const packet = new Uint8Array(PACKET_HEADER_BYTES + STREAM_HEADER_BYTES);
    const at = writePacketHeader(packet, 0, kind, 0, STREAM_HEADER_BYTES);
    writeStreamHeader(packet, at, { streamId, sender: this.#ownKey, flags });
    this.#options.send(packet);
  }

  /** Frames must not be dropped: the transport waits, and a reader that takes nothing loses its stream. */
  #waitForRoom(stream: VirtualStream, { id }: Transport): Promise<void> {
    const { clock, refusals } = this.#options;
    return new Promise((resolve) => {
      const timer = clock.timer(FULL_QUEUE_MS, () => {
        refusals.add("stalled stream");
        stream.close(new TimedOutError(`Reading a stream of transport ${id}`, FULL_QUEUE_MS));
      });
      stream.whenRoom(() => {
        timer.cancel();
        resolve();
      });
    });
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
