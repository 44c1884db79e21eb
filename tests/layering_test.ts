import assert from "node:assert/strict";
import { dirname, fromFileUrl, relative, toPosix, walkSources } from "./support/sources.ts";
import { ALLOWED, blank, complaintsAbout, importsOf } from "./support/layering.ts";

const ROOT = dirname(dirname(fromFileUrl(import.meta.url)));

Deno.test("imports point down, private files stay private, and only runtime/ touches the machine", async () => {
  const complaints: string[] = [];
  let files = 0;
  for await (const path of walkSources(ROOT, ["main.ts", "commands", "lib"])) {
    files++;
    complaints.push(...complaintsAbout(toPosix(relative(ROOT, path)), await Deno.readTextFile(path)));
  }
  assert.ok(files > 20, `only ${files} files were looked at`);
  assert.deepEqual(complaints, []);
});

Deno.test("every exception is still needed", async () => {
  let count = 0;
  for (const [path, exceptions] of Object.entries(ALLOWED)) {
    const complaints = complaintsAbout(path, await Deno.readTextFile(`${ROOT}/${path}`), []);
    for (const exception of exceptions) {
      count++;
      assert.ok(
        complaints.some((complaint) => complaint.includes(exception)),
        `${path} does without ${exception}`,
      );
    }
  }
  assert.ok(count > 0);
});

const OFFENDERS: [title: string, path: string, source: string, complaint: RegExp][] = [
  ["an import that points up", "lib/wire/x.ts", `import { a } from "../dmsg/mod.ts";`, /not below lib\/wire/],
  ["a type import that points up", "lib/base/x.ts", `import type { A } from "../wire/mod.ts";`, /not below/],
  ["a re-export that points up", "lib/crypto/x.ts", `export * from "../noise/mod.ts";`, /not below/],
  ["a dynamic import that points up", "lib/http/x.ts", `import("../visor/mod.ts");`, /not below/],
  ["an import type in a signature", "lib/http/x.ts", `let a: import("../dmsg/mod.ts").A;`, /not below/],
  [
    "an import over several lines",
    "lib/wire/x.ts",
    `import {\n  a,\n} from "../http/mod.ts";`,
    /:3 .*not below/,
  ],
  ["yamux knowing noise", "lib/yamux/x.ts", `import { a } from "../noise/mod.ts";`, /not below/],
  ["noise knowing yamux", "lib/noise/x.ts", `import { a } from "../yamux/mod.ts";`, /not below/],
  ["lib knowing commands", "lib/cli/x.ts", `import { a } from "../../commands/keys/mod.ts";`, /not below/],
  ["a foreign private file", "lib/dmsg/x.ts", `import { a } from "../wire/_a.ts";`, /private/],
  ["a private file of a folder within", "lib/wire/x.ts", `import { a } from "./gob/_a.ts";`, /private/],
  [
    "a private file of the folder beside",
    "commands/dmsg/x.ts",
    `import { a } from "../keys/_a.ts";`,
    /private/,
  ],
  ["a side door", "lib/dmsg/x.ts", `import { a } from "../wire/framing.ts";`, /entered by its mod/],
  ["a folder that no layer names", "lib/extra/x.ts", ``, /no layer/],
  ["an import from the tests", "lib/dmsg/x.ts", `import { a } from "../../tests/a.ts";`, /no layer/],
  ["node:fs", "lib/dmsg/x.ts", `import { readFile } from "node:fs/promises";`, /node:fs/],
  ["node:net", "lib/wire/x.ts", `import net from "node:net";`, /node:net/],
  ["node:timers", "lib/wire/x.ts", `import { setTimeout } from "node:timers";`, /node:timers/],
  ["node:http", "lib/http/x.ts", `import http from "node:http";`, /node:http/],
  ["Deno", "lib/dmsg/x.ts", `Deno.readFile("x");`, /touches Deno/],
  ["Deno in a template", "lib/dmsg/x.ts", "`a ${Deno.pid} b`;", /touches Deno/],
  ["Date.now", "lib/dmsg/x.ts", `const a = Date.now();`, /Date\.now/],
  ["Date.now as a value", "lib/dmsg/x.ts", `const a = Date.now;`, /Date\.now/],
  ["new Date()", "lib/dmsg/x.ts", `const a = new Date();`, /new Date\(\)/],
  ["new Date", "lib/dmsg/x.ts", `const a = new Date;`, /new Date\(\)/],
  ["performance", "lib/dmsg/x.ts", `performance.now();`, /performance/],
  ["setTimeout", "lib/dmsg/x.ts", `setTimeout(() => {}, 1);`, /setTimeout/],
  ["setInterval", "lib/dmsg/x.ts", `setInterval(() => {}, 1);`, /setInterval/],
  ["setImmediate", "lib/dmsg/x.ts", `setImmediate(() => {});`, /setImmediate/],
  ["Math.random", "lib/dmsg/x.ts", `Math.random();`, /Math\.random/],
  ["getRandomValues", "lib/crypto/x.ts", `crypto.getRandomValues(a);`, /getRandomValues/],
  ["randomBytes", "lib/crypto/x.ts", `import { randomBytes } from "node:crypto";`, /randomBytes/],
  ["randomInt", "lib/crypto/x.ts", `import { randomInt } from "node:crypto";`, /randomness/],
  ["a MessageChannel", "lib/dmsg/x.ts", `const { port1 } = new MessageChannel();`, /turns of the event loop/],
  ["a WebSocket", "lib/http/x.ts", `const socket = new WebSocket(url);`, /sockets and threads/],
  ["Temporal.Now", "lib/dmsg/x.ts", `const now = Temporal.Now.instant();`, /present time/],
  ["Intl", "lib/dmsg/x.ts", `new Intl.DateTimeFormat("en").format()`, /present time/],
  ["fetch", "lib/dmsg/x.ts", `const a = fetch("http://x");`, /fetch/],
  ["AbortSignal.timeout", "lib/dmsg/x.ts", `AbortSignal.timeout(5);`, /AbortSignal/],
  ["process", "lib/dmsg/x.ts", `process.exit(1);`, /process/],
  ["globalThis", "lib/dmsg/x.ts", `globalThis["set" + "Timeout"]();`, /globalThis/],
  ["a module that awaits", "lib/crypto/x.ts", `const a = await start();`, /:1 awaits while/],
  ["an await after a function", "lib/base/x.ts", `async function a() {\n}\nawait a();`, /:3 awaits while/],
  ["an await in a block", "commands/x.ts", `try {\n  await a();\n} finally {\n}`, /:2 awaits while/],
  ["a loop that awaits", "lib/base/x.ts", `for await (const a of b) {\n  c(a);\n}`, /:1 awaits while/],
  ["a name that is computed", "lib/visor/x.ts", "a;\nconst a = () => import(b + c);", /:2 imports by a name/],
  ["the runtime awaiting", "lib/runtime/system/x.ts", `export const a = await b;`, /:1 awaits while/],
  ["the terminal in a command", "commands/keys/x.ts", `Deno.stdout.writeSync(a);`, /touches Deno/],
];

for (const [title, path, source, complaint] of OFFENDERS) {
  Deno.test(`the layering check catches ${title}`, () => {
    const complaints = complaintsAbout(path, source);
    assert.equal(complaints.length, 1, complaints.join("\n"));
    assert.match(complaints[0]!, complaint);
  });
}

const INNOCENTS: [title: string, path: string, source: string][] = [
  ["an import that points down", "lib/dmsg/x.ts", `import { a } from "../base/mod.ts";`],
  ["the own folder", "lib/wire/x.ts", `import { a } from "./_a.ts"; import { b } from "./gob/mod.ts";`],
  ["a private file of the folder around", "commands/dmsg/x.ts", `import { a } from "../_visor.ts";`],
  [
    "a command's part of the command line",
    "commands/dmsg/x.ts",
    `import { a } from "../../lib/cli/table.ts";`,
  ],
  ["a package", "lib/visor/x.ts", `import { z } from "zod"; import { b } from "node:crypto";`],
  ["rendering a given time", "lib/base/x.ts", `new Date(atMs).toISOString(); Date.parse(text);`],
  ["the machine in a comment", "lib/dmsg/x.ts", `// Deno.exit()\n/* Date.now()\n setTimeout(x) */\n`],
  ["the machine in a string", "lib/dmsg/x.ts", `const a = "Deno.exit()"; const b = 'import "node:fs"';`],
  ["an import in a string", "lib/base/x.ts", 'const a = `import { b } from "../dmsg/mod.ts"`;'],
  ["a regular expression with quotes", "lib/base/x.ts", `const a = /["'\`]/; const b = "Deno.exit()";`],
  ["a method of that name", "lib/http/x.ts", `client.fetch(request); app.fetch(request);`],
  ["a method that is made", "lib/http/x.ts", `class A {\n  fetch(request: Request): Promise<Response> {\n`],
  [
    "awaits in functions",
    "lib/base/x.ts",
    "const a = async () => await b();\nasync function c() {\n  await d;\n}",
  ],
  [
    "an import with attributes",
    "lib/base/x.ts",
    `const a = () => import("./a.json", { with: { type: "json" } });`,
  ],
  ["an import in several lines", "lib/base/x.ts", `const a = () => import(\n  "./a.ts"\n);`],
  ["an await in a method", "lib/base/x.ts", "export class A {\n  async b() {\n    await c();\n  }\n}"],
  ["an await in a text", "lib/base/x.ts", "const a = `\nawait b`; // await c"],
  ["runtime/ itself", "lib/runtime/system/x.ts", `import "node:timers"; Deno.connect(a); Date.now();`],
];

for (const [title, path, source] of INNOCENTS) {
  Deno.test(`the layering check lets pass ${title}`, () => {
    assert.deepEqual(complaintsAbout(path, source), []);
  });
}

Deno.test("blank() keeps lines, and code in templates", () => {
  const source = "a; // x\nconst b = `1 ${c + `2 ${d}`} 3`; /* \n */ e / f / g; 'h';";
  const text = blank(source);
  assert.equal(text.length, source.length);
  assert.equal(text.split("\n").length, source.split("\n").length);
  assert.equal(text.replace(/\s+/g, " "), "a; const b = c + d ; e / f / g; ;");
});

Deno.test("importsOf() knows every kind of import, with its line", () => {
  const source = `import "./a.ts";\nimport b, { c } from "./b.ts";\nexport { d } from './d.ts';\n` +
    `const e = await import("./e.ts");\ntype F = import("./f.ts").F;\nimport type { G } from "./g.ts";\n`;
  assert.deepEqual(
    importsOf(source).map(({ line, specifier }) => `${line} ${specifier}`),
    ["1 ./a.ts", "2 ./b.ts", "3 ./d.ts", "4 ./e.ts", "5 ./f.ts", "6 ./g.ts"],
  );
});
