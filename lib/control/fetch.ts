/**
 * One HTTP request over dmsg in the visor's name: a call whose answer is another node's, of any length. It comes in
 * frames, so that what fails on the way is told apart from an end, and a caller that is gone is noticed:
 *
 *     kind (1 byte) | length (4 bytes, big-endian) | content
 *     0 head    JSON: status, reason, headers; the first one that is no beat
 *     1 data    the next bytes of the body
 *     2 beat    empty
 *     3 error   JSON, as of a call that failed; the last one
 *     4 end     empty; the last one
 *
 * @module
 */
import { z } from "zod";

/** The path of it. Asked for by POST. */
export const FETCH_PATH = "/v1/dmsg/fetch";
/** Of a body that is sent: as text of base64, and with its fields, it must fit into a call. */
export const FETCH_BODY_BYTES_MAX = 32 * 1024;

/** Kinds of frames. */
export const FRAME = { head: 0, data: 1, beat: 2, error: 3, end: 4 } as const;
/** Kind and length. */
export const FRAME_HEAD_BYTES = 5;
/** Of one that is read as a whole: fields of an answer have 64 KiB at most, and some more as JSON. */
export const FRAME_TEXT_BYTES_MAX = 256 * 1024;

const fields = z.array(z.tuple([z.string(), z.string()]));

/** What is asked. */
export const fetchInputSchema = z.object({
  url: z.string().max(8_192).describe("dmsg://KEY[:PORT]/path; without a port 80"),
  method: z.string().max(32).optional().describe("default: GET"),
  headers: fields.max(256).optional(),
  body: z.base64().max(Math.ceil(FETCH_BODY_BYTES_MAX / 3) * 4).optional(),
});

/** How the answer begins. */
export const fetchHeadSchema = z.object({
  status: z.int().min(100).max(999),
  reason: z.string(),
  headers: fields,
});

export type FetchInput = z.infer<typeof fetchInputSchema>;
export type FetchHead = z.infer<typeof fetchHeadSchema>;

/** A frame. The content is copied. */
export function encodeFrame(kind: number, content: Uint8Array | string = ""): Uint8Array<ArrayBuffer> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const frame = new Uint8Array(FRAME_HEAD_BYTES + bytes.length);
  frame[0] = kind;
  new DataView(frame.buffer).setUint32(1, bytes.length);
  frame.set(bytes, FRAME_HEAD_BYTES);
  return frame;
}
