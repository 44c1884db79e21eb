import assert from "node:assert/strict";
import { RUN_ARGUMENTS } from "./_run.ts";

Deno.test("a reader that leaves early ends the command in order, without a word", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...RUN_ARGUMENTS, "keys", "gen", "--plain"], // draws randomness first: the reader is gone when it writes
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  await child.stdout.cancel();
  const stderr = await new Response(child.stderr).text();
  assert.deepEqual([(await child.status).code, stderr], [0, ""]);
});

Deno.test({
  name: "a full disk behind stdout is the world's fault, and said on stderr",
  ignore: Deno.build.os !== "linux", // needs /dev/full
  async fn() {
    const { code, stderr } = await new Deno.Command("sh", {
      args: [
        "-c",
        'exec "$0" "$@" > /dev/full',
        Deno.execPath(),
        ...RUN_ARGUMENTS,
        "keys",
        "gen",
        "--plain",
        "--json",
      ],
    }).output();
    assert.match(
      new TextDecoder().decode(stderr),
      /^Error: Cannot write the answer to stdout\n {2}because: No space/,
    );
    assert.deepEqual(code, 3);
  },
});
