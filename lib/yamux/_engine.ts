/**
 * The inside of a session: the table of streams, what each frame means, deadlines, and the end.
 *
 * The read loop waits for nothing but the connection: it hands payload to bounded buffers and answers to the
 * output's queue of control frames. Frame by frame as hashicorp/yamux behaves (dmsg.md 3.2).
 *
 * @module
 */
import {
  type Conn,
  ConnClosedError,
  ConnResetError,
  type Ledger,
  LimitError,
  MalformedError,
  SkyError,
  TimedOutError,
  TruncatedError,
} from "../base/mod.ts";
import type { Clock, World } from "../runtime/mod.ts";
import { Deadlines } from "./_deadlines.ts";
import { type FrameHandler, FrameReader } from "./_frame_reader.ts";
import { MuxStream } from "./_mux_stream.ts";
import { Output } from "./_output.ts";
import { Pings } from "./_pings.ts";
import { GoAwayError } from "./errors.ts";
import {
  FLAG_ACK,
  FLAG_FIN,
  FLAG_RST,
  FLAG_SYN,
  GO_AWAY_INTERNAL_ERROR,
  GO_AWAY_NORMAL,
  GO_AWAY_PROTOCOL_ERROR,
  STREAM_ID_MAX,
  TYPE_DATA,
  TYPE_GO_AWAY,
  TYPE_PING,
  TYPE_WINDOW_UPDATE,
  WINDOW_BYTES,
} from "./frame.ts";
import type { YamuxLimits } from "./limits.ts";
import type { YamuxSession } from "./session.ts";
import type { YamuxStream } from "./stream.ts";
import { WindowBudget } from "./window_budget.ts";

/** A stream gets one part in so many of what the session has left. */
const WINDOW_SHARE = 4;

export interface EngineOptions {
  readonly conn: Conn;
  readonly role: "client" | "server";
  readonly world: Pick<World, "clock" | "ledger">;
  readonly limits: YamuxLimits;
  readonly windowBudget?: WindowBudget;
  readonly onStream: (stream: YamuxStream) => void;
}

export class Engine implements FrameHandler {
  readonly session: YamuxSession;
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly output: Output;
  readonly closed: Promise<void>;
  /** When the peer was last heard: `Clock.monotonicMs` of the last read. */
  heardMs: number;
  bytesIn = 0;
  /** Why the session ended, unless by our close or by the peer's orderly end. */
  failure: unknown;
  /** Settles when the session is over, before what it held is gone; never rejects. */
  readonly ended: Promise<void>;

  readonly #settleEnded: () => void;
  readonly #options: EngineOptions;
  readonly #streams = new Map<number, MuxStream>();
  readonly #reader = new FrameReader(this);
  readonly #deadlines: Deadlines;
  readonly #pings: Pings;
  #nextId: number;
  #payloadStream: MuxStream | undefined; // of the Data frame that is being read; undefined: drained
  #payloadFlags = 0;
  #toWake: MuxStream[] = [];
  #unacked: Set<MuxStream> | undefined; // opened by us, oldest first
  #closing: Set<MuxStream> | undefined; // closed by us, oldest first
  readonly #extraWindow: WindowBudget; // for streams, above what each has by the protocol
  #sentGoAway = false;
  #goneAway = false; // the peer takes no more streams
  #end: { readonly error: Error } | undefined; // what every later call on the session rejects with

  constructor(session: YamuxSession, options: EngineOptions) {
    const { conn, role, world, limits } = options;
    const { clock, ledger } = world;
    this.session = session;
    this.clock = clock;
    this.ledger = ledger;
    this.#options = options;
    this.#nextId = role === "client" ? 1 : 2;
    this.#extraWindow = new WindowBudget(limits.windowExtraBytesMax, options.windowBudget);
    this.heardMs = clock.monotonicMs();
    ({ promise: this.ended, resolve: this.#settleEnded } = Promise.withResolvers<void>());
    this.output = new Output(conn, {
      clock,
      writeTimeoutMs: limits.writeTimeoutMs,
      onWriteStarted: (dueMs) => this.#deadlines.by(dueMs),
      onFailed: (error) => this.#fail(error),
    });
    this.#pings = new Pings(clock, limits, (flags, value) => this.#control(TYPE_PING, flags, 0, value));
    this.#deadlines = new Deadlines(clock, (nowMs) => this.#checkDeadlines(nowMs));
    this.#deadlines.by(this.#pings.dueMs);
    this.closed = this.#run(ledger.open("yamux-session"));
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  get isLive(): boolean {
    return this.#end === undefined && !this.#goneAway && !this.#sentGoAway;
  }

  // --- called by the session ---------------------------------------------------------------------

  open(): YamuxStream {
    if (this.#end !== undefined) throw this.#end.error;
    if (this.#goneAway) throw new GoAwayError(GO_AWAY_NORMAL);
    if (this.#sentGoAway) throw new ConnClosedError(undefined, "The session opens no more streams");
    const { streamsMax } = this.#options.limits;
    if (this.#streams.size >= streamsMax) {
      throw new LimitError(`Cannot open a stream: the session has ${streamsMax} already`);
    }
    if (this.#nextId > STREAM_ID_MAX) {
      throw new LimitError("Cannot open a stream: the session has used all ids");
    }
    const stream = new MuxStream(this, this.#nextId, this.#takeWindow());
    this.#nextId += 2;
    stream.openedMs = this.clock.monotonicMs();
    this.#streams.set(stream.id, stream);
    (this.#unacked ??= new Set()).add(stream);
    this.#deadlines.by(stream.openedMs + this.#options.limits.openTimeoutMs);
    this.windowUpdate(stream.id, stream.extraWindow, FLAG_SYN);
    return stream;
  }

  ping(signal?: AbortSignal): Promise<number> {
    return this.#end !== undefined ? Promise.reject(this.#end.error) : this.#pings.send(signal);
  }

  goAway(): void {
    if (this.#end !== undefined || this.#sentGoAway) return;
    this.#sentGoAway = true;
    this.#control(TYPE_GO_AWAY, 0, 0, GO_AWAY_NORMAL);
  }

  close(reason?: unknown): void {
    if (this.#end === undefined) return this.#finish(new ConnClosedError(reason), { abort: reason });
    if (reason !== undefined) this.#options.conn.close(reason); // cuts the linger short
  }

  // --- called by streams -------------------------------------------------------------------------

  windowUpdate(id: number, bytes: number, flags: number): void {
    this.#control(TYPE_WINDOW_UPDATE, flags, id, bytes);
  }

  wakeAfterPass(stream: MuxStream): void {
    this.#toWake.push(stream);
  }

  /** The stream is closed on our side: it is reset when the peer's FIN does not come in time. */
  awaitFin(stream: MuxStream): void {
    stream.closingSinceMs = this.clock.monotonicMs();
    (this.#closing ??= new Set()).add(stream);
    this.#deadlines.by(stream.closingSinceMs + this.#options.limits.closeTimeoutMs);
  }

  /** A stream holds none of its larger window any more. */
  giveWindow(bytes: number): void {
    this.#extraWindow.give(bytes);
  }

  forget(stream: MuxStream): void {
    if (this.#streams.get(stream.id) === stream) this.#streams.delete(stream.id);
    this.#unacked?.delete(stream);
    this.#closing?.delete(stream);
  }

  // --- frames ------------------------------------------------------------------------------------

  onHeader(type: number, flags: number, id: number, length: number): void {
    if (type === TYPE_DATA) this.#onData(flags, id, length);
    else if (type === TYPE_WINDOW_UPDATE) this.#onWindowUpdate(flags, id, length);
    else if (type === TYPE_PING) this.#pings.onFrame((flags & FLAG_SYN) !== 0, length);
    else this.#onGoAway(length);
  }

  onPayload(piece: Uint8Array, isLast: boolean): void {
    this.#payloadStream?.onPayload(piece);
    if (isLast) this.#endData();
  }

  #onData(flags: number, id: number, length: number): void {
    const stream = this.#streamOf(flags, id);
    stream?.expect(length);
    if (stream !== undefined && (flags & FLAG_RST) !== 0) stream.onReset(); // its payload is drained
    else this.#payloadStream = stream;
    this.#payloadFlags = flags;
    if (length === 0) this.#endData();
  }

  #endData(): void {
    const stream = this.#payloadStream;
    this.#payloadStream = undefined;
    if ((this.#payloadFlags & FLAG_FIN) !== 0) stream?.onFin();
  }

  #onWindowUpdate(flags: number, id: number, length: number): void {
    const stream = this.#streamOf(flags, id);
    if (stream === undefined) return; // of a stream that is gone
    if (length > 0) stream.onWindow(length);
    if ((flags & FLAG_RST) !== 0) stream.onReset();
    else if ((flags & FLAG_FIN) !== 0) stream.onFin();
  }

  /** The stream that a frame is for, made now when the frame carries SYN. */
  #streamOf(flags: number, id: number): MuxStream | undefined {
    if ((flags & FLAG_SYN) !== 0) this.#accept(id);
    const stream = this.#streams.get(id); // the callback of an accepted stream may have ended it
    if (stream !== undefined && (flags & FLAG_ACK) !== 0) this.#unacked?.delete(stream);
    return stream;
  }

  #accept(id: number): void {
    if (this.#streams.has(id)) throw new MalformedError(`Stream ${id} was opened twice`);
    const isOfPeer = id !== 0 && (id % 2 === 1) === (this.#options.role === "server");
    if (!isOfPeer) throw new MalformedError(`The peer opened stream ${id}, which is not one of its numbers`);
    if (this.#sentGoAway || this.#streams.size >= this.#options.limits.streamsMax) {
      return this.windowUpdate(id, 0, FLAG_RST);
    }
    const stream = new MuxStream(this, id, this.#takeWindow());
    this.#streams.set(id, stream);
    this.windowUpdate(id, stream.extraWindow, FLAG_ACK);
    this.#options.onStream(stream);
  }

  /** What a new stream gets above the window of the protocol. */
  #takeWindow(): number {
    const share = Math.floor(this.#extraWindow.left / WINDOW_SHARE);
    const extra = Math.max(0, Math.min(this.#options.limits.windowBytesMax - WINDOW_BYTES, share));
    this.#extraWindow.take(extra);
    return extra;
  }

  #onGoAway(code: number): void {
    if (code !== GO_AWAY_NORMAL) throw new GoAwayError(code);
    this.#goneAway = true;
  }

  #control(type: number, flags: number, id: number, length: number): void {
    if (this.output.control(type, flags, id, length)) return;
    this.#fail(new LimitError("The peer makes us answer faster than it reads"));
  }

  // --- the loop and the end ----------------------------------------------------------------------

  async #run(release: () => void): Promise<void> {
    const { conn } = this.#options;
    try {
      for (let view = await conn.read(); view !== null; view = await conn.read()) {
        this.bytesIn += view.length;
        this.heardMs = this.clock.monotonicMs();
        this.#pings.onHeard();
        this.#reader.push(view);
        this.#wakeReaders();
        if (this.#end !== undefined) break;
      }
      this.#onInputEnd();
    } catch (error) {
      this.#wakeReaders(); // the frames before the bad one count
      this.#fail(error);
    }
    await this.output.joined();
    await conn.closed;
    release();
  }

  #wakeReaders(): void {
    const streams = this.#toWake;
    if (streams.length === 0) return;
    for (const stream of streams) stream.wake();
    streams.length = 0;
  }

  #onInputEnd(): void {
    if (this.#end !== undefined) return;
    if (!this.#reader.isAtBorder) return this.#fail(new TruncatedError("a yamux frame"));
    this.#finish(new ConnResetError("The session was ended by the peer"), {});
  }

  /** Ends the session by its own fault or its peer's. A peer that broke the protocol is told so. */
  #fail(error: unknown): void {
    if (this.#end !== undefined) return;
    this.failure = error;
    // A stream that was cut off inside a frame must not look like one that was reset.
    const ended = error instanceof TruncatedError
      ? error
      : new ConnResetError("The session has failed", { cause: error });
    if (error instanceof MalformedError) return this.#finish(ended, { goAway: GO_AWAY_PROTOCOL_ERROR });
    if (!(error instanceof SkyError)) return this.#finish(ended, { goAway: GO_AWAY_INTERNAL_ERROR });
    this.#finish(ended, { abort: error });
  }

  #finish(error: Error, { abort, goAway }: { abort?: unknown; goAway?: number }): void {
    this.#end = { error };
    this.#settleEnded();
    this.#reader.stop();
    this.#deadlines.stop();
    if (goAway !== undefined) this.output.control(TYPE_GO_AWAY, 0, 0, goAway);
    if (abort === undefined) this.output.end();
    else this.output.drop();
    this.#options.conn.close(abort);
    for (const stream of [...this.#streams.values()]) stream.onSessionEnd(error);
    this.#extraWindow.end(); // those that both sides ended, and nobody closed, had their parts still
    this.#pings.end(error);
  }

  // --- time --------------------------------------------------------------------------------------

  #checkDeadlines(nowMs: number): number {
    const { writeTimeoutMs, openTimeoutMs, closeTimeoutMs } = this.#options.limits;
    if (!this.#pings.check(nowMs)) {
      this.#fail(new TimedOutError("The answer to a keep-alive ping", writeTimeoutMs));
      return Infinity;
    }
    const { writeDueMs } = this.output;
    if (nowMs >= writeDueMs) {
      this.#fail(new TimedOutError("A write of the session", writeTimeoutMs));
      return Infinity;
    }
    const openDueMs = (first(this.#unacked)?.openedMs ?? Infinity) + openTimeoutMs;
    if (nowMs >= openDueMs) {
      this.#fail(new TimedOutError("The opening of a stream", openTimeoutMs));
      return Infinity;
    }
    let closing = first(this.#closing);
    while (closing !== undefined && nowMs >= closing.closingSinceMs + closeTimeoutMs) {
      closing.reset();
      closing = first(this.#closing);
    }
    const closeDueMs = (closing?.closingSinceMs ?? Infinity) + closeTimeoutMs;
    return Math.min(this.#pings.dueMs, writeDueMs, openDueMs, closeDueMs);
  }
}

function first(streams: Set<MuxStream> | undefined): MuxStream | undefined {
  return streams?.values().next().value;
}
