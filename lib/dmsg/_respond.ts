/**
 * The answering side of a stream handshake (dmsg.md 5.5), and the other things that a server may ask a client.
 *
 * @module
 */
import { describeError, type Log, withPrefix } from "../base/mod.ts";
import type { KeyPair, PublicKey } from "../crypto/mod.ts";
import { kkResponder, noiseConn, PostQuantum, PqRequiredError } from "../noise/mod.ts";
import { withTimeout, type World } from "../runtime/mod.ts";
import { ConnReader, withDeadlines } from "../wire/mod.ts";
import type { YamuxStream } from "../yamux/mod.ts";
import { LIVENESS_MARKER, readObject } from "./_exchange.ts";
import { STREAM_HANDSHAKE_TIMEOUT_MS } from "./_initiate.ts";
import type { PortTable } from "./_port_table.ts";
import { DmsgError } from "./errors.ts";
import {
  checkStreamRequest,
  encodeStreamResponse,
  parseSignedObject,
  type SignedObject,
  signObject,
  type StreamRequest,
} from "./objects.ts";
import type { Session } from "./session.ts";
import { DmsgStream } from "./stream.ts";

/** A stream that received nothing for so long is closed (dmsg.md 5.7). */
export const STREAM_READ_IDLE_MS = 120_000;

export interface RespondOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger">;
  readonly local: KeyPair;
  readonly ports: PortTable;
  readonly log: Log;
  /** Of the key `local`. Default: one for this stream alone, which offers. */
  readonly postQuantum?: PostQuantum;
  readonly readIdleMs: number;
  readonly timeoutMs?: number;
  readonly signal: AbortSignal;
}

/**
 * Answers one mux stream that a server opened. Never rejects: whatever is wrong with it closes this stream
 * only (DC-6), with a line in the log.
 */
export async function respondToStream(
  stream: YamuxStream,
  session: Session,
  options: RespondOptions,
): Promise<void> {
  const { world: { clock }, log, timeoutMs = STREAM_HANDSHAKE_TIMEOUT_MS, signal } = options;
  const what = `Stream request from ${session.remote}`;
  try {
    await withTimeout(clock, { what, afterMs: timeoutMs, signal }, async (ended) => {
      const onAbort = () => stream.close(ended.reason);
      ended.addEventListener("abort", onAbort, { once: true });
      try {
        await answer(stream, session, options);
      } finally {
        ended.removeEventListener("abort", onAbort);
      }
    });
  } catch (error) {
    // An orderly close: through any server the dialler sees the end of its stream at once (dmsg.md 5.6).
    stream.close();
    if (signal.aborted) return;
    const cause = describeError(error);
    if (error instanceof PqRequiredError) {
      log.warn("Stream refused", { server: session.remote, peer: error.peer, cause });
    } else log.debug("Stream refused", { server: session.remote, cause });
  }
}

async function answer(stream: YamuxStream, session: Session, options: RespondOptions): Promise<void> {
  const reader = new ConnReader(stream);
  const object = await readObject(reader, session.opener);
  if (object === undefined) {
    await stream.write(LIVENESS_MARKER);
    stream.close();
    return;
  }
  const signed = parseSignedObject(object);
  const request = checkStreamRequest(signed);
  await acceptRequest({ stream, reader, session, signed, request }, session.remote, options);
}

/** A request for a stream that has come on a mux stream, and is good in itself. */
export interface StreamAsked {
  readonly stream: YamuxStream;
  readonly reader: ConnReader;
  readonly session: Session;
  readonly signed: SignedObject;
  readonly request: StreamRequest;
}

/**
 * Answers a request, and hands the stream to the listener of its port; `server` is the one that carries it. Errors:
 * DmsgError 303, 306 and 401, `PqRequiredError`, those of the handshake; nothing was answered then, or not all of it.
 */
export async function acceptRequest(
  { stream, reader, session, signed, request }: StreamAsked,
  server: PublicKey,
  options: Omit<RespondOptions, "timeoutMs" | "signal">,
): Promise<void> {
  const { world, local, log, ports, readIdleMs } = options;
  const { postQuantum = new PostQuantum({ random: world.random, log }) } = options;
  if (request.destination.publicKey !== local.publicKey) throw new DmsgError(303);
  const listener = ports.listener(request.destination.port);
  if (listener === undefined) throw new DmsgError(306);
  if (!listener.reserve()) throw new DmsgError(401);
  let delivered = false;
  using hybrid = postQuantum.begin("responder");
  try {
    const handshake = kkResponder({ local, remote: request.source.publicKey, random: world.random });
    await hybrid.incoming(handshake.readMessage1(request.noiseMessage));
    const response = signObject(
      encodeStreamResponse({
        requestHash: signed.hash,
        accepted: true,
        errorCode: 0,
        noiseMessage: handshake.writeMessage2(await hybrid.outgoing()),
      }),
      local.secretKey,
    );
    const result = handshake.finish();
    const keys = hybrid.keys(result.keys, result.handshakeHash, result.remote); // or refuses, without a word
    const rest = reader.rest();
    await stream.write(session.sealer.seal(response.bytes));
    const conn = noiseConn(withPrefix(stream, rest), keys, { ledger: world.ledger });
    const guarded = withDeadlines(conn, world.clock, { readIdleMs });
    const remote = { publicKey: result.remote, port: request.source.port };
    listener.deliver(
      new DmsgStream(guarded, request.destination, remote, server, hybrid.isHybrid),
    );
    delivered = true;
  } finally {
    if (!delivered) listener.release();
  }
}
