/**
 * PeerAnnounce: a server tells the server that it dialled "requests for my clients may come over this session"
 * (peer-announce.md 2 and 3).
 *
 *   dialler  -- first mux stream: signed { Timestamp, SrcPK } -->  acceptor
 *   dialler  <-- signed response { ReqHash, Accepted }, both close --
 *
 * @module
 */
import { describeError, type Log, PeerError, TimedOutError } from "../base/mod.ts";
import type { KeyPair } from "../crypto/mod.ts";
import { type Clock, withTimeout } from "../runtime/mod.ts";
import { ConnReader } from "../wire/mod.ts";
import type { YamuxStream } from "../yamux/mod.ts";
import { readObject } from "./_exchange.ts";
import { DmsgError } from "./errors.ts";
import {
  checkStreamResponse,
  encodePeerAnnounce,
  encodeStreamResponse,
  parseSignedObject,
  type SignedObject,
  signObject,
} from "./objects.ts";
import type { Session } from "./session.ts";

/** The whole exchange (peer-announce.md 2). */
export const ANNOUNCE_TIMEOUT_MS = 5_000;

/** The acceptor said no. */
export class AnnounceRefusedError extends PeerError {
  readonly code = "PEER_ANNOUNCE_REFUSED";
  constructor(cause: unknown) {
    super("peer announcement not accepted by remote", { cause });
  }
}

/**
 * - `accepted`: the remote forwards requests to us from now on.
 * - `refused`: it said no, or ended the stream. It may well take ours all the same.
 * - `silent`: nothing at all came, as from a server of 2024, which answers nothing that it does not know.
 */
export type AnnounceOutcome = "accepted" | "refused" | "silent";

export interface AnnounceOptions {
  readonly clock: Clock;
  readonly local: KeyPair;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Announces us over a session that we dialled. Rejects only when `signal` is aborted. */
export async function announceAsPeer(
  session: Session,
  { clock, local, log, signal }: AnnounceOptions,
): Promise<AnnounceOutcome> {
  try {
    const what = `The answer of ${session.remote} to a peer announcement`;
    await withTimeout(
      clock,
      { what, afterMs: ANNOUNCE_TIMEOUT_MS, signal },
      (ended) => exchange(session, clock, local, ended),
    );
    log.info("Announced as forwardable peer.", { peer: session.remote });
    return "accepted";
  } catch (error) {
    if (signal.aborted) throw error;
    log.warn("Failed to announce as peer.", { peer: session.remote, cause: describeError(error) });
    return error instanceof TimedOutError ? "silent" : "refused";
  }
}

async function exchange(session: Session, clock: Clock, local: KeyPair, ended: AbortSignal): Promise<void> {
  const stream = session.mux.open();
  const onAbort = () => stream.close(ended.reason);
  ended.addEventListener("abort", onAbort, { once: true });
  try {
    const timestamp = BigInt(Math.round(clock.wallMs() * 1000)) * 1000n;
    const announce = signObject(
      encodePeerAnnounce({ timestamp, source: local.publicKey }),
      local.secretKey,
    );
    await stream.write(session.sealer.seal(announce.bytes));
    const object = await readObject(new ConnReader(stream), session.opener);
    if (object === undefined) throw new DmsgError(370);
    try {
      checkStreamResponse(parseSignedObject(object), {
        request: announce,
        destination: { publicKey: session.remote },
      });
    } catch (cause) {
      throw new AnnounceRefusedError(cause);
    }
  } finally {
    ended.removeEventListener("abort", onAbort);
    stream.close();
  }
}

/** Says yes or no to an announcement, and ends its stream. */
export async function answerAnnounce(
  stream: YamuxStream,
  from: Session,
  { announce, accepted, local }: {
    readonly announce: SignedObject;
    readonly accepted: boolean;
    readonly local: KeyPair;
  },
): Promise<void> {
  const response = signObject(
    encodeStreamResponse({
      requestHash: announce.hash,
      accepted,
      errorCode: 0,
      noiseMessage: new Uint8Array(0),
    }),
    local.secretKey,
  );
  await stream.write(from.sealer.seal(response.bytes));
  stream.close();
}
