/** Documents and sources say the same: error codes, commands, tasks, examples. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import config from "../deno.json" with { type: "json" };
import { buildTree } from "../commands/mod.ts";
import { type AnyCommand, ProcessIo } from "../lib/cli/mod.ts";
import { DMSG_ERRORS } from "../lib/dmsg/errors.ts";
import { skyctl } from "./cli/_run.ts";
import { FakeTerminal } from "./cli/_fakes.ts";

const root = new URL("../", import.meta.url);

async function filesIn(folder: string, end: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, root))) {
    if (isDirectory) found.push(...await filesIn(`${folder}${name}/`, end));
    else if (name.endsWith(end)) found.push(folder + name);
  }
  return found.sort();
}

const text = (path: string) => Deno.readTextFile(new URL(path, root));

/** The fault that a class is declared with, where it extends one of the three directly. */
const FAULTS: Record<string, string> = {
  CallerError: "exit code 2",
  WorldError: "exit code 3",
  PeerError: "exit code 4",
};

/** Every code in the sources, with the heading under which it must stand, where that is known. */
async function codesInSources(): Promise<Map<string, string | undefined>> {
  const codes = new Map<string, string | undefined>();
  for (const path of [...await filesIn("lib/", ".ts"), ...await filesIn("commands/", ".ts")]) {
    let base: string | undefined;
    for (const line of (await text(path)).split("\n")) {
      base = /\bclass \w+(?:<.*>)? extends (\w+)/.exec(line)?.[1] ?? base;
      const code = /\breadonly code\b[^=]*= "([^"]+)"/.exec(line)?.[1];
      if (code !== undefined) codes.set(code, FAULTS[base ?? ""]);
      // What no class stands for: an interrupt, a defect.
      if (path === "lib/cli/failure.ts") {
        const other = /\bcode: "([A-Z_]+)"/.exec(line)?.[1];
        if (other !== undefined) codes.set(other, "Everything else");
      }
    }
  }
  for (const number of Object.keys(DMSG_ERRORS)) codes.set(`DMSG_${number}`, "exit code 4");
  return codes;
}

Deno.test("ERRORS.md has every code of the sources under its fault, with cause and cure, and no other", async () => {
  const sources = await codesInSources();
  assert(sources.size > 40, `${sources.size} codes`);
  const listed = new Set<string>();
  const wrong: string[] = [];
  let heading = "";
  for (const line of (await text("ERRORS.md")).split("\n")) {
    if (line.startsWith("## ")) heading = line;
    const row = /^\| `([A-Z0-9_]+)` *\| *(.*?) *\| *(.*?) *\|$/.exec(line);
    if (row === null) continue;
    const [, code, cause, cure] = row as unknown as [string, string, string, string];
    if (listed.has(code)) wrong.push(`${code}: twice`);
    listed.add(code);
    if (!sources.has(code)) wrong.push(`${code}: in no source`);
    if (cause.length < 10 || cure.length < 5) wrong.push(`${code}: lacks its cause or cure`);
    const expected = sources.get(code);
    if (expected !== undefined && !heading.includes(expected)) {
      wrong.push(`${code}: belongs under "${expected}"`);
    }
  }
  for (const code of sources.keys()) if (!listed.has(code)) wrong.push(`${code}: not in ERRORS.md`);
  assert.deepEqual(wrong, []);
});

/** The fenced blocks of one language in a document. */
function blocks(document: string, language: string): string[] {
  return [...document.matchAll(/^```(\w+)\n([^]*?)^```$/gm)]
    .filter(([, name]) => name === language).map(([, , body]) => body!);
}

/** The `skyctl` command lines in a text, without comments and what a pipe does with the answer. */
function commandLines(body: string): string[][] {
  return body.split("\n")
    .map((line) => line.replace(/^\s*\$ /, "").replace(/\s#.*$/, "").split(/[|>&;]/)[0]!.trim())
    .filter((line) => line.startsWith("skyctl "))
    .map((line) => line.split(/\s+/).slice(1));
}

/** Why the program would not know a command line; undefined when it would. Runs nothing. */
function whatIsUnknown(tree: AnyCommand, words: readonly string[]): string | undefined {
  let command = tree;
  let isSeveral = false;
  const known = new Set<string>();
  for (const word of words) {
    if (word === "--") break; // what follows is for an app
    if (word.startsWith("-")) {
      known.add(word.split("=")[0]!);
      continue;
    }
    if (isSeveral) continue;
    const { parent } = command;
    if (
      parent !== null && parent.registeredArguments.length > 0 && parent.commands.length > 0 &&
      parent.commands.some((each) => each.name() === word)
    ) {
      isSeveral = true; // of one command, whose options these are then
      command = parent;
      continue;
    }
    const next = command.commands.find((each) => each.name() === word || each.aliases().includes(word));
    if (next !== undefined) command = next;
    else if (isGroup(command)) return `no command ${word}`;
  }
  if (isGroup(command) && known.size === 0) return "names no verb";
  const options = [...command.options, ...tree.options].flatMap(({ short, long }) => [short, long]);
  const missing = [...known].find((option) =>
    !options.includes(option) && !["-h", "--help"].includes(option)
  );
  return missing === undefined ? undefined : `no option ${missing}`;
}

/** It only groups verbs, and does nothing by itself. */
function isGroup({ commands, registeredArguments }: AnyCommand): boolean {
  return commands.length > 0 && registeredArguments.length === 0;
}

async function wholeTree(): Promise<AnyCommand> {
  const io = new ProcessIo({
    json: false,
    version: config.version,
    terminal: new FakeTerminal(),
    makeWorld: () => Promise.reject(new Error("no help needs a world")),
  });
  return await buildTree({ argv: ["completion"], io, version: config.version });
}

Deno.test("every skyctl command line in the documents is one that the program knows", async () => {
  const tree = await wholeTree();
  const unknown: string[] = [];
  let checked = 0;
  for (const path of ["README.md", "ARCHITECTURE.md", ...await filesIn("docs/", ".md")]) {
    const document = await text(path);
    for (const body of [...blocks(document, "sh"), ...blocks(document, "console")]) {
      for (const words of commandLines(body)) {
        checked++;
        const why = whatIsUnknown(tree, words);
        if (why !== undefined) unknown.push(`${path}: skyctl ${words.join(" ")}: ${why}`);
      }
    }
  }
  assert.deepEqual(unknown, []);
  assert(checked >= 3, `${checked} command lines`);
});

Deno.test("every example in the help is a command line that the program knows", async () => {
  const tree = await wholeTree();
  const wrong: string[] = [];
  let leaves = 0;
  function look(command: AnyCommand): void {
    for (const child of command.commands) look(child);
    if (isGroup(command) || ["completion", "complete"].includes(command.name())) return;
    leaves++;
    let help = "";
    command.configureOutput({ writeOut: (more) => help += more });
    command.outputHelp();
    const lines = commandLines(/Examples:\n([^]*?)\n\n/.exec(help)?.[1] ?? "");
    if (lines.length === 0) wrong.push(`${command.name()}: no examples`);
    for (const words of lines) {
      const why = whatIsUnknown(tree, words);
      if (why !== undefined) wrong.push(`skyctl ${words.join(" ")}: ${why}`);
    }
  }
  look(tree);
  assert(leaves >= 2);
  assert.deepEqual(wrong, []);
});

Deno.test("the README's console examples run, in a fresh folder", async () => {
  const cwd = await Deno.makeTempDir();
  try {
    let ran = 0;
    for (const body of blocks(await text("README.md"), "console")) {
      for (const words of commandLines(body)) {
        const { code, stderr } = await skyctl(words, cwd);
        assert.deepEqual(code, 0, `skyctl ${words.join(" ")}: ${stderr}`);
        ran++;
      }
    }
    assert(ran >= 3, `${ran} ran`);
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
});

Deno.test("every task that a document names is there, and the README's two commands run start and test", async () => {
  const readme = await text("README.md");
  assert.match(readme, /^npx --yes deno@2\.9\.6 task start$/m);
  assert.match(readme, /^npx --yes deno@2\.9\.6 task test$/m);
  assert.match(await text(".ci/run"), /deno@2\.9\.6[^]*\ndeno task test\n$/);
  for (const path of ["README.md", ".ci/run", ...await filesIn("docs/", ".md")]) {
    for (const [, task] of (await text(path)).matchAll(/\bdeno(?:@[\d.]+)? task (\w+)/g)) {
      assert(Object.hasOwn(config.tasks, task!), `${path}: deno task ${task}`);
    }
  }
});

Deno.test("every link between documents leads somewhere", async () => {
  for (const path of ["README.md", "ARCHITECTURE.md", "ERRORS.md", ...await filesIn("docs/", ".md")]) {
    for (const [, target] of (await text(path)).matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      await Deno.stat(new URL(target!, new URL(path, root))).catch(() => assert.fail(`${path}: ${target}`));
    }
  }
});

Deno.test("the example at the door of every folder of lib/ type-checks", async () => {
  const doors = (await filesIn("lib/", ".ts")).filter((path) => path.endsWith("/mod.ts"))
    .map((path) => fileURLToPath(new URL(path, root)));
  assert(doors.length >= 10, `${doors.length} doors`);
  const folder = await Deno.makeTempDir();
  try {
    // `--doc` imports everything that the module exports into each example, so unused names must pass.
    const { noUnusedLocals: _, ...compilerOptions } = config.compilerOptions;
    const { imports, unstable, nodeModulesDir } = config;
    await Deno.writeTextFile(
      `${folder}/deno.json`,
      JSON.stringify({ imports, unstable, nodeModulesDir, compilerOptions }),
    );
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--doc", "--quiet", "--no-lock", `--config=${folder}/deno.json`, ...doors],
      cwd: folder,
      env: { NO_COLOR: "1" },
    }).output();
    assert(success, new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
