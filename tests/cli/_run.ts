/** Runs `skyctl` as a process, in a folder of its own. @module */

import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
const config = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** How a run ended. */
export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What `deno` needs to run the program from any folder; types are checked elsewhere. */
export const RUN_ARGUMENTS = ["run", "-A", "--no-check", `--config=${config}`, main];

/** One command line; ends by itself. */
export async function skyctl(
  args: readonly string[],
  cwd: string,
  { stdin }: { readonly stdin?: string } = {},
): Promise<RunResult> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...RUN_ARGUMENTS, ...args],
    cwd,
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  if (stdin !== undefined) {
    // It may end without having read it.
    await new Blob([stdin]).stream().pipeTo(child.stdin).catch(() => {});
  }
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
