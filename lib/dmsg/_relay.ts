/**
 * What a server does with one mux stream of a client (dmsg.md 5.4): the liveness marker, an IP look-up, or a
 * request that is handed to the destination's session unread, after which bytes are copied blindly.
 *
 *   A --request--> S --same signed bytes--> B
 *   A <-response-- S <--same signed bytes-- B      then A <===== bytes =====> B
 *
 * A destination that is not here may be at a peer: S then asks its peers one by one, and B is the peer's session.
 * A request that came from a peer goes to no other peer: one hop at most (DS-8).
 *
 * A destination that is S itself is answered here, where S listens on the port: S has no client entry, and whoever wants
 * it asks over a session with it (resolving-proxy.md 3).
 *
 * @module
 */
import { describeError, type Log } from "../base/mod.ts";
import type { KeyPair, PublicKey } from "../crypto/mod.ts";
import { type Clock, withTimeout } from "../runtime/mod.ts";
import { ConnReader, ipBytes } from "../wire/mod.ts";
import { spliceStreams, type YamuxStream } from "../yamux/mod.ts";
import { LIVENESS_MARKER, readObject } from "./_exchange.ts";
import { STREAM_HANDSHAKE_TIMEOUT_MS } from "./_initiate.ts";
import type { OwnStreams } from "./_own_streams.ts";
import { answerAnnounce } from "./_peer_announce.ts";
import type { PeerLinks } from "./_peer_links.ts";
import { DmsgError } from "./errors.ts";
import {
  checkStreamRequest,
  checkStreamResponse,
  encodeStreamResponse,
  parseSignedObject,
  recognisePeerAnnounce,
  type SignedObject,
  signObject,
  type StreamRequest,
} from "./objects.ts";
import type { Session } from "./session.ts";

/** Waiting for a client's request object on a fresh mux stream (dmsg.md 5.4). */
export const REQUEST_TIMEOUT_MS = 5_000;
/** Waiting for the destination's response. Above a peer's own 5 s, below the 20 s that a 2024 caller waits. */
export const RESPONSE_TIMEOUT_MS = 10_000;
/** Waiting for the response that comes over one peer, before the next is asked (peer-announce.md 5). */
export const PEER_RESPONSE_TIMEOUT_MS = 5_000;
/** A bridge without a byte in either direction for so long is closed (dmsg.md 5.4). */
export const BRIDGE_IDLE_MS = 5 * 60_000;

export interface RelayOptions {
  readonly clock: Clock;
  readonly local: KeyPair;
  readonly log: Log;
  /** The live session of a client key, if any. */
  readonly session: (key: PublicKey) => Session | undefined;
  /** Other servers; none: a server by itself. */
  readonly peers?: PeerLinks;
  /** Streams to the server's own key; none: it takes none. */
  readonly own?: OwnStreams;
  readonly signal: AbortSignal;
}

/** Where a stream goes on, and its place among the relayed streams when a peer is at either end. */
interface Bridge {
  readonly onward: YamuxStream;
  readonly place?: Disposable | undefined;
}

/** Serves one mux stream to its end. Never rejects; a refusal closes that stream only. */
export async function relayStream(stream: YamuxStream, from: Session, options: RelayOptions): Promise<void> {
  try {
    const bridge = await answer(stream, from, options);
    if (bridge === undefined) return;
    using _place = bridge.place;
    await spliceStreams(stream, bridge.onward, { idleMs: BRIDGE_IDLE_MS });
  } catch (error) {
    stream.close(); // an end, not a reset: every client reads it as a refusal (dmsg.md 5.6)
    if (options.signal.aborted) return;
    const isFull = error instanceof DmsgError && error.dmsgCode === 308;
    options.log[isFull ? "warn" : "debug"]("Stream ended", {
      client: from.remote,
      cause: describeError(error),
    });
  }
}

/** The stream to bridge with, or undefined when the exchange is complete without one. */
async function answer(
  stream: YamuxStream,
  from: Session,
  options: RelayOptions,
): Promise<Bridge | undefined> {
  const { clock, local, peers, signal } = options;
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
  if (peers?.takesAnnouncements && recognisePeerAnnounce(signed, from.remote) !== undefined) {
    await answerAnnounce(stream, from, { announce: signed, accepted: peers.admit(from), local });
    return undefined;
  }
  const request = checkStreamRequest(signed);
  const isOfPeer = request.source.publicKey !== from.remote;
  if (isOfPeer && (request.ipInfo || !peers?.isPeer(from))) throw new DmsgError(302);
  if (request.ipInfo) {
    await answerIpLookup(stream, from, { signed, request, local });
    return undefined;
  }
  const caller: Caller = { stream, reader, from, signed, request };
  const { publicKey, port } = request.destination;
  if (publicKey === local.publicKey && options.own?.takes(port)) {
    await answerOwn(caller, options.own, options);
    return undefined;
  }
  const to = options.session(publicKey);
  if (to === undefined) return await forwardToPeer(caller, options);
  const place = peers?.isPeer(from) ? takePlace(from, peers) : undefined;
  try {
    return { onward: await forward(caller, to, RESPONSE_TIMEOUT_MS, options), place };
  } catch (error) {
    place?.[Symbol.dispose]();
    throw error;
  }
}

/** Asks peer after peer. One that does not have the destination ends its stream without a word. */
async function forwardToPeer(caller: Caller, options: RelayOptions): Promise<Bridge> {
  const { peers, signal } = options;
  const { from, request } = caller;
  if (peers === undefined || peers.isPeer(from)) throw new DmsgError(307);
  const failures: unknown[] = [];
  for (const to of peers.routes(from.remote, request.source.publicKey)) {
    let place: Disposable | undefined;
    try {
      place = takePlace(to, peers);
      return { onward: await forward(caller, to, PEER_RESPONSE_TIMEOUT_MS, options), place };
    } catch (error) {
      place?.[Symbol.dispose]();
      signal.throwIfAborted();
      failures.push(error);
      if (caller.hasAnswer) break; // the caller has its response: nobody else can be asked now
    }
  }
  const full = failures.find((error) => error instanceof DmsgError && error.dmsgCode === 308);
  throw full ?? new DmsgError(307, failures.length === 0 ? {} : { cause: failures.at(-1) });
}

function takePlace(peer: Session, { streams }: PeerLinks): Disposable {
  const place = streams.take(peer.remote);
  if (place === undefined) throw new DmsgError(308);
  return place;
}

/** Who asks, and for what. */
interface Caller {
  readonly stream: YamuxStream;
  readonly reader: ConnReader;
  readonly from: Session;
  readonly signed: SignedObject;
  readonly request: StreamRequest;
  /** The response has been handed back. */
  hasAnswer?: boolean;
}

/**
 * Asks the destination, or a peer, and hands the answer back. A failure closes the stream to it; the caller's is
 * the caller's.
 */
async function forward(
  caller: Caller,
  to: Session,
  timeoutMs: number,
  { clock, signal }: RelayOptions,
): Promise<YamuxStream> {
  const { stream, reader, from, signed, request } = caller;
  const onward = to.mux.open();
  try {
    await onward.write(to.sealer.seal(signed.bytes));
    const answers = new ConnReader(onward);
    const what = `Response of ${request.destination.publicKey}`;
    const object = await bounded(
      onward,
      clock,
      { what, afterMs: timeoutMs, signal },
      () => readObject(answers, to.opener),
    );
    if (object === undefined) throw new DmsgError(370);
    const response = parseSignedObject(object);
    checkStreamResponse(response, { request: signed, destination: request.destination });
    caller.hasAnswer = true;
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

/** A stream to the server itself, to its end: where it came over a peer, it has a place so long. */
async function answerOwn(
  { stream, reader, from, signed, request }: Caller,
  own: OwnStreams,
  { clock, peers, signal }: RelayOptions,
): Promise<void> {
  using _place = peers?.isPeer(from) ? takePlace(from, peers) : undefined;
  const limit = { what: `Stream request of ${from.remote}`, afterMs: STREAM_HANDSHAKE_TIMEOUT_MS, signal };
  const asked = { stream, reader, session: from, signed, request };
  await bounded(stream, clock, limit, () => own.accept(asked));
  await stream.closed;
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
