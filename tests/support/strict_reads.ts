/** A Conn that takes its views back: what a reader kept without a copy is garbage afterwards. @module */
import type { Conn } from "../../lib/base/mod.ts";

/** A Conn whose reads give `chunks` and then the end; each view is overwritten at the next read. */
export function strictReads(...chunks: Uint8Array[]): Conn {
  let lent: Uint8Array | undefined;
  return {
    halfClose: false,
    closed: Promise.resolve(),
    read: () => {
      lent?.fill(0xee);
      lent = chunks.shift();
      return Promise.resolve(lent ?? null);
    },
    write: () => Promise.resolve(),
    closeWrite: () => Promise.resolve(),
    close() {},
  };
}
