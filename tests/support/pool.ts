/** What the pool of buffers holds, as far as a test can see it. @module */
import { takeBuffer } from "../../lib/base/mod.ts";

/** More than the pool keeps of one size. */
const MORE_THAN_FREE = 40;

/** Empties the pool of buffers of `bytes`, so that what is given back next is seen. */
export function drainPool(bytes: number): Uint8Array[] {
  return Array.from({ length: MORE_THAN_FREE }, () => takeBuffer(bytes));
}

/** True when the pool would hand out memory behind any of `views` to somebody else. Empties it of their sizes. */
export function isAnyInPool(...views: readonly Uint8Array[]): boolean {
  const memory = new Set(views.map(({ buffer }) => buffer));
  const sizes = new Set([...memory].map(({ byteLength }) => byteLength));
  return [...sizes].flatMap(drainPool).some(({ buffer }) => memory.has(buffer));
}
