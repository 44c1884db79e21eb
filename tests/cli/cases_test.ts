/**
 * Golden cases: each folder of `cases/` holds a `case.json` and, where there are any, the files that the command
 * finds. `stdout` and `stderr` are the exact text, or `/pattern/` for what differs from run to run.
 */
import assert from "node:assert/strict";
import { skyctl } from "./_run.ts";

interface Case {
  readonly args: readonly string[];
  readonly code: number;
  readonly stdout: string | readonly string[];
  readonly stderr: string | readonly string[];
  /** Files that must be there afterwards, with the pattern of their content and their mode. */
  readonly leaves?: Record<string, { readonly content: string; readonly mode: number }>;
}

const folder = new URL("./cases/", import.meta.url);
/** In a help. */
const BARE_DURATION = /<duration>(?:(?!\n {2}-)[^])*\(default: \d+\)/;

function agrees(actual: string, expected: string | readonly string[], stream: string): void {
  const text = typeof expected === "string" ? expected : expected.join("\n") + "\n";
  const pattern = /^\/([^]*)\/$/.exec(text.trimEnd());
  if (pattern === null) assert.deepEqual(actual, text, stream);
  else assert.match(actual, new RegExp(pattern[1]!), stream);
}

const names: string[] = [];
for (const { name, isDirectory } of Deno.readDirSync(folder)) if (isDirectory) names.push(name);

for (const name of names.sort()) {
  Deno.test(`skyctl: ${name.replaceAll("_", " ")}`, async () => {
    const { args, code, stdout, stderr, leaves = {} }: Case = JSON.parse(
      await Deno.readTextFile(new URL(`${name}/case.json`, folder)),
    );
    const cwd = await Deno.makeTempDir();
    try {
      const given: string[] = [];
      for await (const { name: file } of Deno.readDir(new URL(`${name}/`, folder))) {
        if (file === "case.json") continue;
        given.push(file);
        await Deno.copyFile(new URL(`${name}/${file}`, folder), `${cwd}/${file}`);
      }
      const result = await skyctl(args, cwd);
      agrees(result.stderr, stderr, "stderr");
      agrees(result.stdout, stdout, "stdout");
      assert.doesNotMatch(result.stdout, BARE_DURATION, "a default without its unit");
      assert.deepEqual(result.code, code);
      const found: string[] = [];
      for await (const { name: file } of Deno.readDir(cwd)) if (!given.includes(file)) found.push(file);
      assert.deepEqual(found.sort(), Object.keys(leaves).sort(), "files left");
      for (const [file, { content, mode }] of Object.entries(leaves)) {
        assert.match(await Deno.readTextFile(`${cwd}/${file}`), new RegExp(content));
        if (Deno.build.os !== "windows") {
          assert.deepEqual((await Deno.stat(`${cwd}/${file}`)).mode! & 0o777, mode);
        }
      }
    } finally {
      await Deno.remove(cwd, { recursive: true });
    }
  });
}

Deno.test("the golden cases are all there", () => {
  assert(names.length >= 60, `${names.length} cases`);
});
