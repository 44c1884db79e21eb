import assert from "node:assert/strict";
import { moduleVersionIn } from "./peer_version.ts";

const program = (text: string) => new TextEncoder().encode(`\x7fELF\0\0\nmod\t\0${text}\0\xff`);

Deno.test("moduleVersionIn() reads the main module's version out of a program", () => {
  const info = "path\texample.org/a\nmod\texample.org/a\tv1.3.29-0.20241024200314-992173ea7e8c\t\n" +
    "dep\texample.org/b\tv0.1.0\th1:x\n";
  assert.equal(moduleVersionIn(program(info)), "v1.3.29-0.20241024200314-992173ea7e8c");
});

Deno.test("moduleVersionIn() gives nothing for a working copy, another line, a cut one, or no program", () => {
  for (
    const text of [
      "path\ta\nmod\texample.org/a\t(devel)\t\n",
      "dep\texample.org/b\tv0.1.0\th1:x\n",
      "\nmod\texample.org/a",
      "\nmod\t",
      "",
    ]
  ) assert.equal(moduleVersionIn(program(text)), undefined, JSON.stringify(text));
  assert.equal(moduleVersionIn(new Uint8Array(0)), undefined);
});
