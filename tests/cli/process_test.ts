import assert from "node:assert/strict";
import { RUN_ARGUMENTS } from "./_run.ts";

Deno.test("a reader that leaves early ends the command in order, without a word", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...RUN_ARGUMENTS, "completion", "bash"],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  await child.stdout.cancel();
  const stderr = await new Response(child.stderr).text();
  assert.deepEqual([(await child.status).code, stderr], [0, ""]);
});
