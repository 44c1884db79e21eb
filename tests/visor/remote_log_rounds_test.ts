/**
 * `log tail -f KEY` and how its answers begin and end (SV-5): by a visor that says where that which was ends, and by
 * ones that do not.
 */
import assert from "node:assert/strict";
import type { StreamLine } from "../../lib/control/mod.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { type HttpClient, HttpError } from "../../lib/http/mod.ts";
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
  { isService = false }: { readonly isService?: boolean } = {},
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
          return Promise.resolve({ status: 200, bodyReader });
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

Deno.test("SV-5: a visor that does not say where that which was ends is heard after a second of silence, and once", () =>
  withRounds(
    [
      ["[5] e\n", 100],
      ["[1] a\n", 900, "[2] b\n", 1_500, "[2] c\n", 9_000],
      ["[1] a\n[2] b\n", 900, "[2] c\n[1] d\n", 60_000],
    ],
    async ({ clock, told }) => {
      await sleep(clock, 4_700);
      assert.deepEqual(told.splice(0), [
        "0 [5] e",
        "100 (gone)",
        "0 (back)",
        `${900 + SETTLE_QUIET_MS} [1] a`,
        `${900 + SETTLE_QUIET_MS} [2] b`,
        `${900 + SETTLE_QUIET_MS} (all)`,
        "2400 [2] c",
      ]);
      await sleep(clock, 20_000);
      assert.deepEqual(told, ["11400 (gone)", "0 (back)", "900 [1] d", `${900 + SETTLE_QUIET_MS} (all)`]);
    },
  ));

Deno.test("SV-5: a visor that is never silent is heard after some seconds; one without a line is there after one", () =>
  withRounds(
    [
      [3_000],
      ["[5] e\n", 100],
      Array.from({ length: 40 }, (_, index) => [`[1] ${index}\n`, 500]).flat(),
    ],
    async ({ clock, told }) => {
      await sleep(clock, 15_000);
      assert.deepEqual(told.slice(0, 6), [
        `${SETTLE_QUIET_MS} (all)`,
        "3000 (gone)",
        "0 (back)",
        "0 [5] e",
        "100 (gone)",
        "0 (back)",
      ]);
      const behind = told.slice(6);
      const all = behind.indexOf(`${SETTLE_MS_MAX} (all)`);
      assert.deepEqual(
        behind.slice(0, all),
        Array.from({ length: all }, (_, index) => `${SETTLE_MS_MAX} [1] ${index}`),
      );
      assert(all >= 10, "those of the seconds before");
      assert.equal(behind[all + 1], `${500 * all} [1] ${all}`);
    },
  ));

Deno.test("SV-5: what is held back is told before the visor is gone again, in order or by a break", () =>
  withRounds(
    [["[5] e\n\n"], ["[1] a\n", 10], ["[1] b\n", 10, BROKEN], ["[1] c\n"]],
    async ({ clock, told, leave }) => {
      await sleep(clock, 2_500);
      assert.deepEqual(told.splice(0), [
        "0 [5] e",
        "0 (all)",
        "0 (gone)",
        "0 (back)",
        "10 [1] a",
        "10 (gone)",
      ]);
      await sleep(clock, 2_000);
      assert.deepEqual(told.splice(0), ["0 (back)", "10 [1] b", "10 (gone)"]);
      await sleep(clock, 2_000);
      assert.deepEqual(told, ["0 (back)", "0 [1] c", "0 (gone)"]);
      assert.equal(((await leave()) as Error).name, "AbortError");
    },
  ));

Deno.test("SV-5: of a service all that was is told with the first look", () =>
  withRounds([["[5] e\n"], ["[5] e\n[6] f\n"], [BROKEN], ["[1] a\n"]], async ({ clock, told }) => {
    await sleep(clock, 2_500);
    assert.deepEqual(told.splice(0), ["0 [5] e", "0 (all)", "0 [6] f"]);
    await sleep(clock, 5_000);
    assert.deepEqual(told, ["0 (gone)", "0 (back)", "0 [1] a", "0 (all)"]);
  }, { isService: true }));
