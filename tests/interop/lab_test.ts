import assert from "node:assert/strict";
import { freePort, Lab, lastWords, poll } from "./lab.ts";

/** A program of a few words, in the language that is here for certain. */
const script = (code: string) => [Deno.execPath(), ["eval", "--no-lock", code]] as const;
const FOREVER = `setInterval(() => {}, 1000); console.log("up");`;

Deno.test("Lab ends what it started and removes its folder, also after a failure", async () => {
  let folder = "";
  const exits: Promise<number>[] = [];
  await assert.rejects(async () => {
    await using lab = await Lab.open();
    folder = lab.folder;
    const deaf = `Deno.addSignalListener("SIGTERM", () => Deno.exit(7)); ${FOREVER}`;
    for (const code of [FOREVER, deaf]) {
      const program = lab.start("program", ...script(code));
      exits.push(program.exited);
      await program.said(/up/);
    }
    const url = lab.serve(() => new Response("here"));
    assert.equal(await (await fetch(url)).text(), "here");
    throw new Error("in the middle");
  }, /in the middle/);
  assert.deepEqual(await Promise.all(exits), [143, 7]);
  await assert.rejects(Deno.stat(folder), Deno.errors.NotFound);
});

Deno.test("Lab starts nothing once its end has begun", async () => {
  const lab = await Lab.open();
  assert.equal(lab.isOver, false);
  await lab[Symbol.asyncDispose]();
  assert.equal(lab.isOver, true);
  assert.throws(() => lab.start("late", ...script(FOREVER)), /Cannot start late: the end has begun/);
});

Deno.test("Lab.run() gives both outputs and the exit code, and ends what takes too long", async () => {
  await using lab = await Lab.open();
  const done = await lab.run(
    "talk",
    ...script(`console.log(Deno.env.get("WORD")); console.error("b"); Deno.exit(3);`),
    {
      env: { WORD: "a" },
    },
  );
  assert.deepEqual([done.code, done.stdout, done.stderr], [3, "a\n", "b\n"]);
  const late = await lab.run("late", ...script(FOREVER), { withinMs: 1 });
  assert.equal(late.code, 137);
});

Deno.test("Program.said() fails with the last words of a program that ended or stays silent", async () => {
  await using lab = await Lab.open();
  const ended = lab.start("ended", ...script(`console.error("no such thing"); Deno.exit(1);`));
  await assert.rejects(ended.said(/ready/), /ended ended: no such thing/);
  const silent = lab.start("silent", ...script(FOREVER));
  await silent.said(/up/);
  await assert.rejects(silent.said(/ready/, 1), /silent did not say \/ready\/: up \(within 1 ms\)/);
});

Deno.test("poll() passes on what its look throws, at once", async () => {
  const look = () => {
    throw new TypeError("broken");
  };
  await assert.rejects(poll(look, { withinMs: 60_000, what: () => "late" }), /broken/);
});

Deno.test("lastWords() is one bounded line", () => {
  assert.equal(lastWords({ stdout: "", stderr: " \n" }), "it said nothing");
  const words = lastWords({ stdout: "x\n".repeat(5_000), stderr: "y\n".repeat(5_000) });
  assert(words.length <= 901 && !words.includes("\n"));
});

Deno.test("freePort() can be bound", () => {
  const port = freePort();
  Deno.listen({ hostname: "127.0.0.1", port }).close();
});
