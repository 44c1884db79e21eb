/** Every recorded file is asked of ours by some test: a file that lies here and that nobody reads fails. */
import assert from "node:assert/strict";

const folder = new URL("./vectors/", import.meta.url);

/** Folders that are copied whole. The number is that of their files: one that is lost fails, too. */
const WHOLE = { services: 15, deployment: 12 } as const;

/** Files below a folder that `isWanted`, as paths from it. */
async function* filesIn(at: URL, isWanted: (name: string) => boolean, prefix = ""): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(at)) {
    if (isDirectory) yield* filesIn(new URL(`${name}/`, at), isWanted, `${prefix}${name}/`);
    else if (isWanted(name)) yield `${prefix}${name}`;
  }
}

Deno.test("every file of tests/vectors is replayed by a test, and none of services and deployment is missing", async () => {
  const tests = new URL("./", import.meta.url);
  const sources: string[] = [];
  for await (const path of filesIn(tests, (name) => name.endsWith(".ts"))) {
    if (path !== "vectors_test.ts" && !/^(fuzz|bench)\//.test(path)) {
      sources.push(await Deno.readTextFile(new URL(path, tests)));
    }
  }
  const counts = new Map<string, number>();
  const unread: string[] = [];
  for await (const path of filesIn(folder, (name) => name.endsWith(".json"))) {
    const [of, name] = path.split("/") as [string, string];
    counts.set(of, (counts.get(of) ?? 0) + 1);
    if (!sources.some((source) => isRead(source, of, name))) unread.push(path);
  }
  assert.deepEqual(unread, []);
  for (const [of, files] of Object.entries(WHOLE)) assert.equal(counts.get(of), files, of);
});

/** Whether a test names the file, whole or as one of several that begin alike, and the folder that it is in. */
function isRead(source: string, of: string, name: string): boolean {
  if (!source.includes(`vectors/${of}`) && !source.includes(`vectors("${of}`)) return false;
  const stem = name.replace(/\.json$/, "");
  if (source.includes(name) || source.includes(`"${stem}"`)) return true;
  const [prefix, last] = [stem.replace(/-[^-]*$/, "-"), stem.replace(/^.*-/, "")];
  return source.includes(`${prefix}\${`) && source.includes(`"${last}"`);
}
