/** What is fuzzed well finds what it should: the runner against decoders with one fault each. */
import assert from "node:assert/strict";
import { MalformedError } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { byteMutants, jsonMutants, MUTANT_BYTES_MAX } from "./_mutants.ts";
import { alone, ended } from "./_rig.ts";
import { fuzz, type FuzzTarget, weightOf } from "./_target.ts";

const seeds = [Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), new Uint8Array(64)];
const targetOf = (feed: (bytes: Uint8Array) => unknown): FuzzTarget => ({
  name: "test/target",
  inputs: byteMutants(seeds),
  feed: feed as FuzzTarget["feed"],
});

Deno.test("fuzz() takes values and SkyErrors, and counts them", async () => {
  const target = targetOf((bytes) => {
    if (bytes.length % 2 === 1) throw new MalformedError("odd");
    return bytes;
  });
  let told = 0;
  const { finding, ran, values, refusals } = await fuzz(target, {
    runs: 300,
    seed: 1,
    onProgress: () => told++,
  });
  assert.equal(finding, undefined);
  assert.deepEqual([ran, told, values + refusals["MALFORMED"]!], [300, 300, 300]);
  assert(values > 30 && values < 270);
});

const FAULTS: [string, (bytes: Uint8Array) => unknown, RegExp][] = [
  [
    "throws another error",
    (bytes) => bytes.length < 4 && (undefined as unknown as { x: number }).x,
    /TypeError/,
  ],
  [
    "rejects with another error",
    (bytes) => bytes[0] === 0xff && Promise.reject(new Error("odd")),
    /Error: odd/,
  ],
  ["makes much of little", (bytes) => bytes.length > 70 && new Uint8Array(4 << 20), /weighs 4194\d{3}/],
  [
    "never ends",
    (bytes) => bytes.length > 70 && ended(new VirtualClock(), new Promise(() => {})),
    /Has not ended/,
  ],
  [
    "leaves something alive",
    (bytes) => bytes.length > 70 && alone(async (ledger) => void ledger.open("stream")),
    /Alive at the end: stream 1/,
  ],
];

for (const [name, feed, expected] of FAULTS) {
  Deno.test(`fuzz() finds a decoder that ${name}, and its report repeats it`, async () => {
    const target = targetOf(feed);
    const { finding } = await fuzz(target, { runs: 2_000, seed: 7 });
    assert.match(finding ?? "", expected);
    const [, path] = / seed 7 path (\S+) /.exec(finding!)!;
    const again = await fuzz(target, { runs: 2_000, seed: 7, path });
    assert.match(again.finding ?? "", expected);
    assert.equal(again.ran, 0);
  });
}

Deno.test("mutants follow from their seed, differ, and stay within their bound", async () => {
  const collect = async (seed: number) => {
    const seen = new Set<string>();
    let longest = 0;
    const target = targetOf((bytes) => {
      seen.add(bytes.toHex());
      longest = Math.max(longest, bytes.length);
    });
    await fuzz(target, { runs: 500, seed });
    return { seen: [...seen], longest };
  };
  const first = await collect(3);
  assert.deepEqual(await collect(3), first);
  assert.notDeepEqual((await collect(4)).seen, first.seen);
  assert(first.seen.length > 300, `${first.seen.length} different`);
  assert(first.longest > 300 && first.longest <= MUTANT_BYTES_MAX, `${first.longest} bytes`);
});

Deno.test("JSON mutants are mostly JSON, and change the document", async () => {
  const document = '{"a":[1,2,{"b":"text"}],"c":null}';
  let parsed = 0, changed = 0;
  await fuzz({
    name: "test/json",
    inputs: jsonMutants([document]),
    feed(text: string) {
      if (text !== document) changed++;
      try {
        JSON.parse(text);
        parsed++;
      } catch {
        // a damaged text
      }
    },
  }, { runs: 300, seed: 5 });
  assert(parsed > 150 && parsed < 295 && changed > 200, `${parsed} parsed, ${changed} changed`);
});

Deno.test("weightOf() counts what a value holds once, rings too", () => {
  const ring: unknown[] = [new Uint8Array(1_000), "x".repeat(500), new Map([["key", [1, 2, 3]]])];
  ring.push(ring);
  const weight = weightOf(ring);
  assert(weight > 1_500 && weight < 1_650, `${weight}`);
});
