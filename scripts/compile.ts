/**
 * `deno task compile [--target T]... [--out FOLDER]`: the release files.
 *
 *     dist/skyctl.js                the whole program in one file, for Deno (and Node 24 where no Deno.* is needed)
 *     dist/<target>/skyctl[.exe]    one binary per target
 *     dist/SHA256SUMS               of all of them
 *     dist/manifest.json            Deno's version, and each file's target, size, hash and flags
 *
 * Two steps, bundle and compile, with a fixed file time between them: `deno compile` embeds the time of the
 * file that it is given, so without it no two builds are alike. The time is SOURCE_DATE_EPOCH, or 1980.
 * DENORT_BIN, when set, stands in for the base runtime: what comes out then tests the pipeline, nothing else.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** Every platform that has a binary. */
export const TARGETS = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
] as const;

/** What a node does: sockets, its files, its settings, the machine's addresses. It starts no programs. */
export const PERMISSIONS = ["--allow-net", "--allow-read", "--allow-write", "--allow-env", "--allow-sys"];

/**
 * Of `deno compile`. The bundle is complete, so that no configuration, package or lock file has a say, and no
 * `import()` is left in it that `lazy-dynamic-imports` could put off: its modules begin when they are asked for.
 */
export const COMPILE_FLAGS = [
  "--no-config",
  "--no-npm",
  "--no-lock",
  "--no-check",
  "--no-prompt",
  "--unstable-net",
  "--app-name",
  "skyctl",
  ...PERMISSIONS,
];

/** The first time that every archive format can hold. */
const DEFAULT_EPOCH_S = 315_532_800;

/** One file that was made. */
export interface Artifact {
  /** Relative to the output folder, with `/`. */
  readonly file: string;
  readonly target: string | null;
  readonly bytes: number;
  readonly sha256: string;
  readonly flags: readonly string[];
}

const root = new URL("../", import.meta.url);

/** Runs this same Deno in the project's folder. */
async function deno(args: readonly string[]): Promise<{ readonly ok: boolean; readonly stderr: string }> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: root,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).output();
  return { ok: success, stderr: new TextDecoder().decode(stderr) };
}

/** Writes the whole program to `folder/skyctl.js`, with a fixed file time. Equal sources give equal bytes. */
export async function bundle(folder: string, epochS: number = DEFAULT_EPOCH_S): Promise<Artifact> {
  await Deno.mkdir(folder, { recursive: true });
  const path = `${folder}/skyctl.js`;
  const flags = ["--minify"];
  await denoBundle(path, "main.ts", flags);
  await Deno.utime(path, epochS, epochS);
  return await describe(folder, { file: "skyctl.js", target: null, flags });
}

/**
 * The modules of a bundle of `entry` that await while they are imported. Each makes all modules above it
 * asynchronous, and `deno bundle` does not await these where they are re-exported: some run before what they need.
 */
export async function awaitingModules(entry: string): Promise<string[]> {
  const path = await Deno.makeTempFile({ suffix: ".js" });
  try {
    await denoBundle(path, entry, []); // not minified: its lines tell the modules apart
    const modules = (await Deno.readTextFile(path)).matchAll(/^ {2}async "([^"\n]+)"\(\) \{$/gm);
    return [...modules].map(([, name]) => name!);
  } finally {
    await Deno.remove(path);
  }
}

async function denoBundle(path: string, entry: string, flags: readonly string[]): Promise<void> {
  const { ok, stderr } = await deno(["bundle", ...flags, "-o", path, entry]);
  if (!ok) throw new Error(`deno bundle failed:\n${stderr}`);
}

/** The binary of one target, or why there is none. Needs the bundle in `folder`. */
export async function compile(
  folder: string,
  target: string,
): Promise<Artifact | { readonly reason: string }> {
  const file = `${target}/skyctl${target.includes("windows") ? ".exe" : ""}`;
  const flags = [...COMPILE_FLAGS, "--target", target];
  const { ok, stderr } = await deno(["compile", ...flags, "-o", `${folder}/${file}`, `${folder}/skyctl.js`]);
  if (ok) return await describe(folder, { file, target, flags });
  await Deno.remove(`${folder}/${target}`).catch(() => {}); // deno made it; an older binary in it stays
  return { reason: reasonOf(stderr) };
}

/** Why `deno compile` failed, in one line: the error and the deepest cause. */
export function reasonOf(stderr: string): string {
  if (/base (binary|runtime)|dl\.deno\.land/i.test(stderr)) {
    return "the base runtime cannot be fetched from Deno's download site (dl.deno.land)";
  }
  const lines = stderr.split("\nStack backtrace")[0]!.split("\n").map((line) => line.trim());
  const error = lines.find((line) => line.startsWith("error")) ?? lines.find((line) => line !== "");
  const causes = lines.slice(lines.indexOf("Caused by:") + 1).filter((line) => line !== "");
  const cause = lines.includes("Caused by:") ? causes.at(-1)?.replace(/^\d+: /, "") : undefined;
  return [error ?? "no reason given", cause].filter((part) => part !== undefined).join(": ");
}

/** `sha256sum`'s format, sorted by name. */
export function renderSums(artifacts: readonly Artifact[]): string {
  return [...artifacts].sort((a, b) => (a.file < b.file ? -1 : 1))
    .map(({ sha256, file }) => `${sha256}  ${file}\n`).join("");
}

async function describe(
  folder: string,
  { file, target, flags }: Pick<Artifact, "file" | "target" | "flags">,
): Promise<Artifact> {
  const bytes = await Deno.readFile(`${folder}/${file}`);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { file, target, bytes: bytes.length, sha256, flags };
}

/** What the command line and the environment ask for. */
export interface Order {
  readonly targets: readonly string[];
  /** Absolute. */
  readonly folder: string;
  readonly epochS: number;
}

/** The order, or in one line why it is none. A relative folder is one of the project's. */
export function orderOf(
  args: readonly string[],
  sourceDateEpoch?: string,
): Order | { readonly problem: string } {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: { target: { type: "string", multiple: true }, out: { type: "string", default: "dist" } },
    }));
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
  const { target: targets = [...TARGETS], out } = values;
  const unknown = targets.find((target) => !TARGETS.includes(target as typeof TARGETS[number]));
  if (unknown !== undefined) {
    return { problem: `No such target: ${unknown}. There are: ${TARGETS.join(", ")}` };
  }
  if (sourceDateEpoch !== undefined && !/^[0-9]{1,11}$/.test(sourceDateEpoch)) {
    return { problem: `SOURCE_DATE_EPOCH is no number of seconds: ${JSON.stringify(sourceDateEpoch)}` };
  }
  const epochS = Number(sourceDateEpoch ?? DEFAULT_EPOCH_S);
  return { targets, folder: resolve(fileURLToPath(root), out), epochS };
}

async function run(args: readonly string[]): Promise<number> {
  const order = orderOf(args, Deno.env.get("SOURCE_DATE_EPOCH"));
  if ("problem" in order) {
    console.error(order.problem);
    return 2;
  }
  const { targets, folder, epochS } = order;
  const standIn = Deno.env.get("DENORT_BIN");
  const awaiting = await awaitingModules("main.ts");
  if (awaiting.length > 0) {
    console.error(`Nothing is built: modules await while they are imported: ${awaiting.join(", ")}`);
    return 1;
  }
  const artifacts = [await bundle(folder, epochS)];
  console.log(`skyctl.js: ${artifacts[0]!.bytes} bytes`);
  let missing = 0;
  for (const target of targets) {
    const made = await compile(folder, target);
    if ("reason" in made) {
      missing++;
      console.error(`${target}: not built: ${made.reason}`);
    } else {
      artifacts.push(made);
      console.log(`${made.file}: ${made.bytes} bytes`);
    }
  }
  await Deno.writeTextFile(`${folder}/SHA256SUMS`, renderSums(artifacts));
  await Deno.writeTextFile(`${folder}/skyctl.js.sha256`, renderSums(artifacts.slice(0, 1)));
  const manifest = { deno: Deno.version.deno, publishable: standIn === undefined, epochS, artifacts };
  await Deno.writeTextFile(`${folder}/manifest.json`, JSON.stringify(manifest, null, 2) + "\n");
  if (standIn !== undefined) {
    console.error("DENORT_BIN is set: these binaries test the pipeline, do not publish them");
  }
  if (missing === 0) return 0;
  console.error(
    `${missing} of ${targets.length} binaries are missing; skyctl.js is complete and runs by itself:`,
  );
  console.error(`  deno run -A --unstable-net --no-config ${JSON.stringify(`${folder}/skyctl.js`)}`);
  return 3;
}

if (import.meta.main) Deno.exit(await run(Deno.args));
