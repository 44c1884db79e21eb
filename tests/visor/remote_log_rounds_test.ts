/**
 * `log tail -f KEY` and how its answers begin, pause, break and end (SV-5): of a visor that marks where that which was
 * ends, and of ones that do not.
 */
import assert from "node:assert/strict";
import type { StreamLine } from "../../lib/control/mod.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { HeaderFields, type HttpClient, HttpError } from "../../lib/http/mod.ts";
import { type Clock, sleep } from "../../lib/runtime/mod.ts";
import { SETTLE_MS_MAX, SETTLE_QUIET_MS, tellRemote } from "../../lib/visor/_remote_log.ts";
import { withSimulation } from "../support/world.ts";

const KEY = keyPairFromSeed(new TextEncoder().encode("there")).publicKey;

/** What one answer says, and when: milliseconds, or a text. At its end it ends, or breaks with an error. */
type Round = readonly (number | string | Error)[];

interface Rig {
  readonly clock: Clock;
  /** Lines, `(gone)`, `(back)` and `(all)`, each with the millisecond of its coming since the answer began. */
  readonly told: string[];
  /** The limits that were asked for. */
  readonly limits: (string | null)[];
  leave(): Promise<unknown>;
}

function withRounds(
  rounds: readonly Round[],
  test: (rig: Rig) => Promise<void>,
  { isService = false, mark = "empty-line" }: {
    readonly isService?: boolean;
    readonly mark?: string | null;
  } = {},
): Promise<void> {
  return withSimulation("rounds", async (simulation) => {
    const { clock } = simulation.node("here");
    await simulation.run(async () => {
      const left = new AbortController();
      const told: string[] = [];
      const limits: (string | null)[] = [];
      let startedMs = 0;
      let asked = 0;
      const http = {
        send: ({ url }: { url: string }, { signal }: { signal: AbortSignal }) => {
          if (isService && url.includes("visor.log")) {
            return Promise.resolve({ status: 404, discard: () => Promise.resolve() });
          }
          startedMs = clock.monotonicMs();
          limits.push(new URL(url).searchParams.get("limit"));
          const steps = [...rounds[asked++] ?? [3_600_000]];
          const bodyReader = {
            async read() {
              for (let step = steps.shift(); step !== undefined; step = steps.shift()) {
                if (typeof step === "string") return new TextEncoder().encode(step);
                if (step instanceof Error) throw step;
                await sleep(clock, step, signal);
              }
              return null;
            },
          };
          const headers = new HeaderFields();
          if (mark !== null) headers.append("sw-log-end", mark);
          return Promise.resolve({ status: 200, headers, bodyReader });
        },
      };
      const tell = (line: StreamLine<"log">) => {
        const atMs = Math.round(clock.monotonicMs() - startedMs);
        const parts = !("lines" in line)
          ? [`(${line.event})`]
          : line.lines.length === 0
          ? ["(all)"]
          : line.lines;
        told.push(...parts.map((part) => `${atMs} ${part}`));
      };
      const telling = tellRemote(KEY, { limit: 3, follow: true }, {
        http: http as unknown as HttpClient,
        clock,
        tell,
        signal: left.signal,
      }).catch((error) => error);
      await test({
        clock,
        told,
        limits,
        async leave() {
          left.abort(new DOMException("Enough", "AbortError"));
          return await telling;
        },
      });
      left.abort();
      await telling;
    });
  });
}

const BROKEN = new HttpError(500, "it broke");

Deno.test("SV-5: a visor that is back with its clock set back is heard at once when it says that this is all that was", () =>
  withRounds(
    [["[5] e\n\n", 100], ["[1] a\n[2] b\n[3] c\n", "[4] d\n\n", 20, "[2] f\n", 60_000, "\n", 1]],
    async ({ clock, told, limits }) => {
      await sleep(clock, 5_000);
      assert.deepEqual(told, [
        "0 [5] e",
        "0 (all)",
        "100 (gone)",
        "0 (back)",
        "0 [1] a",
        "0 [2] b",
        "0 [3] c",
        "0 [4] d",
        "0 (all)",
        "20 [2] f",
      ]);
      await sleep(clock, 57_000);
      assert.equal(told.length, 10, "a later beat is no news");
      assert.deepEqual(limits.slice(0, 2), ["3", "4096"]);
    },
  ));

/** A log that was told up to `[8]`, and went on. */
const OLD = Array.from({ length: 8 }, (_, index) => `[${index}]\n`);
const NEW = ["[8]\n", "[9] new\n"];
const told8 = ["0 [8]", "0 (all)", "0 (gone)", "0 (back)"];

for (const pauseMs of [1_200, 6_000, 45_000, 6 * 60_000]) {
  Deno.test(`SV-5: ${pauseMs} ms without a word within what was make no old line new: the visor marks its end`, () =>
    withRounds(
      [["[8]\n\n", BROKEN], [...OLD.flatMap((line) => [line, pauseMs]), ...NEW, pauseMs, "\n", 3_600_000]],
      async ({ clock, told }) => {
        await sleep(clock, 9 * pauseMs + 3_000);
        assert.deepEqual(told.splice(0), [...told8, `${8 * pauseMs} [9] new`, `${9 * pauseMs} (all)`]);
      },
    ));
}

Deno.test("SV-5: a visor that marks the end is waited for, however long, when it began anew", () =>
  withRounds(
    [["[8]\n\n", BROKEN], ["[1] a\n", 40 * 60_000, "[1] b\n", "\n", "[1] c\n", 3_600_000]],
    async ({ clock, told }) => {
      await sleep(clock, 30 * 60_000);
      assert.deepEqual(told.splice(0), told8);
      await sleep(clock, 11 * 60_000);
      assert.deepEqual(told, ["2400000 [1] a", "2400000 [1] b", "2400000 (all)", "2400000 [1] c"]);
    },
  ));

for (const mark of ["empty-line", "of a later day", null]) {
  const hasMark = mark === "empty-line";
  Deno.test(`SV-5: a break within what was makes no old line new, be its end marked or not (${mark})`, () =>
    withRounds(
      [
        [hasMark ? "[8]\n\n" : "[8]\n", BROKEN],
        [...OLD.slice(0, 3), 10, BROKEN],
        [BROKEN],
        [...OLD, 10, BROKEN],
        [...OLD, ...NEW, 10, BROKEN],
        [...OLD.slice(4), ...NEW, "[9] too\n", 3_600_000],
      ],
      async ({ clock, told, limits }) => {
        await sleep(clock, 12_000);
        assert.deepEqual(told.filter((line) => !/\((gone|back|all)\)$/.test(line)), [
          "0 [8]",
          "0 [9] new",
          "0 [9] too",
        ]);
        assert.deepEqual(limits, ["3", ...Array.from({ length: 5 }, () => "4096")]);
      },
      { mark },
    ));

  Deno.test(`SV-5: what a break held back comes with the next answer, once (${mark})`, () =>
    withRounds(
      [
        [hasMark ? "[8]\n\n" : "[8]\n", BROKEN],
        ["[1] a\n[1] b\n", 10, BROKEN],
        ["[1] a\n", "[1] b\n[1] c\n", hasMark ? "\n" : SETTLE_QUIET_MS, 10, BROKEN],
        ["[1] a\n[1] b\n[1] c\n[1] d\n", 3_600_000],
      ],
      async ({ clock, told }) => {
        await sleep(clock, 7_000 + SETTLE_QUIET_MS);
        const settledMs = hasMark ? 0 : SETTLE_QUIET_MS;
        assert.deepEqual(told.slice(told.indexOf("10 (gone)")), [
          "10 (gone)",
          "0 (back)",
          `${settledMs} [1] a`,
          `${settledMs} [1] b`,
          `${settledMs} [1] c`,
          `${settledMs} (all)`,
          `${settledMs + 10} (gone)`,
          "0 (back)",
          "0 [1] d",
        ]);
      },
      { mark },
    ));
}

Deno.test("SV-5: a break before the first line, or between the first ones, tells no more than was asked for", () =>
  withRounds(
    [
      ["[4] d\n\n".slice(0, 3), BROKEN],
      ["[5] e\n", 10, BROKEN],
      [...OLD.slice(0, 5), "[5] e\n", "[6] f\n[7] g\n", "\n", 3_600_000],
    ],
    async ({ clock, told, limits }) => {
      await sleep(clock, 5_000);
      assert.deepEqual(told, [
        "0 (gone)",
        "0 (back)",
        "0 [5] e",
        "10 (gone)",
        "0 (back)",
        "0 [6] f",
        "0 [7] g",
        "0 (all)",
      ]);
      assert.deepEqual(limits, ["3", "3", "4096"]);
    },
  ));

Deno.test("SV-5: a visor that does not mark the end is heard after a long silence, and once; a beat is silence, too", () =>
  withRounds(
    [
      ["[5] e\n", 100],
      ["[1] a\n", SETTLE_QUIET_MS - 1, "[2] b\n", 15_000, "\n", 15_500, "[2] c\n", 9_000],
      ["[1] a\n[2] b\n", SETTLE_QUIET_MS - 1, "[2] c\n[1] d\n", 60_000],
    ],
    async ({ clock, told }) => {
      await sleep(clock, 2_100 + 2 * SETTLE_QUIET_MS - 2);
      assert.deepEqual(told.splice(0), ["0 [5] e", "100 (all)", "100 (gone)", "0 (back)"]);
      await sleep(clock, 600);
      assert.deepEqual(told.splice(0), ["59999 [1] a", "59999 [2] b", "59999 (all)", "60499 [2] c"]);
      await sleep(clock, 2 * SETTLE_QUIET_MS + 12_000);
      assert.deepEqual(told, ["69499 (gone)", "0 (back)", "29999 [1] d", "59999 (all)"]);
    },
    { mark: null },
  ));

Deno.test("SV-5: a visor that is never silent is heard after some minutes; one without a line is there after the silence", () =>
  withRounds(
    [
      [SETTLE_QUIET_MS + 1],
      ["[5] e\n", 100],
      Array.from({ length: 40 }, (_, index) => [`[1] ${index}\n`, 25_000]).flat(),
    ],
    async ({ clock, told }) => {
      await sleep(clock, SETTLE_QUIET_MS + SETTLE_MS_MAX + 60_000);
      assert.deepEqual(told.splice(0, 7), [
        `${SETTLE_QUIET_MS} (all)`,
        `${SETTLE_QUIET_MS + 1} (gone)`,
        "0 (back)",
        "0 [5] e",
        "100 (all)",
        "100 (gone)",
        "0 (back)",
      ]);
      const all = told.indexOf(`${SETTLE_MS_MAX} (all)`);
      assert.deepEqual(
        told.slice(0, all),
        Array.from({ length: all }, (_, index) => `${SETTLE_MS_MAX} [1] ${index}`),
      );
      assert.equal(all, SETTLE_MS_MAX / 25_000, "those of the minutes before");
      assert.equal(told[all + 1], `${SETTLE_MS_MAX} [1] ${all}`);
    },
    { mark: null },
  ));

Deno.test("SV-5: an answer that ends in order has all that was, if it has no mark", () =>
  withRounds(
    [["[5] e\n"], ["[1] a\n", 10], ["[1] a\n[1] b"]],
    async ({ clock, told, leave }) => {
      await sleep(clock, 5_000);
      assert.deepEqual(told.splice(0), [
        "0 [5] e",
        "0 (all)",
        "0 (gone)",
        "0 (back)",
        "10 [1] a",
        "10 (all)",
        "10 (gone)",
        "0 (back)",
        "0 [1] b",
        "0 (all)",
        "0 (gone)",
      ]);
      assert.equal(((await leave()) as Error).name, "AbortError");
    },
    { mark: null },
  ));

Deno.test("SV-5: an answer that ends without the mark that it promised is a break", () =>
  withRounds(
    [["[8]\n\n"], [...OLD, 10], [...OLD, ...NEW, "\n"]],
    async ({ clock, told }) => {
      await sleep(clock, 5_000);
      assert.deepEqual(told.splice(0), [
        ...told8,
        "10 (gone)",
        "0 (back)",
        "0 [9] new",
        "0 (all)",
        "0 (gone)",
      ]);
    },
  ));

Deno.test("SV-5: a visor that is gone is not heard by its silence", () =>
  withRounds(
    [["[8]\n", 10, BROKEN]],
    async ({ clock, told, leave }) => {
      await sleep(clock, 1_000);
      await leave();
      await sleep(clock, 2 * SETTLE_QUIET_MS);
      assert.deepEqual(told, ["0 [8]", "10 (gone)"]);
    },
    { mark: null },
  ));

Deno.test("SV-5: of a service all that was is told with the first look", () =>
  withRounds([["[5] e\n"], ["[5] e\n[6] f\n"], [BROKEN], ["[1] a\n"]], async ({ clock, told }) => {
    await sleep(clock, 2_500);
    assert.deepEqual(told.splice(0), ["0 [5] e", "0 (all)", "0 [6] f"]);
    await sleep(clock, 5_000);
    assert.deepEqual(told, ["0 (gone)", "0 (back)", "0 [1] a", "0 (all)"]);
  }, { isService: true }));
