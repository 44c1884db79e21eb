/**
 * Checked streams between visors: random pairs, lengths and pauses, every byte of both directions known before.
 *
 *     dialler:  number u32 || length u32 || `length` bytes "there"
 *     answerer: `length` bytes "back" || 06, once all that must come has come
 *
 * The end is said in the stream, as half-close does not survive a dmsg server (dmsg.md 5.7): a stream that ends
 * before the 06 was cut, and its reader knows.
 *
 * @module
 */
import { type Conn, describeError, MalformedError, TruncatedError, withPrefix } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { type Clock, sleep, type World } from "../runtime/mod.ts";
import type { SeededRandom } from "../runtime/simulated/mod.ts";
import { ConnReader } from "../wire/mod.ts";
import { type Direction, fillSequence, firstWrong } from "./_sequence.ts";

const HEAD_BYTES = 8;
const DONE = 0x06;
/** Longest stream, one way. */
export const FLOW_BYTES_MAX = 48 * 1024;
/** Longest piece that is written at once. */
const PIECE_BYTES_MAX = 8 * 1024;
/** Longest pause between two pieces. */
const PAUSE_MS_MAX = 1_500;

/** Who begins and answers checked streams. */
export interface TrafficEnd {
  readonly name: string;
  readonly publicKey: PublicKey;
  readonly world: Pick<World, "clock">;
  /** Resolves when its program is killed. */
  readonly killed: Promise<void>;
  /** A connection to the bulk service of another. */
  openBulk(to: TrafficEnd): Promise<Conn>;
}

/** What a bulk service takes. */
export type BulkConn = Conn & { readonly remote: { readonly publicKey: PublicKey } };

/** One checked stream, as both of its ends see it. */
export interface Flow {
  readonly number: number;
  readonly from: TrafficEnd;
  readonly to: TrafficEnd;
  readonly bytes: number;
  /**
   * `unopened`: its dial failed; `cut`: it was open, and reported an error or an early end; `lost`: the dialler was
   * killed.
   */
  outcome: "running" | "complete" | "unopened" | "cut" | "lost";
  failure: string | undefined;
  /** Bytes that arrived in order. */
  readonly arrived: { there: number; back: number };
  /** When it began, or the last of them arrived. */
  movedMs: number;
}

export interface TrafficCounts {
  readonly complete: number;
  /** Whose dial failed. */
  readonly unopened: number;
  /** That were open, and ended with an error or early. */
  readonly cut: number;
  readonly lost: number;
  /** That arrived and were right. */
  readonly bytes: number;
}

/** All checked streams of a fleet. */
export class Traffic {
  readonly #flows = new Map<number, Flow>(); // those under way
  readonly #violations: string[] = [];
  readonly #random: SeededRandom;
  #next = 1;
  #complete = 0;
  #unopened = 0;
  #cut = 0;
  #lost = 0;
  #bytes = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** What no stream may do, one line each. */
  get violations(): readonly string[] {
    return this.#violations;
  }
  get counts(): TrafficCounts {
    return {
      complete: this.#complete,
      unopened: this.#unopened,
      cut: this.#cut,
      lost: this.#lost,
      bytes: this.#bytes,
    };
  }

  /** Streams that are under way, and of which nothing has arrived since `sinceMs`: their users hear nothing. */
  silentSince(sinceMs: number): Flow[] {
    return [...this.#flows.values()].filter(({ movedMs }) => movedMs < sinceMs);
  }

  /** One stream from its dial to its end. Never rejects; settles also when the dialler is killed. */
  async run(from: TrafficEnd, to: TrafficEnd, { pauses = true } = {}): Promise<Flow> {
    const random = this.#random.fork(`flow/${this.#next}`);
    const flow: Flow = {
      number: this.#next++,
      from,
      to,
      bytes: random.integer(0, FLOW_BYTES_MAX),
      outcome: "running",
      failure: undefined,
      arrived: { there: 0, back: 0 },
      movedMs: from.world.clock.monotonicMs(),
    };
    this.#flows.set(flow.number, flow);
    const killed = from.killed.then(() => this.#end(flow, "lost"));
    await Promise.race([this.#dial(flow, random, pauses), killed]);
    return flow;
  }

  async #dial(flow: Flow, random: SeededRandom, pauses: boolean): Promise<void> {
    let stream: Conn | undefined;
    try {
      const clock = flow.from.world.clock;
      stream = await flow.from.openBulk(flow.to);
      await stream.write(headOf(flow));
      await both(stream, [
        sendPieces(stream, { flow, direction: "there", random: random.fork("there"), clock, pauses }),
        this.#receive(stream, flow, "back"),
      ]);
      if (flow.arrived.there !== flow.bytes) {
        this.#violate(flow, `is complete, but ${flow.arrived.there} of ${flow.bytes} bytes arrived there`);
      }
      this.#end(flow, "complete");
    } catch (error) {
      flow.failure ??= describeError(error);
      this.#end(flow, stream === undefined ? "unopened" : "cut");
    } finally {
      stream?.close();
    }
  }

  /** The answering end of one stream; for a visor's bulk service. Never rejects. */
  async answer(stream: BulkConn, visor: TrafficEnd): Promise<void> {
    try {
      const reader = new ConnReader(stream);
      const head = new DataView((await reader.readExactly(HEAD_BYTES)).slice().buffer);
      const flow = this.#flows.get(head.getUint32(0));
      if (flow === undefined) return; // it was cut before its head arrived
      const claims = `${stream.remote.publicKey} ${head.getUint32(4)} ${visor.publicKey}`;
      if (claims !== `${flow.from.publicKey} ${flow.bytes} ${flow.to.publicKey}`) {
        return this.#violate(flow, `arrived with the head of another: ${claims}`);
      }
      const random = this.#random.fork(`answer/${flow.number}`);
      const clock = visor.world.clock;
      await both(stream, [
        sendPieces(stream, { flow, direction: "back", random, clock, pauses: false }),
        this.#receive(withPrefix(stream, reader.rest()), flow, "there"),
      ]);
      await stream.write(new Uint8Array([DONE]));
      await stream.read(); // until the dialler, who has it all, ends it
    } catch {
      // The dialler's end says what became of the stream.
    } finally {
      stream.close();
    }
  }

  /** Reads to the end of a direction, which is said by the number of bytes, not by the stream. */
  async #receive(conn: Conn, flow: Flow, direction: Direction): Promise<void> {
    const total = flow.bytes + (direction === "back" ? 1 : 0);
    for (let position = 0; position < total;) {
      const bytes = await conn.read();
      if (bytes === null) throw new TruncatedError("a checked stream");
      this.#check(flow, direction, position, bytes);
      position += bytes.length;
    }
  }

  #check(flow: Flow, direction: Direction, position: number, bytes: Uint8Array): void {
    const payload = bytes.subarray(0, Math.max(0, flow.bytes - position));
    const wrong = firstWrong(payload, flow.number, direction, position);
    if (wrong >= 0) this.#violate(flow, `has a wrong byte at ${position + wrong} ${direction}`);
    const tail = bytes.subarray(payload.length);
    const isEnd = tail.length === 0 || direction === "back" && tail.length === 1 && tail[0] === DONE;
    if (!isEnd) this.#violate(flow, `goes on after its end ${direction}`);
    if (wrong >= 0 || !isEnd) throw new MalformedError("A checked stream carries what was not sent");
    flow.arrived[direction] += payload.length;
    flow.movedMs = flow.from.world.clock.monotonicMs();
    this.#bytes += payload.length;
  }

  #end(flow: Flow, outcome: Exclude<Flow["outcome"], "running">): void {
    if (flow.outcome !== "running") return;
    flow.outcome = outcome;
    this.#flows.delete(flow.number);
    if (outcome === "complete") this.#complete++;
    else if (outcome === "unopened") this.#unopened++;
    else if (outcome === "cut") this.#cut++;
    else this.#lost++;
  }

  #violate({ number, from, to }: Flow, what: string): void {
    this.#violations.push(`stream ${number} from ${from.name} to ${to.name} ${what}`);
  }
}

/** Streams without a pause between them, from each of `workers`, until told to stop. */
export class BackgroundTraffic {
  #stopped = false;
  readonly #workers: Promise<void>[];

  constructor(
    { traffic, random, clock, workers, visors, diallers = visors }: {
      readonly traffic: Traffic;
      readonly random: SeededRandom;
      readonly clock: Clock;
      readonly workers: number;
      readonly visors: () => readonly TrafficEnd[];
      /** Those of them that begin streams; all unless told. */
      readonly diallers?: () => readonly TrafficEnd[];
    },
  ) {
    this.#workers = Array.from({ length: workers }, async () => {
      while (!this.#stopped) {
        const up = visors();
        if (up.length >= 2) {
          const from = up.indexOf(chosen(random, diallers()));
          const to = (from + random.integer(1, up.length - 1)) % up.length;
          const isItself = up[from]!.publicKey === up[to]!.publicKey; // two hosts with one key
          if (!isItself) await traffic.run(up[from]!, up[to]!);
        }
        if (!this.#stopped) await sleep(clock, random.integer(100, 2_000));
      }
    });
  }

  /** Begins no more streams; resolves when those under way have ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#workers);
  }
}

function chosen<T>(random: SeededRandom, list: readonly T[]): T {
  return list[random.integer(0, list.length - 1)]!;
}

interface Sending {
  readonly flow: Flow;
  readonly direction: Direction;
  readonly random: SeededRandom;
  readonly clock: Clock;
  readonly pauses: boolean;
}

async function sendPieces(conn: Conn, { flow, direction, random, clock, pauses }: Sending): Promise<void> {
  for (let sent = 0; sent < flow.bytes;) {
    const piece = new Uint8Array(Math.min(flow.bytes - sent, random.integer(1, PIECE_BYTES_MAX)));
    fillSequence(piece, flow.number, direction, sent);
    await conn.write(piece);
    sent += piece.length;
    if (pauses && random.chance(40)) await sleep(clock, random.integer(1, PAUSE_MS_MAX));
  }
}

/** Both directions; the first failure ends the stream, so that the other one fails too and is joined. */
async function both(conn: Conn, halves: readonly Promise<unknown>[]): Promise<void> {
  const ending = halves.map((half) =>
    half.catch((error) => {
      conn.close(error);
      throw error;
    })
  );
  const ended = await Promise.allSettled(ending);
  const failed = ended.find((half) => half.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

function headOf({ number, bytes }: Flow): Uint8Array {
  const head = new DataView(new ArrayBuffer(HEAD_BYTES));
  head.setUint32(0, number);
  head.setUint32(4, bytes);
  return new Uint8Array(head.buffer);
}
