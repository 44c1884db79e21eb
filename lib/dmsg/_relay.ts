/**
 * What a server does with one mux stream of a client (dmsg.md 5.4): the liveness marker, an IP look-up, or a
 * request that is handed to the destination's session unread, after which bytes are copied blindly.
 *
 *   A --request--> S --same signed bytes--> B
 *   A <-response-- S <--same signed bytes-- B      then A <===== bytes =====> B
 *
 * @module
 */
import { describeError, type Log } from "../base/mod.ts";
import type { KeyPair, PublicKey } from "../crypto/mod.ts";
import { type Clock, withTimeout } from "../runtime/mod.ts";
import { ConnReader } from "../wire/mod.ts";
import { spliceStreams, type YamuxStream } from "../yamux/mod.ts";
import { LIVENESS_MARKER, readObject } from "./_exchange.ts";
import { DmsgError } from "./errors.ts";
import { ipBytes } from "./_ip.ts";
import {
  checkStreamRequest,
  checkStreamResponse,
  encodeStreamResponse,
  parseSignedObject,
  type SignedObject,
  signObject,
  type StreamRequest,
} from "./objects.ts";
import type { Session } from "./session.ts";

/** Waiting for a client's request object on a fresh mux stream (dmsg.md 5.4). */
export const REQUEST_TIMEOUT_MS = 5_000;
/** Waiting for the destination's response. Above a peer's own 5 s, below the 20 s that a 2024 caller waits. */
export const RESPONSE_TIMEOUT_MS = 10_000;
/** A bridge without a byte in either direction for so long is closed (dmsg.md 5.4). */
export const BRIDGE_IDLE_MS = 5 * 60_000;

export interface RelayOptions {
  readonly clock: Clock;
  readonly local: KeyPair;
  readonly log: Log;
  /** The live session of a client key, if any. */
  readonly session: (key: PublicKey) => Session | undefined;
  readonly signal: AbortSignal;
}

/** Serves one mux stream to its end. Never rejects; a refusal closes that stream only. */
export async function relayStream(stream: YamuxStream, from: Session, options: RelayOptions): Promise<void> {
  try {
    const bridged = await answer(stream, from, options);
    if (bridged === undefined) return;
    await spliceStreams(stream, bridged, { idleMs: BRIDGE_IDLE_MS });
  } catch (error) {
    stream.close(); // an end, not a reset: every client reads it as a refusal (dmsg.md 5.6)
    if (options.signal.aborted) return;
    options.log.debug("Stream ended", { client: from.remote, cause: describeError(error) });
  }
}

/** The stream to bridge with, or undefined when the exchange is complete without one. */
async function answer(
  stream: YamuxStream,
  from: Session,
  options: RelayOptions,
): Promise<YamuxStream | undefined> {
  const { clock, local, signal } = options;
  const reader = new ConnReader(stream);
  const what = `Request of ${from.remote}`;
  const object = await bounded(
    stream,
    clock,
    { what, afterMs: REQUEST_TIMEOUT_MS, signal },
    () => readObject(reader, from.opener),
  );
  if (object === undefined) {
    await stream.write(LIVENESS_MARKER);
    stream.close();
    return undefined;
  }
  const signed = parseSignedObject(object);
  const request = checkStreamRequest(signed);
  if (request.source.publicKey !== from.remote) throw new DmsgError(302);
  if (request.ipInfo) {
    await answerIpLookup(stream, from, { signed, request, local });
    return undefined;
  }
  const to = options.session(request.destination.publicKey);
  if (to === undefined) throw new DmsgError(307);
  return await forward({ stream, reader, from, to, signed, request }, options);
}

interface Forward {
  readonly stream: YamuxStream;
  readonly reader: ConnReader;
  readonly from: Session;
  readonly to: Session;
  readonly signed: SignedObject;
  readonly request: StreamRequest;
}

/** Asks the destination and hands its answer back. A failure closes the stream to it; the caller's is the caller's. */
async function forward(
  { stream, reader, from, to, signed, request }: Forward,
  { clock, signal }: RelayOptions,
): Promise<YamuxStream> {
  const onward = to.mux.open();
  try {
    await onward.write(to.sealer.seal(signed.bytes));
    const answers = new ConnReader(onward);
    const what = `Response of ${request.destination.publicKey}`;
    const object = await bounded(
      onward,
      clock,
      { what, afterMs: RESPONSE_TIMEOUT_MS, signal },
      () => readObject(answers, to.opener),
    );
    if (object === undefined) throw new DmsgError(370);
    const response = parseSignedObject(object);
    checkStreamResponse(response, { request: signed, destination: request.destination });
    await stream.write(from.sealer.seal(response.bytes));
    // Bytes that came in the same read as the two objects belong to the streams' ends.
    const early = answers.rest();
    if (early.length > 0) await stream.write(early);
    const late = reader.rest();
    if (late.length > 0) await onward.write(late);
    return onward;
  } catch (error) {
    onward.close();
    throw error;
  }
}

async function answerIpLookup(
  stream: YamuxStream,
  from: Session,
  { signed, request, local }: { signed: SignedObject; request: StreamRequest; local: KeyPair },
): Promise<void> {
  // Only for our own key: forwarded, it would end a 2024 client's session (dmsg.md 5.8).
  if (request.destination.publicKey !== local.publicKey) throw new DmsgError(303);
  const response = signObject(
    encodeStreamResponse({
      requestHash: signed.hash,
      accepted: true,
      ip: ipBytes(from.remoteAddress.hostname),
      errorCode: 0,
      noiseMessage: new Uint8Array(0),
    }),
    local.secretKey,
  );
  await stream.write(from.sealer.seal(response.bytes));
  stream.close();
}

/** Runs a read of `stream` that is closed when the time is over, so that nothing waits on it any more. */
async function bounded<T>(
  stream: YamuxStream,
  clock: Clock,
  limit: { what: string; afterMs: number; signal: AbortSignal },
  work: () => Promise<T>,
): Promise<T> {
  return await withTimeout(clock, limit, async (ended) => {
    const onAbort = () => stream.close(ended.reason);
    ended.addEventListener("abort", onAbort, { once: true });
    try {
      return await work();
    } finally {
      ended.removeEventListener("abort", onAbort);
    }
  });
}
