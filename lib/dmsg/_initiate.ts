/**
 * The dialling side of a stream handshake (dmsg.md 5.3): request with KK message 1 out, response with KK
 * message 2 back, both signed, over one mux stream of a session.
 *
 * @module
 */
import { type Conn, withPrefix } from "../base/mod.ts";
import type { KeyPair, ProvenKey } from "../crypto/mod.ts";
import { kkInitiator, noiseConn } from "../noise/mod.ts";
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
  readonly timeoutMs?: number;
  /** Ends the handshake, never the Conn that it returned (DC-5). */
  readonly signal?: AbortSignal;
}

/**
 * Opens a stream to `destination` over `session`. A failure of any kind closes the mux stream and nothing else
 * (DC-6): the session and its other streams live.
 */
export async function initiateStream(
  session: Session,
  { world, local, source, destination, timeoutMs = STREAM_HANDSHAKE_TIMEOUT_MS, signal }: InitiateOptions,
): Promise<{ conn: Conn; remote: ProvenKey }> {
  const { clock, random } = world;
  const what = `Stream handshake with ${destination.publicKey} through ${session.remote}`;
  return await withTimeout(clock, { what, afterMs: timeoutMs, signal }, async (ended) => {
    const stream = session.mux.open();
    const onAbort = () => stream.close(ended.reason);
    ended.addEventListener("abort", onAbort, { once: true });
    try {
      const handshake = kkInitiator({ local, remote: destination.publicKey, random });
      const request = signObject(
        encodeStreamRequest({
          timestamp: BigInt(Math.round(clock.wallMs() * 1000)) * 1000n,
          source,
          destination,
          ipInfo: false,
          noiseMessage: handshake.writeMessage1(),
        }),
        local.secretKey,
      );
      await stream.write(session.sealer.seal(request.bytes));
      const reader = new ConnReader(stream);
      const object = await readObject(reader, session.opener);
      if (object === undefined) throw new DmsgError(370);
      const response = checkStreamResponse(parseSignedObject(object), { request, destination });
      handshake.readMessage2(response.noiseMessage);
      const result = handshake.finish();
      const conn = noiseConn(withPrefix(stream, reader.rest()), result.keys, { ledger: world.ledger });
      return { conn, remote: result.remote };
    } catch (error) {
      stream.close(error);
      throw error;
    } finally {
      ended.removeEventListener("abort", onAbort);
    }
  });
}
