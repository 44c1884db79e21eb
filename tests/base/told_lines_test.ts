/** Which lines of a log were told already. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { linesBehind, TOLD_LINE_CHARS_MAX, TOLD_LINES_MAX, ToldLines } from "../../lib/base/mod.ts";

Deno.test("linesBehind() is what a ring gained, whatever it lost at its beginning", () => {
  const cases: readonly (readonly [before: string, now: string, behind: string])[] = [
    ["", "", ""],
    ["", "ab", "ab"],
    ["ab", "ab", ""],
    ["ab", "abc", "c"],
    ["abc", "bcd", "d"],
    ["abc", "xyz", "xyz"], // it began anew
    ["abc", "", ""],
    ["aa", "aaa", "a"], // the same line again is one more
    ["aabaa", "aabaab", "b"],
    ["abab", "ababa", "a"],
    ["xaab", "aabaa", "aa"],
  ];
  for (const [before, now, behind] of cases) {
    assert.equal(linesBehind([...before], [...now]).join(""), behind, `${before} ${now}`);
  }
});

Deno.test("linesBehind(): of a ring whose lines differ each line is told once, in its order (property)", () =>
  fc.assert(
    fc.property(fc.nat(30), fc.nat(30), fc.nat(30), (lost, kept, gained) => {
      const all = Array.from({ length: lost + kept + gained }, (_, index) => `${index}`);
      const behind = linesBehind(all.slice(0, lost + kept), all.slice(lost));
      assert.deepEqual(behind, kept === 0 ? all.slice(lost) : all.slice(lost + kept));
    }),
  ));

Deno.test("linesBehind() of texts that were chosen to be slow takes one pass", () => {
  const many = Array.from({ length: 200_000 }, () => "a");
  assert.equal(linesBehind(many, [...many.slice(1), "b"]).join(""), "b");
  assert.equal(linesBehind([...many, "c"], many).length, many.length);
});

Deno.test("ToldLines passes over what was told before a log is read anew, and nothing else", () => {
  const told = new ToldLines();
  assert.deepEqual(
    told.news(["[1] a", "[1] a", "at x"]),
    ["[1] a", "[1] a", "at x"],
    "a log may say it twice",
  );
  assert.deepEqual(told.news(["[1] a"]), ["[1] a"]);
  told.readAnew();
  assert.deepEqual(told.news(["[1] a", "at x", "[2] b"]), ["at x", "[2] b"], "what bears no time is told");
  told.readAnew();
  told.readAnew();
  assert.deepEqual(told.news(["[1] a", "[2] b", "[3] c"]), ["[3] c"]);
});

Deno.test("ToldLines remembers a bounded number of lines, the newest, and none that is long", () => {
  const told = new ToldLines();
  const lines = Array.from({ length: TOLD_LINES_MAX + 1 }, (_, index) => `[${index}]`);
  for (const line of lines) told.news([line]);
  const long = "[".padEnd(TOLD_LINE_CHARS_MAX + 1);
  told.news([long, long.slice(1)]);
  told.readAnew();
  assert.deepEqual(told.news([lines.at(-1)!, ...lines, long]), ["[0]", long]);
});

Deno.test("ToldLines tells of a log that is read anew what is behind the last line that was told, nothing older", () => {
  const told = new ToldLines(2);
  assert(told.isEmpty);
  told.readAnew();
  assert.deepEqual(told.news(["[4] d"]), ["[4] d"], "nothing is known: all that was asked for");
  assert(!told.isEmpty);
  told.readAnew();
  assert.deepEqual(told.news(["[1] a", "at x"]), [], "held back");
  assert.deepEqual(
    told.news(["[3] c", "[4] d", "[3] set back"]),
    ["[3] set back"],
    "older ones are not told",
  );
  told.readAnew();
  assert.deepEqual(told.news(["[5] e", "[6] f", "[7] g"]), ["[5] e", "[6] f", "[7] g"], "it began anew");
});

Deno.test("ToldLines tells the newest lines of what it held back when the last one that was told does not come", () => {
  const known = () => {
    const told = new ToldLines(2);
    told.news(["[5] e"]);
    told.readAnew();
    assert.deepEqual(told.news(["[1] a", "[2] b", "[3] c"]), []);
    return told;
  };
  const settled = known();
  assert.deepEqual(settled.settle(), ["[2] b", "[3] c"]);
  assert.deepEqual([settled.settle(), settled.news(["[4] d"])], [[], ["[4] d"]], "once");
  assert.deepEqual(known().news(["[6] f", "[4] d"]), ["[2] b", "[3] c", "[6] f", "[4] d"]);
  const many = Array.from({ length: TOLD_LINES_MAX }, () => "[4] d");
  assert.equal(known().news(many).length, 2 + 1 + 2, "no more than can have been asked for is held back");
  const long = "[4]".padEnd(TOLD_LINE_CHARS_MAX + 1);
  const bounded = known();
  assert.deepEqual([bounded.news([long]), bounded.settle()], [[], ["[2] b", "[3] c"]]);
});
