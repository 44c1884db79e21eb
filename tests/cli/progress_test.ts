import assert from "node:assert/strict";
import { drawProgress, renderProgress } from "../../lib/cli/progress.ts";

const MIB = 1024 * 1024;

function bar({ total, columns = 120 }: { total?: number; columns?: number } = {}) {
  const drawn: string[] = [];
  let nowMs = 1000;
  const progress = drawProgress({
    label: "big.bin",
    total,
    columns: () => columns,
    write: (text) => drawn.push(text),
    nowMs: () => nowMs,
  });
  return { progress, drawn, pass: (ms: number) => nowMs += ms };
}

Deno.test("renderProgress() shows share, bytes, rate and time left", () => {
  const state = { label: "big.bin", bytes: 121 * MIB, total: 256 * MIB, rate: 184 * MIB, tookMs: undefined };
  assert.deepEqual(
    renderProgress(state),
    "big.bin  [=========>          ]   47%  121 MiB of 256 MiB  184 MiB/s  1 s left",
  );
  assert.deepEqual(
    renderProgress({ ...state, bytes: 256 * MIB, tookMs: 1400 }),
    "big.bin  [====================]  100%  256 MiB of 256 MiB  184 MiB/s  in 1.4 s",
  );
});

Deno.test("renderProgress() without a total shows bytes and rate, and stays calm beyond the total", () => {
  assert.deepEqual(
    renderProgress({ label: "x", bytes: 1536, total: undefined, rate: 0, tookMs: undefined }),
    "x  1.5 KiB",
  );
  assert.match(
    renderProgress({ label: "x", bytes: 20, total: 10, rate: 5, tookMs: undefined }),
    /\[={20}\] {2}100% {2}20 B of 10 B {2}5 B\/s$/,
  );
});

Deno.test("drawProgress() draws at most ten times a second, within one line of the terminal", () => {
  const { progress, drawn, pass } = bar({ total: 100 * MIB, columns: 30 });
  for (let step = 0; step < 1000; step++) {
    progress.advance(MIB / 10);
    pass(1);
  }
  assert(drawn.length >= 9 && drawn.length <= 11, `${drawn.length} drawn in a second`);
  for (const text of drawn) {
    assert(text.startsWith("\r\x1b[2K") && text.length <= 5 + 29);
  }
});

Deno.test("drawProgress() ends once, with the mean rate and the time it took", () => {
  const { progress, drawn, pass } = bar();
  progress.expect(10 * MIB);
  pass(2000);
  progress.advance(10 * MIB);
  progress.done();
  progress.done();
  progress.advance(1);
  assert.deepEqual(drawn.length, 2);
  assert.match(drawn[1]!, /100% {2}10 MiB of 10 MiB {2}5 MiB\/s {2}in 2 s\n$/);
});

Deno.test("drawProgress() that ends in the moment it began divides by nothing", () => {
  const { progress, drawn } = bar();
  progress.done();
  assert.deepEqual(drawn, ["\r\x1b[2Kbig.bin  0 B  in 0 s\n"]);
});
