import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };

/** The parts of `deno info --json` that are looked at. */
interface ModuleGraph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      readonly isDynamic?: boolean;
      readonly code?: { readonly specifier?: string };
    }[];
  }[];
}

const root = new URL("../../", import.meta.url);

/** What a module loads at once, types apart; and what it loads when asked. */
interface Edges {
  readonly atOnce: readonly string[];
  readonly later: readonly string[];
}

async function moduleEdges(): Promise<Map<string, Edges>> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "main.ts"],
    cwd: root,
    stderr: "null",
  }).output();
  const graph: ModuleGraph = JSON.parse(new TextDecoder().decode(stdout));
  return new Map(graph.modules.map(({ specifier, dependencies = [] }) => {
    const code = dependencies.filter((dependency) => dependency.code?.specifier !== undefined);
    const to = (dynamic: boolean) =>
      code.filter(({ isDynamic = false }) => isDynamic === dynamic).map(({ code }) => code!.specifier!);
    return [specifier, { atOnce: to(false), later: to(true) }];
  }));
}

/** Everything that is loaded at once with `starts`, as paths in the project or package names. */
function closure(edges: Map<string, Edges>, starts: readonly string[]): string[] {
  const seen = new Set(starts);
  for (const specifier of seen) for (const next of edges.get(specifier)?.atOnce ?? []) seen.add(next);
  return [...seen].map((specifier) => specifier.replace(root.href, "")).sort();
}

Deno.test("--version loads main.ts and the version, nothing else", async () => {
  const edges = await moduleEdges();
  assert.deepEqual(closure(edges, [`${root}main.ts`]), ["deno.json", "main.ts"]);
});

Deno.test("help of the root and of every noun loads options, lib/cli and commander only", async () => {
  const edges = await moduleEdges();
  const tree = `${root}commands/mod.ts`;
  const nouns = edges.get(tree)!.later.filter((specifier) => specifier.endsWith("/mod.ts"));
  assert(nouns.length > 0);
  const loaded = closure(edges, [`${root}main.ts`, `${root}lib/cli/mod.ts`, tree, ...nouns]);
  const allowed = [
    /^main\.ts$/,
    /^deno\.json$/,
    /^lib\/cli\/(mod|command|exit_codes|home|interrupts|io|options|units)\.ts$/,
    /^commands\/(?:[a-z]+\/)?(mod|asking_verb|[a-z]\w*_options?)\.ts$/,
    /^commands\/(\w+\/)+[a-z]\w*\.ts$/, // `_private.ts` is what a verb does: for its action
    /^npm:\/?commander@/,
  ];
  assert.deepEqual(loaded.filter((name) => !allowed.some((pattern) => pattern.test(name))), []);
});

/** What `visor run` loads until it is ready: each step of its way is a dynamic import. */
const VISOR_RUN = [
  "main.ts",
  "lib/cli/mod.ts",
  "commands/mod.ts",
  "commands/visor/mod.ts",
  "lib/runtime/mod.ts",
  "commands/visor/_run.ts",
];

Deno.test("visor run loads what a visor needs to be ready, and no more", async () => {
  const edges = await moduleEdges();
  const loaded = closure(edges, VISOR_RUN.map((path) => `${root}${path}`));
  assert.deepEqual(loaded.filter((name) => /^(npm|node|jsr|https?):/.test(name)).map(packageOf), [
    "node:crypto",
    "node:path",
    "@bitauth/libauth",
    "@bitauth/libauth",
    "@noble/hashes",
    "@noble/hashes",
    "@noble/hashes",
    "@noble/post-quantum",
    "commander",
  ]);
  const later = [
    /^lib\/(proxy|services|sim)\//, // an app that begins, --local, a rehearsal
    /^lib\/control\/(?!file\/)/, // the first call of the control API; another visor's control file
    /^lib\/runtime\/simulated\//,
    /^lib\/visor\/local\//,
    /^lib\/visor\/(control_server)\.ts$/,
    /^commands\/(?!visor\/)\w+\//,
  ];
  assert.deepEqual(loaded.filter((name) => later.some((pattern) => pattern.test(name))), []);
  const modules = loaded.filter((name) => name.endsWith(".ts"));
  assert(modules.length > 200 && modules.length < 375, `${modules.length} modules: each takes some 0.2 ms`);
});

/** `@noble/hashes` of `npm:/@noble/hashes@2.4.0/sha2.js`; what is no package of npm's stays. */
function packageOf(specifier: string): string {
  return /^npm:\/?((?:@[^/@]+\/)?[^/@]+)/.exec(specifier)?.[1] ?? specifier;
}

Deno.test("what is imported later is read later, too", () => {
  // Without it `deno run` reads all modules that any `import()` names before it begins: twice the time of --version.
  assert(config.unstable.includes("lazy-dynamic-imports"));
});

Deno.test("only main.ts ends the process", async () => {
  const offenders: string[] = [];
  let files = 0;
  async function look(folder: string): Promise<void> {
    for await (const { name, isDirectory } of Deno.readDir(new URL(folder, root))) {
      if (isDirectory) await look(`${folder}${name}/`);
      if (!name.endsWith(".ts")) continue;
      files++;
      const text = await Deno.readTextFile(new URL(`${folder}${name}`, root));
      if (/\b(process|Deno)\.exit(Code)?\b/.test(text)) offenders.push(folder + name);
    }
  }
  for (const folder of ["lib/", "commands/"]) await look(folder);
  assert(files > 20);
  assert.deepEqual(offenders, []);
});
