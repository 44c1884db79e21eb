/**
 * The one request and one response object at the start of a mux stream (dmsg.md 4).
 *
 *     [ length u16 BE ][ counter u64 BE ][ ciphertext ][ tag 16 ]      length 0 = liveness marker
 *
 * @module
 */
import { MalformedError } from "../base/mod.ts";
import type { ObjectOpener } from "../noise/mod.ts";
import type { ConnReader } from "../wire/mod.ts";

/** A session object of length zero: "are you there?", answered with the same two bytes (dmsg.md 3.4). */
export const LIVENESS_MARKER: Uint8Array = Uint8Array.of(0, 0);

/** Bytes around every sealed object: counter and tag. Anything shorter cannot be one. */
const OVERHEAD_BYTES = 24;

/** Reads and opens the next object; undefined is the liveness marker. Errors: truncated, forged, replayed. */
export async function readObject(reader: ConnReader, opener: ObjectOpener): Promise<Uint8Array | undefined> {
  const prefix = await reader.readExactly(2, "the length of a session object");
  const length = (prefix[0]! << 8) | prefix[1]!;
  if (length === 0) return undefined;
  if (length <= OVERHEAD_BYTES) throw new MalformedError(`Session object of ${length} bytes is too short`);
  return opener.open(await reader.readExactly(length, "a session object"));
}
