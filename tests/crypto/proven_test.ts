import assert from "node:assert/strict";
import * as crypto from "../../lib/crypto/mod.ts";

Deno.test("proveKey() is imported by noise alone", () => {
  const importers: string[] = [];
  let files = 0;
  const visit = (folder: URL, path: string) => {
    for (const entry of Deno.readDirSync(folder)) {
      const name = `${path}/${entry.name}`;
      if (entry.isDirectory) visit(new URL(`${entry.name}/`, folder), name);
      else if (name.endsWith(".ts")) {
        files++;
        const text = Deno.readTextFileSync(new URL(entry.name, folder));
        if (/proven\.ts["']|proveKey/.test(text)) importers.push(name);
      }
    }
  };
  for (const folder of ["lib", "commands"]) {
    const url = new URL(`../../${folder}/`, import.meta.url);
    if (exists(url)) visit(url, folder);
  }
  assert.deepEqual(importers.sort(), [
    "lib/crypto/mod.ts", // the type only
    "lib/crypto/proven.ts",
    "lib/noise/handshakes.ts",
  ]);
  assert.ok(files > 30, `only ${files} files seen`);
  assert.equal("proveKey" in crypto, false);
});

function exists(folder: URL): boolean {
  try {
    return Deno.statSync(folder).isDirectory;
  } catch {
    return false; // not written yet, or not shipped
  }
}
