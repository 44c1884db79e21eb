/**
 * `KcpEngine`: one session as a machine without a clock or a socket. Datagrams and times go in, datagrams come
 * out; whoever drives it asks {@link KcpEngine.dueMs} when to call {@link KcpEngine.flush} next.
 *
 * Wire-compatible with kcp-go as the network runs it (protocol: transport, section 6.3). What is ours, and no
 * peer's business: lost segments are found by what arrived after them, the window under way is TCP's, receivers
 * acknowledge at once, and a reader that keeps up is given a larger window.
 *
 * @module
 */
import { Receiver } from "./_receiver.ts";
import { type Outgoing, Sender } from "./_sender.ts";
import { BURST_MAX, BURST_PAUSE_MS, PROBE_MAX_MS, PROBE_MS } from "./limits.ts";
import {
  Command,
  commandAt,
  conversationAt,
  dataAt,
  distance,
  Ending,
  fragmentAt,
  HEADER_BYTES,
  isDatagram,
  MTU_BYTES,
  numberAt,
  segmentEndAt,
  type SegmentHeader,
  timestampAt,
  unacknowledgedAt,
  windowAt,
  writeHeader,
} from "./segment.ts";

export interface KcpEngineOptions {
  readonly conversation: number;
  /** Sends a datagram. It is the receiver's to read until it is sent; the engine may send the same bytes again. */
  readonly send: (datagram: Uint8Array) => void;
  /** Each write begins a segment of its own: for peers that read messages. Default false. */
  readonly keepsWrites?: boolean;
}

export class KcpEngine {
  readonly conversation: number;
  readonly #send: (datagram: Uint8Array) => void;
  readonly #sender: Sender;
  readonly #receiver = new Receiver();
  #owesTell = false;
  #remoteSaid = 0; // the peer's `una` with the newest window
  #probeMs = PROBE_MS;
  #probeAtMs: number | undefined;
  #burstAtMs: number | undefined; // more may be sent, from then on
  // The datagram that is being filled.
  #datagram: Uint8Array = NOTHING;
  #filled = 0;

  constructor({ conversation, send, keepsWrites = false }: KcpEngineOptions) {
    this.conversation = conversation;
    this.#send = send;
    this.#sender = new Sender(keepsWrites);
  }

  // --- the local side ----------------------------------------------------------------------------

  /** Takes in what there is room for; how much that was. Sends nothing before the next flush. */
  write(bytes: Uint8Array): number {
    return this.#sender.write(bytes);
  }

  /** Ends our half, after what was taken in. */
  end(): void {
    this.#sender.end(Ending.orderly);
  }

  /** Bytes that came, at most `bytesMax`, valid until the next call; empty when there are none. */
  read(bytesMax: number): Uint8Array {
    return this.#receiver.read(bytesMax);
  }

  /** Nobody will read: what comes is acknowledged and dropped. */
  discard(): void {
    this.#receiver.discard();
  }

  /** Bytes that a reader would get. */
  get readable(): number {
    return this.#receiver.size;
  }

  /** The peer ended its half, and every byte before that has come. */
  get hasEnded(): boolean {
    return this.#receiver.hasEnded;
  }

  /** The peer dropped the session. */
  get wasReset(): boolean {
    return this.#receiver.wasReset;
  }

  /** Everything that was taken in has arrived. */
  get isDelivered(): boolean {
    return this.#sender.isIdle;
  }

  /** Something of what was sent has arrived. */
  get isAnswered(): boolean {
    return this.#sender.unacknowledged > 0;
  }

  /** Bytes that {@link write} would take in. */
  get room(): number {
    return this.#sender.room;
  }

  // --- the wire ----------------------------------------------------------------------------------

  /**
   * A datagram came. False when it is not one of this session's, or says what cannot be: then nothing of it
   * counts. What it is answered with goes out with the next flush.
   */
  input(datagram: Uint8Array, nowMs: number): boolean {
    if (!isDatagram(datagram) || conversationAt(datagram, 0) !== this.conversation) return false;
    for (let at = 0; at < datagram.length; at = segmentEndAt(datagram, at)) {
      if (!this.#sender.couldAcknowledge(unacknowledgedAt(datagram, at))) return false;
    }
    let news = 0;
    for (let at = 0; at < datagram.length; at = segmentEndAt(datagram, at)) {
      const unacknowledged = unacknowledgedAt(datagram, at);
      const command = commandAt(datagram, at);
      if (distance(unacknowledged, this.#remoteSaid) >= 0) {
        this.#remoteSaid = unacknowledged;
        this.#sender.remoteWindow = windowAt(datagram, at);
      }
      if (command === Command.acknowledge) {
        // First: the number tells which transmission arrived, and how long that took.
        if (this.#sender.acknowledge(numberAt(datagram, at), timestampAt(datagram, at), nowMs)) news++;
      }
      news += this.#sender.acknowledgeBelow(unacknowledged);
      if (command === Command.push) this.#push(datagram, at, nowMs);
      else if (command === Command.askWindow) this.#owesTell = true;
    }
    this.#sender.settle(news, nowMs);
    return true;
  }

  /** Sends all that may be sent now. */
  flush(nowMs: number): void {
    const sender = this.#sender;
    sender.expire(nowMs);
    this.#burstAtMs = undefined;
    let segment = sender.take(nowMs);
    const { dueMs } = this.#receiver;
    if (segment !== undefined || (dueMs !== undefined && dueMs <= nowMs)) this.#acknowledge();
    for (let count = 1; segment !== undefined; count++) {
      this.#sendSegment(segment);
      if (count === BURST_MAX) {
        this.#burstAtMs = nowMs + BURST_PAUSE_MS;
        break;
      }
      segment = sender.take(nowMs);
    }
    if (this.#owesTell || this.#receiver.owesWindow) {
      this.#owesTell = false;
      this.#say(Command.tellWindow);
    }
    this.#probe(nowMs);
    this.#finishDatagram();
  }

  /** For how long nothing of what was sent has arrived, though it should; 0 when there is nothing to arrive. */
  stuckMs(nowMs: number): number {
    return this.#sender.stuckMs(nowMs);
  }

  /** When {@link flush} has something to do, by itself; undefined when never. */
  get dueMs(): number | undefined {
    return earliest(
      earliest(this.#receiver.dueMs, this.#sender.dueMs),
      earliest(this.#probeAtMs, this.#burstAtMs),
    );
  }

  /** Tells the peer that the session is gone, and that nothing will come any more. */
  reset(): void {
    const header = this.#header(Command.push, this.#sender.next, 0, Ending.reset);
    const datagram = new Uint8Array(HEADER_BYTES);
    writeHeader(datagram, 0, header, 0);
    this.#send(datagram);
  }

  // --- within ------------------------------------------------------------------------------------

  #push(datagram: Uint8Array, at: number, nowMs: number): void {
    const [number, timestamp] = [numberAt(datagram, at), timestampAt(datagram, at)];
    this.#receiver.push(number, timestamp, fragmentAt(datagram, at), dataAt(datagram, at), nowMs);
    if (this.#receiver.owesAll) { // a flood of what came before, say: nothing grows by it
      this.#acknowledge();
      this.#finishDatagram();
    }
  }

  #acknowledge(): void {
    for (const { number, timestamp } of this.#receiver.takeOwed()) {
      this.#addHeader(this.#header(Command.acknowledge, number, timestamp), 0);
    }
  }

  #sendSegment({ bytes, dataBytes, fragment, number, timestamp }: Outgoing): void {
    const header = this.#header(Command.push, number, timestamp, fragment);
    if (bytes.length + this.#filled > MTU_BYTES) this.#finishDatagram();
    if (bytes.length > MTU_BYTES - HEADER_BYTES) { // as it lies: nothing would fit beside it
      writeHeader(bytes, 0, header, dataBytes);
      return this.#send(bytes);
    }
    this.#addHeader(header, dataBytes);
    this.#datagram.set(bytes.subarray(HEADER_BYTES), this.#filled);
    this.#filled += dataBytes;
  }

  /** Asks a peer whose window is closed, seldom: what told of its opening may have been lost. */
  #probe(nowMs: number): void {
    if (!this.#sender.isShutOut) {
      this.#probeAtMs = undefined;
      this.#probeMs = PROBE_MS;
      return;
    }
    this.#probeAtMs ??= nowMs + this.#probeMs;
    if (nowMs < this.#probeAtMs) return;
    this.#say(Command.askWindow);
    this.#probeMs = Math.min(this.#probeMs * 1.5, PROBE_MAX_MS);
    this.#probeAtMs = nowMs + this.#probeMs;
  }

  #say(command: number): void {
    this.#addHeader(this.#header(command, 0, 0), 0);
  }

  #header(command: number, number: number, timestamp: number, fragment = 0): SegmentHeader {
    return {
      conversation: this.conversation,
      command,
      fragment,
      window: this.#receiver.told(),
      timestamp,
      number,
      unacknowledged: this.#receiver.next,
    };
  }

  #addHeader(header: SegmentHeader, dataBytes: number): void {
    if (this.#filled + HEADER_BYTES + dataBytes > MTU_BYTES) this.#finishDatagram();
    if (this.#filled === 0) this.#datagram = new Uint8Array(MTU_BYTES);
    writeHeader(this.#datagram, this.#filled, header, dataBytes);
    this.#filled += HEADER_BYTES;
  }

  #finishDatagram(): void {
    if (this.#filled === 0) return;
    const datagram = this.#datagram.subarray(0, this.#filled);
    this.#datagram = NOTHING;
    this.#filled = 0;
    this.#send(datagram);
  }
}

function earliest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}

const NOTHING = new Uint8Array(0);
