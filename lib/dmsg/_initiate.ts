/**
 * The dialling side of a stream handshake (dmsg.md 5.3): request with KK message 1 out, response with KK
 * message 2 back, both signed, over one mux stream of a session.
 *
 * @module
 */
import { type Conn, withPrefix } from "../base/mod.ts";
import type { KeyPair, ProvenKey } from "../crypto/mod.ts";
import { kkInitiator, noiseConn, PostQuantum } from "../noise/mod.ts";
import { withTimeout, type World } from "../runtime/mod.ts";
import { ConnReader } from "../wire/mod.ts";
import { readObject } from "./_exchange.ts";
import type { DmsgAddress } from "./address.ts";
import { DmsgError } from "./errors.ts";
import { checkStreamResponse, encodeStreamRequest, parseSignedObject, signObject } from "./objects.ts";
import type { Session } from "./session.ts";

/** One stream handshake through one server, first byte to last (dmsg.md 5.3; peers of 2024 use 20 s). */
export const STREAM_HANDSHAKE_TIMEOUT_MS = 5_000;

export interface InitiateOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger">;
  readonly local: KeyPair;
  readonly source: DmsgAddress;
  readonly destination: DmsgAddress;
  /** Of the key `local`. Default: one for this stream alone, which offers. */
  readonly postQuantum?: PostQuantum;
  readonly timeoutMs?: number;
  /** Ends the handshake, never the Conn that it returned (DC-5). */
  readonly signal?: AbortSignal;
}

/**
 * Opens a stream to `destination` over `session`. A failure of any kind closes the mux stream and nothing else
 * (DC-6): the session and its other streams live. Errors: `PqRequiredError` among others.
 */
export async function initiateStream(
  session: Session,
  options: InitiateOptions,
): Promise<{ conn: Conn; remote: ProvenKey; postQuantum: boolean }> {
  const { world, local, source, destination } = options;
  const { timeoutMs = STREAM_HANDSHAKE_TIMEOUT_MS, signal } = options;
  const { clock, random } = world;
  const { postQuantum = new PostQuantum({ random }) } = options;
  const what = `Stream handshake with ${destination.publicKey} through ${session.remote}`;
  return await withTimeout(clock, { what, afterMs: timeoutMs, signal }, async (ended) => {
    const stream = session.mux.open();
    const onAbort = () => stream.close(ended.reason);
    ended.addEventListener("abort", onAbort, { once: true });
    using hybrid = postQuantum.begin("initiator");
    try {
      const handshake = kkInitiator({ local, remote: destination.publicKey, random });
      const request = signObject(
        encodeStreamRequest({
          timestamp: BigInt(Math.round(clock.wallMs() * 1000)) * 1000n,
          source,
          destination,
          ipInfo: false,
          noiseMessage: handshake.writeMessage1(await hybrid.outgoing()),
        }),
        local.secretKey,
      );
      await stream.write(session.sealer.seal(request.bytes));
      const reader = new ConnReader(stream);
      const object = await readObject(reader, session.opener);
      if (object === undefined) throw new DmsgError(370);
      const response = checkStreamResponse(parseSignedObject(object), { request, destination });
      await hybrid.incoming(handshake.readMessage2(response.noiseMessage));
      const { remote, keys: classical, handshakeHash } = handshake.finish();
      const keys = hybrid.keys(classical, handshakeHash, remote);
      ended.throwIfAborted(); // while the KEM was at work: the stream is closed already
      const conn = noiseConn(withPrefix(stream, reader.rest()), keys, { ledger: world.ledger });
      return { conn, remote, postQuantum: hybrid.isHybrid };
    } catch (error) {
      stream.close(error);
      throw error;
    } finally {
      ended.removeEventListener("abort", onAbort);
    }
  });
}
