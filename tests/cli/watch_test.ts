/** `watch()`, on a terminal, in a pipe and for a program, in virtual time. */
import assert from "node:assert/strict";
import { WorldError } from "../../lib/base/mod.ts";
import { ProcessIo } from "../../lib/cli/mod.ts";
import { SCREEN_LEAVE } from "../../lib/cli/screen.ts";
import { Timeline, TIMELINE_EVENTS_MAX, timeOfDay, watch, type Watched } from "../../lib/cli/watch.ts";
import { sleep, type World } from "../../lib/runtime/mod.ts";
import { withSimulation } from "../support/world.ts";
import { FakeTerminal, withoutSteering } from "./_fakes.ts";

class Away extends WorldError {
  readonly code = "AWAY";
}

/** Loaded when used: in a simulation that would be waiting for nothing. */
await import("../../lib/cli/screen.ts");

interface Run {
  readonly terminal: FakeTerminal;
  readonly io: ProcessIo;
  readonly world: World;
}

function withIo(
  options: { readonly json?: boolean; readonly outIsTerminal?: boolean; readonly TERM?: string },
  test: (run: Run) => Promise<void>,
): Promise<void> {
  return withSimulation("watch", async (simulation) => {
    const world = simulation.node("alice");
    const terminal = new FakeTerminal(options);
    if (options.TERM !== undefined) terminal.environment.TERM = options.TERM;
    const makeWorld = () => Promise.resolve(world);
    const io = new ProcessIo({ json: options.json === true, version: "1.2.3", terminal, makeWorld });
    await simulation.run(() => test({ terminal, io, world }));
  });
}

interface Count {
  readonly count: number;
}

/** Counts the events that it was told; the picture has the seconds since the start, too. */
function counting(events: AsyncIterable<Count>, startedMs: number): Watched<Count, Count> {
  let count = 0;
  return {
    events,
    take: (event) => void (count = event.count),
    draw: ({ columns, rows }, nowMs) => [
      `${columns}x${rows} count ${count} at ${Math.round((nowMs - startedMs) / 1_000)} s`,
    ],
    line: (event) => event.count === 2 ? "" : `count is ${event.count}`,
    summary: () => ({ count }),
    renderSummary: (summary) => `${summary.count} in all`,
  };
}

/** One event each `everyMs` until Ctrl-C; after `count` it fails with `failure`, or ends. */
async function* counts(
  { io, world }: Run,
  { everyMs, count, failure }: { everyMs: number; count: number; failure?: Error },
): AsyncGenerator<Count, void> {
  for (let index = 1; index <= count; index++) {
    await sleep(world.clock, everyMs, io.signal);
    yield { count: index };
  }
  if (failure !== undefined) throw failure;
}

const pictures = (stdout: string) => stdout.split("\x1b[?2026h").length - 1;
const plain = (text: string) => withoutSteering(text, "\n").split("\n").filter((line) => line !== "");

Deno.test("watch() in a pipe: a line for each event that says something, then the sum", () =>
  withIo({}, async (run) => {
    const { terminal, io, world } = run;
    await watch(io, counting(counts(run, { everyMs: 10, count: 3 }), world.clock.wallMs()));
    assert.deepEqual([terminal.stdout, terminal.stderr], ["count is 1\ncount is 3\n3 in all\n", ""]);
  }));

Deno.test("watch() for a program: each event is one line of JSON, on a terminal too", () =>
  withIo({ json: true, outIsTerminal: true }, async (run) => {
    const { terminal, io, world } = run;
    await watch(io, counting(counts(run, { everyMs: 10, count: 2 }), world.clock.wallMs()));
    assert.equal(terminal.stdout, '{"count":1}\n{"count":2}\n{"count":2}\n');
  }));

Deno.test("watch() on a terminal that cannot be drawn on writes lines", () =>
  withIo({ outIsTerminal: true, TERM: "dumb" }, async (run) => {
    const { terminal, io, world } = run;
    await watch(io, counting(counts(run, { everyMs: 10, count: 1 }), world.clock.wallMs()));
    assert.equal(terminal.stdout, "count is 1\n1 in all\n");
  }));

Deno.test("watch() on a terminal: a picture at once, with each event, and each second for what only time changes", () =>
  withIo({ outIsTerminal: true }, async (run) => {
    const { terminal, io, world } = run;
    const stop = world.clock.timer(5_500, () => terminal.interrupt());
    await watch(io, counting(counts(run, { everyMs: 2_200, count: 9 }), world.clock.wallMs()));
    stop.cancel();
    assert.deepEqual(plain(terminal.stdout.split(SCREEN_LEAVE)[0]!), [
      "60x24 count 0 at 0 s",
      "60x24 count 0 at 1 s",
      "60x24 count 0 at 2 s",
      "60x24 count 1 at 2 s",
      "60x24 count 1 at 3 s",
      "60x24 count 1 at 4 s",
      "60x24 count 2 at 4 s",
      "60x24 count 2 at 5 s",
    ]);
    assert(
      terminal.stdout.endsWith(`${SCREEN_LEAVE}2 in all\n`),
      "Ctrl-C: the terminal is back, the sum below",
    );
  }));

Deno.test("watch() draws one picture for events of one moment, and nothing for what looks the same", () =>
  withIo({ outIsTerminal: true }, async (run) => {
    const { terminal, io, world } = run;
    await watch(io, counting(counts(run, { everyMs: 0, count: 500 }), world.clock.wallMs()));
    assert.equal(pictures(terminal.stdout), 1, "it was over before a second one");
    terminal.stdout = "";
    await watch(io, counting(counts(run, { everyMs: 1, count: 300 }), world.clock.wallMs()));
    const drawn = pictures(terminal.stdout);
    assert(drawn >= 9 && drawn <= 11, `${drawn} pictures in 300 ms`);
    terminal.stdout = "";
    const still = { ...counting(counts(run, { everyMs: 60_000, count: 1 }), 0), draw: () => ["still"] };
    await watch(io, still);
    assert.equal(pictures(terminal.stdout), 1);
  }));

Deno.test("watch() gives the terminal back before a failure is told, and sums nothing up", () =>
  withIo({ outIsTerminal: true }, async (run) => {
    const { terminal, io, world } = run;
    const failure = new Away("It is gone");
    const events = counts(run, { everyMs: 100, count: 1, failure });
    await assert.rejects(watch(io, counting(events, world.clock.wallMs())), failure);
    assert(terminal.stdout.endsWith(SCREEN_LEAVE));
  }));

Deno.test("Io.leaveScreen() gives the terminal back for a process that ends at once", () =>
  withIo({ outIsTerminal: true }, async ({ io, terminal }) => {
    io.leaveScreen(); // nothing was taken over
    assert.equal(terminal.stdout, "");
    await io.screen();
    io.leaveScreen();
    io.leaveScreen();
    assert.equal(terminal.stdout.split(SCREEN_LEAVE).length, 2);
  }));

Deno.test("Timeline keeps the newest events, one line each, keys in short where the terminal is narrow", () => {
  const timeline = new Timeline();
  assert.equal(timeline.add(0, "peer says\n\x1b[2J"), "00:00:00Z peer says\\x0a\\x1b[2J");
  for (let index = 1; index <= TIMELINE_EVENTS_MAX; index++) timeline.add(index * 1_000, `event ${index}`);
  assert.deepEqual([timeline.last(0, 80), timeline.last(-3, 80)], [[], []]);
  assert.deepEqual(timeline.last(2, 80), ["00:01:39Z event 99", "00:01:40Z event 100"]);
  assert.equal(timeline.last(1_000, 80).length, TIMELINE_EVENTS_MAX);
  assert.equal(timeOfDay(86_399_999), "23:59:59Z");
  const key = "02".padEnd(66, "a");
  timeline.add(0, `${key} came`);
  assert.deepEqual(timeline.last(1, 200), [`00:00:00Z ${key} came`]);
  assert.deepEqual(timeline.last(1, 40), ["00:00:00Z 02aaaaaa…aaaa came"]);
});
