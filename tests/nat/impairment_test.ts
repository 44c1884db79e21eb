import assert from "node:assert/strict";
import { Impairment, type ImpairmentOptions } from "./impairment.ts";

const PACKETS = 100_000;

function fates(options: ImpairmentOptions): (number | undefined)[] {
  const line = new Impairment(options);
  return Array.from({ length: PACKETS }, (_, sentMs) => line.arrivalMs(sentMs));
}

const lostOf = (all: readonly (number | undefined)[]) => all.filter((at) => at === undefined).length;

Deno.test("a good line delays, and nothing else", () => {
  assert.deepEqual(fates({ seed: 1, delayMs: 10 }), Array.from({ length: PACKETS }, (_, at) => at + 10));
});

Deno.test("the same seed has the same losses, another one others", () => {
  const options = { delayMs: 0, lossPct: 3 };
  assert.deepEqual(fates({ ...options, seed: 1 }), fates({ ...options, seed: 1 }));
  assert.notDeepEqual(fates({ ...options, seed: 1 }), fates({ ...options, seed: 2 }));
});

for (const [lossPct, burstPackets] of [[1, 1], [3, 1], [1, 4], [3, 4], [30, 2]] as const) {
  Deno.test(`${lossPct} % are lost, ${burstPackets} in a row on average`, () => {
    const all = fates({ seed: 7, delayMs: 5, lossPct, burstPackets });
    const lost = lostOf(all);
    assert.ok(Math.abs(lost / PACKETS * 100 - lossPct) < lossPct / 5, `${lost} of ${PACKETS}`);
    const bursts = all.filter((at, index) => at === undefined && all[index - 1] !== undefined).length;
    const wanted = burstPackets === 1 ? 1 / (1 - lossPct / 100) : burstPackets;
    assert.ok(Math.abs(lost / bursts - wanted) < wanted / 5, `${lost / bursts} in a row`);
  });
}

Deno.test("what is held back comes later, and nothing of it is lost", () => {
  const all = fates({ seed: 3, delayMs: 10, reorderPct: 2, reorderMs: 7 });
  const held = all.filter((at, sentMs) => at === sentMs + 17).length;
  assert.ok(held > PACKETS / 60 && held < PACKETS / 40, `${held} held back`);
  assert.equal(all.filter((at, sentMs) => at === sentMs + 10).length, PACKETS - held);
});
