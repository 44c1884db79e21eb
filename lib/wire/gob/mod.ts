/**
 * The subset of Go's gob that Skywire speaks: signed objects of dmsg, calls of net/rpc.
 *
 * ```ts
 * import { decodeGob, GobEncoder, gobStruct, gobText, gobUint } from "./mod.ts";
 * const greeting = gobStruct("Greeting", { Text: gobText, Port: gobUint(16) });
 * const body = new GobEncoder().encode(greeting, { Text: "hello", Port: 80 });
 * console.log(decodeGob(body, greeting).Text);
 * ```
 *
 * @module
 */
export type { GobCursor } from "./_cursor.ts";
export {
  DEFINITIONS_MAX,
  FIELDS_MAX,
  type MarshalerKind,
  type Reader,
  type TypeTable,
  type WireField,
  type WireType,
} from "./_definitions.ts";
export { decodeGob, GobDecoder, MESSAGE_BYTES_MAX } from "./decode.ts";
export { gobBodyWriter, GobEncoder, type GobIds } from "./encode.ts";
export type { GobWriter } from "./_writer.ts";
export * from "./types.ts";
