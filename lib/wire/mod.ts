/**
 * Bytes between a Conn and a protocol: fields, IP addresses, framing, reads by need, deadlines, and adapters to other
 * kinds of streams. Two have a door of their own, so that nobody loads them in passing: Go's gob, `gob/mod.ts`,
 * and Node's streams, `node_streams.ts`.
 *
 * ```ts
 * import { memoryPair } from "../base/mod.ts";
 * import { ConnReader, readU16Frame, u16Frame } from "./mod.ts";
 * const [near, far] = memoryPair();
 * await near.write(u16Frame(new TextEncoder().encode("hello")));
 * console.log(new TextDecoder().decode((await readU16Frame(new ConnReader(far)))!));
 * ```
 *
 * @module
 */
export * from "./bytes.ts";
export * from "./deadlines.ts";
export * from "./framing.ts";
export * from "./ip.ts";
export * from "./reader.ts";
export * from "./web_streams.ts";
