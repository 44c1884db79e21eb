/**
 * The answering side of Go's net/rpc (routing.md 9.1).
 *
 * @module
 */
import {
  type Conn,
  ConnClosedError,
  describeError,
  type Log,
  silentLog,
  TimedOutError,
} from "../../base/mod.ts";
import type { GobIds, GobType } from "../gob/mod.ts";
import { MessageReader, MessageWriter, NO_REPLY, REQUEST, type Request, RESPONSE } from "./_messages.ts";
import { ERROR_TEXT_CHARS_MAX, rpcTextOf } from "./errors.ts";

/** Calls of one connection that are worked on at once; further ones are read when one of them has ended. */
export const SERVER_CALLS_MAX = 8;

/** One method. `handle` gives the reply, or throws an error whose text the caller gets. */
export interface RpcMethod<A, R> {
  readonly argument: GobType<A>;
  readonly reply: GobType<R>;
  /**
   * `signal` is aborted when the caller went away, or the server is told to end. What is given to `ifUnread` is
   * called when the caller may never have read the reply, so that what was done may have been done for nobody: it
   * went before the reply was sent, the reply could not be, or the connection broke behind it. A caller who has the
   * reply ends the connection in order, or says nothing more on it.
   */
  handle(argument: A, signal: AbortSignal, ifUnread: (undo: () => void) => void): R | Promise<R>;
}

/** Methods by `Service.Method`. */
// deno-lint-ignore no-explicit-any
export type RpcMethods = Readonly<Record<string, RpcMethod<any, any>>>;

export interface ServeRpcOptions {
  /** Ends the connection at once. */
  readonly signal?: AbortSignal;
  readonly log?: Log;
  readonly limits?: { readonly callsMax?: number };
  /** Numbers of the types that are sent; by default they are counted from 64 on. */
  readonly typeIds?: GobIds;
}

/** Gives the types of a method's argument and reply to its handler. */
export function rpcMethod<A, R>(method: RpcMethod<A, R>): RpcMethod<A, R> {
  return method;
}

/**
 * Answers the calls on `conn` until it ends, and closes it. Calls under way are then told by their signals, and
 * waited for. Never rejects: what breaks the format ends the connection.
 */
export async function serveRpc(
  conn: Conn,
  methods: RpcMethods,
  options: ServeRpcOptions = {},
): Promise<void> {
  const { signal, log = silentLog, limits: { callsMax = SERVER_CALLS_MAX } = {}, typeIds } = options;
  const answers = new MessageWriter(conn, typeIds);
  const ending = new AbortController();
  const running = new Set<Promise<void>>();
  const unread = new UnreadReplies(callsMax);
  let isBroken = false;
  const end = (reason?: unknown) => {
    conn.close(reason);
    ending.abort(reason);
  };
  const onAbort = () => end(new ConnClosedError(signal!.reason));
  if (signal?.aborted) return end(signal.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const requests = new MessageReader(conn);
    while (await requests.next()) {
      const request = requests.value(REQUEST);
      await requests.advance();
      const call = beginCall(request, requests, { methods, answers, unread, signal: ending.signal, log });
      const ended = call.catch(end).finally(() => running.delete(ended));
      running.add(ended);
      if (running.size >= callsMax) await Promise.race(running);
    }
    ending.abort(new ConnClosedError(undefined, "The caller is gone"));
  } catch (error) {
    log.debug("A connection of calls ended", { cause: describeError(error) });
    end(error);
    isBroken = !signal?.aborted && !isSilence(error);
  } finally {
    await Promise.all(running);
    if (isBroken) unread.undo(); // also of a reply that was under way just now
    signal?.removeEventListener("abort", onAbort);
    conn.close();
  }
}

/** Replies that were sent, and what to do when they may not have been read: of the last few of a connection. */
class UnreadReplies {
  readonly #undos: (() => void)[] = [];
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  add(undo: () => void): void {
    this.#undos.push(undo);
    if (this.#undos.length > this.#max) this.#undos.shift(); // who goes on asking has read it
  }

  undo(): void {
    for (const undo of this.#undos.splice(0)) undo();
  }
}

/** An idle limit of the connection: its caller is there, and has what it asked for. */
function isSilence(error: unknown): boolean {
  return error instanceof TimedOutError ||
    error instanceof ConnClosedError && error.cause instanceof TimedOutError;
}

interface CallContext {
  readonly methods: RpcMethods;
  readonly answers: MessageWriter;
  readonly unread: UnreadReplies;
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** Takes the argument at once, so that the next request can be read; rejects when the answer cannot be sent. */
function beginCall(request: Request, requests: MessageReader, context: CallContext): Promise<void> {
  const { methods, answers, unread, signal, log } = context;
  const { ServiceMethod, Seq } = request;
  const refuse = (text: string) =>
    answers.write(RESPONSE, { ServiceMethod, Seq, Error: text.slice(0, ERROR_TEXT_CHARS_MAX) }, NO_REPLY, {});
  const method = Object.hasOwn(methods, ServiceMethod) ? methods[ServiceMethod]! : undefined;
  if (method === undefined) {
    requests.skip();
    return refuse(unknownText(ServiceMethod, methods));
  }
  let argument: unknown;
  try {
    argument = requests.value(method.argument);
  } catch (error) {
    return refuse(rpcTextOf(error) ?? "argument cannot be decoded");
  }
  return (async () => {
    let reply: unknown;
    let undo: (() => void) | undefined;
    try {
      reply = await method.handle(argument, signal, (then) => undo = then);
    } catch (error) {
      const text = rpcTextOf(error) ?? (signal.aborted ? describeError(error) : undefined);
      if (text === undefined) {
        log.error("A call failed by a defect", { method: ServiceMethod, cause: describeError(error) });
      }
      return await refuse(text || "internal error");
    }
    let isAnswered = !signal.aborted;
    try {
      await answers.write(RESPONSE, { ServiceMethod, Seq, Error: "" }, method.reply, reply);
    } catch (error) {
      isAnswered = false;
      throw error;
    } finally {
      if (!isAnswered) undo?.();
      else if (undo !== undefined) unread.add(undo);
    }
  })();
}

/** Go's own texts (routing.md 9.1). */
function unknownText(serviceMethod: string, methods: RpcMethods): string {
  const dot = serviceMethod.lastIndexOf(".");
  if (dot < 0) return `rpc: service/method request ill-formed: ${serviceMethod}`;
  const service = serviceMethod.slice(0, dot + 1);
  const isKnown = Object.keys(methods).some((name) => name.startsWith(service));
  return isKnown ? `rpc: can't find method ${serviceMethod}` : `rpc: can't find service ${serviceMethod}`;
}
