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
export async function skyctl(args: readonly string[], cwd: string): Promise<RunResult> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...RUN_ARGUMENTS, ...args],
    cwd,
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
