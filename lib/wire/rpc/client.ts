/**
 * The calling side of Go's net/rpc (routing.md 9.1).
 *
 * Answers are matched by their number, so calls may overlap. The connection is read from the start on: one that
 * ended while nobody called says so at the next call, without a round trip.
 *
 * @module
 */
import { type Conn, ConnClosedError, LimitError, MalformedError, TimedOutError } from "../../base/mod.ts";
import type { Timer, World } from "../../runtime/mod.ts";
import type { GobIds, GobType } from "../gob/mod.ts";
import { MessageReader, MessageWriter, REQUEST, RESPONSE } from "./_messages.ts";
import { ERROR_TEXT_CHARS_MAX, RpcError, RpcShutDownError } from "./errors.ts";

/** Of one call, from its first byte to its answer (routing.md 13). */
export const RPC_CALL_TIMEOUT_MS = 30_000;
/** Calls of one client that wait for their answers; who asks for more is not reading them. */
export const CLIENT_CALLS_MAX = 64;

export interface RpcClientOptions {
  readonly world: Pick<World, "clock">;
  /** Of each call; past it the connection is closed, since nothing more can be expected of it. */
  readonly callTimeoutMs?: number;
  /** Numbers of the types that are sent; by default they are counted from 64 on. */
  readonly typeIds?: GobIds;
}

interface PendingCall {
  readonly method: string;
  readonly replyType: GobType<unknown>;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/** Calls over a connection that it owns. */
export class RpcClient {
  /** Settles when the connection is gone and nothing of the client runs any more. Never rejects. */
  readonly closed: Promise<void>;
  readonly #conn: Conn;
  readonly #clock: World["clock"];
  readonly #callTimeoutMs: number;
  readonly #writer: MessageWriter;
  readonly #pending = new Map<bigint, PendingCall>();
  #nextSequence = 0n;
  #end: { readonly reason: unknown } | undefined;

  constructor(conn: Conn, { world, callTimeoutMs = RPC_CALL_TIMEOUT_MS, typeIds }: RpcClientOptions) {
    this.#conn = conn;
    this.#clock = world.clock;
    this.#callTimeoutMs = callTimeoutMs;
    this.#writer = new MessageWriter(conn, typeIds);
    const reading = this.#readAnswers(new MessageReader(conn));
    this.closed = Promise.all([reading, conn.closed]).then(() => {});
  }

  /** False once the connection is at its end, whoever ended it. */
  get isOpen(): boolean {
    return this.#end === undefined;
  }

  /**
   * Calls `method` and gives its reply. Errors: `RpcError` with the other side's text, `RpcShutDownError`,
   * `MalformedError` for a reply of another type, `TimedOutError`, `LimitError`, the signal's reason (the answer
   * is then read over when it comes).
   */
  async call<A, R>(
    method: string,
    argumentType: GobType<A>,
    argument: A,
    replyType: GobType<R>,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<R> {
    signal?.throwIfAborted();
    if (this.#end !== undefined) throw new RpcShutDownError(this.#end.reason);
    if (this.#pending.size >= CLIENT_CALLS_MAX) {
      throw new LimitError(`${CLIENT_CALLS_MAX} calls wait already`);
    }
    const sequence = this.#nextSequence++;
    let timer: Timer | undefined;
    let onAbort: (() => void) | undefined;
    try {
      return await new Promise<R>((resolve, reject) => {
        this.#pending.set(sequence, {
          method,
          replyType,
          resolve: resolve as PendingCall["resolve"],
          reject,
        });
        timer = this.#clock.timer(this.#callTimeoutMs, () => {
          const late = new TimedOutError(`Call ${method}`, this.#callTimeoutMs);
          reject(late);
          this.close(late);
        });
        onAbort = () => reject(signal!.reason);
        signal?.addEventListener("abort", onAbort, { once: true });
        this.#writer.write(REQUEST, { ServiceMethod: method, Seq: sequence }, argumentType, argument)
          .catch((cause) => this.#finish(cause));
      });
    } finally {
      timer?.cancel();
      if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
      this.#pending.delete(sequence);
    }
  }

  /** Ends the connection; calls under way fail with `RpcShutDownError`. May be repeated. */
  close(reason?: unknown): void {
    this.#finish(reason ?? new ConnClosedError());
  }

  async #readAnswers(answers: MessageReader): Promise<void> {
    try {
      while (await answers.next()) {
        const header = answers.value(RESPONSE);
        await answers.advance();
        this.#answer(header, answers);
      }
      this.#finish(undefined);
    } catch (cause) {
      this.#finish(cause);
    }
  }

  #answer({ Seq, Error: text }: { Seq: bigint; Error: string }, answers: MessageReader): void {
    if (Seq >= this.#nextSequence) throw new MalformedError(`Answer to call ${Seq}, which was not made`);
    const call = this.#pending.get(Seq);
    if (call === undefined || text !== "") {
      answers.skip(); // of a call that was given up, or the empty struct behind an error
      return call?.reject(new RpcError(call.method, text.slice(0, ERROR_TEXT_CHARS_MAX)));
    }
    this.#pending.delete(Seq);
    let reply: unknown;
    try {
      reply = answers.value(call.replyType);
    } catch (cause) {
      return call.reject(cause); // the message is over: the next answer is read as if nothing were
    }
    call.resolve(reply);
  }

  #finish(reason: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { reason };
    // The last answer was read; what is still in our buffers is requests that nobody waits for.
    this.#conn.close(reason instanceof ConnClosedError ? undefined : reason);
    for (const { reject } of [...this.#pending.values()]) reject(new RpcShutDownError(reason));
    this.#pending.clear();
  }
}
