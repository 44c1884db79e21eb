/**
 * `deno task mutants [filter]`: proves that the tests hold what they claim.
 *
 * Each file of `tests/mutants/*.json` is a list of mutants. A mutant takes one behaviour away: a file, a text in
 * it, another text to put there, and the tests that must then fail. The tree is copied to a temporary folder;
 * there the named tests must pass once as they are, and fail with each mutant in turn. A text that is no longer
 * found, or is found more than once without an `occurrence`, is an error: the mutant has gone stale.
 *
 * The table goes to stderr, with the tests that were to catch each mutant, and a summary of each requirement; the
 * results as JSON go to stdout. Exit code 1 when a mutant survived or is stale, 130 when it was interrupted: what is
 * known by then is told. Whatever way tests end, also those that hang, nothing that they started stays.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { BadArgumentError, parseTask, runTask } from "./_arguments.ts";
import { inGroup, INTERRUPTED, interruption, outputOfGroup } from "./_process_group.ts";

/** One mutant, as it stands in `tests/mutants/*.json`. */
export interface Mutant {
  /** The requirement that it breaks, e.g. `DS-5`, or a few words. */
  readonly row: string;
  /** Relative to the project. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Which one of several is meant, from 1. Without it the text must be there exactly once. */
  readonly occurrence?: number;
  /** Test files or folders. */
  readonly tests: readonly string[];
  /** Only tests whose name holds this text, or `/pattern/`. */
  readonly filter?: string;
}

/** How a mutant fared. Only `killed` is good. */
export type Verdict = "killed" | "survived" | "stale" | "red before";

/** One line of the table. */
export interface MutantResult {
  readonly row: string;
  readonly file: string;
  readonly verdict: Verdict;
  readonly detail: string;
  /** The tests that were to catch it, as the mutant names them. */
  readonly tests: readonly string[];
  readonly filter?: string;
  readonly tookMs: number;
}

/** Runs tests in a folder; true when all passed and at least one ran. */
export type RunTests = (folder: string, mutant: Pick<Mutant, "tests" | "filter">) => Promise<boolean>;

/** Longer than any suite here; a mutant may make a loop endless, and that counts as seen. */
const RUN_MAX_MS = 180_000;

/** The source with the mutant in it, or why it cannot be put there. */
export function applyMutant(
  source: string,
  { find, replace, occurrence }: Mutant,
): { text: string } | { error: string } {
  if (find === "" || find === replace) return { error: "the mutant changes nothing" };
  const starts: number[] = [];
  for (let at = source.indexOf(find); at >= 0; at = source.indexOf(find, at + 1)) starts.push(at);
  if (starts.length === 0) return { error: "the text is no longer found" };
  if (occurrence === undefined && starts.length > 1) {
    return { error: `the text is found ${starts.length} times: make it longer, or say which occurrence` };
  }
  const start = starts[(occurrence ?? 1) - 1];
  if (start === undefined) return { error: `the text is found only ${starts.length} times` };
  return { text: source.slice(0, start) + replace + source.slice(start + find.length) };
}

/** The mutants in the text of one file. Throws `SyntaxError` that names the file, the place and the rule. */
export function parseMutants(text: string, file: string): Mutant[] {
  const parsed: unknown = JSON.parse(text);
  if (!Array.isArray(parsed)) throw new SyntaxError(`${file}: must be a list of mutants`);
  return parsed.map((entry, index) => {
    const wrong = whatIsWrong(entry);
    if (wrong !== undefined) throw new SyntaxError(`${file}: mutant ${index + 1}: ${wrong}`);
    return entry as Mutant;
  });
}

const FIELDS = ["row", "file", "find", "replace", "occurrence", "tests", "filter"];

function whatIsWrong(entry: unknown): string | undefined {
  if (typeof entry !== "object" || entry === null) return "must be an object";
  const mutant = entry as Record<string, unknown>;
  for (const field of ["row", "file", "find", "replace"]) {
    if (typeof mutant[field] !== "string") return `${field} must be a text`;
  }
  const { tests, occurrence, filter } = mutant;
  if (!Array.isArray(tests) || tests.length === 0 || !tests.every((path) => typeof path === "string")) {
    return "tests must be a list of paths";
  }
  if (occurrence !== undefined && !(Number.isInteger(occurrence) && Number(occurrence) > 0)) {
    return "occurrence must be a whole number from 1";
  }
  if (filter !== undefined && typeof filter !== "string") return "filter must be a text";
  return Object.keys(mutant).filter((field) => !FIELDS.includes(field)).map((field) =>
    `no field ${field}`
  )[0];
}

/** Tries each mutant in `folder`, which is changed and put back. One at a time, until `signal`. */
export async function tryMutants(
  { folder, mutants, runTests, signal, onResult = () => {} }: {
    readonly folder: string;
    readonly mutants: readonly Mutant[];
    readonly runTests: RunTests;
    readonly signal?: AbortSignal;
    readonly onResult?: (result: MutantResult) => void;
  },
): Promise<MutantResult[]> {
  const greenBefore = new Map<string, Promise<boolean>>();
  const results: MutantResult[] = [];
  for (const mutant of mutants) {
    const startedMs = performance.now();
    const { verdict, detail } = await tryMutant(mutant);
    if (signal?.aborted) break; // its tests failed because they were ended
    const { row, file, tests, filter } = mutant;
    const tookMs = Math.round(performance.now() - startedMs);
    const result = { row, file, verdict, detail, tests, filter, tookMs };
    results.push(result);
    onResult(result);
  }
  return results;

  async function tryMutant(mutant: Mutant): Promise<{ verdict: Verdict; detail: string }> {
    const path = `${folder}/${mutant.file}`;
    const source = await Deno.readTextFile(path).catch(() => undefined);
    if (source === undefined) return { verdict: "stale", detail: "there is no such file" };
    const applied = applyMutant(source, mutant);
    if ("error" in applied) return { verdict: "stale", detail: applied.error };
    const named = JSON.stringify([mutant.tests, mutant.filter]);
    if (!greenBefore.has(named)) greenBefore.set(named, runTests(folder, mutant));
    if (!await greenBefore.get(named)) {
      return { verdict: "red before", detail: "its tests fail, or none ran, without the mutant" };
    }
    await Deno.writeTextFile(path, applied.text);
    try {
      const survived = await runTests(folder, mutant);
      return survived
        ? { verdict: "survived", detail: `green in spite of: ${oneLine(mutant.replace)}` }
        : { verdict: "killed", detail: "" };
    } finally {
      await Deno.writeTextFile(path, source);
    }
  }
}

/**
 * `deno test` on the tests of one mutant, until `signal`, and for {@link RUN_MAX_MS} at most. Types are not checked: a
 * mutant that only types catch proves no test.
 */
export function runDenoTest(
  { signal, runMaxMs = RUN_MAX_MS }: { readonly signal?: AbortSignal; readonly runMaxMs?: number } = {},
): RunTests {
  return async (folder, { tests, filter }) => {
    const args = [
      "test",
      "-A",
      "--no-check",
      "--quiet",
      "--fail-fast",
      "--sanitize-ops",
      "--sanitize-resources",
    ];
    if (filter !== undefined) args.push(`--filter=${filter}`);
    const late = AbortSignal.timeout(runMaxMs);
    const { success, stdout } = await outputOfGroup(Deno.execPath(), {
      args: inGroup([...args, ...tests]),
      signal: signal === undefined ? late : AbortSignal.any([late, signal]),
      cwd: folder,
      env: { NO_COLOR: "1" },
      isQuiet: true,
    });
    return success && !/\| 0 passed/.test(stdout);
  };
}

/** What no test reads: not worth copying. */
const NOT_COPIED = [".git", "dist", "doc", "cov", ".work", "node_modules"];

/** Copies a project's tree. */
export async function copyTree(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory, isFile } of Deno.readDir(from)) {
    if (NOT_COPIED.includes(name)) continue;
    if (isDirectory) await copyTree(`${from}/${name}`, `${to}/${name}`);
    else if (isFile) await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

/** The table, one line a mutant; the summary; and the sum. */
export function renderResults(results: readonly MutantResult[]): string {
  return [...results.map(renderResult), renderSummary(results)].join("\n");
}

function renderResult(result: MutantResult): string {
  const { row, file, verdict, detail, tookMs } = result;
  const took = `${(tookMs / 1000).toFixed(1)} s`.padStart(8);
  const about = `${verdict.padEnd(11)}${took}  ${row.padEnd(10)}  ${file}`;
  return `${about}  by ${testsOf(result)}${detail === "" ? "" : `: ${detail}`}`;
}

/** One line a requirement: its mutants, how many of them are red, and which tests caught those; then the sum. */
function renderSummary(results: readonly MutantResult[]): string {
  const lines = summarise(results).map(({ id, mutants, red, caughtBy }) =>
    `${id.padEnd(10)}${String(red).padStart(4)} of ${String(mutants).padStart(3)} red` +
    (caughtBy.length === 0 ? "" : `  by ${caughtBy.join(", ")}`)
  );
  const red = results.filter(({ verdict }) => verdict === "killed").length;
  return [...lines, `${red} of ${results.length} mutants killed`].join("\n");
}

/** What a run showed of one requirement. */
export interface RowSummary {
  /** `DS-5`; {@link NO_ROW} for mutants of what is no numbered requirement. */
  readonly id: string;
  readonly mutants: number;
  readonly red: number;
  /** The tests that caught one or more, each once. */
  readonly caughtBy: readonly string[];
}

/** Where the mutants without the number of a requirement are counted. */
export const NO_ROW = "others";

/** The results by requirement, in the order of their numbers; those without one last. */
export function summarise(results: readonly MutantResult[]): RowSummary[] {
  const ids = [...new Set(results.map(({ row }) => rowId(row)))].sort(byNumber);
  return ids.map((id) => {
    const mutants = results.filter(({ row }) => rowId(row) === id);
    const red = mutants.filter(({ verdict }) => verdict === "killed");
    const caughtBy = [...new Set(red.map(testsOf))].sort();
    return { id, mutants: mutants.length, red: red.length, caughtBy };
  });
}

/** The number that a row begins with, e.g. `DC-11` of "DC-11: removed by identity". */
function rowId(row: string): string {
  return /^[A-Z]+-[0-9]+/.exec(row)?.[0] ?? NO_ROW;
}

function byNumber(a: string, b: string): number {
  if (a === NO_ROW || b === NO_ROW) return Number(a === NO_ROW) - Number(b === NO_ROW);
  return a.localeCompare(b, "en", { numeric: true });
}

/** The files without what they all begin with, and the filter. */
function testsOf({ tests, filter }: Pick<Mutant, "tests" | "filter">): string {
  const files = tests.map((path) => path.replace(/^tests\//, "")).join(" ");
  return filter === undefined ? files : `${files} [${filter}]`;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim().slice(0, 60);
}

/** Every mutant of `tests/mutants/` whose row, file or list holds `filter`. */
export async function loadMutants(project: string, filter = ""): Promise<Mutant[]> {
  const folder = `${project}/tests/mutants`;
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  const mutants: Mutant[] = [];
  for (const name of names.filter((name) => name.endsWith(".json")).sort()) {
    const listed = parseMutants(await Deno.readTextFile(`${folder}/${name}`), name);
    const isList = name.includes(filter);
    mutants.push(
      ...listed.filter(({ row, file }) => isList || row.includes(filter) || file.includes(filter)),
    );
  }
  return mutants;
}

async function run(args: string[]): Promise<number> {
  const { positionals: [filter, ...more] } = parseTask({ args, allowPositionals: true });
  if (more.length > 0) throw new BadArgumentError(`${more.join(" ")}: one filter at a time`);
  const project = fileURLToPath(new URL("..", import.meta.url)).replace(/[/\\]$/, "");
  const mutants = await loadMutants(project, filter);
  if (mutants.length === 0) throw new BadArgumentError(`${filter}: no row, file or list of mutants has it`);
  const interrupted = interruption();
  const folder = await Deno.makeTempDir({ prefix: "skyctl-mutants-" });
  try {
    await copyTree(project, folder);
    const results = await tryMutants({
      folder,
      mutants,
      runTests: runDenoTest({ signal: interrupted }),
      signal: interrupted,
      onResult: (result) => console.error(renderResult(result)),
    });
    console.error(renderSummary(results));
    console.log(JSON.stringify(results, null, 2));
    if (interrupted.aborted) return INTERRUPTED;
    return results.length > 0 && results.every(({ verdict }) => verdict === "killed") ? 0 : 1;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) await runTask(run);
