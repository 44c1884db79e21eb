import assert from "node:assert/strict";
import { ProcessIo } from "../../lib/cli/mod.ts";
import type { World } from "../../lib/runtime/mod.ts";
import { FakeTerminal } from "./_fakes.ts";

function ioOn(terminal: FakeTerminal, { json = false } = {}): { io: ProcessIo; made: () => number } {
  let made = 0;
  const clock = { monotonicMs: () => 0, wallMs: () => 0, timer: () => ({ cancel() {} }) };
  const makeWorld = () => {
    made++;
    return Promise.resolve({ clock } as unknown as World);
  };
  return { io: new ProcessIo({ json, version: "1.2.3", terminal, makeWorld }), made: () => made };
}

Deno.test("Io.emit() renders for people, and prints the result itself with --json", () => {
  const people = new FakeTerminal();
  ioOn(people).io.emit({ keys: 3 }, ({ keys }) => `${keys} keys`);
  assert.deepEqual([people.stdout, people.stderr], ["3 keys\n", ""]);
  const program = new FakeTerminal();
  ioOn(program, { json: true }).io.emit({ keys: 3 }, () => assert.fail("nothing is rendered"));
  assert.deepEqual([program.stdout, program.stderr], ['{\n  "keys": 3\n}\n', ""]);
});

Deno.test("Io.emitEach() is one line of JSON a result, and an empty text writes nothing", () => {
  const program = new FakeTerminal();
  const { io } = ioOn(program, { json: true });
  for (const n of [1, 2]) io.emitEach({ n }, String);
  assert.deepEqual(program.stdout, '{"n":1}\n{"n":2}\n');
  const people = new FakeTerminal();
  ioOn(people).io.emitEach({}, () => "");
  assert.deepEqual(people.stdout, "");
});

Deno.test("Io.note() goes to stderr, with --json too", () => {
  const terminal = new FakeTerminal();
  ioOn(terminal, { json: true }).io.note("starting");
  assert.deepEqual([terminal.stdout, terminal.stderr], ["", "starting\n"]);
});

Deno.test("Io.signal takes Ctrl-C over at the first question for it, once", () => {
  const terminal = new FakeTerminal();
  const { io } = ioOn(terminal);
  assert.deepEqual(terminal.handlers.length, 0);
  const { signal } = io;
  assert.deepEqual([io.signal === signal, terminal.handlers.length], [true, 1]);
  terminal.interrupt();
  assert.deepEqual([signal.aborted, signal.reason.name], [true, "AbortError"]);
});

Deno.test("Io.progress() is silent off a terminal, and draws on one", async () => {
  const pipe = new FakeTerminal();
  const silent = await ioOn(pipe).io.progress("big.bin", { total: 10 });
  silent.advance(10);
  silent.done();
  assert.deepEqual(pipe.stderr, "");
  const terminal = new FakeTerminal({ errIsTerminal: true });
  const drawn = await ioOn(terminal).io.progress("big.bin", { total: 10 });
  drawn.advance(10);
  drawn.done();
  assert.match(terminal.stderr, /big\.bin .*100%/);
  assert.deepEqual(terminal.stdout, "");
});

Deno.test("Io.world() makes the world at the first call only", async () => {
  const { io, made } = ioOn(new FakeTerminal());
  assert.deepEqual(made(), 0);
  assert.deepEqual(await io.world() === await io.world(), true);
  assert.deepEqual(made(), 1);
});
