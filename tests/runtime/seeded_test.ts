import assert from "node:assert/strict";
import { SeededRandom } from "../../lib/runtime/simulated/mod.ts";
import { Trace } from "../../lib/runtime/simulated/trace.ts";

Deno.test("SeededRandom gives the same for a seed, and something else for each other and each purpose", () => {
  const drawn = (random: SeededRandom) => random.bytes(16).toHex();
  assert.equal(drawn(new SeededRandom(1)), drawn(new SeededRandom("1")));
  const texts = [1, 2, 3, 1_000, "a", "b"].map((seed) => drawn(new SeededRandom(seed)));
  texts.push(drawn(new SeededRandom(1).fork("x")), drawn(new SeededRandom(1).fork("y")));
  assert.equal(new Set(texts).size, 8);
});

Deno.test("SeededRandom: drawing from a fork does not move its origin", () => {
  const [one, other] = [new SeededRandom(5), new SeededRandom(5)];
  one.fork("x").bytes(100);
  assert.equal(one.uint32(), other.uint32());
});

Deno.test("SeededRandom is even: bytes, chances and ranges", () => {
  const random = new SeededRandom("even");
  const counts = new Uint32Array(256);
  for (const byte of random.bytes(256_000)) counts[byte]!++;
  assert.ok(
    counts.every((count) => count > 850 && count < 1_150),
    `${Math.min(...counts)}..${Math.max(...counts)}`,
  );
  let hits = 0;
  for (let index = 0; index < 10_000; index++) hits += random.chance(30) ? 1 : 0;
  assert.ok(hits > 2_800 && hits < 3_200, `${hits}`);
  assert.equal(random.chance(0), false);
  const seen = new Set(Array.from({ length: 200 }, () => random.integer(-1, 2)));
  assert.deepEqual([...seen].sort((a, b) => a - b), [-1, 0, 1, 2]);
});

Deno.test("Trace: the hash knows time, node, event, length and order", () => {
  const hash = (...lines: [number, string, string, number][]) => {
    const trace = new Trace();
    for (const line of lines) trace.add(...line);
    return trace.hash();
  };
  const base: [number, string, string, number] = [1.5, "alice", "timer", 0];
  const hashes = [
    hash(),
    hash(base),
    hash(base, base),
    hash([1.25, "alice", "timer", 0]),
    hash([1.5, "bob", "timer", 0]),
    hash([1.5, "alicet", "imer", 0]),
    hash([1.5, "alice", "write", 0]),
    hash([1.5, "alice", "timer", 1]),
    hash(base, [2, "bob", "timer", 0]),
    hash([2, "bob", "timer", 0], base),
  ];
  assert.equal(new Set(hashes).size, hashes.length);
  assert.equal(hash(base), hash(base));
  assert.match(hash(base), /^[0-9a-f]{16}$/);
});

Deno.test("Trace.recent() keeps the last 200 lines, oldest first", () => {
  const trace = new Trace();
  for (let index = 0; index < 250; index++) trace.add(index, "n", "e", index);
  const lines = trace.recent();
  assert.equal(lines.length, 200);
  assert.equal(lines[0], "      50.000 n e 50");
  assert.equal(lines.at(-1), "     249.000 n e 249");
  assert.equal(trace.count, 250);
});
