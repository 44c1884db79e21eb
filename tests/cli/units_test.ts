import assert from "node:assert/strict";
import { InvalidArgumentError } from "../../lib/cli/mod.ts";
import {
  bytesOption,
  durationOption,
  portOption,
  repeated,
  wholeNumberOption,
} from "../../lib/cli/options.ts";
import { parseBytes, parseDuration, renderBytes, renderDuration, renderRate } from "../../lib/cli/units.ts";

Deno.test("renderBytes() gives three figures in powers of 1,024", () => {
  const cases: [number, string][] = [
    [0, "0 B"],
    [999, "999 B"],
    [1023, "1023 B"],
    [1024, "1 KiB"],
    [1536, "1.5 KiB"],
    [10 * 1024 + 300, "10.3 KiB"],
    [1024 * 1024 - 1, "1 MiB"],
    [256 * 1024 ** 2, "256 MiB"],
    [5 * 1024 ** 6, "5120 PiB"],
  ];
  for (const [bytes, text] of cases) assert.deepEqual(renderBytes(bytes), text);
  assert.deepEqual(renderRate(2048), "2 KiB/s");
});

Deno.test("renderDuration() gives two units at most, at every size", () => {
  const cases: [number, string][] = [
    [0, "0 s"],
    [0.143, "143 us"],
    [0.9999, "1 ms"],
    [8.8, "8.8 ms"],
    [999.4, "999 ms"],
    [999.7, "1 s"],
    [3400, "3.4 s"],
    [59_949, "59.9 s"],
    [59_999, "1m 00s"],
    [125_000, "2m 05s"],
    [3_599_900, "1h 00m"],
    [11_220_000, "3h 07m"],
    [4 * 86_400_000 + 7_200_000, "4d 02h"],
    [-3400, "-3.4 s"],
  ];
  for (const [ms, text] of cases) assert.deepEqual(renderDuration(ms), text);
});

Deno.test("parseDuration() reads Go's durations, bare seconds, and nothing else", () => {
  const cases: [string, number | undefined][] = [
    ["30", 30_000],
    ["30s", 30_000],
    ["1m30s", 90_000],
    ["250ms", 250],
    ["1.5h", 5_400_000],
    ["2d", 172_800_000],
    ["0", 0],
    ["", undefined],
    ["s", undefined],
    ["-3s", undefined],
    ["3 s", undefined],
    ["3x", undefined],
    ["1m30", undefined],
    ["1e3", undefined],
  ];
  for (const [text, ms] of cases) assert.deepEqual(parseDuration(text), ms, text);
});

Deno.test("parseBytes() reads sizes, and nothing else", () => {
  const cases: [string, number | undefined][] = [
    ["1024", 1024],
    ["64K", 65_536],
    ["64KiB", 65_536],
    ["1.5 MiB", 1_572_864],
    ["2g", 2 ** 31],
    ["7B", 7],
    ["", undefined],
    ["K", undefined],
    ["-1", undefined],
    ["0x10", undefined],
  ];
  for (const [text, bytes] of cases) assert.deepEqual(parseBytes(text), bytes, text);
});

Deno.test("option parsers refuse with a usage error that says what would do", () => {
  const cases: [(text: string) => unknown, string, RegExp][] = [
    [durationOption, "soon", /30s, 1m30s/],
    [bytesOption, "much", /64K/],
    [portOption, "65536", /from 0 to 65535/],
    [portOption, "-1", /from 0 to 65535/],
    [portOption, "80x", /from 0 to 65535/],
    [portOption, "", /from 0 to 65535/],
    [wholeNumberOption({ min: 1 }), "0", /at least 1/],
  ];
  for (const [parse, text, message] of cases) {
    assert.throws(
      () => parse(text),
      (error) => error instanceof InvalidArgumentError && message.test(error.message),
    );
  }
  assert.deepEqual([durationOption("2s"), bytesOption("1K"), portOption("80")], [2000, 1024, 80]);
  assert.deepEqual(repeated("b", repeated("a")), ["a", "b"]);
});
