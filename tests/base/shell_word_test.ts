/** Words in commands that people paste, read by a shell. */
import assert from "node:assert/strict";
import { shellWord } from "../../lib/base/mod.ts";

Deno.test("shellWord() leaves plain paths as they are, and a shell takes any other for one word", async () => {
  assert.equal(shellWord("/home/me/.skyctl/visor-1@x.json"), "/home/me/.skyctl/visor-1@x.json");
  const words = ["/my home/visor.json", "it's", "$HOME `id`", "*", "", 'a"b\\c', "a\nb", "~"];
  const script = `printf '%s\\0' ${words.map(shellWord).join(" ")}`;
  const { stdout } = await new Deno.Command("sh", { args: ["-c", script] }).output();
  assert.deepEqual(new TextDecoder().decode(stdout).split("\0").slice(0, -1), words);
});
