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
  const told = new ToldLines();
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
  assert.deepEqual(told.news(["[2] set back"]), ["[2] set back"]);
  assert.deepEqual(told.settle(), [], "they are not told later either");
  told.readAnew();
  assert.deepEqual(
    told.news(["[3] c", "[4] d"]),
    [],
    "whatever the clock says, they were before the last one",
  );
  assert.deepEqual(told.news(["[3] set back", "[2] set back", "[5] e"]), ["[5] e"]);
});

Deno.test("ToldLines tells all that it held back when the last line that was told does not come, whatever their times", () => {
  const known = () => {
    const told = new ToldLines();
    told.news(["[5] e"]);
    told.readAnew();
    assert.deepEqual(told.news(["[1] a", "at x", "[6] f"]), []);
    return told;
  };
  const settled = known();
  assert.deepEqual(settled.settle(), ["[1] a", "at x", "[6] f"]);
  assert.deepEqual([settled.settle(), settled.news(["[4] d"])], [[], ["[4] d"]], "once");
  const again = known();
  again.readAnew();
  assert.deepEqual(again.settle(), [], "it is read once more: they come once more");
  const long = "[4]".padEnd(TOLD_LINE_CHARS_MAX + 1);
  const all = known();
  assert.deepEqual([all.news([long]), all.settle()], [[], ["[1] a", "at x", "[6] f", long]]);
});

Deno.test("ToldLines holds a bounded number of lines and characters back, the newest", () => {
  const known = () => {
    const told = new ToldLines();
    told.news(["[5] e"]);
    told.readAnew();
    return told;
  };
  const many = known();
  for (let index = 0; index < TOLD_LINES_MAX; index++) assert.deepEqual(many.news([`[1] ${index}`]), []);
  assert.deepEqual(many.news(["[2] a", "[2] b"]), []);
  assert.deepEqual(many.settle().slice(0, 1), ["[1] 2"]);
  const long = known();
  const tenth = "[".padEnd(TOLD_LINES_MAX * TOLD_LINE_CHARS_MAX / 8);
  for (let index = 0; index < 9; index++) assert.deepEqual(long.news([`${index}${tenth.slice(1)}`]), []);
  assert.deepEqual(long.settle().map((line) => line[0]).join(""), "12345678");
});

Deno.test("ToldLines: over a break of a log that grows each line is told once, however its clock is set (property)", () =>
  fc.assert(
    fc.property(
      fc.array(fc.nat(9), { maxLength: 30 }),
      fc.array(fc.tuple(fc.nat(30), fc.nat(30)), { maxLength: 4 }),
      fc.nat(30),
      (times, breaks, first) => {
        const log = times.map((time, index) => `[${time}] ${index}`);
        const told = new ToldLines();
        const got = told.news(log.slice(0, first));
        let atLeast = first;
        for (const [lost, upTo] of breaks) {
          told.readAnew();
          atLeast = Math.max(atLeast, upTo);
          const from = got.length === 0 ? 0 : Math.min(lost, got.length); // a ring that lost its oldest lines
          for (const line of log.slice(from, atLeast)) got.push(...told.news([line]));
          got.push(...told.settle());
        }
        assert.deepEqual(got, log.slice(0, atLeast));
      },
    ),
  ));
