/** The Conns of `lib/base` and the deadlines of `lib/wire` keep the contract. @module */
import { memoryPair, withPrefix } from "../../lib/base/mod.ts";
import { withDeadlines } from "../../lib/wire/mod.ts";
import { connCompliance } from "./conn_compliance.ts";

const cannot = { truncate: "it has no frames" };

connCompliance("memoryPair()", ({ ledger }) => {
  const [near, far] = memoryPair({ ledger });
  return { near, far };
}, { cannot });

connCompliance("memoryPair() with little room", ({ ledger }) => {
  const [near, far] = memoryPair({ ledger, bytesMax: 16 * 1024 });
  return { near, far };
}, { cannot, pairs: 10 });

connCompliance("memoryPair() with more room than one read takes", ({ ledger }) => {
  const [near, far] = memoryPair({ ledger, bytesMax: 1 << 20 });
  return { near, far };
}, { cannot, transferBytes: 8 << 20, takenInBytesMax: 2 << 20, pairs: 10 });

connCompliance("withPrefix() behind its prefix", async ({ ledger }) => {
  const [near, far] = memoryPair({ ledger });
  const prefixed = withPrefix(near, Uint8Array.of(1, 2, 3));
  await prefixed.read();
  return { near: prefixed, far };
}, { cannot });

connCompliance("withDeadlines()", ({ ledger, clock }) => {
  const [near, far] = memoryPair({ ledger });
  const deadlines = { readIdleMs: 60_000, writeMs: 60_000 };
  return { near: withDeadlines(near, clock, deadlines), far: withDeadlines(far, clock, deadlines) };
}, { cannot });
